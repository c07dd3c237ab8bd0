"""The app's settings, three simulated resources and a catalog, each of which a test can break; whatever it breaks, nothing may change."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography.fernet import Fernet

from doctor.app import ON_AZURE
from doctor.examination import examine
from doctor.limits import Limits
from doctor.setup import current
from form_recognizer import Timeouts
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE, TARGET, resource_id, setting
from local.simulator import ALL_VERSIONS, ManualClock, ResourceSpec, SimulatedResource, Simulator, SystemClock
from local.simulator.entra import Identity
from tests.certificates import Certificate
from tests.nights import mixed_models
from wiring.services import use

__all__ = ["SECOND_TARGET", "SOURCE", "TARGET", "World"]

PLAN = "nightly"
HURRIED = Limits(
    name=20.0,
    connect=0.3,
    certificate=0.3,
    token=20.0,
    call=Timeouts(connect=0.5, read=0.5, total=1.0),
    versions=20.0,
    catalog=20.0,
    whole=40.0,
    replicas=20.0,
)
"""Short only where a test waits for what never answers."""

IDENTITY_HEADER = "made-up-header"
OF_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class World:
    """The app and three resources in good health, with words to break them. Use it in a ``with``.

    ``configuration`` is written to backup.json when :meth:`ask` examines it; ``settings`` become the environment.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.environment = monkeypatch
        self.keys = {name: f"{number:032x}" for number, name in enumerate(REGIONS, start=0xABCDEF)}
        self.versions = dict.fromkeys(REGIONS, ALL_VERSIONS)
        self.identities: list[Identity] = []
        self.tls: ssl.SSLContext | None = None
        self.clock: ManualClock | SystemClock = SystemClock()
        self.simulator: Simulator
        self.configuration: dict[str, Any] = {}
        self.settings = {
            "BACKUP_CONFIG": str(folder / "backup.json"),
            "CATALOG": f"sqlite:{folder / 'catalog.sqlite'}",
            "SEALING_KEYS": Fernet.generate_key().decode(),
            "BACKUP_SCHEDULE": "0 0 2 * * *",
            "PURGE_SCHEDULE": "0 30 3 * * *",
            "PROBE_SCHEDULE": "0 */5 * * * *",
            **{setting(name): key for name, key in self.keys.items()},
        }
        self.backup_json: str | None = ""
        """The text of the file if it is not ``configuration``; ``None``: there is no file."""
        self.cleanup = ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        use(None)
        self.cleanup.close()
        self.simulator.__exit__(None, None, None)

    def start(self) -> None:
        """Start the simulator. A test that changes ``tls``, ``clock``, ``versions`` or ``identities`` starts it again."""
        if hasattr(self, "simulator"):
            self.simulator.__exit__(None, None, None)
        self.simulator = Simulator(
            [
                ResourceSpec(name, region, resource_id(name), self.keys[name], api_versions=self.versions[name])
                for name, region in REGIONS.items()
            ],
            clock=self.clock,
            identities=self.identities,
            tls=self.tls,
        )
        self.simulator.__enter__()
        self.configuration = {
            "resources": {
                name: {
                    "endpoint": self.simulator.endpoint(name),
                    "region": region,
                    "resourceId": resource_id(name),
                    "apiVersions": list(ALL_VERSIONS),
                    "keySetting": setting(name),
                }
                for name, region in REGIONS.items()
            },
            "plans": {PLAN: {"source": SOURCE, "targets": [TARGET]}},
        }
        for model in mixed_models():
            self.resource(SOURCE).put_model(model)

    # -- words to break it with ----------------------------------------------------------------------------------------

    def resource(self, name: str) -> SimulatedResource:
        """Return one of the simulated resources."""
        return self.simulator.resource(name)

    def configured(self, name: str = TARGET) -> dict[str, Any]:
        """Return what backup.json says of a resource."""
        found: dict[str, Any] = self.configuration["resources"][name]
        return found

    def plan(self) -> dict[str, Any]:
        """Return what backup.json says of the plan."""
        found: dict[str, Any] = self.configuration["plans"][PLAN]
        return found

    def use_identity(self, identity: Identity | None = None, name: str = TARGET, endpoint: str | None = None) -> None:
        """Let a resource be called as ``identity``; with ``endpoint`` the tokens are asked for there."""
        if identity is not None:
            self.identities = [identity]
            self.start()
        del self.configured(name)["keySetting"]
        self.configured(name)["managedIdentity"] = {}
        self.environment.setenv("IDENTITY_ENDPOINT", endpoint or self.simulator.identity_endpoint)
        self.environment.setenv("IDENTITY_HEADER", IDENTITY_HEADER)

    def answers(self, status: int, body: Any = None, name: str = TARGET, **options: Any) -> None:
        """Let a resource answer every call with ``status`` and ``body``."""
        self.resource(name).inject("*", "status", count=None, status=status, body=body, **options)

    def refuses(self, status: int, code: str, message: str) -> None:
        """Let the target refuse every call in the service's words."""
        self.answers(status, {"error": {"code": code, "message": message}})

    def listener(self, backlog: int = 16) -> socket.socket:
        """Return a socket that listens and never answers."""
        opened = self.cleanup.enter_context(socket.socket())
        opened.bind(("127.0.0.1", 0))
        opened.listen(backlog)
        return opened

    def black_hole(self) -> int:
        """Return a port whose queue of connections is full, so that it takes no further one and refuses none."""
        opened = self.listener(backlog=0)
        for _ in range(4):
            waiting = self.cleanup.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(opened.getsockname())
        return int(opened.getsockname()[1])

    def closed_port(self) -> int:
        """Return a port that refuses connections: bound, so nobody else takes it, and not listening."""
        bound = self.cleanup.enter_context(socket.socket())
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])

    def web_server(self, status: int, content: bytes, content_type: str) -> int:
        """Return the port of a server that answers everything with one page."""
        server = self.cleanup.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), page(status, content, content_type)))
        self.cleanup.callback(server.shutdown)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return int(server.server_port)

    def use_tls(self, made: Certificate, *, trusted: Path | None = None) -> None:
        """Let every resource use https with a certificate; ``trusted`` is what the app trusts."""
        self.tls = made.context
        self.start()
        if trusted is not None:
            self.environment.setenv("REQUESTS_CA_BUNDLE", str(trusted))

    # -- the examination -----------------------------------------------------------------------------------------------

    def apply(self) -> None:
        """Write backup.json and the environment, and let the app read them anew."""
        use(None)
        for name in REGIONS:
            self.resource(name).clear_requests()
        path = self.folder / "backup.json"
        if self.backup_json is not None:
            path.write_text(self.backup_json or json.dumps(self.configuration), encoding="utf-8")
        for name in OF_PROXIES[:4]:
            for spelling in (name, name.lower()):
                if name not in self.settings:
                    self.environment.delenv(spelling, raising=False)
        for name, value in self.settings.items():
            self.environment.setenv(name, value)

    def ask(self, limits: Limits = HURRIED, **narrowed: list[str]) -> dict[str, Any]:
        """Examine it, and hold the doctor to its promises: it changes nothing in any resource, and tells no secret."""
        self.apply()
        before = self.held()
        answer = dict(examine(current(limits), limits=limits, **narrowed).to_json())
        self.check_promises(before, answer)
        return answer

    def held(self) -> Mapping[str, Any]:
        """Return everything that the resources hold."""
        return {name: self.resource(name).models() for name in REGIONS}

    def check_promises(self, before: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Compare the resources with ``before``, and search journals and ``answer``."""
        assert self.held() == before
        for name in REGIONS:
            calls = self.resource(name).requests()
            assert {call.method for call in calls} <= {"GET"}, calls
            assert len(calls) <= len(ALL_VERSIONS) + 1
        text = json.dumps(answer)
        secrets = [*self.keys.values(), self.settings["SEALING_KEYS"], IDENTITY_HEADER]
        assert [secret for secret in secrets if len(secret) > 8 and secret in text] == []


def page(status: int, content: bytes, content_type: str) -> type[BaseHTTPRequestHandler]:
    """Return a handler that answers every request so, as a proxy or a web site does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_CONNECT = do_GET  # noqa: N815 - the name that the library calls

        def log_message(self, *_: object) -> None:
            pass

    return Handler


Break = Callable[[World], None]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The app and its resources, in good health."""
    for name in (*OF_PROXIES, *map(str.lower, OF_PROXIES), *ON_AZURE):
        monkeypatch.delenv(name, raising=False)
    with World(tmp_path, monkeypatch) as healthy:
        yield healthy
