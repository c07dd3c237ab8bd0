"""Every fault has its effect on a client, and only on the requests that it is for."""

from __future__ import annotations

import threading

import pytest
import requests

from local.simulator import v4_model

from .conftest import SOURCE, TARGET, Service, simulated

V4 = "api-version=2024-11-30"
AUTHORIZE = f"/documentintelligence/documentModels:authorizeCopy?{V4}"
INFO = f"/documentintelligence/info?{V4}"


def authorize(service: Service) -> requests.Response:
    return service.call("source", "POST", AUTHORIZE, json={"modelId": "copy"})


def work_was_done(service: Service) -> bool:
    return bool(service.source.models())


def only_entry(service: Service) -> tuple[str | None, int | None]:
    [entry] = service.source.requests("authorizeCopy")
    return entry.fault, entry.status


def test_a_status_is_answered_without_work(service: Service) -> None:
    service.source.inject("authorizeCopy", "status", status=503, headers={"Retry-After": "7"})
    answer = authorize(service)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert answer.json()["error"]["code"] == "503"
    assert "apim-request-id" in answer.headers
    assert not work_was_done(service)
    assert only_entry(service) == ("status", 503)


@pytest.mark.parametrize(("body", "text"), [({"a": 1}, '{"a":1}'), ("plain", "plain")])
def test_a_status_can_have_any_body(service: Service, body: object, text: str) -> None:
    service.source.inject("*", "status", status=418, body=body)
    assert authorize(service).text == text


def test_a_delay_comes_before_the_work(service: Service) -> None:
    service.source.inject("authorizeCopy", "delay", seconds=0.05)
    assert authorize(service).status_code == 200
    assert only_entry(service) == ("delay", 200)


@pytest.mark.parametrize(
    ("kind", "seconds", "done"),
    [
        ("reset", None, False),
        ("timeoutBefore", 0.02, False),
        ("timeoutAfter", 0.02, True),
        ("lostAnswer", None, True),
    ],
)
def test_a_cut_connection_does_not_show_the_work(
    service: Service, kind: str, seconds: float | None, done: bool
) -> None:
    service.source.inject("authorizeCopy", kind, seconds=seconds)
    with pytest.raises(requests.exceptions.ConnectionError):
        authorize(service)
    assert work_was_done(service) is done
    assert only_entry(service) == (kind, None)


@pytest.mark.parametrize(("kind", "done"), [("timeoutBefore", False), ("timeoutAfter", True), ("hold", True)])
def test_a_client_with_a_shorter_timeout_gives_up(service: Service, kind: str, done: bool) -> None:
    service.source.inject("authorizeCopy", kind, seconds=30)
    with pytest.raises(requests.exceptions.ReadTimeout):
        service.session.post(
            service.simulator.endpoint("source") + AUTHORIZE,
            json={"modelId": "copy"},
            headers={"Ocp-Apim-Subscription-Key": "source-key"},
            timeout=0.1,
        )
    assert work_was_done(service) is done


def test_a_reset_is_a_reset(service: Service) -> None:
    service.source.inject("authorizeCopy", "reset")
    with pytest.raises(requests.exceptions.ConnectionError, match="reset by peer"):
        authorize(service)


def test_a_held_answer_is_released(service: Service) -> None:
    service.source.inject("authorizeCopy", "hold", seconds=30)
    answers: list[requests.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(authorize(service)))
    waiting.start()
    while not work_was_done(service):
        waiting.join(0.005)
    assert answers == []
    assert service.admin("source", "DELETE", "faults").status_code == 204
    waiting.join(5)
    assert [answer.status_code for answer in answers] == [200]


def test_a_malformed_body_is_sent_after_the_work(service: Service) -> None:
    service.source.inject("authorizeCopy", "malformed")
    answer = authorize(service)
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()
    assert work_was_done(service)


def test_a_truncated_body_is_sent_after_the_work(service: Service) -> None:
    """It is shorter than its Content-Length."""
    service.source.inject("authorizeCopy", "truncated")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        authorize(service)
    assert work_was_done(service)
    assert only_entry(service) == ("truncated", 200)


def test_a_wrong_host_is_in_every_address(service: Service) -> None:
    service.source.put_model(v4_model("invoices"))
    service.source.inject("*", "wrongHost", count=None)
    permission = authorize(service).json()
    assert permission["targetModelLocation"].startswith("http://elsewhere.invalid/")
    copy = f"/documentintelligence/documentModels/invoices:copyTo?{V4}"
    started = service.call("source", "POST", copy, json=permission)
    assert started.headers["Operation-Location"].startswith("http://elsewhere.invalid/")
    v2 = service.call("source", "POST", "/formrecognizer/v2.1/custom/models/copyAuthorization")
    assert v2.headers["Location"].startswith("http://elsewhere.invalid/")
    service.source.set_limits(page_size=1)
    page = service.call("source", "GET", f"/documentintelligence/documentModels?{V4}").json()
    assert page["nextLink"].startswith("http://elsewhere.invalid/")


def test_a_slow_body_is_complete(service: Service) -> None:
    service.source.inject("authorizeCopy", "slowBody", seconds=0.05)
    assert set(authorize(service).json()) > {"accessToken"}


def test_faults_are_used_up_in_order_and_by_count(service: Service) -> None:
    service.source.inject("getInfo", "status", status=500, count=2)
    service.source.inject("getInfo", "status", status=503)
    statuses = [service.call("source", "GET", INFO).status_code for _ in range(4)]
    assert statuses == [500, 500, 503, 200]


def test_a_fault_can_let_the_first_requests_pass(service: Service) -> None:
    service.source.inject("getInfo", "status", status=500, skip=2)
    assert [service.call("source", "GET", INFO).status_code for _ in range(4)] == [200, 200, 500, 200]


def test_a_fault_is_for_its_operation_only(service: Service) -> None:
    service.source.inject("startCopy", "status", status=500, count=None)
    assert service.call("source", "GET", INFO).status_code == 200


def test_a_fault_can_be_for_one_model(service: Service) -> None:
    for name in ("one", "two"):
        service.source.put_model(v4_model(name))
    service.source.inject("getModel", "status", status=500, model_id="two", count=None)
    answers = {
        name: service.call("source", "GET", f"/documentintelligence/documentModels/{name}?{V4}")
        for name in ("one", "two")
    }
    assert {name: answer.status_code for name, answer in answers.items()} == {"one": 200, "two": 500}


def test_a_fault_with_a_probability_hits_that_often(service: Service) -> None:
    service.source.inject("getInfo", "status", status=500, count=None, probability=0.3)
    hits = [service.call("source", "GET", INFO).status_code for _ in range(200)].count(500)
    assert 40 <= hits <= 80  # the seed is fixed


def test_a_fault_comes_before_the_check_of_the_key(service: Service) -> None:
    service.source.inject("getInfo", "status", status=502)
    assert service.call("source", "GET", INFO, headers={"Ocp-Apim-Subscription-Key": "wrong"}).status_code == 502


@pytest.mark.parametrize(
    "fault",
    [
        {"operation": "*", "kind": "meltdown"},
        {"operation": "*"},
        {"operation": "copyStart", "kind": "reset"},
        {"operation": ["*"], "kind": "reset"},
        {"operation": "*", "kind": "status", "count": 0},
        {"operation": "*", "kind": "status", "probability": 2},
        {"operation": "*", "kind": "status", "status": 7},
        {"operation": "*", "kind": "delay", "seconds": -1},
        {"operation": "*", "kind": "delay", "colour": "red"},
    ],
)
def test_an_impossible_fault_is_refused(service: Service, fault: dict[str, object]) -> None:
    assert service.admin("source", "POST", "faults", json=fault).status_code == 400
    assert service.admin("source", "GET", "faults").json() == {"faults": []}


def test_a_resource_that_is_down_refuses_connections(service: Service) -> None:
    """And answers again when it is up."""
    assert service.call("source", "GET", INFO).status_code == 200
    service.source.down()
    with pytest.raises(requests.exceptions.ConnectionError):
        service.call("source", "GET", INFO)
    assert service.call("target", "GET", INFO).status_code == 200
    service.source.down(False)
    assert service.call("source", "GET", INFO).status_code == 200
    assert [entry.status for entry in service.source.requests("getInfo")] == [200, 200]


def test_the_simulator_ends_while_answers_are_held() -> None:
    failures: list[Exception] = []
    with simulated(SOURCE, TARGET) as service:
        service.source.inject("authorizeCopy", "hold", seconds=60)

        def request() -> None:
            try:
                authorize(service)
            except requests.exceptions.ConnectionError as cut:
                failures.append(cut)

        waiting = threading.Thread(target=request)
        waiting.start()
        while not work_was_done(service):
            waiting.join(0.005)
    waiting.join(5)
    assert not waiting.is_alive()
    assert len(failures) == 1


def test_a_removed_fault_has_no_effect(service: Service) -> None:
    service.source.inject("getInfo", "status", status=500, count=None)
    service.source.clear_faults()
    assert service.call("source", "GET", INFO).status_code == 200
