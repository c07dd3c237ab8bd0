# mypy: disable-error-code="attr-defined, index, var-annotated"
# The 1.x client sets attributes that its classes do not declare.
"""The Durable management API, with the real SDK client and with plain HTTP."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from json import dumps, loads
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import azure.durable_functions as df
import pytest

from local.host import Host, ManualClock, RuntimeStatus
from local.host.loop import submit

from .conftest import MakeHost

T = TypeVar("T")
WEBHOOKS = "/runtime/webhooks/durabletask/"


def run(coroutine: Coroutine[object, object, T]) -> T:
    # the SDK's session belongs to one loop of the process
    return submit(coroutine).result(timeout=30)


@pytest.fixture
def client(host: Host) -> df.DurableOrchestrationClient:
    return df.DurableOrchestrationClient(host.client_binding())


def get(
    host: Host, path: str, method: str = "GET", *, json: object = None, body: bytes | None = None
) -> tuple[int, Any]:
    """Return status and JSON body of a management request."""
    status, _, content = host.call_http(method, "/durabletask/" + path, json=json, body=body)
    return status, loads(content) if content else None


def test_the_sdk_client_starts_and_reads(host: Host, client: df.DurableOrchestrationClient) -> None:
    iid = run(client.start_new("one", client_input="bob"))
    host.wait(iid)
    status = run(client.get_status(iid, show_history=True, show_history_output=True, show_input=True))
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Completed
    assert (status.name, status.output, status.input_) == ("one", "Hello bob!", '"bob"')
    assert [line["EventType"] for line in status.historyEvents] == [
        "ExecutionStarted",
        "TaskCompleted",
        "ExecutionCompleted",
    ]
    assert status.historyEvents[1]["FunctionName"] == "hello"
    assert status.historyEvents[1]["Result"] == "Hello bob!"
    assert "ScheduledTime" in status.historyEvents[1]
    assert "EventId" not in status.historyEvents[1]


def test_the_sdk_client_can_ask_for_a_version(host: Host, client: df.DurableOrchestrationClient) -> None:
    assert host.status(run(client.start_new("one", version="7"))).version == "7"


def test_the_sdk_client_gets_no_status_of_unknown_ids(client: df.DurableOrchestrationClient) -> None:
    assert not run(client.get_status("unknown"))


def test_the_sdk_client_names_an_unknown_orchestrator(client: df.DurableOrchestrationClient) -> None:
    with pytest.raises(Exception, match="'unknown' doesn't exist"):
        run(client.start_new("unknown"))


def test_the_sdk_client_cannot_start_a_running_id(host: Host, client: df.DurableOrchestrationClient) -> None:
    run(client.start_new("race", "same", {"cancel": True}))
    with pytest.raises(Exception, match="already exists"):
        run(client.start_new("race", "same", {"cancel": True}))


def test_the_sdk_client_raises_events(host: Host, client: df.DurableOrchestrationClient) -> None:
    run(client.start_new("race", "i", {"cancel": True}))
    run(client.raise_event("i", "approval", {"by": "me"}))
    assert host.wait("i").output[0] == '{"by": "me"}'
    with pytest.raises(Exception, match="gone"):  # the SDK's message for 410
        run(client.raise_event("i", "approval", 1))
    with pytest.raises(Exception, match="No instance"):
        run(client.raise_event("unknown", "approval", 1))


def test_the_sdk_client_suspends_resumes_terminates(host: Host, client: df.DurableOrchestrationClient) -> None:
    run(client.start_new("race", "i", {"cancel": True}))
    run(client.suspend("i", "a reason & more"))
    host.run_until_idle(limit=timedelta(0))
    assert run(client.get_status("i")).runtime_status is df.OrchestrationRuntimeStatus.Suspended
    run(client.resume("i", "go"))
    run(client.terminate("i", "enough"))
    assert host.wait("i").runtime_status is RuntimeStatus.TERMINATED
    run(client.terminate("i", "again"))  # 410 is a success for the client
    with pytest.raises(Exception, match="No instance"):
        run(client.terminate("unknown", ""))


def test_the_sdk_client_purges(host: Host, client: df.DurableOrchestrationClient) -> None:
    host.wait(host.start_new("one", "x", instance_id="a"))
    host.start_new("race", {"cancel": True}, instance_id="running")
    assert run(client.purge_instance_history("a")).instances_deleted == 1
    assert run(client.purge_instance_history("a")).instances_deleted == 0
    assert get(host, "instances/running", "DELETE")[0] == 412


def test_the_sdk_client_purges_by_time_and_status(make_host: MakeHost) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    host = make_host(clock=clock)
    client = df.DurableOrchestrationClient(host.client_binding())
    for day in range(3):
        host.wait(host.start_new("one", "x", instance_id=f"day-{day}"))
        host.wait(host.start_new("failing", instance_id=f"failed-{day}"))
        clock.advance(86400)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    done = [df.OrchestrationRuntimeStatus.Completed]
    assert run(client.purge_instance_history_by(start, start + timedelta(days=1), done)).instances_deleted == 2
    assert [status.instance_id for status in host.instances("day")] == ["day-2"]
    assert len(host.instances("failed")) == 3
    assert run(client.purge_instance_history_by(start)).instances_deleted == 4
    assert run(client.purge_instance_history_by(start)).instances_deleted == 0


def test_a_purge_by_filter_keeps_running_instances(host: Host) -> None:
    host.start_new("race", {"cancel": True}, instance_id="running")
    assert get(host, "instances/?createdTimeFrom=2000-01-01T00:00:00Z", "DELETE") == (404, {"instancesDeleted": 0})
    assert get(host, "instances/", "DELETE")[0] == 400


def test_the_sdk_client_restarts(host: Host, client: df.DurableOrchestrationClient) -> None:
    host.wait(host.start_new("one", "bob", instance_id="i"))
    payload = run(client.restart("i"))
    assert payload["id"] != "i"
    assert host.wait(payload["id"]).output == "Hello bob!"
    assert run(client.restart("i", restart_with_new_instance_id=False))["id"] == "i"
    assert host.wait("i").output == "Hello bob!"
    assert get(host, "instances/unknown/restart", "POST")[0] == 400


def test_the_sdk_client_lists(host: Host, client: df.DurableOrchestrationClient) -> None:
    for name in ("a-1", "a-2", "b-1"):
        host.wait(host.start_new("one", "x", instance_id=name))
    host.wait(host.start_new("failing", instance_id="a-3"))
    assert len(run(client.get_status_all())) == 4
    failed = [df.OrchestrationRuntimeStatus.Failed]
    statuses = run(client.get_status_by(instance_id_prefix="a-", runtime_status=failed))
    assert [status.instance_id for status in statuses] == ["a-3"]


def test_rewind_and_entities_are_refused_clearly(host: Host, client: df.DurableOrchestrationClient) -> None:
    host.wait(host.start_new("failing", instance_id="i"))
    status, body = get(host, "instances/i/rewind?reason=x", "POST")
    assert status == 501
    assert "cannot rewind" in body["Message"]
    status, body = get(host, "entities/counter/a")
    assert status == 501
    assert "no durable entities" in body["Message"]


def test_the_continuation_token_leads_to_the_last_page(host: Host) -> None:
    for number in range(5):
        host.wait(host.start_new("one", "x", instance_id=f"i-{number}"))
    seen: list[str] = []
    token = {}
    for _ in range(3):
        _, headers, body = host.call_http("GET", "/durabletask/instances/?top=2", headers=token)
        seen += [status["instanceId"] for status in loads(body)]
        if "x-ms-continuation-token" not in headers:
            break
        token = {"x-ms-continuation-token": headers["x-ms-continuation-token"]}
    assert seen == [f"i-{number}" for number in range(5)]
    assert host.call_http("GET", "/durabletask/instances/", headers={"x-ms-continuation-token": "?"})[0] == 400


def test_the_input_is_shown_by_default(host: Host) -> None:
    host.wait(host.start_new("one", "bob", instance_id="i"))
    assert get(host, "instances/i")[1]["input"] == '"bob"'
    assert get(host, "instances/i?showInput=false")[1]["input"] is None


def test_a_history_shows_results_only_on_request(host: Host) -> None:
    host.wait(host.start_new("one", "bob", instance_id="i"))
    plain = get(host, "instances/i?showHistory=true")[1]["historyEvents"]
    assert all("Result" not in line for line in plain)
    assert "Hello bob" not in dumps(plain)


def test_running_is_202_and_ended_is_200(host: Host) -> None:
    """A failed instance is 500 if the request says so."""
    host.start_new("race", {"cancel": True}, instance_id="running")
    status, headers, _ = host.call_http("GET", "/durabletask/instances/running")
    assert status == 202
    assert headers["retry-after"] == "5"
    assert "/instances/running" in headers["location"]
    host.wait(host.start_new("failing", instance_id="failed"))
    assert get(host, "instances/failed")[0] == 200
    assert get(host, "instances/failed?returnInternalServerErrorOnFailure=true")[0] == 500
    assert get(host, "instances/unknown")[0] == 404


def test_a_webhook_start_keeps_its_json_as_data(host: Host) -> None:
    status, body = get(host, "orchestrators/chain/mine", "POST", json={"wait": 1})
    assert status == 202
    assert body["id"] == "mine"
    host.run_until_idle()
    assert host.wait("mine").input == {"wait": 1}


def test_a_start_can_wait_for_the_result(host: Host) -> None:
    assert get(host, "orchestrators/one?timeout=10", "POST", json='"bob"') == (200, "Hello bob!")
    assert get(host, "orchestrators/race?timeout=0.05", "POST", json={"cancel": True})[0] == 202


@pytest.mark.parametrize("instance_id", ["@entity", "a%2Fb", "a%23b", "x" * 101])
def test_ids_that_azure_refuses_are_refused(host: Host, instance_id: str) -> None:
    assert get(host, f"orchestrators/one/{instance_id}", "POST")[0] == 400


def test_malformed_bodies_and_parameters_are_refused(host: Host) -> None:
    assert get(host, "orchestrators/one", "POST", body=b"{")[0] == 400
    host.start_new("race", {"cancel": True}, instance_id="i")
    assert get(host, "instances/i/raiseEvent/approval", "POST", body=b"1")[0] == 400
    assert get(host, "instances/?runtimeStatus=Sleeping")[0] == 400
    assert get(host, "instances/?top=0")[0] == 400


def test_webhooks_need_the_system_key(host: Host) -> None:
    path = WEBHOOKS + "instances/"
    assert host.call_http("GET", path, with_key=False)[0] == 401
    assert host.call_http("GET", path)[0] == 401  # the function key is not enough
    assert host.call_http("GET", f"{path}?code={host.system_key}", with_key=False)[0] == 200


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}])
@pytest.mark.parametrize("path", ["/durabletask/instances/", "/_host/phantoms"])
def test_web_pages_cannot_use_the_keyless_routes(host: Host, headers: dict[str, str], path: str) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(host.serve() + path, headers=headers))
    assert refused.value.code == 403


def test_a_cancelled_call_does_not_stop_the_host(host: Host) -> None:
    host._engine.commands.create("one", None).cancel()
    assert host.wait(host.start_new("one", "x")).output == "Hello x!"
