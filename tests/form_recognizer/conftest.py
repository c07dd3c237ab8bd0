"""A server that answers with prepared bytes, and simulated resources with their clients."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import pytest

from backup.document_models import Kind, ModelSummary
from form_recognizer import ApiKey, ModelService, ResourceConnection, Timeouts, Transport, open_service
from local.simulator import ManualClock, ResourceSpec, SimulatedResource, Simulator

KEY = "5f1d7e90c3b84a6f9e2d1c0b7a865432"
QUICK = Timeouts(connect=2, read=2, total=4)


@dataclass
class Scripted:
    """Answers each request with the next bytes of the script; records the requests, and counts the connections."""

    endpoint: str
    script: list[Callable[[socket.socket], object] | bytes] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    transports: list[Transport] = field(default_factory=list)
    connections: int = 0
    key: str = KEY

    def raw(self, answer: Callable[[socket.socket], object] | bytes) -> None:
        """Answer the next request with these bytes, or let a function handle the connection."""
        self.script.append(answer)

    def answer(self, status: int, body: object = None, *headers: str, length: int | None = None) -> None:
        """Answer the next request. ``body`` is bytes or JSON; ``length`` overrides the Content-Length."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        lines = [
            f"HTTP/1.1 {status} Whatever",
            *headers,
            f"Content-Length: {len(content) if length is None else length}",
            "",
            "",
        ]
        self.script.append("\r\n".join(lines).encode() + content)

    def service(self, api_version: str = "v2.1", kind: Kind = Kind.MODEL) -> ModelService:
        return open_service(self.connect(), api_version, kind)

    def connect(
        self,
        timeouts: Timeouts = QUICK,
        key: Callable[[], str] = lambda: KEY,
        pool_size: int = 4,
        max_body: int = 1_000_000,
    ) -> ResourceConnection:
        transport = Transport(self.endpoint, ApiKey(key), timeouts=timeouts, pool_size=pool_size, max_body=max_body)
        self.transports.append(transport)
        return ResourceConnection("forms-a", transport)

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                self._serve_one(connection)

    def _serve_one(self, connection: socket.socket) -> None:
        try:
            while request := _read_request(connection):
                self.requests.append(request)
                answer = (
                    self.script.pop(0)
                    if self.script
                    else b"HTTP/1.1 599 The script is at its end\r\nContent-Length: 0\r\n\r\n"
                )
                if callable(answer):
                    answer(connection)
                    return
                connection.sendall(answer)
                if b"Connection: close" in answer:
                    return
        except OSError:
            return


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return b""
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = Scripted(f"http://127.0.0.1:{listener.getsockname()[1]}")
    thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
    thread.start()
    yield server
    for transport in server.transports:
        transport.close()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@dataclass
class Pair:
    """A source and a target resource of the simulated service, on a clock that only tests advance."""

    simulator: Simulator
    clock: ManualClock
    connections: dict[str, ResourceConnection]

    @property
    def source(self) -> SimulatedResource:
        return self.simulator.resource("forms-source")

    @property
    def target(self) -> SimulatedResource:
        return self.simulator.resource("forms-target")

    def service(self, name: str, api_version: str, kind: Kind = Kind.MODEL) -> ModelService:
        return open_service(self.connections[f"forms-{name}"], api_version, kind)


def all_models(service: ModelService) -> list[ModelSummary]:
    """Return the models of all pages."""
    page = service.list_models()
    models = [*page.models]
    while page.next_page:
        page = service.list_models(page.next_page)
        models += page.models
    return models


SPECS = [
    ResourceSpec(
        f"forms-{name}",
        region,
        f"/subscriptions/s{number}/resourceGroups/forms/providers/Microsoft.CognitiveServices/accounts/forms-{name}",
        KEY[:-1] + str(number),
    )
    for number, (name, region) in enumerate([("source", "westeurope"), ("target", "eastus")])
]


@pytest.fixture
def pair() -> Iterator[Pair]:
    clock = ManualClock()
    simulator = Simulator(SPECS, clock)
    with simulator:
        connections = {
            spec.name: ResourceConnection(
                spec.name,
                Transport(simulator.endpoint(spec.name), ApiKey(partial(getattr, spec, "key")), timeouts=QUICK),
            )
            for spec in SPECS
        }
        yield Pair(simulator, clock, connections)
        for connection in connections.values():
            connection.transport.close()
