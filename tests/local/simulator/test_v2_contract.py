"""The v2 contract as recorded, with its oddities."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from local.simulator import ResourceSpec, v2_composed_model, v2_model, v4_model
from local.simulator.models import ModelState

from .conftest import SOURCE, TARGET, Service, simulated

MODEL = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
UNKNOWN = "00000000-0000-0000-0000-000000000000"
BASE = "/formrecognizer/v2.1/custom/models"
VERSIONS = ["v2.0-preview", "v2.0", "v2.1"]
AUTHORIZATION_METADATA = (
    "Could not retrieve authorization metadata. If this issue persists use a different target model to copy into."
)


def authorize(service: Service, base: str = BASE) -> dict[str, Any]:
    answer = service.call("target", "POST", f"{base}/copyAuthorization")
    assert answer.status_code == 201
    return dict(answer.json())


def copy_body(permission: dict[str, Any], **changes: object) -> dict[str, object]:
    return {
        "targetResourceId": TARGET.resource_id,
        "targetResourceRegion": TARGET.region,
        "copyAuthorization": permission,
        **changes,
    }


def start(service: Service, permission: dict[str, Any], base: str = BASE, **changes: object) -> requests.Response:
    return service.call("source", "POST", f"{base}/{MODEL}/copy", json=copy_body(permission, **changes))


def finish(service: Service, started: requests.Response) -> dict[str, Any]:
    assert (started.status_code, started.content) == (202, b"")
    service.clock.advance(5)
    return dict(service.call("source", "GET", started.headers["Operation-Location"]).json())


def error(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_copy_goes_from_authorization_to_ready(service: Service, version: str) -> None:
    base = f"/formrecognizer/{version}/custom/models"
    service.source.put_model(v2_model(MODEL, api_version=version))
    permission = authorize(service, base)
    started = start(service, permission, base)

    early = service.call("source", "GET", started.headers["Operation-Location"]).json()
    late = finish(service, started)

    assert early["status"] == "notStarted"
    assert "copyResult" not in early
    assert late["status"] == "succeeded"
    assert late["copyResult"] == {"modelId": permission["modelId"]}
    source = service.call("source", "GET", f"{base}/{MODEL}").json()
    copied = service.call("target", "GET", f"{base}/{permission['modelId']}").json()
    assert copied["modelInfo"] == source["modelInfo"] | {"modelId": permission["modelId"]}
    assert copied["trainResult"] == source["trainResult"]


def test_a_token_is_valid_for_a_day_in_unix_seconds(service: Service) -> None:
    answer = service.call("target", "POST", f"{BASE}/copyAuthorization")
    permission = answer.json()
    assert permission["expirationDateTimeTicks"] == int(service.clock.now().timestamp()) + 86_400
    assert answer.headers["Location"].endswith(f"{BASE}/{permission['modelId']}")
    assert re.fullmatch(r"[0-9a-f-]{36}", permission["modelId"])


def test_each_authorization_makes_a_placeholder(service: Service) -> None:
    """It stays creating."""
    first, second = authorize(service), authorize(service)
    service.clock.advance(5 * 86_400)

    listed = service.call("target", "GET", f"{BASE}?op=full").json()["modelList"]

    assert {item["modelId"]: item["status"] for item in listed} == {
        first["modelId"]: "creating",
        second["modelId"]: "creating",
    }


def test_a_copy_posted_to_copy_authorization(service: Service) -> None:
    """As the article says to do; it makes a placeholder."""
    service.source.put_model(v2_model(MODEL))
    permission = authorize(service)
    answer = service.call("target", "POST", f"{BASE}/copyAuthorization", json=copy_body(permission))
    assert answer.status_code == 201
    assert len(service.target.models()) == 2


@pytest.mark.parametrize("name", ["copyresults", "copyResults"])
def test_both_spellings_of_copy_results_work(service: Service, name: str) -> None:
    service.source.put_model(v2_model(MODEL))
    location = start(service, authorize(service)).headers["Operation-Location"]
    assert "/copyresults/" in location
    assert service.call("source", "GET", location.replace("copyresults", name)).status_code == 200


def test_dates_change_when_the_copy_ends(service: Service) -> None:
    """They get fractions of a second."""
    service.source.put_model(v2_model(MODEL))
    started = start(service, authorize(service))
    early = service.call("source", "GET", started.headers["Operation-Location"]).json()
    late = finish(service, started)
    assert early["createdDateTime"] == "2026-11-23T12:00:00Z"
    assert re.fullmatch(r"2026-11-23T12:00:0\d\.\d{1,7}Z", late["createdDateTime"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"targetResourceRegion": "brazilsouth"},
            f"Could not fetch information for Cognitive resource with Id '{TARGET.resource_id}'. Ensure",
        ),
        ({"targetResourceId": SOURCE.resource_id}, "Could not fetch information"),
        ({"copyAuthorization": {"accessToken": "wrong"}}, AUTHORIZATION_METADATA),
        ({"copyAuthorization": {"modelId": UNKNOWN}}, AUTHORIZATION_METADATA),
    ],
)
def test_a_wrong_target_is_accepted_and_fails_later(
    service: Service, change: dict[str, str | dict[str, str]], message: str
) -> None:
    service.source.put_model(v2_model(MODEL))
    permission = authorize(service)
    body = copy_body(permission) | {
        name: permission | value if isinstance(value, dict) else value for name, value in change.items()
    }

    ended = finish(service, service.call("source", "POST", f"{BASE}/{MODEL}/copy", json=body))

    assert ended["status"] == "failed"
    [wrong] = ended["copyResult"]["errors"]
    assert wrong["code"] == "2024"
    assert wrong["message"].startswith(message)
    assert "requestId" in wrong["innerError"]
    assert service.target.models()[0].state == "placeholder"


def test_an_authorization_works_once(service: Service) -> None:
    service.source.put_model(v2_model(MODEL))
    permission = authorize(service)
    assert finish(service, start(service, permission))["status"] == "succeeded"
    assert finish(service, start(service, permission))["copyResult"]["errors"][0]["message"] == AUTHORIZATION_METADATA


def test_a_failed_copy_burns_the_authorization(service: Service) -> None:
    service.source.put_model(v2_model(MODEL))
    permission = authorize(service)
    assert finish(service, start(service, permission, targetResourceRegion="brazilsouth"))["status"] == "failed"
    assert finish(service, start(service, permission))["status"] == "failed"


@pytest.mark.parametrize(("age", "status"), [(86_399, "succeeded"), (86_400, "failed")])
def test_an_authorization_expires_after_a_day(service: Service, age: int, status: str) -> None:
    service.source.put_model(v2_model(MODEL))
    permission = authorize(service)
    service.clock.advance(age)
    assert finish(service, start(service, permission))["status"] == status


def test_an_unknown_source_is_an_internal_error(service: Service) -> None:
    """And burns the authorization."""
    permission = authorize(service)
    refused = start(service, permission)
    assert error(refused) == (500, "1999")
    assert refused.json()["error"]["message"].startswith("An error occurred during model copy. Retry the operation")
    service.source.put_model(v2_model(MODEL))
    assert finish(service, start(service, permission))["status"] == "failed"


def test_a_deleted_placeholder_fails_the_copy(service: Service) -> None:
    service.source.put_model(v2_model(MODEL))
    permission = authorize(service)
    started = start(service, permission)
    assert service.call("target", "DELETE", f"{BASE}/{permission['modelId']}").status_code == 204
    assert finish(service, started)["status"] == "failed"
    assert service.target.models() == []


def test_the_model_is_copied_as_it_was_at_the_start(service: Service) -> None:
    service.source.put_model(v2_model(MODEL, fields={"Total": 0.5}))
    permission = authorize(service)
    started = start(service, permission)
    service.source.put_model(v2_model(MODEL, fields={"Total": 0.9}))
    finish(service, started)
    copied = service.call("target", "GET", f"{BASE}/{permission['modelId']}").json()
    assert copied["trainResult"]["fields"] == [{"fieldName": "Total", "accuracy": 0.5}]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"targetResourceId": "forms"}, "TargetResourceId"),
        ({"targetResourceId": None}, "TargetResourceId"),
        ({"targetResourceRegion": "west europe"}, "TargetResourceRegion"),
        ({"targetResourceRegion": ""}, "TargetResourceRegion"),
        ({"copyAuthorization": None}, "CopyAuthorization"),
        ({"copyAuthorization": {"accessToken": "t", "expirationDateTimeTicks": 1}}, "ModelId"),
        ({"copyAuthorization": {"modelId": MODEL, "expirationDateTimeTicks": 1}}, "AccessToken"),
        ({"copyAuthorization": {"modelId": MODEL, "accessToken": "t"}}, "ExpirationDateTimeTicks"),
    ],
)
def test_a_malformed_copy_is_refused_at_once(service: Service, change: dict[str, object], field: str) -> None:
    service.source.put_model(v2_model(MODEL))
    body = copy_body(authorize(service)) | change
    refused = service.call("source", "POST", f"{BASE}/{MODEL}/copy", json=body)
    assert error(refused) == (400, "1002")
    assert f"Field '{field}'" in refused.json()["error"]["message"]
    assert refused.json()["error"]["message"].startswith("Copy request is invalid.")


def test_a_copy_that_is_not_json_is_refused(service: Service) -> None:
    path = f"{BASE}/{MODEL}/copy"
    as_text = service.call("source", "POST", path, data="{}", headers={"Content-Type": "text/plain"})
    broken = service.call("source", "POST", path, data="{", headers={"Content-Type": "application/json"})
    assert error(as_text) == (415, "415")
    assert error(broken) == (400, "1002")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_model_is_1022(service: Service, method: str) -> None:
    answer = service.call("source", method, f"{BASE}/{UNKNOWN}")
    assert error(answer) == (404, "1022")
    assert answer.json()["error"]["message"] == f"Model with 'id={UNKNOWN}' not found."


@pytest.mark.parametrize(
    "path", [f"{BASE}/", f"{BASE}/no-uuid", "/formrecognizer/v2.9/custom/models?op=full", "/nothing", "/"]
)
def test_a_path_without_a_route_is_404(service: Service, path: str) -> None:
    answer = service.call("source", "GET", path)
    assert answer.status_code == 404
    assert answer.json() == {"error": {"code": "404", "message": "Resource not found"}}


@pytest.mark.parametrize("headers", [{"Ocp-Apim-Subscription-Key": "target-key"}, {"Ocp-Apim-Subscription-Key": ""}])
def test_a_wrong_key_is_refused_everywhere(service: Service, headers: dict[str, str]) -> None:
    for path in (f"{BASE}?op=full", f"{BASE}/{UNKNOWN}", "/nothing"):
        answer = service.call("source", "GET", path, headers=headers)
        assert error(answer) == (401, "401")
        assert answer.json()["error"]["message"].startswith("Access denied due to invalid subscription key")


def test_every_answer_has_its_own_request_id(service: Service) -> None:
    answers = [service.call("source", "GET", path) for path in (f"{BASE}?op=full", f"{BASE}/{UNKNOWN}", "/nothing")]
    ids = {answer.headers["apim-request-id"] for answer in answers}
    assert len(ids) == 3


def test_the_last_page_has_an_empty_link(service: Service) -> None:
    """And links do not keep op=full."""
    service.source.set_limits(page_size=4)
    for number in range(9):
        service.source.put_model(v2_model(f"{number:08x}-0000-4000-8000-000000000000"))
    seen, sizes, page = [], [], service.call("source", "GET", f"{BASE}?op=full").json()
    while True:
        assert set(page) == {"modelList", "nextLink"}
        seen += [item["modelId"] for item in page["modelList"]]
        sizes.append(len(page["modelList"]))
        if page["nextLink"] == "":
            break
        assert page["nextLink"].startswith("http")
        assert "op=full" not in page["nextLink"]
        assert service.call("source", "GET", page["nextLink"]).status_code == 400
        page = service.call("source", "GET", page["nextLink"] + "&op=full").json()
    assert len(seen) == len(set(seen)) == 9
    assert len(set(sizes)) > 1


def test_a_next_link_can_be_set_to_work_unchanged(service: Service) -> None:
    service.source.set_limits(page_size=1)
    service.source.set_behaviour(list_needs_op=False)
    service.source.put_model(v2_model(MODEL))
    page = service.call("source", "GET", f"{BASE}?op=full").json()
    assert service.call("source", "GET", page["nextLink"]).json() == {"modelList": [], "nextLink": ""}


def test_the_last_page_can_be_empty(service: Service) -> None:
    """If it holds only models of newer versions."""
    service.source.set_limits(page_size=2)
    service.source.put_model(v2_model(MODEL))
    service.source.put_model(v4_model("zzz-newer"))
    first = service.call("source", "GET", f"{BASE}?op=full").json()
    last = service.call("source", "GET", first["nextLink"] + "&op=full").json()
    assert [item["modelId"] for item in first["modelList"]] == [MODEL]
    assert last == {"modelList": [], "nextLink": ""}


def test_models_of_later_generations_are_hidden(service: Service) -> None:
    service.source.put_model(v4_model("ffffffff-0000-4000-8000-000000000000"))
    assert service.call("source", "GET", f"{BASE}?op=full").json()["modelList"] == []
    assert error(service.call("source", "GET", f"{BASE}/ffffffff-0000-4000-8000-000000000000")) == (404, "1022")


def test_models_of_all_states_are_listed(service: Service) -> None:
    states: tuple[ModelState, ...] = ("ready", "creating", "invalid")
    for number, state in enumerate(states):
        service.source.put_model(v2_model(f"{number:08x}-0000-4000-8000-000000000000", state=state))
    listed = service.call("source", "GET", f"{BASE}?op=full").json()["modelList"]
    assert [item["status"] for item in listed] == ["ready", "creating", "invalid"]


def test_a_failed_training_has_its_code_in_a_header(service: Service) -> None:
    service.source.put_model(v2_model(MODEL, state="invalid"))
    answer = service.call("source", "GET", f"{BASE}/{MODEL}")
    assert answer.headers["ms-azure-ai-errorcode"] == answer.json()["trainResult"]["errors"][0]["code"]


def test_names_and_composition_came_with_v2_1(service: Service) -> None:
    service.source.put_model(v2_composed_model(MODEL, parts={UNKNOWN: {"Total": 0.9}}, name="Mail"))
    new = service.call("source", "GET", f"{BASE}/{MODEL}").json()["modelInfo"]
    old = service.call("source", "GET", f"/formrecognizer/v2.0/custom/models/{MODEL}").json()["modelInfo"]
    assert (new["modelName"], new["attributes"]) == ("Mail", {"isComposed": True})
    assert set(old) == {"modelId", "status", "createdDateTime", "lastUpdatedDateTime"}


def test_v2_0_may_refuse_a_model_of_v2_1(service: Service) -> None:
    """It lists the model all the same (azure-sdk-for-net#14607)."""
    service.source.set_behaviour(shows_newer_v2=False)
    service.source.put_model(v2_model(MODEL, api_version="v2.1"))
    service.source.put_model(v2_model(UNKNOWN, api_version="v2.0"))
    old = "/formrecognizer/v2.0/custom/models"
    assert error(service.call("source", "GET", f"{old}/{MODEL}")) == (400, "1027")
    assert service.call("source", "GET", f"{old}/{UNKNOWN}").status_code == 200
    assert service.call("source", "GET", f"{BASE}/{MODEL}").status_code == 200
    assert len(service.call("source", "GET", f"{old}?op=full").json()["modelList"]) == 2


def test_keys_are_answered_with_include_keys_only(service: Service) -> None:
    service.source.put_model(v2_model(MODEL, clusters={"0": ["Total", "Date"]}))
    assert "keys" not in service.call("source", "GET", f"{BASE}/{MODEL}").json()
    answer = service.call("source", "GET", f"{BASE}/{MODEL}?includeKeys=true").json()
    assert answer["keys"] == {"clusters": {"0": ["Total", "Date"]}}


def test_the_summary_has_count_and_limit(service: Service) -> None:
    service.source.put_model(v2_model(MODEL))
    summary = service.call("source", "GET", f"{BASE}?op=summary").json()["summary"]
    assert (summary["count"], summary["limit"]) == (1, 20_000)


def test_no_copy_beyond_the_limit_is_authorized(service: Service) -> None:
    service.target.set_limits(model_limit=1)
    authorize(service)
    assert service.call("target", "POST", f"{BASE}/copyAuthorization").status_code == 400


def test_a_downgrade_of_encryption_must_be_allowed() -> None:
    safe = ResourceSpec("source", SOURCE.region, SOURCE.resource_id, SOURCE.key, encrypted=True)
    with simulated(safe, TARGET) as service:
        service.source.put_model(v2_model(MODEL))
        refused = finish(service, start(service, authorize(service)))
        body = copy_body(authorize(service))
        allowed = service.call(
            "source", "POST", f"{BASE}/{MODEL}/copy", json=body, headers={"x-ms-forms-copy-degrade": "true"}
        )
        assert refused["copyResult"]["errors"][0]["code"] == "DataProtectionTransformServiceError"
        assert finish(service, allowed)["status"] == "succeeded"


def test_answers_can_be_those_of_the_article(service: Service) -> None:
    service.source.set_behaviour(article_bodies=True)
    service.target.set_behaviour(article_bodies=True)
    service.source.put_model(v2_model(MODEL))
    permission = authorize(service)
    started = start(service, permission)
    early = service.call("source", "GET", started.headers["Operation-Location"]).json()
    late = finish(service, started)
    assert permission["expirationDateTimeTicks"] == 639_311_184_000_000_000  # 2026-11-24T12:00:00Z in .NET ticks
    assert (early["copyResult"], late["copyResult"], late["status"]) == ({}, {}, "succeeded")


def test_a_retired_version_is_410() -> None:
    old = ResourceSpec("source", SOURCE.region, SOURCE.resource_id, SOURCE.key, api_versions=("v2.1", "2024-11-30"))
    with simulated(old, TARGET) as service:
        for path in ("/formrecognizer/v2.0/custom/models?op=full", "/formrecognizer/info?api-version=2022-08-31"):
            gone = service.call("source", "GET", path)
            assert error(gone) == (410, "Gone")
            assert gone.json()["error"]["message"] == "The requested API version has been retired."
        assert service.call("source", "GET", f"{BASE}?op=full").status_code == 200


def test_a_copy_waits_for_a_target_that_is_down(service: Service) -> None:
    service.source.put_model(v2_model(MODEL))
    permission = authorize(service)
    started = start(service, permission)
    service.target.down()
    assert finish(service, started)["status"] == "notStarted"
    service.target.down(False)
    assert finish(service, started)["status"] == "succeeded"
