"""The contract of v3 and v4 as recorded, with its oddities."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from local.simulator import ResourceSpec, StoredModel, classifier, v2_model, v3_model, v4_model

from .conftest import SOURCE, TARGET, Service, simulated

V3, V31, V4 = "2022-08-31", "2023-07-31", "2024-11-30"
every_version = pytest.mark.parametrize("version", [V3, V31, V4])


def base(version: str) -> str:
    return "/documentintelligence" if version == V4 else "/formrecognizer"


def make(
    version: str, model_id: str, description: str | None = None, tags: dict[str, str] | None = None
) -> StoredModel:
    if version == V4:
        return v4_model(model_id, description=description, tags=tags)
    return v3_model(model_id, api_version=version, description=description, tags=tags)


def get(service: Service, name: str, version: str, path: str) -> requests.Response:
    return service.call(name, "GET", f"{base(version)}/{path}?api-version={version}")


def authorize(
    service: Service, version: str, model_id: str = "copy", kind: str = "Model", **members: object
) -> requests.Response:
    path = f"{base(version)}/document{kind}s:authorizeCopy?api-version={version}"
    return service.call("target", "POST", path, json={f"{kind.lower()}Id": model_id, **members})


def start(
    service: Service, version: str, permission: dict[str, Any], model_id: str = "invoices", kind: str = "Model"
) -> requests.Response:
    path = f"{base(version)}/document{kind}s/{model_id}:copyTo?api-version={version}"
    return service.call("source", "POST", path, json=permission)


def finish(service: Service, started: requests.Response) -> dict[str, Any]:
    assert (started.status_code, started.content) == (202, b"")
    service.clock.advance(5)
    return dict(service.call("source", "GET", started.headers["Operation-Location"]).json())


def errors(answer: requests.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["innererror"]["code"]


@every_version
def test_authorize_answers_a_permission_for_an_hour(service: Service, version: str) -> None:
    answer = authorize(service, version)
    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {
        "targetResourceId",
        "targetResourceRegion",
        "targetModelId",
        "targetModelLocation",
        "accessToken",
        "expirationDateTime",
    }
    expires = service.clock.now() + timedelta(hours=1)
    assert body["expirationDateTime"] == expires.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (body["targetResourceId"], body["targetResourceRegion"]) == (TARGET.resource_id, TARGET.region)


@every_version
def test_a_copy_goes_from_authorization_to_succeeded(service: Service, version: str) -> None:
    service.source.put_model(make(version, "invoices"))
    started = start(service, version, authorize(service, version).json())

    first = service.call("source", "GET", started.headers["Operation-Location"]).json()
    last = finish(service, started)

    assert (first["status"], first["percentCompleted"]) == ("notStarted", 0)
    assert (last["status"], last["percentCompleted"], last["kind"]) == ("succeeded", 100, "documentModelCopyTo")
    assert last["resourceLocation"].startswith(service.simulator.endpoint("target"))
    assert last["result"] == get(service, "target", version, "documentModels/copy").json()
    assert f"{base(version)}/operations/" in started.headers["Operation-Location"]
    assert "_" in last["operationId"]  # not only a uuid


@every_version
def test_what_a_copy_keeps_and_renames(service: Service, version: str) -> None:
    service.source.put_model(make(version, "invoices", description="of the source", tags={"of": "source"}))
    permission = authorize(service, version, description="of the copy", tags={"of": "copy"}).json()
    finish(service, start(service, version, permission))

    source = get(service, "source", version, "documentModels/invoices").json()
    copied = get(service, "target", version, "documentModels/copy").json()

    assert (copied["description"], copied["tags"]) == ("of the copy", {"of": "copy"})
    assert copied.get("expirationDateTime") == source.get("expirationDateTime")
    assert ("expirationDateTime" in copied) == (version != V3)
    if version == V4:
        assert copied["createdDateTime"] > source["createdDateTime"]
        assert copied["modifiedDateTime"] == source["modifiedDateTime"]
        assert copied["docTypes"] == {"copy": source["docTypes"]["invoices"]}
    else:
        assert copied["createdDateTime"] == source["createdDateTime"]
        assert copied["docTypes"] == source["docTypes"]


@every_version
def test_a_placeholder_is_invisible_and_keeps_its_id(service: Service, version: str) -> None:
    permission = authorize(service, version).json()
    service.clock.advance(86_400)

    listed = get(service, "target", version, "documentModels").json()["value"]

    assert [item["modelId"] for item in listed if not item["modelId"].startswith("prebuilt-")] == []
    assert errors(get(service, "target", version, "documentModels/copy")) == (404, "NotFound", "ModelNotFound")
    assert errors(authorize(service, version)) == (409, "Conflict", "ModelExists")
    path = f"{base(version)}/documentModels/copy:copyTo?api-version={version}"
    refused = service.call("target", "POST", path, json=permission)
    assert errors(refused) == (400, "InvalidRequest", "ModelNotReady")
    assert [model.state for model in service.target.models()] == ["placeholder"]


def test_a_deletion_of_a_placeholder_can_free_its_id(service: Service) -> None:
    """As the behaviour is set."""
    path = f"{base(V4)}/documentModels/copy?api-version={V4}"
    authorize(service, V4)
    service.target.set_behaviour(placeholder_delete="notFound")
    assert service.call("target", "DELETE", path).status_code == 404
    assert authorize(service, V4).status_code == 409
    service.target.set_behaviour(placeholder_delete="frees")
    assert service.call("target", "DELETE", path).status_code == 204
    assert authorize(service, V4).status_code == 200


def test_an_authorization_is_for_its_own_placeholder(service: Service) -> None:
    """Not a later one under the same id."""
    service.source.put_model(v4_model("invoices"))
    old = authorize(service, V4).json()
    service.call("target", "DELETE", f"{base(V4)}/documentModels/copy?api-version={V4}")
    authorize(service, V4)
    assert finish(service, start(service, V4, old))["status"] == "failed"
    assert service.target.models()[0].state == "placeholder"


@every_version
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accessToken": "wrong"}, "Could not retrieve authorization metadata."),
        ({"targetModelId": "other"}, "Could not retrieve authorization metadata."),
        ({"targetResourceRegion": "brazilsouth"}, "Could not fetch information for Cognitive resource"),
    ],
)
def test_a_wrong_permission_fails_while_polling(
    service: Service, version: str, change: dict[str, str], message: str
) -> None:
    service.source.put_model(make(version, "invoices"))
    ended = finish(service, start(service, version, authorize(service, version).json() | change))
    assert (ended["status"], ended["percentCompleted"]) == ("failed", 100)
    assert ended["error"]["code"] == "Forbidden"
    [detail] = ended["error"]["details"]
    assert detail["code"] == "AuthorizationFailed"
    assert message in detail["message"]
    assert "result" not in ended


@pytest.mark.parametrize(("age", "status"), [(3599, "succeeded"), (3600, "failed")])
def test_an_authorization_expires_after_an_hour(service: Service, age: int, status: str) -> None:
    service.source.put_model(v4_model("invoices"))
    permission = authorize(service, V4).json()
    service.clock.advance(age)
    assert finish(service, start(service, V4, permission))["status"] == status


@pytest.mark.parametrize(
    "expiry", ["2026-11-23T13:00:00.000Z", "2026-11-23T13:00:00.0000000Z", "2026-11-23T13:00:00+00:00"]
)
def test_the_expiry_may_be_written_in_several_forms(service: Service, expiry: str) -> None:
    service.source.put_model(v4_model("invoices"))
    permission = authorize(service, V4).json() | {"expirationDateTime": expiry}
    assert finish(service, start(service, V4, permission))["status"] == "succeeded"


def test_a_refused_copy_burns_the_authorization(service: Service) -> None:
    permission = authorize(service, V4).json()
    refused = start(service, V4, permission)
    assert errors(refused) == (404, "NotFound", "ModelNotFound")
    assert refused.headers["Content-Type"] == "application/json"
    service.source.put_model(v4_model("invoices"))
    assert finish(service, start(service, V4, permission))["status"] == "failed"


@pytest.mark.parametrize(
    ("body", "code", "inner"),
    [
        ({}, "InvalidArgument", "ParameterMissing"),
        ({"modelId": ""}, "InvalidArgument", "ParameterMissing"),
        ({"modelId": "x"}, "InvalidArgument", "InvalidParameter"),
        ({"modelId": "-starts-badly"}, "InvalidArgument", "InvalidParameter"),
        ({"modelId": "x" * 65}, "InvalidArgument", "InvalidParameter"),
        ({"modelId": "prebuilt-mine"}, "InvalidArgument", "InvalidParameter"),
        ({"modelId": "ok", "tags": {"a": 1}}, "InvalidArgument", "InvalidParameter"),
        ({"modelId": "ok", "description": 7}, "InvalidArgument", "InvalidParameter"),
    ],
)
def test_an_impossible_id_is_refused(service: Service, body: dict[str, object], code: str, inner: str) -> None:
    answer = service.call("target", "POST", f"{base(V4)}/documentModels:authorizeCopy?api-version={V4}", json=body)
    assert errors(answer) == (400, code, inner)


@pytest.mark.parametrize(
    "member", ["targetResourceId", "targetResourceRegion", "targetModelId", "accessToken", "expirationDateTime"]
)
def test_an_incomplete_permission_is_refused_at_once(service: Service, member: str) -> None:
    service.source.put_model(v4_model("invoices"))
    permission = authorize(service, V4).json()
    del permission[member]
    assert errors(start(service, V4, permission)) == (400, "InvalidArgument", "ParameterMissing")


def test_a_body_that_is_not_json_is_refused(service: Service) -> None:
    path = f"{base(V4)}/documentModels:authorizeCopy?api-version={V4}"
    as_text = service.call("target", "POST", path, data="{}", headers={"Content-Type": "text/plain"})
    broken = service.call("target", "POST", path, data="{", headers={"Content-Type": "application/json"})
    assert (as_text.status_code, as_text.json()["error"]["code"]) == (415, "UnsupportedMediaType")
    assert errors(broken) == (400, "InvalidArgument", "InvalidParameter")


def test_operations_are_kept_for_a_day(service: Service) -> None:
    service.source.put_model(v4_model("invoices"))
    location = start(service, V4, authorize(service, V4).json()).headers["Operation-Location"]
    service.clock.advance(86_399)
    assert service.call("source", "GET", location).status_code == 200
    assert len(get(service, "source", V4, "operations").json()["value"]) == 1
    service.clock.advance(1)
    assert errors(service.call("source", "GET", location)) == (404, "NotFound", "OperationNotFound")
    assert get(service, "source", V4, "operations").json() == {"value": []}


def test_older_versions_do_not_show_newer_operations(service: Service) -> None:
    service.source.put_model(v4_model("invoices"))
    ended = finish(service, start(service, V4, authorize(service, V4).json()))
    assert get(service, "source", V31, "operations").json() == {"value": []}
    assert get(service, "source", V31, f"operations/{ended['operationId']}").status_code == 404


def test_a_copy_under_way_has_its_percentage(service: Service) -> None:
    service.source.set_durations((10, 10))
    service.source.put_model(v4_model("invoices"))
    location = start(service, V4, authorize(service, V4).json()).headers["Operation-Location"]
    service.clock.advance(7)
    running = service.call("source", "GET", location).json()
    assert (running["status"], running["percentCompleted"]) == ("running", 70)
    assert "result" not in running


def test_listed_operations_have_no_result(service: Service) -> None:
    service.source.put_model(v4_model("invoices"))
    finish(service, start(service, V4, authorize(service, V4, tags={"run": "7"}).json()))
    [listed] = get(service, "source", V4, "operations").json()["value"]
    assert "result" not in listed
    assert listed["tags"] == {"run": "7"}


def test_the_link_keeps_the_version(service: Service) -> None:
    """And the last page has no link."""
    service.source.set_limits(page_size=6)
    for number in range(10):
        service.source.put_model(v4_model(f"model-{number}"))
    page = get(service, "source", V4, "documentModels").json()
    seen = [item["modelId"] for item in page["value"]]
    while "nextLink" in page:
        assert f"api-version={V4}" in page["nextLink"]
        page = service.call("source", "GET", page["nextLink"]).json()
        seen += [item["modelId"] for item in page["value"]]
    assert [model_id for model_id in seen if model_id.startswith("model-")] == [f"model-{n}" for n in range(10)]
    assert len(seen) == len(set(seen))


def test_the_list_has_ready_models_of_older_versions(service: Service) -> None:
    service.source.put_model(v2_model("33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"))
    service.source.put_model(v2_model("44f4d42c-cd2f-4e74-b990-a1aeafab5a5d", state="invalid"))
    service.source.put_model(v4_model("newer"))
    listed = get(service, "source", V31, "documentModels").json()["value"]
    custom = [item for item in listed if not item["modelId"].startswith("prebuilt-")]
    assert [(item["modelId"], item["apiVersion"]) for item in custom] == [
        ("33f4d42c-cd2f-4e74-b990-a1aeafab5a5d", "v2.1")
    ]
    assert "status" not in custom[0]
    assert get(service, "source", V31, "documentModels/newer").status_code == 404


@pytest.mark.parametrize(("model_version", "api_version"), [("v2.1", V31), (V31, V3)])
def test_a_model_of_another_version_is_not_copied(service: Service, model_version: str, api_version: str) -> None:
    if model_version == "v2.1":
        service.source.put_model(v2_model("33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"))
    else:
        service.source.put_model(v3_model("33f4d42c-cd2f-4e74-b990-a1aeafab5a5d", api_version=model_version))
    permission = authorize(service, api_version).json()
    refused = start(service, api_version, permission, "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d")
    assert errors(refused) == (400, "InvalidRequest", "NotSupportedApiVersion")


def test_info_counts_models(service: Service) -> None:
    """2023-07-31 also counts neural builds."""
    service.source.put_model(v4_model("invoices"))
    models = {"customDocumentModels": {"count": 1, "limit": 20_000}}
    assert get(service, "source", V3, "info").json() == models
    assert get(service, "source", V4, "info").json() == models
    neural = get(service, "source", V31, "info").json()["customNeuralDocumentModelBuilds"]
    assert neural == {"used": 0, "quota": 20, "quotaResetDateTime": "2026-12-01T00:00:00Z"}


def test_no_copy_beyond_the_limit_is_authorized(service: Service) -> None:
    service.target.set_limits(model_limit=1)
    service.target.put_model(v4_model("full"))
    refused = authorize(service, V4)
    assert errors(refused) == (400, "InvalidRequest", "DocumentModelLimit")
    assert "more than 1 models" in refused.json()["error"]["innererror"]["message"]


def test_prebuilt_models_are_read_only(service: Service) -> None:
    path = f"{base(V4)}/documentModels/prebuilt-invoice?api-version={V4}"
    assert service.call("source", "GET", path).json()["apiVersion"] == V4
    assert errors(service.call("source", "DELETE", path)) == (400, "InvalidRequest", "ModelReadOnly")


@pytest.mark.parametrize(
    "path",
    [
        f"/formrecognizer/documentModels?api-version={V4}",
        f"/documentintelligence/documentModels?api-version={V31}",
        "/formrecognizer/documentModels?api-version=2031-01-01",
        "/formrecognizer/documentModels",
        f"/documentintelligence/documentModels/?api-version={V4}",
        f"/documentintelligence/documentModels/:copyTo?api-version={V4}",
        f"/formrecognizer/documentClassifiers?api-version={V3}",
    ],
)
def test_each_version_has_its_own_paths_only(service: Service, path: str) -> None:
    answer = service.call("source", "POST" if "copyTo" in path else "GET", path)
    assert (answer.status_code, answer.json()) == (404, {"error": {"code": "404", "message": "Resource not found"}})


def test_a_retired_preview_is_410(service: Service) -> None:
    path = "/documentintelligence/documentModels?api-version=2024-07-31-preview"
    assert service.call("source", "GET", path).status_code == 410


def test_a_classifier_copy_drops_tags(service: Service) -> None:
    """And keeps the description."""
    service.source.put_model(classifier("sorter", description="by kind"))
    permission = authorize(service, V4, "sorter", "Classifier", tags={"a": "b"}).json()
    assert {"targetClassifierId", "targetClassifierLocation"} < set(permission)
    ended = finish(service, start(service, V4, permission, "sorter", "Classifier"))
    assert (ended["kind"], ended["status"]) == ("documentClassifierCopyTo", "succeeded")
    copied = get(service, "target", V4, "documentClassifiers/sorter").json()
    assert copied["description"] == "by kind"
    assert "tags" not in copied


def test_a_classifier_permission_does_not_copy_a_model(service: Service) -> None:
    service.source.put_model(v4_model("twin"))
    permission = authorize(service, V4, "twin", "Classifier").json()
    as_model = {name.replace("Classifier", "Model"): value for name, value in permission.items()}
    assert finish(service, start(service, V4, as_model, "twin"))["status"] == "failed"


def test_a_permission_of_another_generation_fails(service: Service) -> None:
    service.source.put_model(v4_model("invoices"))
    permission = authorize(service, V31).json()
    assert finish(service, start(service, V4, permission))["status"] == "failed"


def test_a_permission_is_for_one_resource_only(service: Service) -> None:
    service.source.put_model(v4_model("invoices"))
    permission = authorize(service, V4).json()
    other = {"targetResourceId": SOURCE.resource_id, "targetResourceRegion": SOURCE.region}
    assert finish(service, start(service, V4, permission | other))["status"] == "failed"
    assert [model.model_id for model in service.source.models()] == ["invoices"]


@pytest.fixture
def elsewhere() -> Iterator[Service]:
    """A target in a region that does not copy classifiers."""
    target = ResourceSpec("target", "northeurope", TARGET.resource_id, TARGET.key)
    with simulated(SOURCE, target) as service:
        yield service


def test_classifiers_are_copied_in_three_regions_only(elsewhere: Service) -> None:
    assert authorize(elsewhere, V4, "sorter", "Classifier").status_code == 400


def test_2023_07_31_does_not_copy_classifiers(service: Service) -> None:
    service.source.put_model(classifier("sorter", api_version=V31))
    assert get(service, "source", V31, "documentClassifiers/sorter").status_code == 200
    refused = authorize(service, V31, "sorter", "Classifier")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "404")


def test_a_downgrade_of_encryption_fails_as_recorded() -> None:
    safe = ResourceSpec("source", SOURCE.region, SOURCE.resource_id, SOURCE.key, encrypted=True)
    with simulated(safe, TARGET) as service:
        service.source.put_model(v4_model("invoices"))
        ended = finish(service, start(service, V4, authorize(service, V4).json()))
        assert ended["error"] == {
            "code": "Forbidden",
            "message": "Access forbidden due to policy or other configuration.",
            "details": [
                {
                    "code": "AuthorizationFailed",
                    "message": "Authorization failed: Cannot copy encrypted content to non-encrypted account.",
                }
            ],
        }
