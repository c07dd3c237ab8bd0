# mypy: disable-error-code="attr-defined, no-untyped-def"
# An app as users write it; the type of the library for timers does not have all attributes of its object.
"""Timer functions on a manual clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import azure.durable_functions as df
import azure.functions as func
import pytest

from local.host import ManualClock, UnknownFunctionError

from .conftest import MakeHost

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


class App:
    def __init__(self, schedule: str = "0 0 2 * * *", run_on_startup: bool = False) -> None:
        self.fired: list[tuple[str, bool]] = []
        self.statuses: list[dict[str, str]] = []
        self.clock = ManualClock(MIDNIGHT)
        self.error: Exception | None = None
        self.app = df.DFApp()

        @self.app.timer_trigger(schedule=schedule, arg_name="timer", run_on_startup=run_on_startup)
        def nightly(timer: func.TimerRequest) -> None:
            self.fired.append((self.clock.now().strftime("%d %H:%M:%S"), timer.past_due))
            self.statuses.append(timer.schedule_status)
            if self.error is not None:
                raise self.error

        @self.app.timer_trigger(schedule="0 0 3 1 6 *", arg_name="timer")
        @self.app.durable_client_input(client_name="client")
        async def starter(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
            await client.start_new("idle", "from-timer")

        @self.app.orchestration_trigger(context_name="context")
        def idle(context: df.DurableOrchestrationContext):
            return "ran"


def test_it_fires_at_its_scheduled_times(make_host: MakeHost) -> None:
    app = App()
    host = make_host(app=app.app, clock=app.clock)
    host.run_until_idle(limit=timedelta(days=2, hours=3))
    assert app.fired == [("01 02:00:00", False), ("02 02:00:00", False), ("03 02:00:00", False)]


def test_it_does_not_fire_at_the_start_by_default(make_host: MakeHost) -> None:
    app = App()
    make_host(app=app.app, clock=app.clock).run_until_idle()
    assert app.fired == []


def test_run_on_startup_fires_at_the_start(make_host: MakeHost) -> None:
    app = App(run_on_startup=True)
    make_host(app=app.app, clock=app.clock).run_until_idle()
    assert app.fired == [("01 00:00:00", False)]


def test_missed_occurrences_fire_once_as_past_due(make_host: MakeHost) -> None:
    app = App()
    first = make_host(app=app.app, clock=app.clock)
    first.run_until_idle(limit=timedelta(hours=3))
    first.stop()
    app.clock.advance(3 * 86400)
    second = make_host(app=app.app, clock=app.clock)
    second.run_until_idle(limit=timedelta(hours=24))
    assert app.fired == [("01 02:00:00", False), ("04 03:00:00", True), ("05 02:00:00", False)]


def test_a_restart_between_occurrences_fires_nothing(make_host: MakeHost) -> None:
    app = App()
    first = make_host(app=app.app, clock=app.clock)
    first.run_until_idle(limit=timedelta(hours=3))
    first.stop()
    app.clock.advance(3600)
    make_host(app=app.app, clock=app.clock).run_until_idle()
    assert app.fired == [("01 02:00:00", False)]


def test_it_gets_the_time_of_its_last_run(make_host: MakeHost) -> None:
    app = App()
    make_host(app=app.app, clock=app.clock).run_until_idle(limit=timedelta(days=1, hours=3))
    assert app.statuses[1]["Last"] == "2026-01-01T02:00:00.000000Z"


def test_a_failing_timer_fires_again_next_time(make_host: MakeHost, caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    app.error = RuntimeError("no luck")
    make_host(app=app.app, clock=app.clock).run_until_idle(limit=timedelta(days=1, hours=3))
    assert len(app.fired) == 2
    assert "timer function 'nightly' failed" in caplog.text


def test_the_schedule_comes_from_a_setting(make_host: MakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKUP_SCHEDULE", "0 30 1 * * *")
    app = App("%BACKUP_SCHEDULE%")
    make_host(app=app.app, clock=app.clock).run_until_idle(limit=timedelta(hours=3))
    assert app.fired == [("01 01:30:00", False)]


def test_a_missing_setting_is_named(make_host: MakeHost, caplog: pytest.LogCaptureFixture) -> None:
    """All other functions work."""
    app = App("%MISSING_SETTING%")
    make_host(app=app.app, clock=app.clock).run_until_idle(limit=timedelta(days=2))
    assert app.fired == []
    assert "'nightly' needs the setting MISSING_SETTING" in caplog.text


def test_a_timer_starts_orchestrations(make_host: MakeHost) -> None:
    app = App()
    host = make_host(app=app.app, clock=app.clock)
    host.run_until_idle(limit=timedelta(days=200))
    assert host.wait("from-timer").output == "ran"


def test_a_timer_function_can_be_run_directly(make_host: MakeHost) -> None:
    app = App()
    host = make_host(app=app.app, clock=app.clock)
    host.run_timer("nightly")
    assert app.fired == [("01 00:00:00", False)]
    with pytest.raises(UnknownFunctionError, match="'daily'"):
        host.run_timer("daily")


def test_a_run_over_http_needs_the_system_key(make_host: MakeHost) -> None:
    app = App()
    host = make_host(app=app.app, clock=app.clock)
    assert host.call_http("POST", "/admin/functions/nightly")[0] == 401
    key = {"x-functions-key": host.system_key}
    assert host.call_http("POST", "/admin/functions/daily", headers=key)[0] == 404
    assert host.call_http("POST", "/admin/functions/nightly", headers=key)[0] == 202
    host.run_until_idle()
    assert len(app.fired) == 1
