"""Rate limits, on a manual clock."""

from __future__ import annotations

import pytest
import requests

from local.simulator import v2_model, v4_model

from .conftest import TARGET, Service

MODEL = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
V4 = "api-version=2024-11-30"


def start_v2(service: Service, version: str = "v2.1") -> requests.Response:
    base = f"/formrecognizer/{version}/custom/models"
    permission = service.call("target", "POST", f"{base}/copyAuthorization").json()
    body = {
        "targetResourceId": TARGET.resource_id,
        "targetResourceRegion": TARGET.region,
        "copyAuthorization": permission,
    }
    return service.call("source", "POST", f"{base}/{MODEL}/copy", json=body)


def list_v2(service: Service) -> requests.Response:
    return service.call("source", "GET", "/formrecognizer/v2.1/custom/models?op=full")


def get_v4(service: Service, path: str) -> requests.Response:
    return service.call("source", "GET", f"/documentintelligence/{path}?{V4}")


def authorize_v4(service: Service, model_id: str) -> requests.Response:
    path = f"/documentintelligence/documentModels:authorizeCopy?{V4}"
    return service.call("source", "POST", path, json={"modelId": model_id})


def test_without_limits_nothing_is_throttled(service: Service) -> None:
    service.source.put_model(v2_model(MODEL))
    assert {start_v2(service).status_code for _ in range(5)} == {202}
    assert {list_v2(service).status_code for _ in range(20)} == {200}


def test_one_v2_copy_a_minute_shared_by_all_versions(service: Service) -> None:
    service.source.set_limits("S0")
    service.source.put_model(v2_model(MODEL))
    assert start_v2(service, "v2.0").status_code == 202
    service.clock.advance(12)

    refused = start_v2(service, "v2.1")

    assert refused.status_code == 429
    assert (refused.headers["Retry-After"], refused.headers["policy-id"]) == ("48", "ResourceRateLimitBy60s")
    error = refused.json()["error"]
    assert error["code"] == "429"
    assert "rate limit of your current FormRecognizer S0 pricing tier" in error["message"]
    assert "Please retry after 48 seconds" in error["message"]
    service.clock.advance(47.9)
    assert start_v2(service).headers["Retry-After"] == "1"
    service.clock.advance(0.1)
    assert start_v2(service).status_code == 202


def test_a_throttled_copy_keeps_its_authorization(service: Service) -> None:
    service.source.set_limits("S0")
    service.source.put_model(v2_model(MODEL))
    start_v2(service)
    base = "/formrecognizer/v2.1/custom/models"
    permission = service.call("target", "POST", f"{base}/copyAuthorization").json()
    body = {
        "targetResourceId": TARGET.resource_id,
        "targetResourceRegion": TARGET.region,
        "copyAuthorization": permission,
    }
    assert service.call("source", "POST", f"{base}/{MODEL}/copy", json=body).status_code == 429
    service.clock.advance(60)
    started = service.call("source", "POST", f"{base}/{MODEL}/copy", json=body)
    service.clock.advance(5)
    assert service.call("source", "GET", started.headers["Operation-Location"]).json()["status"] == "succeeded"


def test_ten_v2_list_pages_a_minute(service: Service) -> None:
    service.source.set_limits("S0")
    assert {list_v2(service).status_code for _ in range(10)} == {200}
    service.clock.advance(2)
    refused = list_v2(service)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "58")
    service.clock.advance(58)
    assert list_v2(service).status_code == 200


@pytest.mark.parametrize(("preset", "gets", "lists", "manages"), [("S0", 50, 10, 5), ("F0", 1, 1, 1)])
def test_v4_calls_a_second_per_class(service: Service, preset: str, gets: int, lists: int, manages: int) -> None:
    service.source.set_limits(preset)
    service.source.put_model(v4_model("invoices"))
    statuses: dict[str, list[int]] = {
        "get": [get_v4(service, "documentModels/invoices").status_code for _ in range(gets + 1)],
        "list": [get_v4(service, "documentModels").status_code for _ in range(lists + 1)],
        "manage": [authorize_v4(service, f"copy-{number}").status_code for number in range(manages + 1)],
    }
    for name, allowed in (("get", gets), ("list", lists), ("manage", manages)):
        assert statuses[name] == [200] * allowed + [429], name
    service.clock.advance(1)
    assert get_v4(service, "documentModels/invoices").status_code == 200


def test_each_resource_has_its_own_limits(service: Service) -> None:
    service.source.set_limits("F0")
    assert [get_v4(service, "info").status_code for _ in range(2)] == [200, 429]
    target = [service.call("target", "GET", f"/documentintelligence/info?{V4}") for _ in range(2)]
    assert [answer.status_code for answer in target] == [200, 200]


def test_a_wrong_key_is_refused_before_it_is_counted(service: Service) -> None:
    service.source.set_limits("F0")
    wrong = {"Ocp-Apim-Subscription-Key": "wrong"}
    for _ in range(3):
        assert service.call("source", "GET", f"/documentintelligence/info?{V4}", headers=wrong).status_code == 401
    assert get_v4(service, "info").status_code == 200
