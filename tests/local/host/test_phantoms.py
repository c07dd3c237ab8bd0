"""Activities that run again after their result was used."""

from __future__ import annotations

import json
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from local.host import Host, InstanceNotFoundError


def test_a_rerun_changes_nothing(host: Host, sample: ModuleType) -> None:
    """A finished activity runs again; status and history stay the same."""
    iid = host.start_new("one", "bob")
    host.wait(iid)
    before = (host.status(iid), host.history(iid))
    assert host.rerun_activity(iid, 0) == "Hello bob!"
    assert sample.calls["hello"] == 2
    assert (host.status(iid), host.history(iid)) == before


def test_matching_activities_rerun_after_the_delay(host: Host, sample: ModuleType) -> None:
    host.phantoms(delay=timedelta(minutes=10), match="hello")
    iid = host.start_new("chain", {"wait": 60})
    host.run_until_idle(limit=timedelta(minutes=5))
    assert (sample.calls["hello"], sample.calls["double"]) == (4, 1)
    assert host.status(iid).runtime_status == "Completed"
    host.run_until_idle()
    assert (sample.calls["hello"], sample.calls["double"]) == (8, 1)


def test_a_predicate_chooses_phantoms(host: Host, sample: ModuleType) -> None:
    host.phantoms(match=lambda job: job.task_id == 2)
    host.start_new("chain", {"wait": 60})
    host.run_until_idle()
    assert host.phantoms.count == 0
    assert sample.calls["double"] == 1


def test_phantoms_stop_when_they_are_cleared(host: Host, sample: ModuleType) -> None:
    host.phantoms()
    host.phantoms.clear()
    host.wait(host.start_new("one", "x"))
    host.run_until_idle()
    assert sample.calls["hello"] == 1


def test_a_phantom_that_fails_changes_nothing(host: Host, sample: ModuleType) -> None:
    host.phantoms(match="fail")
    iid = host.start_new("retried")
    host.run_until_idle()
    assert host.wait(iid).output[1] == "Hello after!"
    assert sample.calls["fail"] == 6


def test_activities_of_older_generations_can_be_rerun(host: Host, sample: ModuleType) -> None:
    iid = host.start_new("rounds", {"round": 1, "rounds": 2, "seen": []})
    host.run_until_idle()
    host.wait(iid)
    jobs = host.phantoms.finished()
    assert [job.name for job in jobs] == ["hello", "hello"]
    assert host.rerun_activity(jobs[0].instance_id, 0, jobs[0].execution_id) == "Hello 1!"


def test_what_never_ran_cannot_be_rerun(host: Host) -> None:
    iid = host.start_new("one", "x")
    host.wait(iid)
    with pytest.raises(InstanceNotFoundError, match="id 7"):
        host.rerun_activity(iid, 7)


def test_other_processes_use_phantoms_over_http(host: Host, sample: ModuleType) -> None:
    def call(method: str, path: str, body: object = None) -> Any:  # JSON
        status, _, content = host.call_http(method, "/_host/" + path, json=body)
        assert status in (200, 204)
        return json.loads(content) if content else None

    call("POST", "phantoms", {"delay": 5, "match": "hello"})
    iid = host.start_new("one", "x")
    host.wait(iid)
    host.run_until_idle()
    assert call("GET", "phantoms") == {"count": 1}
    call("DELETE", "phantoms")
    (job,) = call("GET", f"activities?instanceId={iid}")
    assert (job["name"], job["taskId"]) == ("hello", 0)
    assert call("POST", "rerun", {"instanceId": iid, "taskId": 0}) == {"result": "Hello x!"}
    assert sample.calls["hello"] == 3
    assert call("GET", f"history?instanceId={iid}") == host.history(iid)


def test_a_malformed_request_is_refused(host: Host) -> None:
    assert host.call_http("POST", "/_host/phantoms", json={"delay": "soon"})[0] == 400
    assert host.call_http("POST", "/_host/phantoms", json={"delay": -1})[0] == 400
    assert host.call_http("POST", "/_host/rerun", json={})[0] == 400
    assert host.call_http("POST", "/_host/rerun", json={"instanceId": "unknown", "taskId": 0})[0] == 404
