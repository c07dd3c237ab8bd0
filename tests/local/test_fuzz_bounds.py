"""Twenty hostile answers or requests at once, to a real host in a process of its own: memory, processor time, and health meanwhile.

Other tests on the machine do not matter: memory and processor time are those of the host alone, and the wait of a health call is counted in
processor time that the host spends meanwhile. By the clock, it is only compared with the same call to an idle host beside it.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import TypeVar
from urllib.parse import urlsplit

import pytest
import requests

from local.child import Child
from local.stage_setup import REGIONS, SOURCE, StageOptions, StageResource, backup_configuration, host_environment
from tests.hostile import EXAMPLES

MB = 1_000_000
AT_ONCE = 20
MOST_MEMORY = 256 * MB
MOST_PROCESSOR_SECONDS = 1.0
MOST_SECONDS_OF_HEALTH = 1.0
MOST_SECONDS_ON_A_BUSY_MACHINE = 20.0
"""By the clock, and so without meaning but for a call that waits for a lock: other tests may leave the host a tenth of a core."""
ACTIVITIES = 8
"""``maxConcurrentActivityFunctions`` of host.json."""
WORST = {"a million chunks of one byte", "objects up to the bound", "a bomb"}
TARGET = "forms-northeurope"
TICKS = os.sysconf("SC_CLK_TCK")


def chosen(names: Iterable[str]) -> list[str]:
    """Return all names in ``make fuzz``, and the worst ones in the short run of ``make test``."""
    return list(names) if EXAMPLES >= 1000 else [name for name in names if name in WORST]


class HostProcess:
    """A host with three resources at one endpoint."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.key = secrets.token_urlsafe(32)
        resources = {
            name: StageResource(
                name, region, ("v2.1", "2024-11-30"), endpoint if name == SOURCE else f"http://127.0.0.1:{number}"
            )
            for number, (name, region) in enumerate(REGIONS.items(), start=9)
        }
        options = StageOptions(directory=folder, patience_seconds=0)
        folder.mkdir()
        (folder / "backup.json").write_text(json.dumps(backup_configuration(options, resources)), encoding="utf-8")
        self._child = Child("local.host", ["--port", "0", "--state", str(folder / "host.sqlite")], folder / "host.log")
        environment = host_environment(folder, self.key, resources.values())
        self.url: str = self._child.start(environment)["url"]
        for _ in range(3):
            self.health()

    def call(self, method: str, path: str, body: object = None) -> requests.Response:
        headers = {"x-functions-key": self.key}
        return requests.request(method, self.url + path, json=body, headers=headers, timeout=600)

    def health(self) -> float:
        """Return the seconds of one health call."""
        begun = time.monotonic()
        assert self.call("GET", "/api/health").status_code == 200
        return time.monotonic() - begun

    def processor_seconds(self) -> float:
        fields = Path(f"/proc/{self._child.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self, which: str) -> int:
        """Return ``VmRSS`` or ``VmHWM``, in bytes."""
        lines = Path(f"/proc/{self._child.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(which))

    def forget_peak(self) -> None:
        Path(f"/proc/{self._child.pid}/clear_refs").write_text("5", encoding="ascii")

    @property
    def pid(self) -> int:
        return self._child.pid

    def stop(self) -> None:
        self._child.stop()


class HostileService:
    """Answers every request alike, on any number of connections."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.answer: Callable[[], Iterator[bytes]] = lambda: iter([b""])
        self.answered = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(connection,), daemon=True).start()

    def _serve_one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                piece = connection.recv(65536)
                if not piece:
                    return
                request += piece
            self.answered += 1
            for piece in self.answer():
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def with_length(body: bytes, *headers: bytes) -> bytes:
    return OK + b"".join(line + b"\r\n" for line in headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


def repeated(head: bytes, piece: bytes, times: int) -> Callable[[], Iterator[bytes]]:
    """Send ``head``, and then ``piece`` very often."""
    block = piece * max(1, 65_536 // len(piece))

    def send() -> Iterator[bytes]:
        yield head
        for _ in range(times * len(piece) // len(block) + 1):
            yield block

    return send


def at_once(body: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter([body])


ANSWERS: dict[str, Callable[[], Callable[[], Iterator[bytes]]]] = {
    "a million chunks of one byte": lambda: repeated(CHUNKED, b"1\r\n \r\n", 1_000_000),
    "chunk extensions": lambda: repeated(CHUNKED, b"1;" + b"x" * 60_000 + b"\r\n \r\n", 1000),
    "trailers": lambda: repeated(CHUNKED + b"0\r\n", b"x: y\r\n", 3_000_000),
    "headers": lambda: repeated(OK, b"X: y\r\n", 3_000_000),
    "interim answers": lambda: repeated(b"", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", 1_000_000),
    "a bomb": lambda: at_once(with_length(gzip.compress(bytes(400 * MB)), b"Content-Encoding: gzip")),
    "a bomb of objects": lambda: at_once(
        with_length(gzip.compress(b"[" + b"{}," * 5_000_000 + b"{}]"), b"Content-Encoding: gzip")
    ),
    "small objects": lambda: at_once(with_length(b'{"modelList":[' + b'{"a":{}},' * 1_700_000 + b"{}]}")),
    "objects up to the bound": lambda: at_once(
        with_length(b'{"modelList":[' + b'{"a":1},' * 199_000 + b"{}]" + b"," * 0 + b"}")
    ),
    "escapes": lambda: at_once(with_length(b'{"modelList":"' + b"\\u0061" * 2_500_000 + b'"}')),
    "an error of addresses": lambda: at_once(
        with_length(b'{"error":{"code":"x","message":"' + b"http://" * 2_000_000 + b'"}}').replace(b"200", b"400", 1)
    ),
}


@pytest.fixture(scope="module")
def service() -> Iterator[HostileService]:
    running = HostileService()
    yield running
    running.close()


@pytest.fixture(scope="module")
def host(service: HostileService, tmp_path_factory: pytest.TempPathFactory, protocol_1: None) -> Iterator[HostProcess]:
    running = HostProcess(tmp_path_factory.mktemp("bounds") / "host", service.endpoint)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory, protocol_1: None) -> Iterator[HostProcess]:
    """A host that has nothing to do, on the same machine."""
    running = HostProcess(tmp_path_factory.mktemp("bounds") / "idle", "http://127.0.0.1:20")
    yield running
    running.stop()


PROBE = """
import http.client, json, os, sys, threading, time
from pathlib import Path
from urllib.parse import urlsplit
hosts = json.loads(sys.stdin.readline())
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
def call(url, key, pid):
    def processor():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    seconds, processor_seconds = time.monotonic(), processor()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request("GET", "/api/health", headers={"x-functions-key": key})
    assert connection.getresponse().status == 200
    connection.close()
    return time.monotonic() - seconds, processor() - processor_seconds
print("ready", flush=True)
longest = [0.0, 0.0]
while not ended.is_set():
    busy, idle = (call(*host) for host in hosts)
    longest = [max(longest[0], busy[0] - idle[0]), max(longest[1], busy[1])]
print(json.dumps(longest), flush=True)
"""
"""Asks for health until its standard input ends. In a process of its own: threads that send would keep it waiting in this one."""


Result = TypeVar("Result")


class Load:
    """What twenty at once cost a host, and how long it lets others wait."""

    def __init__(self, host: HostProcess, idle: HostProcess) -> None:
        self._host = host
        self._idle = idle
        self.memory = self.processor_seconds = 0.0
        self.health = 0.0
        """How much processor time the host spent while one health call waited: without other load, that is how long it waited."""
        self.late = 0.0
        """How much longer a health call took than one to the idle host."""

    def check(self, handled: int) -> None:
        """Require the bounds; ``handled`` is how many answers or requests the host had."""
        assert self.memory < MOST_MEMORY
        assert self.processor_seconds < MOST_PROCESSOR_SECONDS * handled
        assert self.health < MOST_SECONDS_OF_HEALTH
        assert self.late < MOST_SECONDS_ON_A_BUSY_MACHINE

    def measure(self, work: Sequence[Callable[[], Result]]) -> list[Result]:
        """Run all of ``work`` at once, ask for health meanwhile, and return the results."""
        self._host.forget_peak()
        memory, processor = self._host.memory("VmRSS"), self._host.processor_seconds()
        hosts = [(one.url, one.key, one.pid) for one in (self._host, self._idle)]
        with subprocess.Popen([sys.executable, "-c", PROBE], stdin=PIPE, stdout=PIPE, text=True) as probe:
            assert probe.stdin is not None
            assert probe.stdout is not None
            probe.stdin.write(json.dumps(hosts) + "\n")
            probe.stdin.flush()
            assert probe.stdout.readline() == "ready\n"
            with ThreadPoolExecutor(AT_ONCE) as pool:
                calls = [pool.submit(job) for job in work]
            probe.stdin.close()
            self.late, self.health = json.loads(probe.stdout.readline())
        self.memory = self._host.memory("VmHWM") - memory
        self.processor_seconds = self._host.processor_seconds() - processor
        return [call.result() for call in calls]


@pytest.fixture
def load(host: HostProcess, idle: HostProcess) -> Load:
    return Load(host, idle)


def copies(host: HostProcess) -> None:
    """Copy as many models as the host has activities, and wait for the end of the run."""
    models = [f"{secrets.token_hex(4)}-0000-4000-8000-{number:012d}" for number in range(ACTIVITIES)]
    answer = host.call("POST", "/api/copies", {"source": SOURCE, "targets": [TARGET], "models": models})
    assert answer.status_code == 202, answer.text
    while host.call("GET", urlsplit(answer.json()["statusUrl"]).path).status_code == 202:
        time.sleep(0.2)


def examination(host: HostProcess) -> None:
    assert host.call("POST", "/api/doctor", {"resources": [SOURCE], "plans": []}).status_code == 200


@pytest.mark.parametrize("name", chosen(ANSWERS))
def test_twenty_hostile_answers_at_once(name: str, service: HostileService, host: HostProcess, load: Load) -> None:
    service.answer, service.answered = ANSWERS[name](), 0
    examinations = [partial(examination, host) for _ in range(AT_ONCE - ACTIVITIES)]
    load.measure([partial(copies, host), *examinations])
    assert service.answered >= AT_ONCE
    load.check(service.answered)


HEAD = b"POST /api/copies HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-functions-key: KEY\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def sized(body: bytes, *headers: bytes) -> bytes:
    return HEAD + b"".join(line + b"\r\n" for line in headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


REQUESTS: dict[str, Callable[[], Callable[[], Iterator[bytes]]]] = {
    "a million chunks of one byte": lambda: repeated(CHUNKS, b"1\r\n[\r\n", 1_000_000),
    "chunk extensions": lambda: repeated(CHUNKS, b"1;" + b"x" * 60_000 + b"\r\n[\r\n", 1000),
    "trailers": lambda: repeated(CHUNKS + b"0\r\n", b"x: y\r\n", 3_000_000),
    "headers": lambda: repeated(HEAD, b"X: y\r\n", 3_000_000),
    "one header": lambda: repeated(HEAD + b"X: ", b"y", 20 * MB),
    "a path": lambda: repeated(b"GET /", b"x", 20 * MB),
    "a bomb": lambda: at_once(sized(gzip.compress(b"[" * 100 * MB), b"Content-Encoding: gzip")),
    "deep JSON": lambda: at_once(sized(b"[" * 32_000 + b"]" * 32_000)),
    "small objects": lambda: at_once(sized(b'{"models":[' + b"{}," * 21_000 + b"{}]}")),
    "equal names": lambda: at_once(sized(b"{" + b'"a":1,' * 10_000 + b'"a":1}')),
    "names": lambda: at_once(sized(b"{" + b",".join(b'"%d":1' % n for n in range(7_000)) + b"}")),
    "a large mapping": lambda: at_once(
        sized(b'{"models":[' + b"{}," * 690_000 + b"{}]}").replace(b"POST /api/copies", b"PUT /api/models", 1)
    ),
    "a large body": lambda: repeated(sized(b"")[:-5] + b"%d\r\n\r\n" % (20 * MB), b"x", 20 * MB),
    "requests in a row": lambda: repeated(b"", b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 2000),
    "drops": lambda: lambda: (bytes([byte]) for byte in CHUNKS.replace(b"KEY", b"") + b"1\r\n[\r\n" * 500),
}


def throw(host: HostProcess, request: Callable[[], Iterator[bytes]]) -> bytes:
    """Send a request as far as the host reads it, and return the first bytes of the answer."""
    address = urlsplit(host.url)
    received = b""
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=60) as connection:
        with contextlib.suppress(OSError):
            for piece in request():
                connection.sendall(piece.replace(b"KEY", host.key.encode()))
        with contextlib.suppress(OSError):
            while piece := connection.recv(65536):
                received = (received + piece)[:1000]
    return received


@pytest.mark.parametrize("name", chosen(REQUESTS))
def test_twenty_hostile_requests_at_once(name: str, host: HostProcess, load: Load) -> None:
    answers = load.measure([partial(throw, host, REQUESTS[name]())] * AT_ONCE)
    # a client that sends on after the answer may lose it
    assert {answer[9:10] for answer in answers} <= {b"4", b""}
    load.check(AT_ONCE)
