"""Certificates are verified, deadlines hold below TLS too, and an error of a proxy is not one of the service."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from form_recognizer import (
    ApiKey,
    ModelService,
    NoAnswer,
    ResourceConnection,
    Timeouts,
    Transport,
    Unreachable,
    open_service,
)
from local.simulator import ResourceSpec, Simulator
from tests.certificates import Certificate, make_certificate

from .conftest import Scripted

KEY = "5f1d7e90c3b84a6f9e2d1c0b7a865432"
HURRIED = Timeouts(connect=2, read=0.3, total=0.6)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1 that vouches for itself."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def simulated(certificate: Certificate) -> Iterator[str]:
    spec = ResourceSpec("forms-a", "westeurope", "/subscriptions/s", KEY)
    with Simulator([spec], tls=certificate.context) as simulator:
        yield simulator.endpoint("forms-a").replace("http://", "https://")


def service(endpoint: str, timeouts: Timeouts = HURRIED) -> ModelService:
    transport = Transport(endpoint, ApiKey(lambda: KEY), timeouts=timeouts)
    return open_service(ResourceConnection("forms-a", transport), "v2.1")


def test_an_untrusted_certificate_is_refused(simulated: str, no_proxy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        service(simulated).account_limits()


def test_the_certificate_bundle_is_used(
    simulated: str, certificate: Certificate, no_proxy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    assert service(simulated, Timeouts()).account_limits().count == 0


def test_the_deadline_holds_below_tls_too(
    certificate: Certificate, no_proxy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a server that sends a byte now and then."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with certificate.context.wrap_socket(connection, server_side=True) as wrapped:
                wrapped.recv(65536)
                try:
                    wrapped.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                    for _ in range(150):
                        wrapped.sendall(b"x")
                        if stop.wait(0.02):
                            return
                except OSError:
                    return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        with pytest.raises(NoAnswer, match="timed out"):
            service(f"https://127.0.0.1:{listener.getsockname()[1]}").account_limits()
        stop.set()
        thread.join(5)


def test_nothing_is_sent_through_a_proxy_that_refuses(
    scripted: Scripted, no_proxy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", scripted.endpoint.replace("http://", "http://user:proxy-password@"))
    scripted.answer(407, None, "Connection: close")
    with pytest.raises(Unreachable, match="proxy") as caught:
        service("https://forms.example").account_limits()
    assert scripted.requests[0].startswith(b"CONNECT forms.example:443 HTTP")
    assert KEY.encode() not in scripted.requests[0]
    assert "proxy-password" not in str(caught.value)
