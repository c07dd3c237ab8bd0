"""A probe says what a resource is like, and ends in time whatever the resource does."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backup.configuration.sections import Configuration
from local.host import ManualClock
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE, TARGET, Stage, setting
from wiring import probing
from wiring.probing import ProbeResult, probe_all
from wiring.services import Services

SHORT = 1.0
"""Seconds for a probe of a resource that does not answer."""

Serve = Callable[[socket.socket, threading.Event], None]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as stage:
        yield stage


def probe(services: Services, *names: str, timeout: float = 30.0) -> dict[str, ProbeResult]:
    return asyncio.run(probe_all(services, names or REGIONS, timeout))


def states(found: Mapping[str, ProbeResult]) -> dict[str, str]:
    return {name: result.state for name, result in found.items()}


# -- what is found and noted


def test_every_resource_gets_one_cheap_call(stage: Stage) -> None:
    assert states(probe(stage.services)) == dict.fromkeys(REGIONS, "reachable")
    assert sorted(stage.calls()) == sorted(f"{name}:getInfo" for name in REGIONS)


@pytest.mark.parametrize("version", ["v2.1", "2022-08-31", "2023-07-31", "2024-11-30"])
def test_every_api_version_can_be_probed(tmp_path: Path, version: str) -> None:
    with Stage(tmp_path, versions=[version]) as stage:
        assert states(probe(stage.services)) == dict.fromkeys(REGIONS, "reachable")
        assert len(stage.calls()) == len(REGIONS)


def test_what_is_found_is_noted_for_all_workers(stage: Stage) -> None:
    stage.source.down()
    probe(stage.services)
    another = Services(stage.services.configuration, stage.services.catalog, stage.services.sealer, now=stage.clock.now)
    seen = another.reachability()
    assert {name: one["state"] for name, one in seen.items()} == {
        SOURCE: "Unreachable",
        TARGET: "reachable",
        SECOND_TARGET: "reachable",
    }
    assert "Check the endpoint" in seen[SOURCE]["message"]
    assert seen[SOURCE]["at"] == seen[SOURCE]["since"]
    assert "message" not in seen[TARGET]
    assert seen[TARGET]["skewSeconds"] == 0


def test_since_is_when_the_state_began(stage: Stage) -> None:
    probe(stage.services)
    began = stage.services.reachability()[SOURCE]["at"]
    assert isinstance(stage.clock, ManualClock)
    stage.clock.advance(300)
    probe(stage.services)
    seen = stage.services.reachability()[SOURCE]
    assert (seen["since"], seen["at"] > began) == (began, True)
    stage.source.down()
    stage.clock.advance(300)
    probe(stage.services)
    seen = stage.services.reachability()[SOURCE]
    assert seen["since"] == seen["at"]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (401, "AccessDenied"),
        (403, "AccessDenied"),
        (404, "BadRequest"),
        (410, "VersionRetired"),
        (429, "reachable"),
        (500, "ServerError"),
        (502, "ServerError"),
        (503, "ServerError"),
    ],
)
def test_an_answer_is_judged_by_its_status(stage: Stage, status: int, state: str) -> None:
    stage.source.inject("*", "status", status=status, headers={"Retry-After": "30"})
    assert states(probe(stage.services))[SOURCE] == state
    assert stage.services.reachability()[SOURCE]["state"] == state


def test_clock_that_is_wrong_shows(stage: Stage) -> None:
    """The app's clock is an hour ahead of the service's."""
    services = replace(stage.services, now=lambda: stage.clock.now() + timedelta(hours=1))
    assert probe(services)[SOURCE].skew_seconds == -3600
    assert services.reachability()[SOURCE]["skewSeconds"] == -3600


@pytest.mark.parametrize(("is_down", "state"), [(False, "ConfigurationInvalid"), (True, "Unreachable")])
def test_outage_shows_without_a_key(stage: Stage, is_down: bool, state: str) -> None:
    """A resource whose key is missing is asked without one, and shows whether it is down."""
    stage.source.down(is_down=is_down)
    services = replace(stage.services, environment={**stage.services.environment, setting(SOURCE): ""})
    found = probe(services)[SOURCE]
    assert found.state == state
    assert is_down or setting(SOURCE) in (found.message or "")


@dataclass
class HangingIdentity:
    """Entra ID on a day on which it does not answer."""

    released: threading.Event = field(default_factory=threading.Event)

    def get_token(self, *scopes: str) -> Any:
        self.released.wait()
        raise TimeoutError(scopes)


def test_token_that_does_not_come_is_no_outage(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = HangingIdentity()
    monkeypatch.setattr("wiring.services.managed_identity", lambda *_: identity)
    services = with_resource(stage, managedIdentity={}, keySetting=None)
    found = probe(services, SOURCE, timeout=SHORT)[SOURCE]
    identity.released.set()
    assert found.state == "AccessDenied"
    assert "its Entra ID token did not come" in (found.message or "")


def test_probes_at_the_same_time_are_one(stage: Stage) -> None:
    async def twice() -> list[dict[str, ProbeResult]]:
        return await asyncio.gather(*(probe_all(stage.services, REGIONS, 30.0) for _ in range(20)))

    stage.source.inject("*", "delay", seconds=0.2, count=None)
    assert all(states(found)[SOURCE] == "reachable" for found in asyncio.run(twice()))
    assert stage.calls().count(f"{SOURCE}:getInfo") == 1


# -- resources that do not end their answer


def with_resource(stage: Stage, **changes: Any) -> Services:
    """Return services in which the source is configured otherwise."""
    document = stage.configuration()
    document["resources"][SOURCE] |= changes
    return replace(stage.services, configuration=Configuration.model_validate(document))


def no_answer(connection: socket.socket, released: threading.Event) -> None:
    connection.recv(65_536)
    released.wait()


def slow_drip(connection: socket.socket, released: threading.Event) -> None:
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not released.wait(0.05):
        connection.sendall(b" ")


def slow_headers(connection: socket.socket, released: threading.Event) -> None:
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Padding: ")
    while not released.wait(0.05):
        connection.sendall(b"x")


def huge_body(connection: socket.socket, released: threading.Event) -> None:
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n")
    while not released.is_set():
        connection.sendall(b" " * 65_536)


def redirect(connection: socket.socket, _released: threading.Event) -> None:
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")


def garbage(connection: socket.socket, _released: threading.Event) -> None:
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


class RawServer:
    """A server that answers with ``serve`` until it is released; without ``serve`` it accepts no connection."""

    def __init__(self, serve: Serve | None) -> None:
        self.released = threading.Event()
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16 if serve else 0)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._fillers: list[socket.socket] = []

    def __enter__(self) -> RawServer:
        if self._serve is None:
            self._fill()
        else:
            threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        for one in (self._listener, *self._fillers):
            one.close()

    def _fill(self) -> None:
        """Fill the backlog: the kernel leaves further connections without an answer, as a network that drops packets does."""
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self._listener.getsockname())
            self._fillers.append(filler)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        assert self._serve is not None
        with connection, suppress(OSError):
            self._serve(connection, self.released)


@pytest.mark.parametrize(
    ("serve", "state"),
    [
        (None, "Unreachable"),
        (no_answer, "NoAnswer"),
        (slow_drip, "NoAnswer"),
        (slow_headers, "NoAnswer"),
        (huge_body, "UnreadableAnswer"),
        (redirect, "BadRequest"),
        (garbage, "UnreadableAnswer"),
    ],
)
def test_it_ends_whatever_the_resource_does(stage: Stage, serve: Serve | None, state: str) -> None:
    """The resource goes on until the probe has ended: a probe that waited for it would never end."""
    with RawServer(serve) as server:
        services = with_resource(stage, endpoint=server.endpoint)
        found = probe(services, timeout=SHORT)
    assert states(found) == {SOURCE: state, TARGET: "reachable", SECOND_TARGET: "reachable"}
    assert found[SOURCE].message


def test_a_name_that_dns_does_not_answer(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's resolver cannot be interrupted: the probe leaves it behind."""
    hung, released, resolve = threading.Event(), threading.Event(), socket.getaddrinfo

    def hang(host: Any, *arguments: Any, **options: Any) -> Any:
        if host == "forms.cognitiveservices.azure.com":
            if not hung.is_set():
                hung.set()
                released.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    services = with_resource(stage, endpoint="https://forms.cognitiveservices.azure.com")
    found = probe(services, timeout=SHORT)
    assert states(found) == {SOURCE: "NoAnswer", TARGET: "reachable", SECOND_TARGET: "reachable"}
    assert "DNS" in (found[SOURCE].message or "")
    assert services.reachability()[SOURCE]["state"] == "NoAnswer"
    # the next probe does not wait for the one that hangs
    found = probe(services)
    assert (found[SOURCE].state, "cannot be resolved" in (found[SOURCE].message or "")) == ("Unreachable", True)
    released.set()


def test_an_error_of_the_app_is_no_outage(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "open_service", lambda *_: 1 / 0)
    found = probe(stage.services)[SOURCE]
    assert (found.state, "ZeroDivisionError" in (found.message or "")) == ("StepCrashed", True)


def test_identity_keeps_its_tokens_between_probes(stage: Stage) -> None:
    """Each identity of ``azure-identity`` has a cache of its own, so a new one would ask for a token with every probe."""
    services = with_resource(stage, managedIdentity={}, keySetting=None)
    sources = [getattr(services.credential(SOURCE), "_source", None) for _ in range(2)]
    assert sources[0] is not None
    assert sources[0] is sources[1]
