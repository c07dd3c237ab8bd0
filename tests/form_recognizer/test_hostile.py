"""What a service, a proxy or anybody between may answer: every answer ends as a result or as an error of the tree, within bounds."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import socket
import time
import traceback
import tracemalloc
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from backup.document_models import Kind, TargetAddress
from form_recognizer import CopyTarget, NoAnswer, ServiceError, Timeouts, UnreadableAnswer, open_service
from form_recognizer.times import parse_ticks

from .conftest import Scripted

MODEL = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
V4 = "2024-11-30"
MB = 1_000_000


def endless(head: bytes, piece: bytes) -> Callable[[socket.socket], object]:
    """Send ``piece`` again and again until the client has had enough."""

    def send(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece * max(1, 65_536 // len(piece)))

    return send


OK = b"HTTP/1.1 200 OK\r\n"
GZIP = OK + b"Content-Encoding: gzip\r\n"
FLOODS = {
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", NoAnswer),
    "interim answers with headers": (b"", b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\n", ServiceError),
    "headers": (OK, b"X: y\r\n", NoAnswer),
    "one header": (OK + b"X: ", b"y" * 1000, NoAnswer),
    "chunks of one byte": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", UnreadableAnswer),
    "trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"x\n", UnreadableAnswer),
    "gzip of nothing": (GZIP + b"\r\n" + gzip.compress(b"")[:10], b"\x00\x00\x00\xff\xff", UnreadableAnswer),
    "more after gzip": (GZIP + b"\r\n" + gzip.compress(b"{}"), b"more", UnreadableAnswer),
    "gzip in chunks": (GZIP + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n\x00\r\n", UnreadableAnswer),
}


@pytest.mark.parametrize(("head", "piece", "leaf"), FLOODS.values(), ids=FLOODS)
def test_an_answer_without_end(scripted: Scripted, head: bytes, piece: bytes, leaf: type[ServiceError]) -> None:
    """It costs this thread about a second of processor time at most, and little memory."""
    scripted.raw(endless(head, piece))
    patient = Timeouts(connect=30, read=30, total=120)  # a second of processor time takes many on a busy machine
    service = open_service(scripted.connect(timeouts=patient, max_body=16 * MB), "v2.1")
    begun = time.thread_time()
    with pytest.raises(leaf):
        service.account_limits()
    assert time.thread_time() - begun < 2


BODIES: dict[str, Callable[[], bytes]] = {
    "empty objects": lambda: b"[" + b"{}," * 4_000_000 + b"{}]",
    "small objects": lambda: b'{"modelList":[' + b'{"a":{}},' * 1_700_000 + b"{}]}",
    "nulls": lambda: b'{"modelList":[' + b"null," * 3_000_000 + b"null]}",
    "numbers": lambda: b'{"modelList":[' + b"1," * 7_000_000 + b"1]}",
    "pairs": lambda: b"{" + b",".join(b'"%d":1' % number for number in range(1_200_000)) + b"}",
    "brackets": lambda: b"[" * 15 * MB,
    "one text": lambda: b'{"modelList":"' + b"x" * 15 * MB + b'"}',
    "many entries": lambda: (
        b'{"modelList":[' + b",".join([b'{"modelId":"aa","status":"ready","createdDateTime":"x"}'] * 5_001) + b"]}"
    ),
    "addresses": lambda: b'{"error":{"code":"x","message":"' + b"http://" * 2_000_000 + b'"}}',
}


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("make", BODIES.values(), ids=BODIES)
def test_a_large_body_is_bounded(scripted: Scripted, make: Callable[[], bytes], status: int) -> None:
    """In memory and in processor time, whatever it is made of."""
    body = make()
    scripted.answer(status, body)
    service = open_service(scripted.connect(max_body=16 * MB), "v2.1")
    begun = time.thread_time()
    with pytest.raises(ServiceError):
        service.list_models()
    assert time.thread_time() - begun < 2
    scripted.answer(status, body)
    tracemalloc.start()
    with pytest.raises(ServiceError):
        service.list_models()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 256 * MB


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"x": value}
    return value


ODD_BODIES = {
    "raw surrogate": b'{"modelInfo": {"modelId": "\xed\xa0\xbd"}}',
    "UTF-16": json.dumps({"modelInfo": {}}).encode("utf-16"),
    "UTF-32": json.dumps({"modelInfo": {}}).encode("utf-32"),
    "latin-1": '{"modelInfo": "é"}'.encode("latin-1"),
    "infinity": b'{"modelInfo": 1e999}',
    "minus infinity": b'{"modelInfo": {"x": -1E400}}',
    "duplicate keys": b'{"modelInfo": {}, "modelInfo": 3}',
    "deep": json.dumps({"modelInfo": nested(300)}).encode(),
    "deep in a list": b'{"modelInfo": ' + b"[" * 900 + b"]" * 900 + b"}",
    "a huge number": b'{"modelInfo": ' + b"9" * 4000 + b"}",
    "a key that is a surrogate": b'{"\\ud83e": 1}',
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
def test_an_odd_body(scripted: Scripted, body: bytes) -> None:
    scripted.answer(200, body)
    with pytest.raises(UnreadableAnswer):
        scripted.service().get_model(MODEL)


DATES = [
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "Mon, 01 Jan 2026 99:99:99 GMT",
    "Mon, 01 Jan 2026 00:00:00 +99999999999999999999",
    "9" * 5000,
    ",,,,",
    "\x00",
    "-1",
    "NaN",
]


@pytest.mark.parametrize("text", DATES)
def test_an_absurd_moment_to_retry(scripted: Scripted, text: str) -> None:
    service = scripted.service()
    for status in (429, 503):
        scripted.answer(status, None, f"Retry-After: {text}", f"Date: {text}")
        with pytest.raises(ServiceError) as caught:
            service.account_limits()
        assert caught.value.retry_after is None or caught.value.retry_after >= 0


@pytest.mark.parametrize("number", [10**400, 10**18, -1, 1e308, 0.5, True, "9" * 20, "9" * 21, None, [1]])
def test_absurd_ticks(number: Any) -> None:
    moment = parse_ticks(number)
    assert moment is None or moment.year >= 1970


# --- what an answer echoes


def spellings(secret: str) -> list[str]:
    encoded = [base64.b64encode(secret.encode()), base64.urlsafe_b64encode(secret.encode())]
    return [secret, secret.upper(), quote(secret, safe=""), *(one.decode() for one in encoded)]


@pytest.mark.parametrize("spelling", range(5))
@pytest.mark.parametrize("version", ["v2.1", V4])
def test_an_echoed_key_is_in_nothing_that_is_read(scripted: Scripted, version: str, spelling: int) -> None:
    """Not in a model of a list, nor in a model, the address of a page, an operation, a request id or an error."""
    scripted.key = "0f1d7e90c3b84a6f/e2d1c0b7a865+32"
    text = spellings(scripted.key)[spelling]
    service = open_service(scripted.connect(key=lambda: scripted.key), version)
    field = "modelList" if version == "v2.1" else "value"
    base = (
        f"{scripted.endpoint}/{'formrecognizer/v2.1/custom/models' if version == 'v2.1' else 'documentintelligence/x'}"
    )
    odd = {"modelId": text, "createdDateTime": "2026-01-01T00:00:00Z", "status": "ready"}
    fine = {
        **odd,
        "modelId": MODEL,
        "createdDateTime": text,
        "lastUpdatedDateTime": text,
        "apiVersion": text,
        "description": text,
    }
    scripted.answer(200, {field: [odd, fine], "nextLink": f"{base}?nextLink={text}"})
    page = service.list_models()
    whole = {**fine, "modelInfo": fine, "tags": {text: text}, "docTypes": {text: {"description": text}}}
    scripted.answer(200, json.dumps(whole).replace("/", "\\/").replace("0f", "\\u0030f").encode())
    details = service.get_model(MODEL)
    scripted.answer(
        200,
        {
            "status": "failed",
            "error": {"code": text, "message": f"no {text}"},
            "copyResult": {"errors": [{"code": text}]},
        },
    )
    operation = service.get_copy(MODEL, "1234")
    seen = [repr(page), repr(details), repr(operation)]
    for status in (200, 400, 401, 404, 429, 500):
        headers = [
            f"{name}: {text}" for name in ("apim-request-id", "x-ms-request-id", "Retry-After", "Date", "Location")
        ]
        scripted.answer(status, {"error": {"code": text, "message": text, "innererror": {"code": text}}}, *headers)
        with pytest.raises(ServiceError) as caught:
            service.get_model(MODEL)
        seen.append(repr(vars(caught.value)))
        seen.append("".join(traceback.format_exception(caught.value)))
    assert "[redacted]" in seen[0]
    assert [one for one in seen if text in one] == []


@pytest.mark.parametrize("version", ["v2.1", V4])
def test_an_echoed_token_is_in_nothing_that_is_read(scripted: Scripted, version: str) -> None:
    """Neither in what is wrong with its own authorization, nor in the answers after it."""
    token = "a-token-5b8e07c1-5ab8"
    service, wanted = scripted.service(version), "copy-1"
    body = {
        "modelId": MODEL,
        "targetModelId": wanted,
        "targetResourceId": "r",
        "targetResourceRegion": "w",
        "accessToken": token,
    }
    where = f"{scripted.endpoint}/documentintelligence/documentModels/{wanted}"
    times = {"expirationDateTimeTicks": 1800000000, "expirationDateTime": "2027-01-01T00:00:00Z"}
    seen = []
    for wrong in (
        {"expirationDateTimeTicks": token, "expirationDateTime": token},
        {"accessToken": "x", "modelId": token, "targetModelId": token},
    ):
        answered = {**body, **times, "targetModelLocation": where, **wrong}
        scripted.answer(201, {**answered, "accessToken": token}, f"apim-request-id: {token}")
        with pytest.raises(ServiceError) as caught:
            service.authorize_copy(CopyTarget(wanted))
        seen.append(repr(vars(caught.value)))
    scripted.answer(201, {**body, **times, "targetModelLocation": where}, f"apim-request-id: {token}")
    authorization = service.authorize_copy(CopyTarget(wanted))
    assert authorization.document["accessToken"] == token
    scripted.answer(
        202, None, f"Operation-Location: {scripted.endpoint}/formrecognizer/operations/{token}", f"request-id: {token}"
    )
    with pytest.raises(ServiceError) as caught:
        service.start_copy(MODEL, authorization, TargetAddress("r", "w"))
    seen.append(repr(vars(caught.value)))
    scripted.answer(
        200,
        {"status": "failed", "error": {"code": token}, "copyResult": {"errors": [{"code": token, "message": token}]}},
    )
    seen.append(repr(service.get_copy(MODEL, "1234")))
    assert [one for one in seen if token in one] == []


def test_strange_headers_are_not_logged(scripted: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    """The HTTP library writes those that it cannot read into the log, as they are."""
    caplog.set_level(logging.DEBUG)
    scripted.raw(OK + b"No colon " + scripted.key.encode() + b"\r\nContent-Length: 2\r\n\r\n{}")
    with pytest.raises(ServiceError):
        scripted.service().account_limits()
    assert scripted.key not in caplog.text


def test_a_composed_model_that_names_no_model(scripted: Scripted) -> None:
    odd = {"modelId": "mail", "createdDateTime": "2026-01-01T00:00:00Z", "docTypes": {"a": {"modelId": "x" * 70_000}}}
    scripted.answer(200, odd)
    with pytest.raises(UnreadableAnswer, match="cannot be the id"):
        scripted.service(V4, Kind.MODEL).get_model("mail")
