# mypy: disable-error-code="no-untyped-def"
# Orchestrators as users write them, with the untyped SDK.
"""The unexpected behaviour of the extension: this host must show all of it."""

from __future__ import annotations

import json
from datetime import timedelta
from types import ModuleType

import azure.durable_functions as df
import pytest

from local.host import Host, ManualClock, RuntimeStatus, SystemClock

from .conftest import MakeHost


def test_a_refilled_task_any_runs_one_at_a_time(make_host: MakeHost, sample: ModuleType) -> None:
    host = make_host(clock=SystemClock())
    assert sorted(host.wait(host.start_new("window")).output) == ["a", "b", "c", "d"]
    # c is awaited alone before d is scheduled, although the window has room for two
    assert sample.calls["together-c"] <= 2
    assert sample.calls["together-d"] == 1


def test_the_refill_waits_for_the_action_ahead_of_it(host: Host) -> None:
    iid = host.start_new("window")
    host.wait(iid)
    scheduled = {
        event["EventId"]: position for position, event in enumerate(host.history(iid)) if event["EventType"] == 4
    }
    ended = {
        event["TaskScheduledId"]: position
        for position, event in enumerate(host.history(iid))
        if event["EventType"] == 5
    }
    assert scheduled[3] > ended[2]


def changing_app(second: bool) -> df.DFApp:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def changing(context: df.DurableOrchestrationContext):
        yield context.call_activity("new_step" if second else "old_step", None)
        yield context.wait_for_external_event("go")
        return "done"

    @app.activity_trigger(input_name="nothing")
    def old_step(nothing: object) -> str:
        return "old"

    @app.activity_trigger(input_name="nothing")
    def new_step(nothing: object) -> str:
        return "new"

    return app


def test_changed_code_fails_a_running_instance(make_host: MakeHost, tmp_path: object) -> None:
    before = make_host(app=changing_app(second=False))
    before.start_new("changing", instance_id="i")
    before.run_until_idle()
    before.stop()
    after = make_host(app=changing_app(second=True))
    after.raise_event("i", "go")
    status = after.wait("i")
    assert status.runtime_status is RuntimeStatus.FAILED
    assert "Non-Deterministic workflow detected" in status.output
    assert "activity 'old_step'" in status.output
    assert "activity 'new_step'" in status.output
    after.stop()


def test_continue_as_new_drops_unread_external_events(host: Host) -> None:
    iid = host.start_new("listener", {"generation": 1})
    host.raise_event(iid, "news", "first")
    host.raise_event(iid, "news", "unread")
    host.run_until_idle()
    assert host.status(iid).runtime_status is RuntimeStatus.RUNNING
    host.raise_event(iid, "news", "second")
    assert host.wait(iid).output == ["first", "second"]


def test_a_lost_timer_keeps_the_instance_running(host: Host) -> None:
    """Until it fires, if it was not cancelled."""
    iid = host.start_new("race", {"cancel": False})
    host.raise_event(iid, "approval", "yes")
    with pytest.raises(TimeoutError):
        host.wait(iid, timeout=0.1)
    host.run_until_idle()
    status = host.wait(iid)
    assert status.output == ["yes", "Hello winner!"]
    assert (status.updated - status.created).total_seconds() == 3600


def test_a_cancelled_timer_does_not_delay_the_end(host: Host) -> None:
    iid = host.start_new("race", {"cancel": True})
    host.raise_event(iid, "approval", "yes")
    status = host.wait(iid)
    assert status.output == ["yes", "Hello winner!"]
    assert status.updated == status.created
    assert host.run_until_idle().now == status.created


def test_timers_do_not_fire_in_the_next_generation(host: Host) -> None:
    iid = host.start_new("rounds", {"round": 1, "rounds": 3, "seen": []})
    host.run_until_idle()
    seen = host.wait(iid).output
    assert [entry[0] for entry in seen] == ["Hello 1!", "Hello 2!", "Hello 3!"]
    assert [entry[1][11:19] for entry in seen] == ["00:01:00", "00:02:00", "00:03:00"]


def test_children_of_each_generation_have_own_ids(host: Host) -> None:
    iid = host.start_new("rounds", {"round": 1, "rounds": 3, "seen": []})
    host.run_until_idle()
    host.wait(iid)
    children = [status.instance_id for status in host.instances() if status.name == "one"]
    assert len(set(children)) == 3


def test_a_falsy_custom_status_leaves_the_old_one(host: Host) -> None:
    iid = host.start_new("statuses", ["set", {}, "", 0, None])
    host.run_until_idle()
    assert host.wait(iid).custom_status == "set"


@pytest.mark.parametrize(("size", "expected"), [(8190, RuntimeStatus.COMPLETED), (8191, RuntimeStatus.FAILED)])
def test_a_custom_status_over_16_kb_is_refused(host: Host, size: int, expected: RuntimeStatus) -> None:
    """16 KB of UTF-16, quotes included."""
    # two quotes belong to the JSON text
    iid = host.start_new("statuses", ["x" * size])
    host.run_until_idle()
    status = host.wait(iid)
    assert status.runtime_status is expected
    if expected is RuntimeStatus.FAILED:
        assert "custom status is too large" in status.output


def test_the_sdk_client_sends_events_as_text(host: Host) -> None:
    """A webhook sends data."""
    host.start_new("listener", {"generation": 2, "first": None}, instance_id="webhook")
    host.raise_event("webhook", "news", {"a": 1})
    assert host.wait("webhook").output == [None, {"a": 1}]
    host.start_new("listener", {"generation": 2, "first": None}, instance_id="client")
    host.raise_event("client", "news", json.dumps({"a": 1}))
    assert host.wait("client").output == [None, '{"a": 1}']


def test_events_wait_while_an_instance_is_suspended(host: Host) -> None:
    iid = host.start_new("race", {"cancel": True})
    host.suspend(iid, "wait")
    host.raise_event(iid, "approval", "yes")
    host.run_until_idle()
    assert host.status(iid).runtime_status is RuntimeStatus.SUSPENDED
    host.resume(iid, "go")
    assert host.wait(iid).output == ["yes", "Hello winner!"]


def test_waiting_events_survive_a_restart(make_host: MakeHost) -> None:
    """Events that arrived while the instance was suspended."""
    first = make_host()
    iid = first.start_new("race", {"cancel": True})
    first.suspend(iid)
    first.raise_event(iid, "approval", "yes")
    first.stop()
    second = make_host(clock=ManualClock())
    assert second.status(iid).runtime_status is RuntimeStatus.SUSPENDED
    second.resume(iid)
    assert second.wait(iid).output == ["yes", "Hello winner!"]


def test_a_suspended_instance_can_be_terminated(host: Host) -> None:
    iid = host.start_new("race", {"cancel": True})
    host.suspend(iid)
    host.terminate(iid, "enough")
    status = host.wait(iid)
    assert status.runtime_status is RuntimeStatus.TERMINATED
    assert status.output == "enough"


def test_a_terminated_instance_ignores_later_results(host: Host, sample: ModuleType) -> None:
    sample.gate.clear()
    iid = host.start_new("gated_one", "x")
    host.terminate(iid, "enough")
    host.wait(iid)
    sample.gate.set()
    host.run_until_idle()
    assert host.status(iid).runtime_status is RuntimeStatus.TERMINATED


def test_a_cancelled_timer_causes_no_episode(host: Host) -> None:
    iid = host.start_new("cancels")
    host.run_until_idle()
    assert host.wait(iid).output == "done"
    episodes = [event["Timestamp"][11:16] for event in host.history(iid) if event["EventType"] == 12]
    assert episodes == ["00:00", "00:01", "02:01"]


def test_a_child_does_not_answer_a_later_parent(host: Host) -> None:
    """The parent was terminated and started again under the same id."""
    host.start_new("waits_for_child", instance_id="p")
    host.run_until_idle(limit=timedelta(0))
    (old_child,) = [status for status in host.instances() if status.name == "race"]
    host.terminate("p")
    host.wait("p")
    host.start_new("waits_for_child", instance_id="p")
    host.raise_event(old_child.instance_id, "approval", "too late")
    host.wait(old_child.instance_id)
    host.run_until_idle(limit=timedelta(0))
    assert host.status("p").runtime_status is RuntimeStatus.RUNNING


def test_a_timer_of_a_terminated_instance_never_fires(host: Host) -> None:
    host.start_new("race", {"cancel": True}, instance_id="i")
    host.start_new("cancels", instance_id="other")
    host.run_until_idle(limit=timedelta(0))
    host.terminate("i")
    host.run_until_idle()
    assert host.wait("other").output == "done"
    assert not host.failed
    assert 11 not in [event["EventType"] for event in host.history("i")]


def test_a_late_result_is_not_recorded(host: Host, sample: ModuleType) -> None:
    """Its instance was terminated."""
    sample.gate.clear()
    host.start_new("gated_one", "x", instance_id="i")
    host.terminate("i")
    host.wait("i")
    sample.gate.set()
    host.run_until_idle()
    assert host.phantoms.finished() == []


def test_a_running_child_id_is_logged(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    """The parent never gets a result, as on Azure."""
    host.start_new("race", {"cancel": True}, instance_id="child")
    host.start_new("takes_id", instance_id="p")
    host.run_until_idle(limit=timedelta(0))
    host.raise_event("child", "approval", "yes")
    host.wait("child")
    host.run_until_idle()
    assert host.status("p").runtime_status is RuntimeStatus.RUNNING
    assert "'child' is already running" in caplog.text
