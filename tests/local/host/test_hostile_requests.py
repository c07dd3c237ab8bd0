"""The Durable routes and the host's own, against requests that no client should send: a 4xx with words, never a 500."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from local.host import Host

DEEP = b"[" * 30_000 + b"]" * 30_000
BODIES = {
    "deep": DEEP,
    "deep for everything that reads it later": b"[" * 65 + b"]" * 65,
    "not UTF-8": b'"\xff"',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "no JSON": b"{",
    "a number without end": b"9" * 100_000,
}


def call(host: Host, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """Call a route, and return status and words."""
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    status, _, raw = host.call_http(method, path, body=body, headers=sent)
    answer = json.loads(raw) if raw else {}
    words = "" if isinstance(answer, list) else answer.get("Message") or answer.get("detail") or ""
    return status, words


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_hostile_body_is_refused(host: Host, body: bytes) -> None:
    host.start_new("listener", None, "waits")
    for path in (
        "/durabletask/orchestrators/one",
        "/durabletask/orchestrators/one/id",
        "/durabletask/instances/waits/raiseEvent/a",
    ):
        status, words = call(host, "POST", path, body)
        assert (status, len(words) > 10) == (400, True), words
    for path in ("/_host/phantoms", "/_host/rerun"):
        assert call(host, "POST", path, body)[0] == 400


def test_a_compressed_body_of_the_durable_routes(host: Host) -> None:
    for body in (b"no gzip", gzip.compress(b"{}")):
        status, words = call(host, "POST", "/durabletask/orchestrators/one", body, Content_Encoding="gzip")
        assert (status, "compressed" in words) == (400, True)


def test_the_deepest_input_reaches_the_app(host: Host) -> None:
    """And one with a byte order mark, which is no part of JSON."""
    deepest = b"[" * 64 + b"]" * 64
    status, _ = call(host, "POST", "/durabletask/orchestrators/one/deep", deepest)
    assert status == 202
    assert call(host, "POST", "/durabletask/orchestrators/one/marked", b'\xef\xbb\xbf"a"')[0] == 202
    host.run_until_idle()
    assert json.dumps(host.status("deep").input).count("[") == 64
    assert host.status("marked").input == "a"
    assert call(host, "GET", "/durabletask/instances/deep?showHistory=true")[0] == 200


@pytest.mark.parametrize(
    "query",
    [
        "top=" + "9" * 20,
        "top=" + "9" * 5000,
        "top=0",
        "top=x",
        "top=-1",
        "createdTimeFrom=0001-01-01T00:00%2B14:00",
        "createdTimeTo=x",
        "runtimeStatus=Sleeping",
    ],
)
def test_a_hostile_query_of_instances_is_refused(host: Host, query: str) -> None:
    status, words = call(host, "GET", f"/durabletask/instances?{query}")
    assert (status, len(words) > 10) == (400, True)


@pytest.mark.parametrize("seconds", ["1e300", "inf", "nan", "-1", "x", "9" * 400])
def test_a_wait_beyond_reason_is_refused(host: Host, seconds: str) -> None:
    status, words = call(host, "POST", f"/durabletask/orchestrators/one?timeout={seconds}")
    assert (status, "from 0 to" in words) == (400, True)


@pytest.mark.parametrize(
    "token",
    [
        b"[" * 3000 + b"]" * 3000,
        b'["\\ud800", "a"]',
        b'["a", 1]',
        b"7",
        b"\xff",
    ],
)
def test_a_forged_token_of_instances_is_refused(host: Host, token: bytes) -> None:
    forged = base64.urlsafe_b64encode(token).decode()
    status, words = call(host, "GET", "/durabletask/instances", x_ms_continuation_token=forged)
    assert (status, "use the header as returned" in words) == (400, True)


@pytest.mark.parametrize(
    "body",
    [b"[]", b"7", b'{"delay": 1e300}', b'{"delay": "x"}', b'{"taskId": 1}', b'{"instanceId": "a", "taskId": 1e999}'],
)
def test_the_routes_for_tests_refuse_nonsense(host: Host, body: bytes) -> None:
    for path in ("/_host/rerun", "/_host/phantoms"):
        assert call(host, "POST", path, body)[0] in ({204, 400} if path.endswith("phantoms") else {400, 404})
