"""v3 and v4, models and classifiers, against the simulated service and against prepared answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from backup.document_models import (
    AccountLimits,
    Component,
    CopyAuthorization,
    CopyOperation,
    CopyState,
    Generation,
    Kind,
    ModelState,
    TargetAddress,
    first_difference,
)
from backup.json_types import Json
from form_recognizer import (
    BadRequest,
    CopyRefused,
    CopyTarget,
    ModelExists,
    ModelLimitReached,
    ModelNotFound,
    ModelNotReady,
    OperationNotFound,
    OperationUnknown,
    ServiceError,
    UnreadableAnswer,
    UntrustedAddress,
    VersionUnsupported,
)
from local.simulator import StoredModel, classifier, v2_model, v3_model, v4_composed_model, v4_model

from .conftest import Pair, Scripted, all_models

V3 = ["2022-08-31", "2023-07-31"]
V4 = "2024-11-30"
ALL = [*V3, V4]
NOWHERE = TargetAddress("not used", "not used")
TOKEN = "1855fe23-5ffc-427b-aab2-e5196641502f-secret"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
OPERATION = "31505674123_a49bbdd6-0a2b-4c3d-8e4f-5a6b7c8d9e0f"


def model_of(api_version: str, model_id: str, **options: object) -> StoredModel:
    build: Callable[..., StoredModel] = v4_model if api_version == V4 else v3_model
    return build(model_id, api_version=api_version, **options)


def copy(
    pair: Pair,
    api_version: str,
    model_id: str,
    target_id: str,
    kind: Kind = Kind.MODEL,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> CopyOperation:
    source, target = pair.service("source", api_version, kind), pair.service("target", api_version, kind)
    authorization = target.authorize_copy(CopyTarget(target_id, description, tags))
    operation = source.start_copy(model_id, authorization, NOWHERE)
    assert source.get_copy(model_id, operation).state is CopyState.RUNNING
    pair.clock.advance(60)
    return source.get_copy(model_id, operation)


@pytest.mark.parametrize("target_id", ["invoices", "invoices.2"])
@pytest.mark.parametrize("api_version", ALL)
def test_a_copy_equals_its_source(pair: Pair, api_version: str, target_id: str) -> None:
    """Under the same id and under another one."""
    pair.source.put_model(model_of(api_version, "invoices"))
    done = copy(pair, api_version, "invoices", target_id)
    assert (done.state, done.target_model_id) == (CopyState.SUCCEEDED, target_id)
    original = pair.service("source", api_version).get_model("invoices")
    copied = pair.service("target", api_version).get_model(target_id)
    assert first_difference(original.content, copied.content) is None
    assert original.digest() == copied.digest()
    assert copied.summary.state is ModelState.READY
    assert copied.summary.expires == original.summary.expires


@pytest.mark.parametrize("api_version", ALL)
def test_a_retrained_model_differs_from_its_copy(pair: Pair, api_version: str) -> None:
    pair.source.put_model(model_of(api_version, "invoices"))
    copy(pair, api_version, "invoices", "invoices")
    before = pair.service("source", api_version).get_model("invoices")
    pair.source.put_model(model_of(api_version, "invoices", fields={"Total": 0.99}, trained=pair.clock.now()))
    after = pair.service("source", api_version).get_model("invoices")
    assert after.digest() != pair.service("target", api_version).get_model("invoices").digest()
    assert after.summary.fingerprint() != before.summary.fingerprint()


@pytest.mark.parametrize("api_version", ALL)
def test_description_and_tags_are_copied(pair: Pair, api_version: str) -> None:
    pair.source.put_model(model_of(api_version, "invoices", description="Rechnungen ✓", tags={"team": "ap"}))
    source = pair.service("source", api_version).list_models().models[0]
    copy(
        pair,
        api_version,
        "invoices",
        "invoices",
        description=source.description,
        tags={"team": str(source.tags["team"])},
    )
    copied = pair.service("target", api_version).get_model("invoices").summary
    assert (copied.description, copied.tags) == ("Rechnungen ✓", {"team": "ap"})


@pytest.mark.parametrize("api_version", ALL)
def test_an_authorization_lives_an_hour(pair: Pair, api_version: str) -> None:
    authorization = pair.service("target", api_version).authorize_copy(CopyTarget("invoices"))
    assert abs(authorization.expires - pair.clock.now() - timedelta(hours=1)) < timedelta(seconds=3)
    assert str(authorization.document["accessToken"]) not in repr(authorization)


@pytest.mark.parametrize("api_version", ALL)
def test_a_taken_id_is_refused_as_model_exists(pair: Pair, api_version: str) -> None:
    target = pair.service("target", api_version)
    target.authorize_copy(CopyTarget("invoices"))
    with pytest.raises(ModelExists) as caught:
        target.authorize_copy(CopyTarget("invoices"))
    assert (caught.value.status, caught.value.service_code) == (409, "ModelExists")
    assert caught.value.target_model_id is None


@pytest.mark.parametrize("api_version", ALL)
def test_only_a_ready_model_is_copied(pair: Pair, api_version: str) -> None:
    """A placeholder and an unknown model are refused, each by its own error."""
    source, target = pair.service("source", api_version), pair.service("target", api_version)
    with pytest.raises(ModelNotFound):
        source.start_copy("nothing", target.authorize_copy(CopyTarget("copy-1")), NOWHERE)
    source.authorize_copy(CopyTarget("placeholder"))
    with pytest.raises(ModelNotReady):
        source.start_copy("placeholder", target.authorize_copy(CopyTarget("copy-2")), NOWHERE)
    with pytest.raises(ModelNotFound):
        source.get_model("nothing")
    with pytest.raises(ModelNotFound):
        source.delete_model("nothing")


def test_a_model_of_another_generation_is_refused(pair: Pair) -> None:
    model_id = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
    pair.source.put_model(v2_model(model_id))
    authorization = pair.service("target", "2023-07-31").authorize_copy(CopyTarget("copy"))
    with pytest.raises(VersionUnsupported):
        pair.service("source", "2023-07-31").start_copy(model_id, authorization, NOWHERE)


def test_a_copy_that_fails_later_says_why(pair: Pair) -> None:
    """Its percent is 100."""
    pair.source.put_model(v3_model("invoices"))
    source, target = pair.service("source", "2023-07-31"), pair.service("target", "2023-07-31")
    authorization = target.authorize_copy(CopyTarget("invoices"))
    wrong = CopyAuthorization("invoices", authorization.expires, {**authorization.document, "accessToken": "x" * 32})
    operation = source.start_copy("invoices", wrong, NOWHERE)
    pair.clock.advance(60)
    failed = source.get_copy("invoices", operation)
    assert (failed.state, failed.percent, failed.error_code) == (CopyState.FAILED, 100, "AuthorizationFailed")
    assert failed.error_message


@pytest.mark.parametrize("api_version", ALL)
def test_a_list_shows_models_of_all_generations(pair: Pair, api_version: str) -> None:
    """Without prebuilt models."""
    pair.source.set_limits(page_size=2)
    old = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
    pair.source.put_model(v2_model(old))
    ids = {f"model-{number}" for number in range(5)}
    for model_id in ids:
        pair.source.put_model(model_of(api_version, model_id))
    service = pair.service("source", api_version)
    models = all_models(service)
    assert {model.model_id: model.api_version for model in models} == {**dict.fromkeys(ids, api_version), old: "v2.1"}


def test_the_next_page_is_requested_with_the_version(scripted: Scripted) -> None:
    """Even if the link lacks it."""
    link = f"{scripted.endpoint}/formrecognizer/documentModels?nextLink=MDAw%2B"
    scripted.answer(200, {"value": [], "nextLink": link})
    scripted.answer(200, {"value": []})
    service = scripted.service("2022-08-31")
    page = service.list_models(service.list_models().next_page)
    assert page.next_page is None
    assert b"documentModels?api-version=2022-08-31&nextLink=MDAw%2B HTTP" in scripted.requests[1]


def test_a_next_page_on_another_host_is_not_followed(scripted: Scripted) -> None:
    scripted.answer(200, {"value": [], "nextLink": "https://elsewhere.example/documentintelligence/documentModels?a=b"})
    with pytest.raises(UntrustedAddress):
        scripted.service(V4).list_models()


def test_account_limits_are_read(scripted: Scripted) -> None:
    scripted.answer(200, {"customDocumentModels": {"count": 597, "limit": 20000}})
    assert scripted.service(V4).account_limits() == AccountLimits(597, 20000)
    assert scripted.requests[0].startswith(b"GET /documentintelligence/info?api-version=2024-11-30 HTTP")


def test_a_full_resource_is_model_limit_reached(scripted: Scripted) -> None:
    inner = {"code": "DocumentModelLimit", "message": "Account can't create more than 5 models."}
    scripted.answer(400, {"error": {"code": "InvalidRequest", "message": "Invalid request.", "innererror": inner}})
    with pytest.raises(ModelLimitReached, match="more than 5 models"):
        scripted.service(V4).authorize_copy(CopyTarget("invoices"))


def test_a_later_version_of_v4_works(scripted: Scripted) -> None:
    scripted.answer(200, {"value": []})
    service = scripted.service("2027-01-31-preview")
    service.list_models()
    assert service.generation is Generation.V4
    assert b"GET /documentintelligence/documentModels?api-version=2027-01-31-preview" in scripted.requests[0]


# --- composed models and classifiers


def test_a_composed_v4_model_names_its_components(pair: Pair) -> None:
    parts = {
        "invoice": ("invoices", {"Total": 0.9}),
        "receipt": ("receipts", {"Total": 0.8}),
        "other": ("invoices", {}),
    }
    pair.source.put_model(v4_composed_model("everything", classifier_id="sorter", parts=parts))
    details = pair.service("source", V4).get_model("everything")
    assert details.components == (
        Component(Kind.CLASSIFIER, "sorter"),
        Component(Kind.MODEL, "invoices"),
        Component(Kind.MODEL, "receipts"),
    )
    assert pair.service("source", V4).list_models().models[0].classifier_id == "sorter"
    assert details.content["classifierId"] == "sorter"


def test_a_composed_v3_model_is_one_unit(pair: Pair) -> None:
    pair.source.put_model(v3_model("everything", doc_types={"invoices": {"Total": 0.9}, "receipts": {"Total": 0.8}}))
    details = pair.service("source", "2023-07-31").get_model("everything")
    assert details.components == ()
    assert copy(pair, "2023-07-31", "everything", "everything").state is CopyState.SUCCEEDED
    assert pair.service("target", "2023-07-31").get_model("everything").digest() == details.digest()


def test_a_model_is_no_component_of_itself(scripted: Scripted) -> None:
    doc_types = {"mine": {"buildMode": "neural", "modelId": "mine"}}
    body = {"modelId": "mine", "createdDateTime": "2026-01-01T00:00:00Z", "classifierId": None, "docTypes": doc_types}
    scripted.answer(200, body)
    details = scripted.service(V4).get_model("mine")
    assert details.components == ()
    assert details.content == {"docTypes": {"{modelId}": {"buildMode": "neural", "modelId": "{modelId}"}}}


def test_a_classifier_is_copied_and_equals_its_source(pair: Pair) -> None:
    pair.source.put_model(classifier("sorter", description="sorts"))
    done = copy(pair, V4, "sorter", "sorter.2", Kind.CLASSIFIER, tags={"team": "ap"})
    assert (done.state, done.target_model_id) == (CopyState.SUCCEEDED, "sorter.2")
    source, target = pair.service("source", V4, Kind.CLASSIFIER), pair.service("target", V4, Kind.CLASSIFIER)
    copied = target.get_model("sorter.2")
    assert copied.digest() == source.get_model("sorter").digest()
    assert copied.content["docTypes"] == ["invoice", "order", "receipt"]
    assert [model.kind for model in target.list_models().models] == [Kind.CLASSIFIER]
    target.delete_model("sorter.2")
    with pytest.raises(ModelNotFound):
        target.get_model("sorter.2")


def test_a_model_and_a_classifier_may_share_an_id(pair: Pair) -> None:
    pair.source.put_model(classifier("both"))
    pair.source.put_model(v4_model("both"))
    pair.service("source", V4, Kind.CLASSIFIER).delete_model("both")
    assert pair.service("source", V4).get_model("both").summary.model_id == "both"


def test_a_classifiers_training_data_is_not_compared(scripted: Scripted) -> None:
    source = {"containerUrl": "https://data.blob.core.windows.net/c?sig=very-secret", "prefix": "a/"}
    body = {
        "classifierId": "sorter",
        "createdDateTime": "2026-01-01T00:00:00Z",
        "apiVersion": V4,
        "docTypes": {"a": {"sourceKind": "azureBlob", "azureBlobSource": source}},
    }
    scripted.answer(200, body)
    details = scripted.service(V4, Kind.CLASSIFIER).get_model("sorter")
    assert details.content == {"apiVersion": V4, "docTypes": ["a"]}


def test_classifiers_of_2023_are_read_but_not_copied(pair: Pair) -> None:
    pair.source.put_model(classifier("sorter", api_version="2023-07-31"))
    service = pair.service("source", "2023-07-31", Kind.CLASSIFIER)
    assert [model.model_id for model in service.list_models().models] == ["sorter"]
    assert service.get_model("sorter").content["docTypes"] == ["invoice", "order", "receipt"]
    with pytest.raises(BadRequest):
        service.authorize_copy(CopyTarget("sorter"))


# --- authorizations, good and flawed


def authorized(scripted: Scripted, **changes: Json) -> dict[str, Json]:
    return {
        "targetResourceId": "/subscriptions/s",
        "targetResourceRegion": "eastus",
        "targetModelId": "invoices",
        "targetModelLocation": f"{scripted.endpoint}/documentintelligence/documentModels/invoices?api-version={V4}",
        "accessToken": TOKEN,
        "expirationDateTime": "2022-08-17T00:51:16Z",
        **changes,
    }


@pytest.mark.parametrize(
    "expires", ["2022-08-17T00:51:16Z", "2022-08-17T00:51:16.0000000Z", "2022-08-17T02:51:16+02:00"]
)
def test_an_authorization_is_sent_unchanged(scripted: Scripted, expires: str) -> None:
    body = authorized(scripted, expirationDateTime=expires, somethingNew={"a": [1, None]})
    scripted.answer(200, body)
    scripted.answer(
        202, None, f"Operation-Location: {scripted.endpoint}/documentintelligence/operations/{OPERATION}?a=b"
    )
    service = scripted.service(V4)
    authorization = service.authorize_copy(CopyTarget("invoices", description=None, tags={}))
    assert authorization.expires == datetime(2022, 8, 17, 0, 51, 16, tzinfo=UTC)
    assert service.start_copy("invoices", authorization, NOWHERE) == OPERATION
    first, second = (json.loads(request.partition(b"\r\n\r\n")[2]) for request in scripted.requests)
    assert (first, second) == ({"modelId": "invoices"}, body)
    assert b"degrade" not in scripted.requests[1]


@pytest.mark.parametrize(
    ("flaw", "leaf"),
    [
        ({"targetModelId": "another"}, UnreadableAnswer),
        ({"targetModelId": None}, UnreadableAnswer),
        ({"accessToken": ""}, UnreadableAnswer),
        ({"targetResourceId": None}, UnreadableAnswer),
        ({"targetResourceRegion": 7}, UnreadableAnswer),
        ({"expirationDateTime": "tomorrow"}, UnreadableAnswer),
        ({"expirationDateTime": "0001-01-01T00:00:00+14:00"}, UnreadableAnswer),
        ({"targetModelLocation": "https://elsewhere.example/documentintelligence/documentModels/a"}, UntrustedAddress),
    ],
)
def test_a_flawed_authorization_is_not_used(
    scripted: Scripted, flaw: dict[str, Json], leaf: type[ServiceError]
) -> None:
    """The error names the id, because a placeholder has it now."""
    scripted.answer(200, authorized(scripted, **flaw))
    with pytest.raises(leaf) as caught:
        scripted.service(V4).authorize_copy(CopyTarget("invoices"))
    assert caught.value.target_model_id == "invoices"
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("model_id", ["a", "prebuilt-invoice", "a/b", "", "é" * 3, "x" * 65])
def test_an_id_that_no_copy_can_have_is_never_sent(scripted: Scripted, model_id: str) -> None:
    with pytest.raises(BadRequest):
        scripted.service(V4).authorize_copy(CopyTarget(model_id))
    assert scripted.requests == []


def test_an_id_must_be_named() -> None:
    from form_recognizer import ApiKey, ResourceConnection, Transport, open_service

    service = open_service(ResourceConnection("a", Transport("https://a.example", ApiKey(lambda: "k"))), V4)
    with pytest.raises(ValueError, match="name one"):
        service.authorize_copy(CopyTarget())


def test_an_error_does_not_quote_the_token(scripted: Scripted) -> None:
    message = f"Token {TOKEN} is spent, see https://help.example/a?sig=hidden#x and " + "more " * 100
    scripted.answer(409, {"error": {"code": "Conflict", "message": message}})
    authorization = CopyAuthorization("invoices", LONG_AGO, authorized(scripted))
    with pytest.raises(CopyRefused) as caught:
        scripted.service(V4).start_copy("invoices", authorization, NOWHERE)
    assert TOKEN not in caught.value.message
    assert "hidden" not in caught.value.message
    assert "Token [redacted] is spent" in caught.value.message
    assert len(caught.value.message) < 500


def test_the_downgrade_is_requested_by_a_header(scripted: Scripted) -> None:
    scripted.answer(202, None, f"operation-location: {scripted.endpoint}/documentintelligence/operations/{OPERATION}")
    authorization = CopyAuthorization("invoices", LONG_AGO, authorized(scripted))
    scripted.service(V4).start_copy("invoices", authorization, NOWHERE, degrade=True)
    assert b"x-ms-forms-copy-degrade: true" in scripted.requests[0]


def test_an_operation_on_another_host_is_not_called(scripted: Scripted) -> None:
    scripted.answer(
        202, None, f"Operation-Location: https://elsewhere.example/documentintelligence/operations/{OPERATION}"
    )
    authorization = CopyAuthorization("invoices", LONG_AGO, authorized(scripted))
    with pytest.raises(OperationUnknown):
        scripted.service(V4).start_copy("invoices", authorization, NOWHERE)


# --- operations


def operation(**changes: Json) -> dict[str, Json]:
    return {
        "operationId": OPERATION,
        "kind": "documentModelCopyTo",
        "status": "succeeded",
        "createdDateTime": "2026-11-23T12:00:00Z",
        "resourceLocation": "https://target.example/documentintelligence/documentModels/invoices?api-version=1",
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "state", "code"),
    [
        ({"status": "notStarted"}, CopyState.RUNNING, None),
        ({"status": "running", "percentCompleted": 100}, CopyState.RUNNING, None),
        ({"status": "paused"}, CopyState.RUNNING, None),
        ({"status": "succeeded"}, CopyState.SUCCEEDED, None),
        ({"status": "canceled"}, CopyState.FAILED, "canceled"),
        ({"status": "skipped"}, CopyState.FAILED, "skipped"),
        ({"status": "failed", "error": None}, CopyState.FAILED, "failed"),
        ({"status": "failed", "error": {"code": "Forbidden", "message": "no"}}, CopyState.FAILED, "Forbidden"),
        (
            {"status": "failed", "error": {"code": "A", "innererror": {"code": "B", "innererror": {"code": "C"}}}},
            CopyState.FAILED,
            "C",
        ),
    ],
)
def test_every_state_of_an_operation_is_understood(
    scripted: Scripted, changes: dict[str, Json], state: CopyState, code: str | None
) -> None:
    scripted.answer(200, operation(**changes))
    copied = scripted.service(V4).get_copy("invoices", OPERATION)
    assert (copied.state, copied.error_code, copied.target_model_id) == (state, code, "invoices")


@pytest.mark.parametrize(
    ("body", "target"),
    [
        (operation(resourceLocation=None), None),
        (operation(resourceLocation="https://t.example/documentModels/%2e%2e"), None),
        (operation(resourceLocation=None, result={"modelId": "made"}), "made"),
        (operation(percentCompleted="half"), "invoices"),
    ],
)
def test_a_field_that_an_operation_lacks_is_none(scripted: Scripted, body: dict[str, Json], target: str | None) -> None:
    scripted.answer(200, body)
    copied = scripted.service(V4).get_copy("invoices", OPERATION)
    assert (copied.target_model_id, copied.percent) == (target, None)


def test_an_operation_is_forgotten_after_a_day(pair: Pair) -> None:
    pair.source.put_model(v4_model("invoices"))
    source, target = pair.service("source", V4), pair.service("target", V4)
    operation_id = source.start_copy("invoices", target.authorize_copy(CopyTarget("invoices")), NOWHERE)
    pair.clock.advance(2 * 86_400)
    with pytest.raises(OperationNotFound):
        source.get_copy("invoices", operation_id)


@pytest.mark.parametrize("api_version", ALL)
def test_a_lost_copy_is_found_among_many(pair: Pair, api_version: str) -> None:
    pair.source.set_limits(page_size=2)
    for number in range(5):
        pair.source.put_model(model_of(api_version, f"model-{number}"))
        copy(pair, api_version, f"model-{number}", f"copy-{number}")
    began = pair.clock.now()
    pair.source.inject("startCopy", "lostAnswer")
    source, target = pair.service("source", api_version), pair.service("target", api_version)
    with pytest.raises(ServiceError):
        source.start_copy("model-0", target.authorize_copy(CopyTarget("wanted")), NOWHERE)
    started = source.find_copy("wanted", began)
    assert started is not None
    assert source.get_copy("model-0", started).target_model_id == "wanted"
    assert source.find_copy("wanted", began + timedelta(seconds=5)) is None
    assert source.find_copy("never", LONG_AGO) is None


def test_find_copy_tells_classifiers_from_models(pair: Pair) -> None:
    pair.source.put_model(classifier("both"))
    pair.source.put_model(v4_model("both"))
    copy(pair, V4, "both", "both", Kind.CLASSIFIER)
    assert pair.service("source", V4).find_copy("both", LONG_AGO) is None
    assert pair.service("source", V4, Kind.CLASSIFIER).find_copy("both", LONG_AGO) is not None


def test_find_copy_ignores_copies_to_other_resources(pair: Pair) -> None:
    """One model may be copied under one id to several resources."""
    pair.source.put_model(v4_model("invoices"))
    copy(pair, V4, "invoices", "invoices")
    source = pair.service("source", V4)
    here = [pair.simulator.endpoint(f"forms-{name}") for name in ("source", "target")]
    assert source.find_copy("invoices", LONG_AGO, here[1]) is not None
    assert source.find_copy("invoices", LONG_AGO, here[0]) is None
    assert source.find_copy("invoices", LONG_AGO, "https://elsewhere.cognitiveservices.azure.com") is None


def test_find_copy_returns_the_newest(scripted: Scripted) -> None:
    """Entries without a kind, time or location do not count."""
    first = [
        operation(operationId="1_a", createdDateTime="2026-11-23T11:00:00Z"),
        operation(operationId="2_b", kind="documentModelBuild"),
        operation(operationId="3_c", createdDateTime="2026-11-23T12:00:00.1234567Z"),
        operation(operationId="4_d", kind=None),
        operation(operationId="5_e", createdDateTime=None),
        operation(operationId="6_f", resourceLocation=None),
    ]
    link = f"{scripted.endpoint}/documentintelligence/operations?nextLink=2"
    scripted.answer(200, {"value": first, "nextLink": link})
    scripted.answer(200, {"value": [operation(operationId="0_z", createdDateTime="2026-11-23T11:30:00Z")]})
    since = datetime(2026, 11, 23, 11, 0, 0, 900_000, tzinfo=UTC)
    assert scripted.service(V4).find_copy("invoices", since) == "3_c"


def test_find_copy_cuts_since_to_its_second(scripted: Scripted) -> None:
    scripted.answer(200, {"value": [operation(createdDateTime="2026-11-23T11:00:00Z")]})
    since = datetime(2026, 11, 23, 11, 0, 0, 900_000, tzinfo=UTC)
    assert scripted.service(V4).find_copy("invoices", since) == OPERATION


@pytest.mark.parametrize(
    ("under_way", "is_making"),
    [
        ({"kind": "documentModelBuild", "status": "running"}, True),
        ({"kind": "documentModelCompose", "status": "notStarted"}, True),
        ({"kind": "documentModelBuild", "status": "a state of the future"}, True),
        ({"kind": "documentModelBuild", "status": "succeeded"}, False),
        ({"kind": "documentModelBuild", "status": "failed"}, False),
        ({"kind": "documentModelBuild", "status": "canceled"}, False),
        ({"kind": "documentClassifierBuild", "status": "running"}, False),
        ({"kind": "documentModelBuild", "status": "running", "resourceLocation": "https://f/documentModels/x"}, False),
    ],
)
def test_is_making_sees_trainings_and_compositions(
    scripted: Scripted, under_way: dict[str, str], is_making: bool
) -> None:
    """As long as they are under way."""
    scripted.answer(200, {"value": [operation(**under_way)]})
    assert scripted.service(V4).is_making("invoices") is is_making


def test_an_endless_list_of_operations_is_refused(scripted: Scripted) -> None:
    for number in range(101):
        link = f"{scripted.endpoint}/documentintelligence/operations?nextLink={number % 2}"
        scripted.answer(200, {"value": [], "nextLink": link})
    with pytest.raises(UnreadableAnswer, match="does not end"):
        scripted.service(V4).find_copy("invoices", LONG_AGO)
    assert len(scripted.requests) == 100
