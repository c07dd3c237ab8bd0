"""Odd answers by the thousand: every call of every generation ends as a result that can be kept, or as an error of the tree.

A short run is a test like any other. ``make fuzz`` makes 20,000 answers for each generation and prints its seed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backup.document_models import Kind, TargetAddress, first_difference
from backup.moments import moment_of, written
from backup.planning.lists import line_of, model_of
from form_recognizer import CopyTarget, ModelService, ServiceError, Timeouts, open_service
from tests.form_recognizer.conftest import Scripted

ANSWERS = int(os.environ.get("FUZZ") or 400)
MODEL = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WHEN = "2026-01-01T00:00:00Z"
ADDRESS = TargetAddress("/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a", "westus2")

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None, True, False, 0, -1, 1, 0.5, 10**18, 10**400, -(10**30), 1e308, "", " ", "x" * 5000, [], {}, [None], [[]], {"": ""},
        "\ud83e", "\udc00x", "\x00", "a\nb", "\u202e", MODEL, "prebuilt-x", "../..", "ready", "creating", "failed",
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-13-45T99:99:99Z",
        "2026-01-01", "-1", "9" * 30, "http://elsewhere.invalid/", "//x", "https://[::1", "http://127.0.0.1:99999/", {"code": {"code": []}},
        {"code": 5, "message": ["x"]}, [{"code": None}], {"modelId": None}, "{endpoint}/formrecognizer/operations/1", {"status": {"a": 1}},
    ]
)  # fmt: skip
MOMENTS = [
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Mon, 01 Jan 2026 99:99:99 GMT",
    "9" * 40,
]
HEADERS = st.lists(
    st.tuples(st.sampled_from(["Retry-After", "Date"]), st.sampled_from(MOMENTS))
    | st.tuples(
        st.sampled_from(
            ["Retry-After", "Date", "Location", "Operation-Location", "apim-request-id", "Content-Type", "Content-Encoding", "X"]
        ),
        st.sampled_from(
            [
                "", "0", "-1", "1e9", "NaN", "9" * 40, "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359", "x" * 3000,
                "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "{endpoint}/formrecognizer/operations/31_a?api-version=1", "gzip", "br",
                f"{{endpoint}}/formrecognizer/v2.1/custom/models/{MODEL}", "http://elsewhere.invalid/x", "\xff\xfe", "//", "https://[",
                "text/html; charset=utf-16", "application/json; charset=nothing",
            ]
        ),
    ),
    max_size=3,
)  # fmt: skip
EXPECTED = {"authorize": 201, "start": 202, "delete": 204}
STATUSES = [200, 201, 202, 204, 301, 400, 401, 404, 409, 429, 500, 503, 599]


def documents(endpoint: str) -> dict[str, Any]:
    """Return a good answer of each call, with the fields of all generations at once."""
    model = {
        "modelId": MODEL, "classifierId": MODEL, "status": "ready", "createdDateTime": WHEN, "lastUpdatedDateTime": WHEN,
        "modifiedDateTime": WHEN, "expirationDateTime": WHEN, "apiVersion": "2024-11-30", "description": "d", "tags": {"a": "b"},
    }  # fmt: skip
    doc_types = {MODEL: {"modelId": "part-1", "fieldSchema": {"a": {"type": "string"}}, "fieldConfidence": {"a": 0.9}}}
    operation = {
        "operationId": "31_a", "kind": "documentModelCopyTo", "status": "failed", "createdDateTime": WHEN, "percentCompleted": 100,
        "resourceLocation": f"{endpoint}/documentintelligence/documentModels/{MODEL}", "result": {"modelId": MODEL},
        "error": {"code": "A", "message": "m", "innererror": {"code": "B"}, "details": [{"code": "C"}]},
        "copyResult": {"modelId": MODEL, "errors": [{"code": "2024", "message": "m"}]},
    }  # fmt: skip
    authorization = {
        "modelId": MODEL, "targetModelId": MODEL, "targetClassifierId": MODEL, "accessToken": "a-token-of-a-target",
        "targetResourceId": "r", "targetResourceRegion": "w", "expirationDateTimeTicks": 1800000000, "expirationDateTime": WHEN,
        "targetModelLocation": f"{endpoint}/documentintelligence/x/y", "targetClassifierLocation": f"{endpoint}/documentintelligence/x/y",
    }  # fmt: skip
    page = {"modelList": [model, dict(model)], "value": [model, dict(model)], "nextLink": ""}
    return {
        "list": page,
        "get": {**model, "modelInfo": model, "trainResult": {"fields": []}, "docTypes": doc_types},
        "info": {"summary": {"count": 1, "limit": 5}, "customDocumentModels": {"count": 1, "limit": 5}},
        "authorize": authorization,
        "start": {},
        "poll": operation,
        "making": {"value": [operation, dict(operation)]},
        "found": {"value": [operation, dict(operation)]},
        "delete": {},
    }


def keep(thing: object) -> None:
    """Do what the app does with a result, and write it as the catalog does."""
    json.dumps(thing, allow_nan=False, ensure_ascii=False).encode()


def use_list(service: ModelService) -> None:
    page = service.list_models()
    for model in page.models:
        line = line_of(model)
        keep(line)
        assert model_of(json.loads(json.dumps(line))).fingerprint() == model.fingerprint()
        moment = moment_of(model.trained)
        keep(written(moment) if moment else None)
        assert model.expires is None or model.expires <= NOW + timedelta(days=30) or model.expires
    keep([(entry.position, entry.flaw, entry.model_id) for entry in page.unreadable])
    keep(page.next_page)


def use_model(service: ModelService) -> None:
    model = service.get_model(MODEL)
    keep([model.digest(), model.content, model.summary.description, dict(model.summary.tags)])
    keep(first_difference(model.content, {**model.content, "docTypes": None}))
    keep([component.model_id for component in model.components])


def use_authorization(service: ModelService) -> None:
    authorization = service.authorize_copy(CopyTarget(MODEL))
    keep([authorization.document, written(authorization.expires)])
    assert authorization.expires - NOW < timedelta(minutes=5) or authorization.expires


def use_start(service: ModelService) -> None:
    authorization = _authorization
    keep(service.start_copy(MODEL, authorization, ADDRESS))


def use_operation(service: ModelService) -> None:
    operation = service.get_copy(MODEL, "31_a")
    keep([operation.target_model_id, operation.percent, operation.error_code, operation.error_message])


def use_limits(service: ModelService) -> None:
    limits = service.account_limits()
    keep(f"{limits.count * 100} {limits.limit}")


CALLS: dict[str, Callable[[ModelService], object]] = {
    "list": use_list,
    "get": use_model,
    "info": use_limits,
    "authorize": use_authorization,
    "start": use_start,
    "poll": use_operation,
    "making": lambda service: service.is_making(MODEL),
    "found": lambda service: keep(service.find_copy(MODEL, NOW - timedelta(days=1))),
    "delete": lambda service: service.delete_model(MODEL),
}


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to each value in a document."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(one for name, member in members for one in paths(member, (*path, name)))]


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    name, *rest = path
    if isinstance(document, dict):
        return {**document, name: put(document.get(name), tuple(rest), value)}
    if isinstance(document, list):
        return [put(member, tuple(rest), value) if index == name else member for index, member in enumerate(document)]
    return document


@st.composite
def answers(draw: st.DrawFn) -> tuple[str, int, list[tuple[str, str]], Any, bytes | None]:
    """Draw a call, and an answer that is a good one with some changes: call, status, headers, document, or bytes in its place."""
    call = draw(st.sampled_from(sorted(CALLS)))
    document = documents("{endpoint}")[call]
    for _ in range(draw(st.integers(0, 3))):
        document = put(document, draw(st.sampled_from(paths(document))), draw(ODD))
    raw = draw(st.none() | st.none() | st.binary(max_size=60))
    if draw(st.integers(0, 9)) == 0:
        text = json.dumps(document).encode()
        cut = draw(st.integers(0, len(text)))
        raw = text[:cut] + draw(st.binary(max_size=8)) + text[cut + draw(st.integers(0, 4)) :]
    status = EXPECTED.get(call, 200) if draw(st.integers(0, 2)) else draw(st.sampled_from(STATUSES))
    return call, status, draw(HEADERS), document, raw


class _Authorization:
    target_model_id = MODEL
    document: ClassVar[dict[str, Any]] = {
        "modelId": MODEL,
        "accessToken": "a-token-of-a-target",
        "expirationDateTimeTicks": 1,
    }


_authorization: Any = _Authorization()


@pytest.mark.parametrize(
    ("version", "kind"),
    [("v2.1", Kind.MODEL), ("2023-07-31", Kind.MODEL), ("2024-11-30", Kind.MODEL), ("2024-11-30", Kind.CLASSIFIER)],
    ids=["v2", "v3", "v4", "v4 classifiers"],
)
def test_no_answer_raises_anything_else(scripted: Scripted, version: str, kind: Kind) -> None:
    brief = Timeouts(connect=2, read=0.2, total=1)
    service = open_service(scripted.connect(timeouts=brief), version, kind)

    @settings(
        max_examples=ANSWERS,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        derandomize=ANSWERS < 1000,
    )
    @given(answers())
    def each(drawn: tuple[str, int, list[tuple[str, str]], Any, bytes | None]) -> None:
        call, status, headers, document, raw = drawn
        body = raw if raw is not None else json.dumps(document).replace("{endpoint}", scripted.endpoint).encode()
        lines = [f"{name}: {value}".replace("{endpoint}", scripted.endpoint) for name, value in headers]
        head = "\r\n".join(
            [f"HTTP/1.1 {status} X", f"Content-Length: {0 if status == 204 else len(body)}", *lines, "", ""]
        )
        scripted.script.clear()
        scripted.raw(head.encode("latin-1") + (b"" if status == 204 else body))
        try:
            CALLS[call](service)
        except ServiceError as error:
            keep([error.message, error.service_code, error.request_id, error.retry_after, error.target_model_id])

    each()
