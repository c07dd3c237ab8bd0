"""The error for each answer, which says what to do: wait, end, or check."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup.document_models import CopyAuthorization, TargetAddress
from form_recognizer import (
    AccessDenied,
    BadRequest,
    CopyRefused,
    CopyTarget,
    ModelExists,
    ModelLimitReached,
    ModelNotFound,
    ModelNotReady,
    ModelService,
    NoAnswer,
    OperationNotFound,
    OutcomeUnknown,
    Permanent,
    RetryAfter,
    ServerError,
    ServiceBusy,
    ServiceError,
    Throttled,
    UnreadableAnswer,
    VersionRetired,
    VersionUnsupported,
    errors,
)
from form_recognizer.answers import LONGEST_WAIT
from form_recognizer.failures import V2_CODES

from .conftest import Scripted

MODEL = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
AUTHORIZATION = CopyAuthorization(MODEL, datetime(2030, 1, 1, tzinfo=UTC), {"accessToken": "t" * 20})

CALLS: dict[str, Callable[[ModelService], object]] = {
    "list": lambda service: service.list_models(),
    "get": lambda service: service.get_model(MODEL),
    "delete": lambda service: service.delete_model(MODEL),
    "limits": lambda service: service.account_limits(),
    "authorize": lambda service: service.authorize_copy(CopyTarget(MODEL)),
    "start": lambda service: service.start_copy(MODEL, AUTHORIZATION, TargetAddress("/subscriptions/s", "eastus")),
    "poll": lambda service: service.get_copy(MODEL, MODEL),
}
ABOUT_A_MODEL = {"get", "delete", "start"}


def failure(
    scripted: Scripted, call: str, version: str, status: int, body: object = None, *headers: str
) -> ServiceError:
    scripted.answer(status, body, *headers)
    with pytest.raises(ServiceError) as caught:
        CALLS[call](scripted.service(version))
    assert "forms-a" in caught.value.message
    assert caught.value.resource == "forms-a"
    assert caught.value.status == status
    assert len(scripted.requests) == 1
    return caught.value


@pytest.mark.parametrize("version", ["v2.1", "2023-07-31", "2024-11-30"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("status", "leaf"),
    [
        (400, BadRequest),
        (401, AccessDenied),
        (403, AccessDenied),
        (405, BadRequest),
        (408, NoAnswer),
        (410, VersionRetired),
        (413, BadRequest),
        (429, Throttled),
        (500, ServerError),
        (501, ServerError),
        (502, ServerError),
        (503, ServerError),
        (504, ServerError),
        (206, UnreadableAnswer),
    ],
)
def test_a_status_means_the_same_for_every_call(
    scripted: Scripted, call: str, version: str, status: int, leaf: type[ServiceError]
) -> None:
    assert type(failure(scripted, call, version, status)) is leaf


@pytest.mark.parametrize("version", ["v2.1", "2024-11-30"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "1022", "message": "Model with 'id=…' not found."}},
        {"error": {"code": "NotFound", "message": "Resource not found.", "innererror": {"code": "ModelNotFound"}}},
        None,
        b"<html>Not Found</html>",
    ],
    ids=["v2", "v3", "nothing", "html"],
)
def test_a_404_means_that_the_subject_is_missing(scripted: Scripted, call: str, version: str, body: object) -> None:
    """The model, or the operation; for other calls the path is wrong."""
    leaf = ModelNotFound if call in ABOUT_A_MODEL else OperationNotFound if call == "poll" else BadRequest
    assert type(failure(scripted, call, version, 404, body)) is leaf


@pytest.mark.parametrize(
    ("call", "words", "leaf"),
    [
        ("get", "Model with 'id=33f4' not found.", ModelNotFound),
        ("start", "The specified model does not exist", ModelNotFound),
        ("start", "Model with 'id=33f4' is not ready.", ModelNotReady),
        ("authorize", "Account cannot create more than 5000 models.", ModelLimitReached),
        ("authorize", "The model limit of this account is reached", ModelLimitReached),
        ("start", "The model was trained with an unsupported API version", VersionUnsupported),
        ("get", "API version of the model is not compatible", VersionUnsupported),
        # one that names three causes tells none (recorded for a composition, code 1001)
        ("start", "Specified model not found or not ready or has incompatible API version", BadRequest),
        ("authorize", "Model with 'id=33f4' not found.", BadRequest),
        ("start", "Copy request is invalid.", BadRequest),
    ],
)
@pytest.mark.parametrize("code", ["1001", "1014", "2024"])
def test_a_numbered_400_is_judged_by_its_words(
    scripted: Scripted, call: str, words: str, leaf: type[ServiceError], code: str
) -> None:
    """v2 numbers its errors, and few of the numbers are recorded."""
    assert type(failure(scripted, call, "v2.1", 400, {"error": {"code": code, "message": words}})) is leaf


@pytest.mark.parametrize("words", ["…used for GET model are incompatible.", "Model not found.", None])
@pytest.mark.parametrize("call", CALLS)
def test_1027_is_a_model_of_another_version(scripted: Scripted, call: str, words: str | None) -> None:
    """Recorded for GET (azure-sdk-for-net#14607), whatever the words are."""
    error = failure(scripted, call, "v2.0", 400, {"error": {"code": "1027", "message": words}})
    assert type(error) is VersionUnsupported
    assert "add that version to the resource's apiVersions" in error.message


@pytest.mark.parametrize("call", CALLS)
def test_1022_is_a_missing_model_with_400_too(scripted: Scripted, call: str) -> None:
    error = failure(scripted, call, "v2.1", 400, {"error": {"code": "1022"}})
    missing = OperationNotFound if call == "poll" else BadRequest
    assert type(error) is (ModelNotFound if call in ABOUT_A_MODEL else missing)


def test_the_page_on_numbers_is_true() -> None:
    page = (Path(__file__).parents[2] / "docs" / "generations.md").read_text(encoding="utf-8")
    known = page.split("## The error numbers of v2", 1)[1].split("For all other numbers", 1)[0]
    rows = dict(re.findall(r"^\| (\d+) \| .* \| `(\w+)` \|", known, re.MULTILINE))
    assert rows == {"1022": "ModelNotFound", "1027": "VersionUnsupported", "1999": "CopyRefused"}
    assert set(rows) == {*V2_CODES, "1999"}


@pytest.mark.parametrize("code", ["1000", "1001", "1002", "1003", "1999", "2020", "3014"])
def test_a_number_that_tells_nothing_keeps_the_words(scripted: Scripted, code: str) -> None:
    error = failure(scripted, "start", "v2.1", 400, {"error": {"code": code, "message": "The service's own words."}})
    assert (type(error), error.service_code) == (BadRequest, code)
    assert "The service says: The service's own words." in error.message


@pytest.mark.parametrize("call", CALLS)
def test_a_404_of_the_gateway_is_about_the_path(scripted: Scripted, call: str) -> None:
    """No recording shows how the service words an operation that it does not know any more: any 404 counts there."""
    error = failure(scripted, call, "v2.1", 404, {"error": {"code": "404", "message": "Resource not found"}})
    assert type(error) is (OperationNotFound if call == "poll" else BadRequest)
    assert call == "poll" or "endpoint" in error.message


@pytest.mark.parametrize(
    ("call", "version", "leaf"),
    [
        ("authorize", "v2.1", BadRequest),
        ("authorize", "2024-11-30", ModelExists),
        ("start", "v2.1", CopyRefused),
        ("start", "2024-11-30", CopyRefused),
        ("delete", "2024-11-30", BadRequest),
    ],
)
def test_a_conflict_is_judged_by_the_call(
    scripted: Scripted, call: str, version: str, leaf: type[ServiceError]
) -> None:
    assert type(failure(scripted, call, version, 409)) is leaf


@pytest.mark.parametrize(
    ("call", "leaf"), [("start", CopyRefused), ("get", ServerError), ("authorize", ServerError), ("poll", ServerError)]
)
@pytest.mark.parametrize("code", ["1999", 1999])
def test_500_with_1999_is_final_for_a_copy_only(
    scripted: Scripted, call: str, leaf: type[ServiceError], code: str | int
) -> None:
    body = {"error": {"code": code, "message": "An error occurred during model copy. Retry the operation."}}
    assert type(failure(scripted, call, "v2.0-preview", 500, body)) is leaf


@pytest.mark.parametrize(
    ("inner", "leaf"),
    [("ModelNotReady", ModelNotReady), ("NotSupportedApiVersion", VersionUnsupported), ("SomethingNew", BadRequest)],
)
@pytest.mark.parametrize("spelling", ["innererror", "innerError"])
def test_the_most_specific_code_decides(
    scripted: Scripted, inner: str, spelling: str, leaf: type[ServiceError]
) -> None:
    body = {
        "error": {"code": "InvalidRequest", "message": "Invalid request.", spelling: {"code": inner, "message": "no"}}
    }
    error = failure(scripted, "start", "2024-11-30", 400, body)
    assert (type(error), error.service_code) == (leaf, inner)
    assert error.message.endswith("The service says: Invalid request. no")


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        (["Retry-After: 48"], "", 48),
        (["retry-after: 0"], "", 0),
        (["Retry-After: 2.5"], "", 2.5),
        (["Retry-After: 259200"], "", 259_200),
        (["Retry-After: 99999999"], "", LONGEST_WAIT),
        (["Retry-After: Mon, 23 Nov 2026 12:00:30 GMT", "Date: Mon, 23 Nov 2026 12:00:00 GMT"], "", 30),
        (["Retry-After: Mon, 23 Nov 2026 11:00:00 GMT", "Date: Mon, 23 Nov 2026 12:00:00 GMT"], "", 0),
        (["Retry-After: Sun, 23 Nov 2036 11:00:00 GMT", "Date: Mon, 23 Nov 2026 12:00:00 GMT"], "", LONGEST_WAIT),
        (["Retry-After: soon"], "", None),
        (["Retry-After: Fri, 31 Dec 9999 23:59:59 -1400"], "", None),
        (["Retry-After: -5"], "", None),
        (["Retry-After: ²"], "", None),
        ([], "Please retry after 12 seconds. To increase your rate limit …", 12),
        (["Retry-After: soon"], "Retry after 1 second", 1),
        (["Retry-After: 7"], "Please retry after 12 seconds.", 7),
        ([], "slow down", None),
    ],
)
def test_the_time_to_wait_is_understood(
    scripted: Scripted, headers: list[str], message: str, seconds: float | None
) -> None:
    error = failure(scripted, "start", "v2.1", 429, {"error": {"code": "429", "message": message}}, *headers)
    assert (type(error), error.retry_after) == (Throttled, seconds)


def test_a_date_far_ahead_is_cut_to_a_year(scripted: Scripted) -> None:
    error = failure(scripted, "list", "v2.1", 429, None, "Retry-After: Mon, 23 Nov 2099 12:00:30 GMT")
    assert error.retry_after == LONGEST_WAIT


def test_503_with_retry_after_is_service_busy(scripted: Scripted) -> None:
    error = failure(scripted, "start", "2024-11-30", 503, None, "Retry-After: 5")
    assert (type(error), error.retry_after) == (ServiceBusy, 5)


@pytest.mark.parametrize(
    ("body", "code", "quote"),
    [
        ({"error": {"code": "1002", "message": "Copy request is invalid."}}, "1002", "Copy request is invalid."),
        ({"error": {"code": 1002}}, "1002", None),
        ({"code": "InvalidRequest", "message": "no envelope"}, "InvalidRequest", "no envelope"),
        ({"statusCode": 400, "message": "a gateway"}, "400", "a gateway"),
        ({"error": "text"}, None, None),
        ({"error": {"code": True, "message": 5}}, None, None),
        ({"error": {"code": "A", "details": [{"code": "B", "message": "deep"}]}}, "B", "deep"),
        ({"error": {"code": "A", "details": [], "innererror": []}}, "A", None),
        ({"error": {"code": "A", "message": "two\r\nlines\x1b[31m"}}, "A", "two lines [31m"),
        ([1, 2], None, None),
        (b"\xff", None, None),
    ],
)
def test_the_services_error_is_read_in_every_shape(
    scripted: Scripted, body: object, code: str | None, quote: str | None
) -> None:
    error = failure(scripted, "get", "v2.1", 400, body)
    assert error.service_code == code
    assert error.message.partition(" The service says: ")[2] == (quote or "")


def test_a_deeply_nested_error_is_read_to_a_limit(scripted: Scripted) -> None:
    body: dict[str, object] = {"code": "deepest"}
    for _ in range(200):
        body = {"code": "level", "innererror": body}
    assert failure(scripted, "get", "v2.1", 400, {"error": body}).service_code == "level"


def test_a_truncated_error_is_judged_by_its_status(scripted: Scripted) -> None:
    scripted.raw(b'HTTP/1.1 404 No\r\nContent-Length: 500\r\nConnection: close\r\n\r\n{"error": {"co')
    with pytest.raises(ModelNotFound):
        scripted.service().get_model(MODEL)


LEAVES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ServiceError)]


def test_every_error_is_in_the_tree() -> None:
    """And on one branch, which says what to do."""
    branches = (RetryAfter, Permanent, OutcomeUnknown)
    for leaf in LEAVES:
        if leaf in (ServiceError, *branches):
            continue
        assert sum(issubclass(leaf, branch) for branch in branches) == 1
        assert leaf("x").code == leaf.__name__
        assert f"── {leaf.__name__} " in (errors.__doc__ or "")
