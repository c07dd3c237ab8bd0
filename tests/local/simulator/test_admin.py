"""The admin routes: reading and controlling a simulator from another process."""

from __future__ import annotations

import pytest
import requests

from local.simulator import ResourceSpec, Simulator, classifier, v2_model, v4_model

from .conftest import SOURCE, TARGET, Service

MODEL = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
V4 = "api-version=2024-11-30"
INFO = f"/documentintelligence/info?{V4}"


def test_the_journal_has_all_requests_and_no_secrets(service: Service) -> None:
    service.source.put_model(v2_model(MODEL))
    service.call("source", "GET", f"/formrecognizer/v2.1/custom/models/{MODEL}?includeKeys=true")
    service.call("source", "POST", f"/documentintelligence/documentModels:authorizeCopy?{V4}", json={"modelId": "copy"})
    service.call("source", "GET", "/nothing")
    service.admin("source", "GET", "models")

    answer = service.admin("source", "GET", "requests")

    first, second, third = answer.json()["requests"]
    assert first == {
        "id": 1,
        "time": "2026-11-23T12:00:00Z",
        "method": "GET",
        "path": f"/formrecognizer/v2.1/custom/models/{MODEL}",
        "query": "includeKeys=true",
        "status": 200,
        "operation": "getModel",
        "apiVersion": "v2.1",
        "modelId": MODEL,
    }
    assert (second["operation"], second["modelId"], second["status"]) == ("authorizeCopy", "copy", 200)
    assert (third["operation"], third["status"]) == ("unknown", 404)
    assert "source-key" not in answer.text


def test_the_journal_is_filtered_and_cleared(service: Service) -> None:
    for _ in range(2):
        service.call("source", "GET", INFO)
    service.call("source", "GET", "/nothing")
    listed = service.admin("source", "GET", "requests?operation=getInfo").json()["requests"]
    assert [entry["operation"] for entry in listed] == ["getInfo", "getInfo"]
    assert service.admin("source", "DELETE", "requests").status_code == 204
    assert service.admin("source", "GET", "requests").json() == {"requests": []}
    service.call("source", "GET", INFO)
    assert [entry["id"] for entry in service.admin("source", "GET", "requests").json()["requests"]] == [4]


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/formrecognizer/v2.1/custom/models?op=full", "listModels"),
        ("GET", "/formrecognizer/v2.1/custom/models?op=summary", "getInfo"),
        ("GET", f"/formrecognizer/v2.1/custom/models/{MODEL}", "getModel"),
        ("DELETE", f"/formrecognizer/v2.1/custom/models/{MODEL}", "deleteModel"),
        ("POST", "/formrecognizer/v2.1/custom/models/copyAuthorization", "authorizeCopy"),
        ("POST", "/formrecognizer/v2.1/custom/models/compose", "composeModel"),
        ("POST", f"/formrecognizer/v2.1/custom/models/{MODEL}/copy", "startCopy"),
        ("GET", f"/formrecognizer/v2.1/custom/models/{MODEL}/copyResults/{MODEL}", "getCopyResult"),
        ("GET", f"/documentintelligence/documentModels?{V4}", "listModels"),
        ("GET", f"/documentintelligence/documentModels/m1?{V4}", "getModel"),
        ("DELETE", f"/documentintelligence/documentModels/m1?{V4}", "deleteModel"),
        ("POST", f"/documentintelligence/documentModels:authorizeCopy?{V4}", "authorizeCopy"),
        ("POST", f"/documentintelligence/documentModels:compose?{V4}", "composeModel"),
        ("POST", f"/documentintelligence/documentModels/m1:copyTo?{V4}", "startCopy"),
        ("GET", f"/documentintelligence/operations/1_a?{V4}", "getOperation"),
        ("GET", f"/documentintelligence/operations?{V4}", "listOperations"),
        ("GET", f"/documentintelligence/info?{V4}", "getInfo"),
        ("GET", f"/documentintelligence/documentClassifiers?{V4}", "listClassifiers"),
        ("GET", f"/documentintelligence/documentClassifiers/c1?{V4}", "getClassifier"),
        ("DELETE", f"/documentintelligence/documentClassifiers/c1?{V4}", "deleteClassifier"),
        ("POST", f"/documentintelligence/documentClassifiers:authorizeCopy?{V4}", "authorizeClassifierCopy"),
        ("POST", f"/documentintelligence/documentClassifiers/c1:copyTo?{V4}", "startClassifierCopy"),
        ("PATCH", f"/documentintelligence/documentModels/m1?{V4}", "unknown"),
    ],
)
def test_every_operation_has_its_name(service: Service, method: str, path: str, operation: str) -> None:
    service.call("source", method, path)
    assert [entry.operation for entry in service.source.requests()] == [operation]


def test_models_are_put_listed_trained_and_deleted(service: Service) -> None:
    spec = {
        "apiVersion": "v2.1",
        "name": "Invoices",
        "fields": {"Total": 0.9},
        "trainedDateTime": "2026-01-02T03:04:05Z",
    }
    assert service.admin("source", "PUT", f"models/{MODEL}", json=spec).status_code == 200
    listed = service.call("source", "GET", "/formrecognizer/v2.1/custom/models?op=full").json()["modelList"]
    assert listed[0]["lastUpdatedDateTime"] == "2026-01-02T03:04:05Z"

    second = spec | {"fields": {"Total": 0.95}, "trainedDateTime": "2026-02-02T03:04:05Z"}
    service.admin("source", "PUT", f"models/{MODEL}", json=second)
    [model] = service.admin("source", "GET", "models").json()["models"]
    assert (model["state"], model["trainedDateTime"]) == ("ready", "2026-02-02T03:04:05Z")
    assert model["content"]["trainResult"]["fields"] == [{"fieldName": "Total", "accuracy": 0.95}]

    assert service.admin("source", "DELETE", f"models/{MODEL}").status_code == 204
    assert service.admin("source", "GET", f"models/{MODEL}").status_code == 404


@pytest.mark.parametrize(
    "spec",
    [
        {"apiVersion": "v2.0", "state": "creating"},
        {"apiVersion": "v2.1", "parts": {MODEL: {"Total": 0.9}}},
        {"apiVersion": "2022-08-31", "docTypes": {"a": {"X": 0.5}, "b": {"Y": 0.6}}, "tags": {"a": "b"}},
        {"apiVersion": "2023-07-31", "buildMode": "neural", "expirationDateTime": "2027-01-01T00:00:00Z"},
        {"apiVersion": "2024-11-30", "description": "words"},
        {"apiVersion": "2024-11-30", "classifierId": "c1", "parts": {"a": {"modelId": "m1"}}},
        {"apiVersion": "2024-11-30", "kind": "classifier", "docTypes": ["a", "b"]},
        {"apiVersion": "2024-11-30", "content": {"warnings": [{"code": "W", "message": "w"}]}},
    ],
)
def test_models_of_every_kind_can_be_put(service: Service, spec: dict[str, object]) -> None:
    put = service.admin("source", "PUT", f"models/{MODEL}", json=spec).json()
    assert put["apiVersion"] == spec["apiVersion"]
    assert put["state"] == spec.get("state", "ready")
    kind = spec.get("kind", "model")
    assert service.admin("source", "GET", f"models/{MODEL}?kind={kind}").json() == put


@pytest.mark.parametrize(
    ("path", "spec"),
    [
        (f"models/{MODEL}", {"apiVersion": "v9"}),
        (f"models/{MODEL}", {"colour": "red"}),
        (f"models/{MODEL}", {"state": "sleeping"}),
        ("models/no-uuid", {"apiVersion": "v2.1"}),
    ],
)
def test_an_impossible_model_is_refused(service: Service, path: str, spec: dict[str, str]) -> None:
    """With the reason."""
    answer = service.admin("source", "PUT", path, json=spec)
    assert answer.status_code == 400
    assert len(answer.json()["error"]) > 20


def test_copies_and_placeholders_are_distinguished(service: Service) -> None:
    service.source.put_model(v4_model("invoices"))
    path = f"/documentintelligence/documentModels:authorizeCopy?{V4}"
    permission = service.call("target", "POST", path, json={"modelId": "copy"}).json()
    service.call("target", "POST", path, json={"modelId": "unused"})
    service.call("source", "POST", f"/documentintelligence/documentModels/invoices:copyTo?{V4}", json=permission)
    service.clock.advance(5)
    models = service.admin("target", "GET", "models").json()["models"]
    assert {item["modelId"]: (item["state"], item.get("copyOf")) for item in models} == {
        "copy": ("ready", "source/invoices"),
        "unused": ("placeholder", None),
    }


def test_kinds_are_listed_apart_or_together(service: Service) -> None:
    service.source.put_model(v4_model("twin"))
    service.source.put_model(classifier("twin"))
    both = service.admin("source", "GET", "models").json()["models"]
    classifiers = service.admin("source", "GET", "models?kind=classifier").json()["models"]
    assert [item["kind"] for item in both] == ["model", "classifier"]
    assert [item["kind"] for item in classifiers] == ["classifier"]


@pytest.mark.parametrize("path", ["models?kind=x", "models?kind=", f"models/{MODEL}?kind=Classifier"])
def test_an_unknown_kind_is_refused(service: Service, path: str) -> None:
    service.source.put_model(v2_model(MODEL))
    answer = service.admin("source", "GET", path)
    assert answer.status_code == 400
    assert "kind must be one of model, classifier" in answer.json()["error"]


def test_limits_durations_and_behaviour_can_be_set(service: Service) -> None:
    """And read back."""
    assert service.admin("source", "PUT", "limits", json={"preset": "S0", "copyIntervalSeconds": 5}).status_code == 200
    limits = service.admin("source", "GET", "limits").json()
    assert (limits["copyIntervalSeconds"], limits["listPagesPerMinute"], limits["managePerSecond"]) == (5, 10, 5)
    assert (
        service.admin("source", "PUT", "limits", json={"listPagesPerMinute": None}).json()["copyIntervalSeconds"] == 5
    )
    assert service.admin("source", "PUT", "durations", json={"copySeconds": [5, 22]}).json() == {"copySeconds": [5, 22]}
    assert service.admin("source", "GET", "durations").json() == {"copySeconds": [5, 22]}
    changed = service.admin("source", "PUT", "behaviour", json={"placeholderDelete": "notFound"}).json()
    assert changed == service.admin("source", "GET", "behaviour").json()
    assert changed["placeholderDelete"] == "notFound"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("limits", {"preset": "S7"}),
        ("limits", {"pageSize": 0}),
        ("limits", {"pageSize": 1.5}),
        ("limits", {"speed": 1}),
        ("limits", {"modelLimit": None}),
        ("durations", {"copySeconds": [2, 1]}),
        ("durations", {"copySeconds": "soon"}),
        ("durations", {}),
        ("behaviour", {"mood": "bad"}),
        ("behaviour", {"placeholderDelete": "explodes"}),
        ("down", {"down": "yes"}),
    ],
)
def test_impossible_settings_are_refused(service: Service, path: str, body: dict[str, object]) -> None:
    before = service.admin("source", "GET", path).json()
    assert service.admin("source", "PUT", path, json=body).status_code == 400
    assert service.admin("source", "GET", path).json() == before


def test_a_resource_that_is_down_can_be_reached(service: Service) -> None:
    """Through the port of another resource, and the admin port."""
    assert service.admin("target", "PUT", "resources/source/down", json={"down": True}).json() == {"down": True}
    with pytest.raises(requests.exceptions.ConnectionError):
        service.call("source", "GET", INFO)
    listed = requests.get(service.simulator.admin_endpoint + "/_sim/resources", timeout=5).json()["resources"]
    assert {item["name"]: item["down"] for item in listed} == {"source": True, "target": False}
    up = requests.put(f"{service.simulator.admin_endpoint}/_sim/resources/source/down", json={"down": False}, timeout=5)
    assert up.json() == {"down": False}
    assert service.call("source", "GET", INFO).status_code == 200


def test_faults_are_added_listed_and_removed(service: Service) -> None:
    fault = {"operation": "getInfo", "kind": "status", "status": 500, "count": None, "modelId": "m1"}
    assert service.admin("source", "POST", "faults", json=fault).json() == {"id": 1}
    [listed] = service.admin("source", "GET", "faults").json()["faults"]
    assert listed == fault | {"id": 1, "skip": 0, "probability": 1.0}
    service.admin("source", "DELETE", "faults")
    assert service.admin("source", "GET", "faults").json() == {"faults": []}


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("POST", "faults", {}, "operation and kind missing"),
        ("POST", "faults", {"operation": "startCopy"}, "lostAnswer"),
        (
            "POST",
            "faults",
            {"operation": "startCopy", "kind": "reset", "cuont": 2},
            "no member 'cuont'; its members are",
        ),
        (
            "POST",
            "faults",
            {"operation": "startCopy", "kind": "reset", "count": "2"},
            "'count' of a fault cannot be \"2\"",
        ),
        ("POST", "faults", {"operation": ["*"], "kind": "reset"}, "'operation' of a fault"),
        ("POST", "clock/advance", {}, "'seconds' is missing"),
        ("PUT", "durations", {}, "'copySeconds' is missing"),
        ("PUT", "behaviour", {"mood": "bad"}, "'mood'"),
    ],
)
def test_a_wrong_body_is_explained(
    service: Service, method: str, path: str, body: dict[str, object], message: str
) -> None:
    """Without the name of a Python exception."""
    answer = service.admin("source", method, path, json=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert "Error" not in answer.json()["error"]


def test_the_routes_in_the_error_message_exist(service: Service) -> None:
    for prefix in ("", "resources/target/"):
        message = service.admin("source", "GET", f"{prefix}nothing").json()["error"]
        for route in message.partition("use one of ")[2].split(", "):
            assert service.admin("source", "GET", prefix + route).status_code in {200, 405}, route


def test_the_clock_is_moved(service: Service) -> None:
    before = service.clock.now()
    answer = service.admin("source", "POST", "clock/advance", json={"seconds": 90})
    assert answer.json() == {"now": "2026-11-23T12:01:30Z"}
    assert (service.clock.now() - before).total_seconds() == 90
    assert service.admin("source", "POST", "clock/advance", json={"seconds": -1}).status_code == 400


def test_the_clock_of_the_machine_is_not_moved(live: Simulator) -> None:
    answer = requests.post(live.endpoint("source") + "/_sim/clock/advance", json={"seconds": 1}, timeout=5)
    assert answer.status_code == 409


@pytest.mark.parametrize("path", ["nothing", "resources/unknown/models", ""])
def test_an_unknown_admin_route_is_404_with_a_reason(service: Service, path: str) -> None:
    answer = service.admin("source", "GET", path)
    assert answer.status_code == 404
    assert "error" in answer.json()


def test_equal_seeds_give_equal_ids() -> None:
    def ids(seed: int) -> list[str]:
        with Simulator([SOURCE], seed=seed) as simulator:
            url = simulator.endpoint("source") + "/formrecognizer/v2.1/custom/models/copyAuthorization"
            headers = {"Ocp-Apim-Subscription-Key": "source-key"}
            return [requests.post(url, headers=headers, timeout=5).json()["modelId"] for _ in range(3)]

    assert ids(7) == ids(7) != ids(8)


def test_a_port_in_use_is_an_error() -> None:
    """And the ports that were bound before are released."""
    with Simulator([SOURCE]) as running:
        port = int(running.endpoint("source").rpartition(":")[2])
        again = ResourceSpec("again", TARGET.region, TARGET.resource_id, TARGET.key, port=port)
        with pytest.raises(OSError, match="in use"), Simulator([TARGET, again]):
            pass


def test_a_spec_does_not_show_its_key() -> None:
    assert SOURCE.key not in repr(SOURCE)


def test_two_resources_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two resources"):
        Simulator([SOURCE, SOURCE])
