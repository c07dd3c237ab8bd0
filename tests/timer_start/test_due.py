"""Plans that are due: each has its one run for each moment, whatever fails at that moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import pytest

from backup.records import PlanState
from catalog.store import CatalogUnavailable, Table
from tests.nights import MakeNights, Nights, events
from timer_start import starting
from wiring.services import ConfigurationInvalid

from .conftest import THREE_PLANS, AbsentStore

HOUR = 3600.0
Call = Callable[..., Awaitable[Any]]

pytestmark = pytest.mark.usefixtures("scheduled")


def at(hour: int, minute: int = 0, day: int = 1) -> datetime:
    return datetime(2026, 1, day, hour, minute, tzinfo=UTC)


def until(stage: Nights, moment: datetime) -> None:
    stage.let_pass((moment - stage.clock.now()).total_seconds())


def runs_of(stage: Nights, plan: str = "") -> list[str]:
    """The runs by timers, oldest first, without dates before January 2026."""
    runs = stage.http("GET", "/api/runs").body["runs"]
    return sorted(run["runId"] for run in runs if run["runId"].startswith(plan))


def of_the_night(day: int = 1, time: str = "0200") -> list[str]:
    return [f"{plan}-202601{day:02}T{time}" for plan in THREE_PLANS]


def refuse(monkeypatch: pytest.MonkeyPatch, method: str, refuses: Callable[[str], bool]) -> None:
    """Let the runtime fail calls of ``method`` for those run ids."""
    original: Call = getattr(df.DurableOrchestrationClient, method)

    async def call(self: Any, *args: Any, **options: Any) -> Any:
        run_id = options.get("instance_id") or args[0]
        if refuses(run_id):
            raise RuntimeError("the task hub does not answer: https://storage/?sig=secret")
        return await original(self, *args, **options)

    monkeypatch.setattr(df.DurableOrchestrationClient, method, call)


@pytest.mark.parametrize("method", ["start_new", "get_status"])
def test_first_of_three_plans_cannot_start(
    three: Nights, method: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The others start at once, it starts when it can, and all of it is told."""
    repaired = at(2, 12)
    refuse(monkeypatch, method, lambda run_id: run_id.startswith("first-") and three.clock.now() < repaired)
    with caplog.at_level("INFO"):
        until(three, at(2, 3))
        assert runs_of(three) == of_the_night()[1:]
        until(three, at(5))
    assert runs_of(three) == of_the_night()
    told = events(caplog.messages, "runNotStarted")
    assert {(one["plan"], one["run"]) for one in told} == {("first", "first-20260101T0200")}
    assert [one["nextTry"] for one in told] == [f"2026-01-01T02:{minute}:00.000Z" for minute in ("05", "10", "15")]
    assert not any("secret" in one["reason"] for one in told)
    scheduled = events(caplog.messages, "runScheduled")
    assert {one["run"]: one["pastDue"] for one in scheduled} == {
        run: run.startswith("first-") for run in of_the_night()
    }


def test_catalog_is_away_for_ten_minutes(
    make_stage: MakeNights, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It comes back, and every plan has its one run that night."""
    store = AbsentStore(tmp_path / "catalog.sqlite")
    stage = make_stage(plans=THREE_PLANS, store=lambda: store)
    until(stage, at(1, 58))
    store.is_away = lambda: at(2) <= stage.clock.now() < at(2, 10)
    until(stage, at(2, 9))
    assert [one.name for one in stage.host.instances()] == []
    assert {one["reason"] for one in events(caplog.messages, "runNotStarted")} == {"the catalog does not answer"}
    until(stage, at(2, 11))
    assert runs_of(stage) == of_the_night()
    until(stage, at(6))
    assert runs_of(stage) == of_the_night()


def test_catalog_is_away_when_the_app_begins(make_stage: MakeNights, tmp_path: Path) -> None:
    """No timer has seen the plans before their moment: it counts even so."""
    store = AbsentStore(tmp_path / "catalog.sqlite")
    store.is_away = lambda: stage.clock.now() < at(2, 10)
    stage = make_stage(plans=THREE_PLANS, store=lambda: store)
    until(stage, at(3))
    assert runs_of(stage) == of_the_night()


def test_start_is_not_settled_and_not_repeated(
    three: Nights, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The catalog is gone after the start: the next tick finds the run, and settles its moment."""
    plans = three.services.catalog.plans
    change_state = plans.change_state

    def lose(plan: str, change: Callable[[PlanState | None], PlanState]) -> PlanState:
        state = plans.state(plan)
        if three.clock.now() < at(2, 5) and state is not None and change(state) != state:
            raise CatalogUnavailable("the catalog does not answer")
        return change_state(plan, change)

    monkeypatch.setattr(plans, "change_state", lose)
    with caplog.at_level("INFO"):
        until(three, at(3))
    assert runs_of(three) == of_the_night()
    assert events(caplog.messages, "runNotStarted") == []
    assert len(events(caplog.messages, "runScheduled")) == 3
    state = plans.state("first")
    assert state is not None
    assert (state.settled, state.settled_as) == (at(2), "it was started already")


@pytest.mark.parametrize("timers", [("start_nightly_backups", "start_due_backups"), ("start_due_backups",) * 2])
def test_two_workers_fire_at_the_same_instant(
    make_stage: MakeNights,
    timers: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Both see no run and start it at once. The runtime refuses one of them, as on Azure."""
    for name in ("BACKUP_SCHEDULE", "PROBE_SCHEDULE"):
        monkeypatch.setenv(name, "0 0 2 24 12 *")  # the host fires none by itself
    three = make_stage(plans=THREE_PLANS)
    assert isinstance(three.services.environment, dict)
    three.services.environment["BACKUP_SCHEDULE"] = "0 0 2 * * *"
    three.days_pass(2 / 24)
    monkeypatch.setattr(starting, "FIRST_SAY", timedelta(0))
    for timer in three.host._door.timers._timers.values():
        monkeypatch.setattr(timer, "lock", NoLock())
    refused = meet_at_the_start(monkeypatch, plans=len(THREE_PLANS), workers=2)
    workers = [threading.Thread(target=three.host.run_timer, args=(name,)) for name in timers]
    with caplog.at_level("INFO"):
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        three.host.run_until_idle(limit=timedelta(minutes=20))
    assert sorted(refused) == of_the_night()
    assert runs_of(three) == of_the_night()
    assert events(caplog.messages, "runNotStarted") == []
    assert sorted(one["run"] for one in events(caplog.messages, "runScheduled")) == of_the_night()


class NoLock:
    """The second worker is another process: the host's lock of a timer does not hold it."""

    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        return


def meet_at_the_start(monkeypatch: pytest.MonkeyPatch, plans: int, workers: int) -> list[str]:
    """Let every call wait until all have come. Return the runs that the runtime refused, once they are."""
    original: Call = df.DurableOrchestrationClient.start_new
    refused: list[str] = []
    arrived = 0
    everybody = asyncio.Event()

    async def start_new(self: Any, *args: Any, **options: Any) -> Any:
        nonlocal arrived
        arrived += 1
        if arrived == plans * workers:
            everybody.set()
        await everybody.wait()
        try:
            return await original(self, *args, **options)
        except Exception:
            refused.append(options["instance_id"])
            raise

    monkeypatch.setattr(df.DurableOrchestrationClient, "start_new", start_new)
    return refused


def test_runtime_that_never_answers_stops_one_plan(
    three: Nights, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its start has an end, and the other plans do not wait for it."""
    original: Call = df.DurableOrchestrationClient.start_new
    monkeypatch.setattr(starting, "PATIENCE_SECONDS", 0.2)

    async def start_new(self: Any, *args: Any, **options: Any) -> Any:
        if options["instance_id"].startswith("first-") and three.clock.now() < at(2, 4):
            await asyncio.Event().wait()
        return await original(self, *args, **options)

    monkeypatch.setattr(df.DurableOrchestrationClient, "start_new", start_new)
    until(three, at(2, 4))
    assert runs_of(three) == of_the_night()[1:]
    assert [one["reason"] for one in events(caplog.messages, "runNotStarted")] == ["no answer within 0.2 seconds"]
    until(three, at(2, 6))
    assert runs_of(three) == of_the_night()


def test_state_of_one_plan_that_cannot_be_read(three: Nights, caplog: pytest.LogCaptureFixture) -> None:
    """It stops no other plan, and is told."""
    until(three, at(1))
    store = three.services.catalog.plans._store
    row = store.get(Table.PLANS, "plans", "state|second")
    assert row is not None
    store.replace(row, {"schedule": 7})
    until(three, at(3))
    assert runs_of(three) == [run for run in of_the_night() if not run.startswith("second-")]
    assert {one["plan"] for one in events(caplog.messages, "runNotStarted")} == {"second"}


def test_a_broken_configuration_is_told(
    three: Nights, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And every plan starts when it is right again."""
    repaired = at(2, 7)

    def read() -> Any:
        if at(2) <= three.clock.now() < repaired:
            raise ConfigurationInvalid("backup.json: plans: missing; add it")
        return three.services

    monkeypatch.setattr(starting, "services", read)
    until(three, at(2, 4))
    assert {one["reason"] for one in events(caplog.messages, "runNotStarted")} == {
        "backup.json: plans: missing; add it"
    }
    until(three, at(3))
    assert runs_of(three) == of_the_night()


def test_plans_with_schedules_of_their_own(make_stage: MakeNights) -> None:
    """In UTC, also on the days on which clocks change in Europe."""
    schedules = {"daily": None, "twice": "0 30 1,13 * * *", "weekly": "0 45 2 * * SUN"}
    stage = make_stage(plans={name: {"schedule": schedule} for name, schedule in schedules.items()})
    stage.days_pass((datetime(2026, 3, 27, 12, tzinfo=UTC) - stage.clock.now()) / timedelta(days=1))
    stage.host.stop()
    stage.host = stage.new_host()
    stage.host.start()
    stage.let_pass(3 * 24 * HOUR)
    recent = [run for run in runs_of(stage) if "T" in run and run.rpartition("-")[2] > "20260327T1200"]
    assert recent == [
        *(f"daily-202603{day}T0200" for day in (28, 29, 30)),
        *(f"twice-202603{time}" for time in ("27T1330", "28T0130", "28T1330", "29T0130", "29T1330", "30T0130")),
        "weekly-20260329T0245",
    ]


def test_a_new_schedule_counts_from_now_on(three: Nights) -> None:
    """Moments that it had before are nobody's, but for the last half hour."""
    until(three, at(9, 40))
    for plan, schedule in (("first", "0 0 9 * * *"), ("second", "0 30 9 * * *")):
        rules = three.services.configuration.plans[plan]
        object.__setattr__(rules, "schedule", schedule)
    until(three, at(12))
    assert runs_of(three) == sorted([*of_the_night(), "second-20260101T0930"])


def test_a_missed_night_is_made_up_for_once(three: Nights) -> None:
    """For the last moment that was missed only."""
    until(three, at(12))
    three.host.stop()
    three.days_pass(3)
    three.host = three.new_host()
    three.host.start()
    until(three, at(13, day=4))
    assert runs_of(three) == sorted([*of_the_night(1), *of_the_night(4)])


def test_a_plan_without_any_schedule_is_told(
    make_stage: MakeNights, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("BACKUP_SCHEDULE")
    plans = {"daily": {"schedule": "0 0 2 * * *"}, "never": {}}
    stage = make_stage(plans=plans, settings={"BACKUP_SCHEDULE": ""})
    until(stage, at(3))
    assert runs_of(stage) == ["daily-20260101T0200"]
    told = events(caplog.messages, "runNotStarted")
    assert {one["plan"] for one in told} == {"never"}
    assert "BACKUP_SCHEDULE is not set" in told[0]["reason"]


@pytest.mark.parametrize("known", [True, False])
def test_plan_of_a_run_that_died_is_taken_over(three: Nights, known: bool) -> None:
    """Its orchestration was terminated, or the runtime does not know it."""
    run_id = "first-by-hand"
    three.services.catalog.runs.announce(run_id, "backup", three.clock.now(), "first")
    three.services.catalog.plans.claim("first", run_id, three.clock.now())
    if known:
        three.host.start_new("backup_run", {"runId": run_id, "plan": "first"}, run_id)
        three.host.terminate(run_id, "by hand")
    until(three, at(3))
    assert "first-20260101T0200" in runs_of(three)
    assert three.run("first-20260101T0200")["status"] == "Succeeded"


def test_plan_that_is_under_way_is_skipped_once(three: Nights, caplog: pytest.LogCaptureFixture) -> None:
    until(three, at(1, 59))
    three.services.catalog.plans.claim("first", "first-slow", three.clock.now())
    three.host.start_new("backup_run", {"runId": "first-slow", "plan": "first"}, "first-slow")
    three.host.suspend("first-slow")
    until(three, at(4))
    skipped = events(caplog.messages, "runSkipped")
    assert [(one["plan"], one["reason"]) for one in skipped] == [("first", "run first-slow is under way")]
    assert [run for run in runs_of(three) if "T0200" in run] == of_the_night()[1:]
