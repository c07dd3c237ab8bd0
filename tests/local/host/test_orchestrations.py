"""What orchestrations can do on this host: whole runs of the sample app."""

from __future__ import annotations

import threading
from datetime import timedelta
from types import ModuleType

import pytest

from local.host import Host, InstanceNotFoundError, InstanceStateError, RuntimeStatus, SystemClock, UnknownFunctionError

from .conftest import MakeHost


def test_activities_timers_and_children_together(host: Host) -> None:
    iid = host.start_new("chain", {"wait": 3600})
    host.run_until_idle()
    status = host.wait(iid)
    assert status.runtime_status is RuntimeStatus.COMPLETED
    assert status.output == {
        "greeting": "Hello chain!",
        "children": ["Hello 0!", "Hello 1!", "Hello 2!"],
        "doubled": 42,
    }
    assert status.custom_status == {"step": "children"}
    assert (status.updated - status.created).total_seconds() == 3600


def test_the_input_of_a_client_is_serialized_twice(host: Host) -> None:
    """As on Azure."""
    iid = host.start_new("one", {"a": 1})
    assert host.wait(iid).input == '{"a": 1}'


def test_no_input_stays_none(host: Host) -> None:
    iid = host.start_new("one")
    status = host.wait(iid)
    assert status.input is None
    assert status.output == "Hello None!"


def test_a_failing_activity_fails_its_orchestration(host: Host) -> None:
    """The output has the reason."""
    status = host.wait(host.start_new("failing"))
    assert status.runtime_status is RuntimeStatus.FAILED
    assert status.output.startswith(
        "Orchestrator function 'failing' failed: Activity function 'fail' failed: ValueError: activity trouble"
    )


def test_a_failing_child_is_an_exception_in_its_parent(host: Host) -> None:
    status = host.wait(host.start_new("family"))
    assert status.runtime_status is RuntimeStatus.COMPLETED
    assert "Orchestrator function 'failing' failed: " in status.output
    assert status.output.endswith("\n None")


def test_a_terminated_child_is_reported_to_its_parent(host: Host) -> None:
    parent = host.start_new("waits_for_child")
    host.run_until_idle(limit=timedelta(0))
    (child,) = [status.instance_id for status in host.instances() if status.name == "race"]
    host.terminate(child, "enough")
    assert "terminated" in host.wait(parent).output


def test_a_child_knows_its_parent(host: Host) -> None:
    host.start_new("who", "parent", instance_id="p")
    assert host.wait("p").output["child"]["parent"] == "p"


def test_retries_wait_and_then_fail(host: Host, sample: ModuleType) -> None:
    iid = host.start_new("retried")
    host.run_until_idle()
    status = host.wait(iid)
    assert status.output == ["Activity function 'fail' failed: ValueError: no luck", "Hello after!"]
    assert sample.calls["fail"] == 3
    # two waits between three attempts, and the one that DTFx adds after the last
    assert (status.updated - status.created).total_seconds() == 3


def test_an_unknown_activity_fails_the_orchestration(host: Host) -> None:
    """The output has the name."""
    assert "'missing' doesn't exist" in host.wait(host.start_new("nothing")).output


def test_entities_are_refused_clearly(host: Host) -> None:
    assert "does not support durable entities" in host.wait(host.start_new("asks_entity")).output


def test_an_unknown_orchestrator_cannot_be_started(host: Host) -> None:
    with pytest.raises(UnknownFunctionError, match="unknown"):
        host.start_new("unknown")


def test_a_running_id_cannot_be_started_again(host: Host) -> None:
    host.start_new("race", {"cancel": True}, instance_id="same")
    with pytest.raises(InstanceStateError, match="already exists"):
        host.start_new("one", "x", instance_id="same")


def test_a_finished_id_is_replaced_with_its_history(host: Host) -> None:
    host.wait(host.start_new("one", "first", instance_id="same"))
    host.wait(host.start_new("one", "second", instance_id="same"))
    assert host.status("same").output == "Hello second!"
    assert len([event for event in host.history("same") if event["EventType"] == 0]) == 1


def test_of_fifty_starts_of_one_id_one_succeeds(host: Host) -> None:
    results: list[str] = []

    def start() -> None:
        try:
            host.start_new("race", {"cancel": True}, instance_id="same")
            results.append("started")
        except InstanceStateError:
            results.append("refused")

    threads = [threading.Thread(target=start) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["refused"] * 49 + ["started"]


def test_host_json_limits_activities_at_the_same_time(make_host: MakeHost, sample: ModuleType) -> None:
    sample.gate.clear()
    host = make_host(
        host_json={"extensions": {"durableTask": {"maxConcurrentActivityFunctions": 3}}}, clock=SystemClock()
    )
    iid = host.start_new("fan", 8)
    while sample.calls["gated"] < 3:
        pass
    with pytest.raises(TimeoutError):
        host.wait(iid, timeout=0.2)
    assert sample.calls["gated"] == 3
    sample.gate.set()
    assert host.wait(iid).output == 8
    assert sample.calls["gated"] == 8


def test_a_timeout_names_the_status_of_the_instance(host: Host) -> None:
    iid = host.start_new("race", {"cancel": True})
    with pytest.raises(TimeoutError, match="still Running"):
        host.wait(iid, timeout=0.05)


def test_waiting_for_an_unknown_id_is_an_error(host: Host) -> None:
    with pytest.raises(InstanceNotFoundError, match="unknown"):
        host.wait("unknown")


def test_histories_begin_as_the_sdk_needs_them(host: Host) -> None:
    iid = host.start_new("one", "x")
    host.wait(iid)
    kinds = [event["EventType"] for event in host.history(iid)]
    assert kinds == [12, 0, 4, 13, 12, 5, 1, 13]
