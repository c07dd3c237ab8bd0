"""What a client may send that no client should: each ends as a 4xx that says what to change, over a real connection."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
from urllib.parse import urlsplit

import pytest
import requests

from .conftest import HttpStage

ROUTES = ["copies", "backups", "restores", "doctor"]
DEEP = b"[" * 30_000 + b"]" * 30_000
DEEP_VALUE = b'{"source": ' + b'{"a":' * 9_000 + b"1" + b"}" * 9_000 + b"}"
OBJECTS = b"[" + b"{}," * (13 * 1024 * 1024 // 3) + b"{}]"


def send(stage: HttpStage, method: str, path: str, **options: object) -> requests.Response:
    headers = {"x-functions-key": stage.host.function_key, **dict(options.pop("headers", {}))}  # type: ignore[call-overload]  # options are of any type
    return requests.request(method, stage.host.base_url + path, headers=headers, timeout=60, **options)  # type: ignore[arg-type]  # passed on


def code_of(answer: requests.Response) -> tuple[int, str]:
    """Status and code of a refusal, which has words."""
    problem = answer.json()
    assert len(problem["detail"]) > 20, problem
    assert "Error" not in problem["detail"], problem
    return answer.status_code, problem["code"]


def after(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        base64.urlsafe_b64encode(b"[" * 3000 + b"]" * 3000).decode(),
        base64.urlsafe_b64encode(b'["a",' + b"[" * 100 + b"]" * 100 + b"]").decode(),
        after(["\ud800", "a"]),
        after(["a", "\udfff"]),
        after(["a", None]),
        after(["a"]),
        after({"a": 1, "b": 2}),
        after(7),
        "%ED%A0%80",
        "====",
        "",
    ],
)
def test_a_forged_continuation_token_is_refused(stage: HttpStage, token: str) -> None:
    for path in ("/api/replicas", "/api/runs"):
        assert code_of(send(stage, "GET", f"{path}?after={token}")) == (400, "InvalidRequest")


@pytest.mark.parametrize("number", ["9" * 20, "0" * 9 + "9" * 20, "0" * 30, "9" * 4400, "-1", "1e3", "٣"])
def test_a_number_beyond_reason_is_refused(stage: HttpStage, number: str) -> None:
    run = stage.ended_run(1, ["forms-northeurope"])
    for path in (
        f"/api/runs/{run}/copies?first=",
        f"/api/runs/{run}/decisions?first=",
        "/api/replicas?limit=",
        "/api/runs?limit=",
    ):
        assert code_of(send(stage, "GET", path + number)) == (400, "InvalidRequest")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "body",
    [b"no gzip", gzip.compress(b'{"source": "a"}'), gzip.compress(b" " * 50_000_000)],
    ids=["no gzip", "gzip", "bomb"],
)
def test_a_compressed_body_is_not_unpacked(stage: HttpStage, route: str, body: bytes) -> None:
    """To unpack it would cost what the sender likes. A body that is no gzip is refused in the same words."""
    answer = send(stage, "POST", f"/api/{route}", data=body, headers={"Content-Encoding": "gzip"})
    assert code_of(answer) == (415, "EncodedBody")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("body", [DEEP, DEEP_VALUE])
def test_a_deeply_nested_body_is_refused(stage: HttpStage, route: str, body: bytes) -> None:
    assert code_of(send(stage, "POST", f"/api/{route}", data=body))[0] == 400


@pytest.mark.parametrize("route", ROUTES)
def test_a_body_of_many_small_objects_is_refused(stage: HttpStage, route: str) -> None:
    """Before it is read as JSON: by the host, and where the platform lets more through, by the app."""
    assert code_of(send(stage, "POST", f"/api/{route}", data=OBJECTS)) == (413, "BodyTooLarge")
    assert code_of(send(stage, "POST", f"/api/{route}", data=OBJECTS[: 900 * 1024])) == (413, "BodyTooLarge")


def test_an_answer_lists_a_hundred_errors_at_most(stage: HttpStage) -> None:
    """A body has room for thousands of unknown names, and each error is longer than the name."""
    body = json.dumps(dict.fromkeys(map(str, range(4000)), 1))
    answer = send(stage, "POST", "/api/copies", data=body)
    assert code_of(answer) == (400, "UnknownField")
    assert len(answer.json()["errors"]) == 100


def test_twenty_bombs_at_once_hold_nobody_up(stage: HttpStage) -> None:
    """All are refused, and health is answered meanwhile."""
    bomb = gzip.compress(b"[" * 100_000_000)
    codes: list[tuple[int, str]] = []

    def throw() -> None:
        answer = send(stage, "POST", "/api/copies", data=bomb, headers={"Content-Encoding": "gzip"})
        codes.append(code_of(answer))

    threads = [threading.Thread(target=throw) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert send(stage, "GET", "/api/health").status_code == 200
    for thread in threads:
        thread.join()
    assert codes == [(415, "EncodedBody")] * 20


def raw(stage: HttpStage, request: bytes) -> tuple[int, str]:
    """Send bytes, and return status and code of the answer."""
    address = urlsplit(stage.host.base_url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=60) as connection:
        connection.sendall(request.replace(b"KEY", stage.host.function_key.encode()))
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    return int(head.split()[1]), str(json.loads(body).get("code"))


@pytest.mark.parametrize(
    "host", [b"[", b"a b", b"\xff", b"a/b", b"a@b", b"a:b:c", b"a:123456", b'"', b"{}"], ids=lambda host: repr(host)
)
def test_an_impossible_host_is_refused(stage: HttpStage, host: bytes) -> None:
    """It would be in the addresses that the app answers with."""
    start = (
        b"POST /api/copies HTTP/1.1\r\nConnection: close\r\nHost: "
        + host
        + b"\r\nx-functions-key: KEY\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert raw(stage, start) == (400, "MalformedRequest")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (b"Transfer-Encoding: chunked", b"ZZ\r\n{}\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked", b"-2\r\n{}\r\n0\r\n\r\n"),
        (b"Content-Length: -1", b"{}"),
        (b"Content-Length: 2\r\nContent-Length: 3", b"{}"),
        (b"Transfer-Encoding: gzip, chunked", b"2\r\n{}\r\n0\r\n\r\n"),
        (b"X: " + b"x" * 9_000, b""),
        (b"\r\n".join(b"X%d: x" % number for number in range(500)), b""),
    ],
)
def test_a_malformed_request_is_refused(stage: HttpStage, headers: bytes, body: bytes) -> None:
    start = (
        b"POST /api/copies HTTP/1.1\r\nConnection: close\r\nHost: a\r\nx-functions-key: KEY\r\n"
        + headers
        + b"\r\n\r\n"
        + body
    )
    status, _ = raw(stage, start)
    assert 400 <= status < 500


def test_a_malformed_line_is_not_logged(stage: HttpStage, caplog: pytest.LogCaptureFixture) -> None:
    """It may hold a key: in the address, or in a header that is too long."""
    for line in (
        b"GET /api/runs?code=KEY HTTP/9",
        b"GET /a HTTP/1.1\r\nx-functions-key KEY",
        b"GET /a HTTP/1.1\r\nA: KEY" + b"x" * 9000,
    ):
        assert raw(stage, line + b"\r\nHost: a\r\nConnection: close\r\n\r\n") == (400, "MalformedRequest")
    assert "a malformed request from 127.0.0.1 was refused" in caplog.text
    assert stage.host.function_key not in caplog.text


def test_a_body_in_chunks_of_one_byte_is_refused(stage: HttpStage) -> None:
    """It costs more to read than any other body of its size."""
    start = b"POST /api/copies HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-functions-key: KEY\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert raw(stage, start + b"1\r\n[\r\n" * 70_000 + b"0\r\n\r\n") == (413, "BodyTooLarge")


def test_a_body_in_tiny_chunks_is_not_read_to_its_end(stage: HttpStage) -> None:
    """To parse a million of them would take a second of processor time."""
    start = b"POST /api/copies HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-functions-key: KEY\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert raw(stage, start + b"1\r\n[\r\n" * 30_000) == (413, "BodyTooLarge")


def test_a_body_in_usual_chunks_is_read(stage: HttpStage) -> None:
    start = b"POST /api/copies HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-functions-key: KEY\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"20\r\n" + b" " * 32 + b"\r\n"
    assert raw(stage, start + chunk * 2000 + b"0\r\n\r\n") == (400, "MalformedJson")


ODD_LINES = {
    "an absolute address": (b"GET http://elsewhere.invalid/api/models?code=KEY HTTP/1.1", b"", 200),
    "an address of bytes": (b"GET /api/plans/\xff\xfe?code=KEY HTTP/1.1", b"", 400),
    "an address of escaped bytes": (b"GET /api/plans/%FF%C0%AF?code=KEY HTTP/1.1", b"", 404),
    "half a character": (b"GET /api/plans/%ED%A0%80?code=KEY HTTP/1.1", b"", 404),
    "NUL": (b"GET /api/plans/%00?code=KEY HTTP/1.1", b"", 404),
    "a raw NUL": (b"GET /api/plans/\x00?code=KEY HTTP/1.1", b"", 400),
    "dots": (b"GET /api/../../api/plans/..?code=KEY HTTP/1.1", b"", 404),
    "expect": (b"POST /api/copies?code=KEY HTTP/1.1", b"Expect: 100-continue\r\nContent-Length: 2\r\n", 400),
    "another expectation": (b"POST /api/copies?code=KEY HTTP/1.1", b"Expect: 200-maybe\r\nContent-Length: 2\r\n", 400),
    "two lengths": (b"POST /api/copies?code=KEY HTTP/1.1", b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", 400),
    "HTTP/0.9": (b"GET /api/models", b"", 401),
    "an upgrade": (b"GET /api/models?code=KEY HTTP/1.1", b"Upgrade: h2c\r\nConnection: Upgrade, close\r\n", 200),
    "a tunnel": (b"CONNECT elsewhere.invalid:443 HTTP/1.1", b"", 404),
    "all": (b"OPTIONS * HTTP/1.1", b"", 404),
}


@pytest.mark.parametrize(("line", "headers", "expected"), ODD_LINES.values(), ids=ODD_LINES)
def test_an_odd_request_has_an_answer(stage: HttpStage, line: bytes, headers: bytes, expected: int) -> None:
    body = b"{}" if b"Length" in headers else b""
    start = line + b"\r\nHost: a\r\n" + headers + b"Connection: close\r\n\r\n"
    assert raw(stage, start + body)[0] == expected


@pytest.mark.parametrize("header", [b"x-functions-key", b"If-None-Match", b"Content-Type", b"X-Forwarded-For"])
def test_bytes_in_a_header_are_no_failure(stage: HttpStage, header: bytes) -> None:
    start = (
        b"GET /api/models?code=KEY HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        + header
        + b": \xff\xfe\xed\xa0\x80\r\n\r\n"
    )
    assert raw(stage, start)[0] == (401 if header == b"x-functions-key" else 200)
