"""The official v4 client, azure-ai-documentintelligence 1.0.2, against the simulator, unchanged."""

from __future__ import annotations

import pytest
from azure.ai.documentintelligence import DocumentIntelligenceAdministrationClient, DocumentIntelligenceClient
from azure.ai.documentintelligence.models import (
    AnalyzeDocumentRequest,
    AuthorizeClassifierCopyRequest,
    AuthorizeCopyRequest,
    ComposeDocumentModelRequest,
    DocumentTypeDetails,
    ModelCopyAuthorization,
)
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)

from local.simulator import Simulator, classifier, v4_composed_model, v4_model
from local.simulator.models import DEFAULT_FIELDS


def client(simulator: Simulator, name: str, key: str | None = None) -> DocumentIntelligenceAdministrationClient:
    credential = AzureKeyCredential(key or f"{name}-key")
    return DocumentIntelligenceAdministrationClient(simulator.endpoint(name), credential, polling_interval=0.02)


def authorize(
    simulator: Simulator, model_id: str, description: str | None = None, tags: dict[str, str] | None = None
) -> ModelCopyAuthorization:
    request = AuthorizeCopyRequest(model_id=model_id, description=description, tags=tags)
    return client(simulator, "target").authorize_model_copy(request)


def test_a_model_is_copied_to_the_other_region(live: Simulator) -> None:
    live.resource("source").put_model(v4_model("invoices", description="old words"))
    permission = authorize(live, "backup", description="words", tags={"owner": "finance"})

    copied = client(live, "source").begin_copy_model_to("invoices", permission).result()

    original = client(live, "source").get_model("invoices")
    backup = client(live, "target").get_model("backup")
    assert (copied.model_id, backup.description, backup.tags) == ("backup", "words", {"owner": "finance"})
    assert backup.created_date_time > original.created_date_time
    assert backup.modified_date_time == original.modified_date_time
    assert backup.expiration_date_time == original.expiration_date_time
    assert backup.doc_types is not None
    assert list(backup.doc_types) == ["backup"]


def test_a_classifier_is_copied_and_loses_its_tags(live: Simulator) -> None:
    live.resource("source").put_model(classifier("sorter", description="by kind"))
    request = AuthorizeClassifierCopyRequest(classifier_id="sorter", tags={"owner": "finance"})
    permission = client(live, "target").authorize_classifier_copy(request)

    copied = client(live, "source").begin_copy_classifier_to("sorter", permission).result()

    assert copied.classifier_id == "sorter"
    sorter = client(live, "target").get_classifier("sorter")
    assert set(sorter.doc_types) == {"invoice", "receipt", "order"}
    assert sorter.description == "by kind"
    assert "tags" not in sorter
    assert [item.kind for item in client(live, "source").list_operations()] == ["documentClassifierCopyTo"]


def test_a_composed_model_needs_its_parts(live: Simulator) -> None:
    """In the target, under the same ids."""
    source, target = live.resource("source"), live.resource("target")
    source.put_model(v4_composed_model("mail", classifier_id="sorter", parts={"invoice": ("invoices", {"Total": 0.9})}))
    with pytest.raises(HttpResponseError):
        client(live, "source").begin_copy_model_to("mail", authorize(live, "mail")).result()
    target.put_model(classifier("sorter"))
    target.put_model(v4_model("invoices"))

    copied = client(live, "source").begin_copy_model_to("mail", authorize(live, "mail.2")).result()

    assert copied.classifier_id == "sorter"
    assert copied.doc_types is not None
    assert copied.doc_types["invoice"].model_id == "invoices"


def test_models_are_composed_with_a_classifier(live: Simulator) -> None:
    for model in (classifier("sorter"), v4_model("invoices")):
        live.resource("source").put_model(model)
    request = ComposeDocumentModelRequest(
        model_id="mail", classifier_id="sorter", doc_types={"invoice": DocumentTypeDetails(model_id="invoices")}
    )

    mail = client(live, "source").begin_compose_model(request).result()

    assert (mail.model_id, mail.classifier_id) == ("mail", "sorter")


def test_lists_have_the_models_of_all_pages(live: Simulator) -> None:
    source = live.resource("source")
    source.set_limits(page_size=4)
    ids = [f"model-{number:02d}" for number in range(17)]
    for model_id in ids:
        source.put_model(v4_model(model_id))
        source.put_model(classifier(model_id))

    models = [item.model_id for item in client(live, "source").list_models()]
    classifiers = [item.classifier_id for item in client(live, "source").list_classifiers()]

    assert [model_id for model_id in models if not model_id.startswith("prebuilt-")] == ids
    assert classifiers == ids


def test_the_operations_of_all_pages_are_listed(live: Simulator) -> None:
    source = live.resource("source")
    source.set_limits(page_size=2)
    source.put_model(v4_model("invoices"))
    for number in range(5):
        client(live, "source").begin_copy_model_to("invoices", authorize(live, f"copy-{number}")).result()

    listed = list(client(live, "source").list_operations())

    assert len({item.operation_id for item in listed}) == 5
    assert {item.status for item in listed} == {"succeeded"}
    again = client(live, "source").get_operation(listed[0].operation_id)
    assert again["result"]["modelId"].startswith("copy-")


def test_models_and_classifiers_are_deleted_and_gone(live: Simulator) -> None:
    live.resource("source").put_model(v4_model("twin"))
    live.resource("source").put_model(classifier("twin"))
    source = client(live, "source")

    source.delete_model("twin")

    with pytest.raises(ResourceNotFoundError):
        source.get_model("twin")
    assert source.get_classifier("twin").classifier_id == "twin"
    source.delete_classifier("twin")
    with pytest.raises(ResourceNotFoundError):
        source.get_classifier("twin")


def test_the_account_has_its_count_and_limit(live: Simulator) -> None:
    live.resource("source").put_model(v4_model("invoices"))

    details = client(live, "source").get_resource_details()

    assert (details.custom_document_models.count, details.custom_document_models.limit) == (1, 20_000)


def test_a_wrong_key_is_refused(live: Simulator) -> None:
    with pytest.raises(ClientAuthenticationError):
        client(live, "source", key="wrong").get_resource_details()


def test_an_unknown_source_model_is_not_found(live: Simulator) -> None:
    with pytest.raises(ResourceNotFoundError) as failed:
        client(live, "source").begin_copy_model_to("unknown", authorize(live, "copy"))
    assert failed.value.error is not None
    assert failed.value.error.innererror["code"] == "ModelNotFound"


def test_an_empty_id_is_not_found(live: Simulator) -> None:
    with pytest.raises(ResourceNotFoundError) as failed:
        client(live, "source").get_model(model_id="")
    assert failed.value.error is not None
    assert (failed.value.error.code, failed.value.error.message) == ("404", "Resource not found")


def test_an_id_in_use_is_a_conflict(live: Simulator) -> None:
    authorize(live, "copy")
    with pytest.raises(ResourceExistsError):
        authorize(live, "copy")


def test_a_wrong_region_fails_while_polling(live: Simulator) -> None:
    live.resource("source").put_model(v4_model("invoices"))
    permission = authorize(live, "copy")
    permission.target_resource_region = "brazilsouth"

    with pytest.raises(HttpResponseError, match="brazilsouth"):
        client(live, "source").begin_copy_model_to("invoices", permission).result()


def test_an_authorization_works_once(live: Simulator) -> None:
    live.resource("source").put_model(v4_model("invoices"))
    permission = authorize(live, "copy")
    source = client(live, "source")
    source.begin_copy_model_to("invoices", permission).result()

    with pytest.raises(HttpResponseError, match="authorization metadata"):
        source.begin_copy_model_to("invoices", permission).result()


def test_a_429_is_retried_after_the_wait(live: Simulator) -> None:
    source = live.resource("source")
    source.put_model(v4_model("invoices"))
    for operation in ("startCopy", "getOperation"):
        source.inject(operation, "status", status=429, headers={"Retry-After": "0"})

    client(live, "source").begin_copy_model_to("invoices", authorize(live, "copy")).result()

    assert [entry.status for entry in source.requests("startCopy")] == [429, 202]


def test_a_copy_analyzes_a_document(live: Simulator) -> None:
    live.resource("source").put_model(v4_model("invoices"))
    client(live, "source").begin_copy_model_to("invoices", authorize(live, "backup")).result()
    analysis = DocumentIntelligenceClient(
        live.endpoint("target"), AzureKeyCredential("target-key"), polling_interval=0.02
    )

    result = analysis.begin_analyze_document("backup", AnalyzeDocumentRequest(bytes_source=b"%PDF-1.7")).result()

    assert (result.api_version, result.model_id) == ("2024-11-30", "backup")
    (document,) = result.documents or []
    assert {name: field.confidence for name, field in (document.fields or {}).items()} == dict(DEFAULT_FIELDS)
    with pytest.raises(ResourceNotFoundError):
        analysis.begin_analyze_document("invoices", AnalyzeDocumentRequest(bytes_source=b"%PDF-1.7"))
