"""One call to a server that misbehaves: limits of time and size, and nothing is followed, kept or repeated."""

from __future__ import annotations

import gzip
import logging
import socket
import struct
import threading
import time
import traceback
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from backup.clouds import PUBLIC
from form_recognizer import (
    AccessDenied,
    ApiKey,
    BadRequest,
    Credential,
    EntraToken,
    ModelService,
    NoAnswer,
    ResourceConnection,
    ServerError,
    ServiceError,
    Timeouts,
    Transport,
    Unreachable,
    UnreadableAnswer,
    UntrustedAddress,
    open_service,
)
from form_recognizer.addresses import Endpoint

from .conftest import Scripted

MODEL = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
SUMMARY = {"summary": {"count": 1, "limit": 5}}
HURRIED = Timeouts(connect=0.5, read=0.2, total=0.4)


def drip(connection: socket.socket, head: bytes, piece: bytes, seconds: float = 3.0) -> None:
    """Send ``head`` and then, for so long, ``piece`` again and again, so often that no single read ever times out."""
    connection.sendall(head)
    never = threading.Event()
    for _ in range(int(seconds / 0.02)):
        connection.sendall(piece)
        never.wait(0.02)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# --- time


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b""],
    ids=["header", "body", "status line"],
)
def test_a_slow_server_cannot_exceed_the_deadline(scripted: Scripted, head: bytes) -> None:
    """No single read times out."""
    scripted.raw(lambda connection: drip(connection, head, b" " if head else b"H"))
    service = open_service(scripted.connect(HURRIED), "v2.1")
    with pytest.raises(NoAnswer, match=r"timed out|did not come in time"):
        service.account_limits()


def test_the_last_read_ends_at_the_deadline(scripted: Scripted) -> None:
    released = threading.Event()

    def drip_and_stop(connection: socket.socket) -> None:
        drip(connection, b"HTTP/1.1 200 OK\r\nX-Slow: ", b" ", seconds=0.6)
        released.wait(5)

    scripted.raw(drip_and_stop)
    service = open_service(scripted.connect(Timeouts(connect=1, read=0.8, total=0.8)), "v2.1")
    began = time.monotonic()
    with pytest.raises(NoAnswer):
        service.account_limits()
    assert time.monotonic() - began < 1.2
    released.set()


def test_a_silent_server_times_out(scripted: Scripted) -> None:
    released = threading.Event()
    scripted.raw(lambda connection: released.wait(5))
    with pytest.raises(NoAnswer, match="timed out"):
        open_service(scripted.connect(HURRIED), "v2.1").account_limits()
    released.set()


def test_a_slow_error_is_judged_by_its_status(scripted: Scripted) -> None:
    scripted.raw(lambda connection: drip(connection, b"HTTP/1.1 401 No\r\nContent-Length: 100000\r\n\r\n", b" "))
    with pytest.raises(AccessDenied):
        open_service(scripted.connect(HURRIED), "v2.1").account_limits()


def test_a_time_out_of_zero_is_refused() -> None:
    with pytest.raises(ValueError):
        Timeouts(total=0)


# --- what was sent, and what was not


def test_a_refused_connection_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(Unreachable, match="refused"):
        _service_at(endpoint).account_limits()


def test_an_unknown_host_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match="cannot be resolved"):
        _service_at("https://no-such-resource.cognitiveservices.azure.com").account_limits()


def test_a_failed_tls_handshake_is_unreachable(scripted: Scripted) -> None:
    def speak_plainly(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 400 this is not TLS\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                speak_plainly(connection)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(Unreachable, match="TLS"):
            _service_at(f"https://127.0.0.1:{listener.getsockname()[1]}").account_limits()
        thread.join(5)


@pytest.mark.parametrize("cut", [reset, lambda connection: None], ids=["reset", "closed"])
def test_a_connection_that_is_cut_is_no_answer(scripted: Scripted, cut: Callable[[socket.socket], None]) -> None:
    scripted.raw(cut)
    with pytest.raises(NoAnswer):
        scripted.service().delete_model(MODEL)
    assert len(scripted.requests) == 1


def test_an_idle_connection_that_was_cut_is_replaced(scripted: Scripted) -> None:
    scripted.answer(200, SUMMARY, "Connection: close")
    scripted.answer(200, SUMMARY)
    service = scripted.service()
    service.account_limits()
    service.account_limits()
    assert scripted.connections == 2


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_the_transport_repeats_nothing(scripted: Scripted, status: int) -> None:
    scripted.answer(status, None, "Retry-After: 0")
    scripted.answer(200, SUMMARY)
    with pytest.raises(ServiceError):
        scripted.service().account_limits()
    assert len(scripted.requests) == 1


# --- size


def test_a_body_beyond_the_limit_is_not_read(scripted: Scripted) -> None:
    scripted.answer(200, b" " * 2_000, length=10**12)
    service = open_service(scripted.connect(max_body=1_000), "v2.1")
    with pytest.raises(UnreadableAnswer, match="larger than 1000 bytes"):
        service.account_limits()


def test_a_gzip_bomb_is_not_unpacked(scripted: Scripted) -> None:
    bomb = gzip.compress(bytes(50_000_000), 9)
    assert len(bomb) < 100_000
    scripted.answer(200, bomb, "Content-Encoding: gzip")
    service = open_service(scripted.connect(max_body=100_000), "v2.1")
    tracemalloc.start()
    with pytest.raises(UnreadableAnswer, match="larger than 100000 bytes"):
        service.account_limits()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5_000_000


def test_a_packed_body_is_unpacked(scripted: Scripted) -> None:
    scripted.answer(200, gzip.compress(b'{"summary": {"count": 3, "limit": 9}}'), "Content-Encoding: gzip")
    assert scripted.service().account_limits().count == 3


@pytest.mark.parametrize(
    ("body", "headers", "length"),
    [
        (b'{"summary"', [], 400),
        (gzip.compress(b'{"summary": {"count": 1, "limit": 5}}')[:-8], ["Content-Encoding: gzip"], None),
        (b"not gzip at all", ["Content-Encoding: gzip"], None),
        (b"{}", ["Content-Encoding: br"], None),
        (b"5\r\n{}", ["Transfer-Encoding: chunked"], None),
        (b"zz\r\n{}", ["Transfer-Encoding: chunked"], None),
    ],
    ids=["short", "short gzip", "no gzip", "unknown encoding", "short chunk", "no chunk"],
)
def test_a_body_that_is_not_whole_is_refused(
    scripted: Scripted, body: bytes, headers: list[str], length: int | None
) -> None:
    scripted.answer(200, body, "Connection: close", *headers, length=length)
    with pytest.raises(UnreadableAnswer):
        scripted.service().account_limits()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"\xff\xfe",
        b'{"summary": {"count": 1, "limit": 5}, "x": NaN}',
        b"[" * 100_000,
        b'{"summary": {"count": 1, "limit": 5}, "text": "\\ud800"}',
        b"1" * 5000,
    ],
)
def test_a_body_that_is_no_json_object_is_refused(scripted: Scripted, body: bytes) -> None:
    scripted.answer(200, body)
    with pytest.raises(UnreadableAnswer):
        scripted.service().account_limits()


def test_a_body_with_a_byte_order_mark_is_read(scripted: Scripted) -> None:
    """It has no Content-Type either."""
    scripted.answer(200, b'\xef\xbb\xbf{"summary": {"count": 3, "limit": 9}}')
    assert scripted.service().account_limits().limit == 9


def test_too_many_headers_are_refused(scripted: Scripted) -> None:
    scripted.raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n")
    with pytest.raises(NoAnswer):
        scripted.service().account_limits()


# --- redirects and cookies


@pytest.mark.parametrize(
    ("location", "leaf"),
    [
        ("https://elsewhere.example/formrecognizer/", UntrustedAddress),
        ("{endpoint}/formrecognizer/v2.1/custom/models/", BadRequest),
        ("", BadRequest),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(scripted: Scripted, status: int, location: str, leaf: type[ServiceError]) -> None:
    scripted.answer(status, None, f"Location: {location.replace('{endpoint}', scripted.endpoint)}")
    scripted.answer(200, SUMMARY)
    with pytest.raises(leaf):
        scripted.service().account_limits()
    assert len(scripted.requests) == 1


def test_the_body_of_a_redirect_is_limited_too(scripted: Scripted) -> None:
    scripted.answer(302, b" " * 2_000, "Location: /formrecognizer/", length=10**12)
    with pytest.raises(BadRequest):
        open_service(scripted.connect(max_body=1000), "v2.1").account_limits()


def test_a_cookie_is_not_kept(scripted: Scripted) -> None:
    scripted.answer(200, SUMMARY, "Set-Cookie: session=1; Path=/")
    scripted.answer(200, SUMMARY)
    service = scripted.service()
    service.account_limits()
    service.account_limits()
    assert b"Cookie:" not in scripted.requests[1]


def test_connections_are_kept_and_shared(scripted: Scripted) -> None:
    connection = scripted.connect()
    for status in (200, 404, 204, 200):
        scripted.answer(status, SUMMARY if status == 200 else None)
    for version in ("v2.1", "v2.0"):
        open_service(connection, version).account_limits() if version == "v2.1" else None
    with pytest.raises(ServiceError):
        open_service(connection, "v2.0").get_model(MODEL)
    open_service(connection, "v2.0").delete_model(MODEL)
    open_service(connection, "v2.1").account_limits()
    assert (len(scripted.requests), scripted.connections) == (4, 1)


# --- credentials


def test_the_key_goes_into_its_header_and_nowhere_else(scripted: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    scripted.answer(200, SUMMARY)
    scripted.answer(400, {"error": {"code": "1002", "message": f"bad key {scripted.key} for {scripted.key}"}})
    scripted.raw(reset)
    scripted.raw(b"garbage\r\n\r\n")
    connection = scripted.connect()
    service = open_service(connection, "v2.1")
    service.account_limits()
    assert scripted.requests[0].count(scripted.key.encode()) == 1
    assert f"Ocp-Apim-Subscription-Key: {scripted.key}".encode() in scripted.requests[0]
    seen = [repr(connection), repr(connection.transport), repr(service), repr(ApiKey(lambda: scripted.key).header())]
    for _ in range(3):
        with pytest.raises(ServiceError) as caught:
            service.account_limits()
        seen += ["".join(traceback.format_exception(caught.value)), repr(vars(caught.value)), repr(caught.value.args)]
        # the exceptions of requests hold the request with its headers, so they must not be attached
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None
    assert "[redacted]" in seen[4]
    assert scripted.key not in "".join([*seen, caplog.text])


def test_the_key_is_not_taken_from_netrc(scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    scripted.answer(200, SUMMARY)
    scripted.service().account_limits()
    assert b"Authorization:" not in scripted.requests[0]


def test_a_rotated_key_is_used_by_the_next_call(scripted: Scripted) -> None:
    keys = iter(["first-key", "second-key"])
    service = open_service(scripted.connect(key=lambda: next(keys)), "v2.1")
    for key in (b"first-key", b"second-key"):
        scripted.answer(200, SUMMARY)
        service.account_limits()
        assert b"Key: " + key + b"\r\n" in scripted.requests[-1]


def test_a_key_with_a_newline_from_a_file_is_trimmed(scripted: Scripted) -> None:
    scripted.answer(200, SUMMARY)
    open_service(scripted.connect(key=lambda: " the-key\n"), "v2.1").account_limits()
    assert b"Key: the-key\r\n" in scripted.requests[0]


@pytest.mark.parametrize("key", ["", "  ", "two words", "line\nbreak", "schlüssel", "nul\0"])
def test_an_impossible_key_is_not_sent_or_shown(scripted: Scripted, key: str) -> None:
    with pytest.raises(AccessDenied) as caught:
        open_service(scripted.connect(key=lambda: key), "v2.1").account_limits()
    assert scripted.requests == []
    assert not key.strip() or key not in caught.value.message


class _Token:
    token = "eyJ0eXAi.secret.token"


class _Identity:
    """Stands in for a credential of azure-identity."""

    def __init__(self, error: Exception | None = None) -> None:
        self.scopes: list[tuple[str, ...]] = []
        self._error = error

    def get_token(self, *scopes: str) -> _Token:
        self.scopes.append(scopes)
        if self._error:
            raise self._error
        return _Token()


def test_a_bearer_token_is_sent_for_the_clouds_scope(scripted: Scripted) -> None:
    identity = _Identity()
    credential = EntraToken(identity, "https://cognitiveservices.azure.us/.default")
    scripted.answer(200, SUMMARY)
    _service_at(scripted.endpoint, credential).account_limits()
    assert b"Authorization: Bearer eyJ0eXAi.secret.token\r\n" in scripted.requests[0]
    assert b"Ocp-Apim" not in scripted.requests[0]
    assert identity.scopes == [("https://cognitiveservices.azure.us/.default",)]


def test_an_identity_without_a_token_is_access_denied(scripted: Scripted) -> None:
    credential = EntraToken(_Identity(RuntimeError("token endpoint: eyJ0eXAi.secret.token")), PUBLIC.scope)
    with pytest.raises(AccessDenied, match="RuntimeError") as caught:
        _service_at(scripted.endpoint, credential).account_limits()
    assert "eyJ0" not in "".join(traceback.format_exception(caught.value))


def test_every_call_has_ids_for_the_services_support(scripted: Scripted) -> None:
    service = scripted.service()
    for name in ("apim-request-id", "X-MS-Request-Id"):
        scripted.answer(500, None, f"{name}: 4b1c2d3e-0000")
        with pytest.raises(ServerError) as caught:
            service.account_limits()
        assert caught.value.request_id == "4b1c2d3e-0000"
    sent = [
        line for request in scripted.requests for line in request.split(b"\r\n") if b"x-ms-client-request-id" in line
    ]
    assert len(set(sent)) == 2
    assert b"User-Agent: form-recognizer-model-backup/" in scripted.requests[0]


def test_a_hostile_request_id_is_not_repeated(scripted: Scripted) -> None:
    scripted.answer(500, None, "apim-request-id: <script>alert(1)</script>")
    with pytest.raises(ServerError) as caught:
        scripted.service().account_limits()
    assert caught.value.request_id is None


# --- endpoints


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://forms.cognitiveservices.azure.com",
        "forms.cognitiveservices.azure.com",
        "ftp://localhost",
        "https://user:pass@forms.cognitiveservices.azure.com",
        "https://forms.cognitiveservices.azure.com/?key=1",
        "https://forms.cognitiveservices.azure.com/#a",
        "https://:443",
        "https://forms:99999",
        "http://127.0.0.1.example.com",
        "",
    ],
)
def test_an_endpoint_that_exposes_the_key_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError):
        Endpoint.parse(endpoint)


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("https://Forms.CognitiveServices.azure.com/", "https://forms.cognitiveservices.azure.com/x"),
        ("https://forms.example:8443", "https://forms.example:8443/x"),
        ("https://gateway.example/forms/", "https://gateway.example/forms/x"),
        ("http://localhost:7071", "http://localhost:7071/x"),
        ("http://[::1]:7071", "http://[::1]:7071/x"),
    ],
)
def test_an_endpoint_is_read_in_its_usual_spellings(endpoint: str, address: str) -> None:
    assert Endpoint.parse(endpoint).address("/x") == address


def test_the_default_port_may_be_left_out() -> None:
    endpoint = Endpoint.parse("https://forms.example")
    assert endpoint.resolve("https://FORMS.example:443/formrecognizer/a", "/formrecognizer")
    assert endpoint.resolve("/formrecognizer/a?b=c", "/formrecognizer") == "https://forms.example/formrecognizer/a?b=c"
    assert endpoint.resolve("http://forms.example/formrecognizer/a", "/formrecognizer") is None
    assert endpoint.resolve("http://forms.example:443/formrecognizer/a", "/formrecognizer") is None
    assert endpoint.resolve("https://forms.example/formrecognizerx/a", "/formrecognizer") is None


SUBDOMAIN, REGIONAL = "https://forms.cognitiveservices.azure.com", "https://westeurope.api.cognitive.microsoft.com"


@pytest.mark.parametrize(
    ("configured", "named"),
    [
        (SUBDOMAIN, REGIONAL),
        (REGIONAL, SUBDOMAIN),
        (SUBDOMAIN, "https://Forms.services.ai.azure.com"),
        (SUBDOMAIN, "https://Forms.CognitiveServices.azure.com:443"),
    ],
)
def test_another_form_of_the_host_is_not_called(configured: str, named: str) -> None:
    """The address is rebuilt from the configured endpoint: the key goes nowhere else."""
    endpoint = Endpoint.parse(configured)
    found = endpoint.resolve(f"{named}/formrecognizer/operations/1?a=b#c", "/formrecognizer")
    assert found == f"{configured}/formrecognizer/operations/1?a=b"


@pytest.mark.parametrize(
    ("configured", "named"),
    [
        (SUBDOMAIN, "https://other.cognitiveservices.azure.com"),
        (SUBDOMAIN, "https://forms.cognitiveservices.azure.us"),
        (SUBDOMAIN, "https://virginia.api.cognitive.microsoft.us"),
        (SUBDOMAIN, "https://forms.cognitiveservices.azure.com.evil.example"),
        (SUBDOMAIN, "http://westeurope.api.cognitive.microsoft.com"),
        (SUBDOMAIN, "https://westeurope.api.cognitive.microsoft.com:8443"),
        (SUBDOMAIN, "https://me@westeurope.api.cognitive.microsoft.com"),
        (SUBDOMAIN, "https://api.cognitive.microsoft.com"),
        (REGIONAL, "https://eastus.api.cognitive.microsoft.com"),
        ("http://127.0.0.1:7081", REGIONAL),
    ],
)
def test_a_host_that_cannot_be_the_accounts_is_refused(configured: str, named: str) -> None:
    assert Endpoint.parse(configured).resolve(f"{named}/formrecognizer/operations/1", "/formrecognizer") is None


def _service_at(endpoint: str, credential: Credential | None = None) -> ModelService:
    transport = Transport(endpoint, credential or ApiKey(lambda: "k"), timeouts=HURRIED)
    return open_service(ResourceConnection("forms-a", transport), "v2.1")
