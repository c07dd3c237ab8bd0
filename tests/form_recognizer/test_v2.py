"""The v2 generation, against the simulated service and against prepared answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backup.document_models import (
    AccountLimits,
    CopyAuthorization,
    CopyState,
    Generation,
    Kind,
    ModelState,
    TargetAddress,
)
from backup.json_types import Json
from form_recognizer import (
    BadRequest,
    CopyRefused,
    CopyTarget,
    ModelNotFound,
    OperationNotFound,
    OperationUnknown,
    UnreadableAnswer,
    UntrustedAddress,
)
from local.simulator import v2_composed_model, v2_model

from .conftest import Pair, Scripted, all_models

MODEL = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
OTHER = "0f0e0d0c-1111-4222-8333-444455556666"
TOKEN = "1855fe23-5ffc-427b-aab2-e5196641502f-secret"
ALL_V2 = ["v2.0-preview", "v2.0", "v2.1"]


def address_of(pair: Pair) -> TargetAddress:
    return TargetAddress(pair.target.spec.resource_id, pair.target.spec.region)


@pytest.mark.parametrize("api_version", ALL_V2)
def test_a_copy_equals_its_source(pair: Pair, api_version: str) -> None:
    pair.source.put_model(v2_model(MODEL, api_version=api_version))
    source, target = pair.service("source", api_version), pair.service("target", api_version)

    authorization = target.authorize_copy(CopyTarget())
    operation = source.start_copy(MODEL, authorization, address_of(pair))
    assert source.get_copy(MODEL, operation).state is CopyState.RUNNING
    pair.clock.advance(60)
    done = source.get_copy(MODEL, operation)

    assert (done.state, done.target_model_id) == (CopyState.SUCCEEDED, authorization.target_model_id)
    copied, original = target.get_model(authorization.target_model_id), source.get_model(MODEL)
    assert copied.digest() == original.digest()
    assert copied.summary.created == original.summary.created
    assert copied.summary.state is ModelState.READY


def test_an_authorization_lives_a_day(pair: Pair) -> None:
    """The service sends Unix seconds."""
    authorization = pair.service("target", "v2.1").authorize_copy(CopyTarget())
    assert abs(authorization.expires - pair.clock.now() - timedelta(days=1)) < timedelta(seconds=3)


def test_a_copy_of_a_composed_model_keeps_its_content(pair: Pair) -> None:
    pair.source.put_model(v2_composed_model(MODEL, parts={OTHER: {"Total": 0.9}}, name="all invoices"))
    source, target = pair.service("source", "v2.1"), pair.service("target", "v2.1")
    authorization = target.authorize_copy(CopyTarget())
    source.start_copy(MODEL, authorization, address_of(pair))
    pair.clock.advance(60)
    original = source.get_model(MODEL)
    assert set(original.content) >= {"composedTrainResults", "modelName", "attributes"}
    assert target.get_model(authorization.target_model_id).content == original.content


def test_a_list_of_many_pages_loses_no_model(pair: Pair) -> None:
    pair.source.set_limits(page_size=3)
    ids = {f"{number:08x}-cd2f-4e74-b990-a1aeafab5a5d" for number in range(10)}
    for model_id in ids:
        pair.source.put_model(v2_model(model_id))
    pair.source.put_model(v2_model(OTHER, state="creating"))
    service = pair.service("source", "v2.1")
    models = all_models(service)
    assert {model.model_id for model in models} == ids | {OTHER}
    assert {model.state for model in models} == {ModelState.READY, ModelState.CREATING}
    assert len(models) == len(ids) + 1


def test_the_next_page_is_requested_with_op_full(scripted: Scripted) -> None:
    """The service's link lacks it."""
    link = f"{scripted.endpoint}/formrecognizer/v2.1/custom/models?nextLink=2!204!MDAw+Lw%3D%3D"
    scripted.answer(200, {"modelList": [], "nextLink": link})
    scripted.answer(200, {"modelList": [], "nextLink": ""})
    service = scripted.service()
    first = service.list_models()
    assert first.next_page is not None
    second = service.list_models(first.next_page)
    assert second.next_page is None
    assert b"GET /formrecognizer/v2.1/custom/models?op=full&nextLink=2!204!MDAw+Lw%3D%3D HTTP" in scripted.requests[1]


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/formrecognizer/v2.1/custom/models?nextLink=1",
        "//elsewhere.example/formrecognizer/v2.1/custom/models",
        "http://127.0.0.1:1/formrecognizer/v2.1/custom/models",
        "{endpoint}/other/v2.1/custom/models",
        "{endpoint}/formrecognizer/../keys",
        "{endpoint}/formrecognizer/%2e%2e/keys",
        "http://user@{host}/formrecognizer/v2.1/custom/models",
        "{endpoint}\\@elsewhere.example/formrecognizer/",
        "http://[half/formrecognizer/v2.1",
        "http://{host}:99999/formrecognizer/v2.1/",
    ],
)
def test_a_next_page_elsewhere_is_not_followed(scripted: Scripted, link: str) -> None:
    host = scripted.endpoint.removeprefix("http://")
    link = link.replace("{endpoint}", scripted.endpoint).replace("{host}", host)
    scripted.answer(200, {"modelList": [], "nextLink": link})
    with pytest.raises(UntrustedAddress):
        scripted.service().list_models()
    with pytest.raises(UntrustedAddress):
        scripted.service().list_models(link)
    assert len(scripted.requests) == 1


def test_a_page_that_is_its_own_next_page_is_refused(scripted: Scripted) -> None:
    link = f"{scripted.endpoint}/formrecognizer/v2.1/custom/models?op=full&nextLink=1"
    scripted.answer(200, {"modelList": [], "nextLink": link})
    with pytest.raises(UnreadableAnswer):
        scripted.service().list_models(link)


def test_a_deleted_model_is_not_found(pair: Pair) -> None:
    pair.source.put_model(v2_model(MODEL))
    service = pair.service("source", "v2.1")
    service.delete_model(MODEL)
    for call in (service.delete_model, service.get_model):
        with pytest.raises(ModelNotFound) as caught:
            call(MODEL)
        assert caught.value.service_code == "1022"
        assert caught.value.request_id
        assert "forms-source" in caught.value.message


def test_account_limits_are_read(scripted: Scripted, pair: Pair) -> None:
    scripted.answer(200, {"summary": {"count": 2241, "limit": 20000, "lastUpdatedDateTime": "2021-12-17T04:02:36Z"}})
    assert scripted.service().account_limits() == AccountLimits(2241, 20000)
    pair.source.put_model(v2_model(MODEL))
    assert pair.service("source", "v2.0").account_limits().count == 1


def test_copying_an_unknown_model_is_refused(pair: Pair) -> None:
    authorization = pair.service("target", "v2.1").authorize_copy(CopyTarget())
    with pytest.raises(CopyRefused) as caught:
        pair.service("source", "v2.1").start_copy(MODEL, authorization, address_of(pair))
    assert (caught.value.status, caught.value.service_code) == (500, "1999")


def test_a_wrong_region_fails_late(pair: Pair) -> None:
    """With the service's reason."""
    pair.source.put_model(v2_model(MODEL))
    source = pair.service("source", "v2.1")
    authorization = pair.service("target", "v2.1").authorize_copy(CopyTarget())
    operation = source.start_copy(MODEL, authorization, TargetAddress(pair.target.spec.resource_id, "westus"))
    pair.clock.advance(60)
    failed = source.get_copy(MODEL, operation)
    assert (failed.state, failed.error_code) == (CopyState.FAILED, "2024")
    assert failed.error_message


def test_a_region_is_sent_as_configured(scripted: Scripted) -> None:
    scripted.answer(202, None, f"Operation-Location: {operation_location(scripted)}")
    start(scripted, region="EASTUS")
    assert b'"targetResourceRegion": "EASTUS"' in scripted.requests[0]


def test_an_unknown_operation_is_not_found(pair: Pair) -> None:
    pair.source.put_model(v2_model(MODEL))
    with pytest.raises(OperationNotFound):
        pair.service("source", "v2.1").get_copy(MODEL, OTHER)


# --- authorizations, as the service and as the article write them


def authorized(**changes: Json) -> dict[str, Json]:
    return {"modelId": OTHER, "accessToken": TOKEN, "expirationDateTimeTicks": 1656120644, **changes}


@pytest.mark.parametrize(
    ("ticks", "expires"),
    [
        (1656120644, datetime(2022, 6, 25, 1, 30, 44, tzinfo=UTC)),
        (637233481531659440, datetime(2020, 4, 24, 18, 2, 33, 165944, tzinfo=UTC)),
        ("1656120644", datetime(2022, 6, 25, 1, 30, 44, tzinfo=UTC)),
        (1656120644.0, datetime(2022, 6, 25, 1, 30, 44, tzinfo=UTC)),
    ],
)
def test_seconds_and_ticks_are_read_and_sent_unchanged(scripted: Scripted, ticks: Json, expires: datetime) -> None:
    body = authorized(expirationDateTimeTicks=ticks, somethingNew=[1, None])
    scripted.answer(201, body, f"Location: {scripted.endpoint}/formrecognizer/v2.1/custom/models/{OTHER}")
    authorization = scripted.service().authorize_copy(CopyTarget(model_id="not-used"))
    assert abs(authorization.expires - expires) < timedelta(milliseconds=1)
    assert (authorization.target_model_id, dict(authorization.document)) == (OTHER, body)
    request = scripted.requests[0]
    assert request.startswith(b"POST /formrecognizer/v2.1/custom/models/copyAuthorization HTTP")
    assert b"Content-Length: 0\r\n" in request
    assert TOKEN not in repr(authorization)


def test_an_authorization_may_be_200_without_location(scripted: Scripted) -> None:
    scripted.answer(200, authorized(), "Content-Type: application/json")
    assert scripted.service().authorize_copy(CopyTarget()).target_model_id == OTHER


@pytest.mark.parametrize(
    "flaw",
    [
        {"modelId": "<your model ID>"},
        {"accessToken": ""},
        {"accessToken": None},
        {"accessToken": 17},
        {"expirationDateTimeTicks": None},
        {"expirationDateTimeTicks": True},
        {"expirationDateTimeTicks": -5},
        {"expirationDateTimeTicks": 10**40},
        {"expirationDateTimeTicks": "soon"},
    ],
)
def test_a_flawed_authorization_names_its_placeholder(scripted: Scripted, flaw: dict[str, Json]) -> None:
    """It is not used."""
    location = f"Location: {scripted.endpoint}/formrecognizer/v2.1/custom/models/{OTHER}"
    scripted.answer(201, authorized(**flaw), location)
    with pytest.raises(UnreadableAnswer) as caught:
        scripted.service().authorize_copy(CopyTarget())
    assert caught.value.target_model_id == OTHER
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("length", [None, 500], ids=["malformed", "truncated"])
def test_a_broken_authorization_names_its_placeholder(scripted: Scripted, length: int | None) -> None:
    location = f"Location: {scripted.endpoint}/formrecognizer/v2.1/custom/models/{OTHER}"
    head = f"HTTP/1.1 201 Created\r\n{location}\r\nConnection: close\r\nContent-Length: {length or 9}\r\n\r\n"
    scripted.raw(head.encode() + b'{"modelId')
    scripted.raw(lambda connection: None)
    with pytest.raises(UnreadableAnswer) as caught:
        scripted.service().authorize_copy(CopyTarget())
    assert caught.value.target_model_id == OTHER


def test_an_authorization_for_another_host_is_not_used(scripted: Scripted) -> None:
    """The error names the placeholder, so that it can be deleted."""
    scripted.answer(201, authorized(), f"Location: https://elsewhere.example/formrecognizer/v2.1/custom/models/{OTHER}")
    with pytest.raises(UntrustedAddress) as caught:
        scripted.service().authorize_copy(CopyTarget())
    assert caught.value.target_model_id == OTHER


# --- starting a copy


def operation_location(scripted: Scripted, version: str = "v2.1", operation: str = OTHER) -> str:
    return f"{scripted.endpoint}/formrecognizer/{version}/custom/models/{MODEL}/copyresults/{operation}"


def start(scripted: Scripted, region: str = "eastus", *, degrade: bool = False) -> str:
    authorization = CopyAuthorization(OTHER, datetime(2030, 1, 1, tzinfo=UTC), authorized())
    address = TargetAddress("/subscriptions/s", region)
    return scripted.service().start_copy(MODEL, authorization, address, degrade=degrade)


@pytest.mark.parametrize("spelling", ["Operation-Location", "operation-location"])
@pytest.mark.parametrize("version", ["v2.1", "v2.1-preview.1", "v2.0"])
def test_a_copy_is_followed_by_its_id(scripted: Scripted, spelling: str, version: str) -> None:
    """Its address may name another version."""
    scripted.answer(202, None, f"{spelling}: {operation_location(scripted, version)}")
    assert start(scripted) == OTHER


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Operation-Location: ",
        "Operation-Location: https://elsewhere.example/formrecognizer/v2.1/custom/models/m/copyresults/1",
        "Operation-Location: {endpoint}/formrecognizer/v2.1/custom/models/m/copyresults/%2e%2e",
        "Operation-Location: {endpoint}/formrecognizer/v2.1/custom/models/m/copyresults/a b",
        "Operation-Location: http://[half",
    ],
)
def test_a_copy_without_a_trusted_operation(scripted: Scripted, header: str | None) -> None:
    """It was accepted, so it is not started again."""
    scripted.answer(202, None, *([header.replace("{endpoint}", scripted.endpoint)] if header else []))
    with pytest.raises(OperationUnknown):
        start(scripted)
    assert len(scripted.requests) == 1


def test_a_201_for_a_copy_means_a_wrong_address(scripted: Scripted) -> None:
    scripted.answer(201, authorized())
    with pytest.raises(BadRequest, match="endpoint"):
        start(scripted)


def test_the_authorization_is_sent_unchanged(scripted: Scripted) -> None:
    scripted.answer(202, None, f"Operation-Location: {operation_location(scripted)}")
    start(scripted, degrade=True)
    head, _, body = scripted.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(f"POST /formrecognizer/v2.1/custom/models/{MODEL}/copy HTTP".encode())
    assert b"x-ms-forms-copy-degrade: true" in head
    assert b'"copyAuthorization": {"modelId": "' + OTHER.encode() in body
    assert b'"expirationDateTimeTicks": 1656120644}' in body


def test_an_error_does_not_quote_the_token(scripted: Scripted) -> None:
    scripted.answer(400, {"error": {"code": "1002", "message": f"Field 'accessToken' must not be '{TOKEN}'."}})
    with pytest.raises(BadRequest, match=r"must not be '\[redacted\]'") as caught:
        start(scripted)
    assert TOKEN not in caught.value.message


def test_a_model_is_read_with_its_keys(scripted: Scripted) -> None:
    keys = {"clusters": {"0": ["Total", "Date"]}}
    info = {"modelId": MODEL, "status": "ready", "createdDateTime": "2022-01-01T00:00:00.1234567Z"}
    scripted.answer(200, {"modelInfo": info, "keys": keys, "trainResult": None})
    details = scripted.service().get_model(MODEL)
    assert f"GET /formrecognizer/v2.1/custom/models/{MODEL}?includeKeys=true HTTP".encode() in scripted.requests[0]
    assert details.content == {"keys": keys}
    assert details.summary.created == "2022-01-01T00:00:00.1234567Z"


def test_the_downgrade_is_not_requested_by_default(scripted: Scripted) -> None:
    scripted.answer(202, None, f"Operation-Location: {operation_location(scripted)}")
    start(scripted)
    assert b"degrade" not in scripted.requests[0]


# --- the state of a copy


@pytest.mark.parametrize(
    ("body", "state", "target", "code"),
    [
        ({"status": "notStarted"}, CopyState.RUNNING, None, None),
        ({"status": "running", "copyResult": None}, CopyState.RUNNING, None, None),
        ({"status": "running", "copyResult": {}}, CopyState.RUNNING, None, None),
        ({"status": "somethingNew"}, CopyState.RUNNING, None, None),
        ({"status": "succeeded"}, CopyState.SUCCEEDED, None, None),
        ({"status": "Succeeded", "copyResult": {"modelId": OTHER}}, CopyState.SUCCEEDED, OTHER, None),
        ({"status": "succeeded", "copyResult": {"modelId": ""}}, CopyState.SUCCEEDED, None, None),
        ({"status": "failed"}, CopyState.FAILED, None, None),
        ({"status": "failed", "copyResult": {"errors": []}}, CopyState.FAILED, None, None),
        (
            {"status": "failed", "copyResult": {"modelId": OTHER, "errors": [{"code": "AuthorizationError"}]}},
            CopyState.FAILED,
            OTHER,
            "AuthorizationError",
        ),
        (
            {
                "status": "failed",
                "copyResult": {"errors": [{"code": 2024, "message": "no", "innerError": {"requestId": "r"}}]},
            },
            CopyState.FAILED,
            None,
            "2024",
        ),
    ],
)
def test_every_state_of_a_copy_is_understood(
    scripted: Scripted, body: object, state: CopyState, target: str | None, code: str | None
) -> None:
    scripted.answer(200, body)
    copy = scripted.service().get_copy(MODEL, OTHER)
    assert (copy.state, copy.target_model_id, copy.error_code) == (state, target, code)


@pytest.mark.parametrize(
    "body", [{}, {"status": None}, {"status": 3}, {"status": "failed", "copyResult": [1]}, [], b"<html>"]
)
def test_an_answer_without_a_state_is_refused(scripted: Scripted, body: object) -> None:
    scripted.answer(200, body)
    with pytest.raises(UnreadableAnswer):
        scripted.service().get_copy(MODEL, OTHER)


def test_a_model_in_an_unknown_state_is_not_ready(scripted: Scripted) -> None:
    info = {"modelId": MODEL, "status": "archived", "createdDateTime": "2022-01-01T00:00:00Z"}
    scripted.answer(200, {"modelList": [info], "nextLink": ""})
    assert scripted.service().list_models().models[0].state is ModelState.INVALID


@pytest.mark.parametrize("model_id", ["", "..", ".", "a/b", "a?b", "../copyAuthorization", "a\r\nX: y", "a" * 65, "é"])
def test_an_id_that_no_model_can_have_is_never_sent(scripted: Scripted, model_id: str) -> None:
    service = scripted.service()
    for call in (service.get_model, service.delete_model, lambda text: service.get_copy(MODEL, text or "..")):
        with pytest.raises(BadRequest):
            call(model_id if len(model_id) != 65 else "a" * 129)
    assert scripted.requests == []


def test_a_model_id_has_two_characters_at_least(scripted: Scripted) -> None:
    """The rule of a request (``backup.names.MODEL_ID``) is the rule of the client."""
    for call in (scripted.service().get_model, scripted.service().delete_model):
        with pytest.raises(BadRequest, match="2 to 64"):
            call("a")
    assert scripted.requests == []


def test_find_copy_and_is_making_make_no_call(scripted: Scripted) -> None:
    assert scripted.service().find_copy(OTHER, datetime(2026, 1, 1, tzinfo=UTC)) is None
    assert scripted.service().is_making(OTHER) is False
    assert scripted.requests == []


def test_the_client_names_its_resource_and_version(scripted: Scripted) -> None:
    service = scripted.service("v2.0")
    assert (service.resource, service.api_version, service.generation, service.kind) == (
        "forms-a",
        "v2.0",
        Generation.V2,
        Kind.MODEL,
    )
