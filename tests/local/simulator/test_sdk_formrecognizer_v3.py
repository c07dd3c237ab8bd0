"""The official v3 client, azure-ai-formrecognizer 3.3.3, against the simulator, unchanged."""

from __future__ import annotations

import pytest
from azure.ai.formrecognizer import DocumentAnalysisClient, DocumentModelAdministrationClient, DocumentModelDetails
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)

from local.simulator import Simulator, classifier, v2_model, v3_model
from local.simulator.models import DEFAULT_FIELDS

VERSIONS = ["2022-08-31", "2023-07-31"]
both = pytest.mark.parametrize("version", VERSIONS)


def client(
    simulator: Simulator, name: str, version: str = "2023-07-31", key: str | None = None
) -> DocumentModelAdministrationClient:
    credential = AzureKeyCredential(key or f"{name}-key")
    endpoint = simulator.endpoint(name)
    return DocumentModelAdministrationClient(endpoint, credential, api_version=version, polling_interval=0.02)


@both
def test_a_model_is_copied_to_the_other_region(live: Simulator, version: str) -> None:
    live.resource("source").put_model(v3_model("invoices", api_version=version, description="old words"))
    permission = client(live, "target", version).get_copy_authorization(
        model_id="invoices", description="words", tags={"owner": "finance"}
    )

    copied = client(live, "source", version).begin_copy_document_model_to("invoices", permission).result()

    assert (copied.model_id, copied.description, copied.tags) == ("invoices", "words", {"owner": "finance"})
    details = client(live, "target", version).get_document_model("invoices")
    original = client(live, "source", version).get_document_model("invoices")
    assert details.created_on == original.created_on
    assert details.expires_on == original.expires_on
    assert details.doc_types is not None
    assert original.doc_types is not None
    assert details.doc_types["invoices"].field_confidence == original.doc_types["invoices"].field_confidence


@both
def test_the_operation_is_listed_and_can_be_read_again(live: Simulator, version: str) -> None:
    live.resource("source").put_model(v3_model("invoices", api_version=version))
    source = client(live, "source", version)
    permission = client(live, "target", version).get_copy_authorization(model_id="copy", tags={"run": "7"})
    poller = source.begin_copy_document_model_to("invoices", permission)
    poller.result()

    listed = list(source.list_operations())

    assert [(item.kind, item.status, item.tags) for item in listed] == [
        ("documentModelCopyTo", "succeeded", {"run": "7"})
    ]
    operation = source.get_operation(listed[0].operation_id)
    assert operation.percent_completed == 100
    assert isinstance(operation.result, DocumentModelDetails)
    assert operation.result.model_id == "copy"
    assert poller.details["operation_id"] == operation.operation_id


@both
def test_a_composed_model_is_copied_as_one(live: Simulator, version: str) -> None:
    for part in ("invoices", "receipts"):
        live.resource("source").put_model(v3_model(part, api_version=version))
    source = client(live, "source", version)
    source.begin_compose_document_model(["invoices", "receipts"], model_id="mail").result()
    permission = client(live, "target", version).get_copy_authorization(model_id="mail")

    copied = source.begin_copy_document_model_to("mail", permission).result()

    assert set(copied.doc_types or ()) == {"invoices", "receipts"}
    with pytest.raises(ResourceNotFoundError):  # the parts are not copied
        client(live, "target", version).get_document_model("invoices")


@both
def test_the_list_shows_prebuilt_and_older_models(live: Simulator, version: str) -> None:
    source = live.resource("source")
    source.set_limits(page_size=3)
    source.put_model(v2_model("33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"))
    source.put_model(v2_model("44f4d42c-cd2f-4e74-b990-a1aeafab5a5d", state="creating"))
    for made_with in VERSIONS:
        source.put_model(v3_model(f"made-{made_with}", api_version=made_with))

    listed = {item.model_id: item.api_version for item in client(live, "source", version).list_document_models()}

    custom = {model_id: made_with for model_id, made_with in listed.items() if not model_id.startswith("prebuilt-")}
    newer = {"made-2023-07-31": "2023-07-31"} if version == "2023-07-31" else {}
    assert custom == {"33f4d42c-cd2f-4e74-b990-a1aeafab5a5d": "v2.1", "made-2022-08-31": "2022-08-31"} | newer
    assert "prebuilt-invoice" in listed


@both
def test_a_model_is_deleted_and_gone(live: Simulator, version: str) -> None:
    live.resource("source").put_model(v3_model("invoices", api_version=version))
    source = client(live, "source", version)

    source.delete_document_model("invoices")

    with pytest.raises(ResourceNotFoundError) as missing:
        source.get_document_model("invoices")
    assert missing.value.error is not None
    assert missing.value.error.code == "NotFound"
    with pytest.raises(ResourceNotFoundError):
        source.delete_document_model("invoices")


def test_the_account_has_its_count_and_limit(live: Simulator) -> None:
    live.resource("source").put_model(v3_model("invoices"))

    details = client(live, "source").get_resource_details()

    assert (details.custom_document_models.count, details.custom_document_models.limit) == (1, 20_000)
    assert details.neural_document_model_quota is not None
    assert client(live, "source", "2022-08-31").get_resource_details().neural_document_model_quota is None


@both
def test_a_wrong_key_is_refused(live: Simulator, version: str) -> None:
    with pytest.raises(ClientAuthenticationError):
        client(live, "source", version, key="wrong").get_resource_details()


@both
def test_an_unknown_source_model_is_not_found(live: Simulator, version: str) -> None:
    permission = client(live, "target", version).get_copy_authorization(model_id="copy")
    with pytest.raises(HttpResponseError) as failed:
        client(live, "source", version).begin_copy_document_model_to("unknown", permission)
    assert failed.value.status_code == 404
    assert failed.value.error is not None
    assert failed.value.error.innererror["code"] == "ModelNotFound"


@both
def test_an_id_in_use_is_a_conflict(live: Simulator, version: str) -> None:
    target = client(live, "target", version)
    target.get_copy_authorization(model_id="copy")
    with pytest.raises(ResourceExistsError) as refused:
        target.get_copy_authorization(model_id="copy")
    assert refused.value.error is not None
    assert refused.value.error.innererror["code"] == "ModelExists"


@both
def test_a_wrong_region_fails_while_polling(live: Simulator, version: str) -> None:
    live.resource("source").put_model(v3_model("invoices", api_version=version))
    permission = client(live, "target", version).get_copy_authorization(model_id="copy")
    permission["targetResourceRegion"] = "brazilsouth"

    poller = client(live, "source", version).begin_copy_document_model_to("invoices", permission)

    with pytest.raises(HttpResponseError, match="brazilsouth"):
        poller.result()


@both
def test_an_empty_id_is_refused(live: Simulator, version: str) -> None:
    with pytest.raises(ValueError, match="model_id"):
        client(live, "source", version).get_document_model("")


@both
def test_a_429_is_retried_after_the_wait(live: Simulator, version: str) -> None:
    source = live.resource("source")
    source.put_model(v3_model("invoices", api_version=version))
    for operation in ("startCopy", "getOperation"):
        source.inject(operation, "status", status=429, headers={"Retry-After": "0"})
    permission = client(live, "target", version).get_copy_authorization(model_id="copy")

    client(live, "source", version).begin_copy_document_model_to("invoices", permission).result()

    assert [entry.status for entry in source.requests("startCopy")] == [429, 202]


def test_classifiers_are_listed_read_and_deleted(live: Simulator) -> None:
    live.resource("source").put_model(classifier("sorter", api_version="2023-07-31", description="by kind"))
    source = client(live, "source")

    assert [item.classifier_id for item in source.list_document_classifiers()] == ["sorter"]
    assert set(source.get_document_classifier("sorter").doc_types) == {"invoice", "receipt", "order"}
    source.delete_document_classifier("sorter")
    with pytest.raises(ResourceNotFoundError):
        source.get_document_classifier("sorter")


@both
def test_a_copy_analyzes_a_document(live: Simulator, version: str) -> None:
    live.resource("source").put_model(v3_model("invoices", api_version=version))
    permission = client(live, "target", version).get_copy_authorization(model_id="backup")
    client(live, "source", version).begin_copy_document_model_to("invoices", permission).result()
    analysis = DocumentAnalysisClient(
        live.endpoint("target"), AzureKeyCredential("target-key"), api_version=version, polling_interval=0.02
    )

    result = analysis.begin_analyze_document("backup", b"%PDF-1.7").result()

    assert (result.api_version, result.model_id) == (version, "backup")
    assert result.documents is not None
    (document,) = result.documents
    assert {name: field.confidence for name, field in (document.fields or {}).items()} == dict(DEFAULT_FIELDS)
    with pytest.raises(ResourceNotFoundError):
        analysis.begin_analyze_document("invoices", b"%PDF-1.7")
