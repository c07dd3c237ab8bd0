"""The command line as a process of its own, in pipes and in terminals, against the real app and against a server that misbehaves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pexpect
import pytest
import requests
from rich.cells import cell_len

from local.stage import Stage
from local.stage_setup import SOURCE, StageOptions
from tests.cli.documented import Witness, undocumented

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-P", "-m", "cli"]
SECONDS = 60
"""The longest wait for anything."""
ESCAPE = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|\].*?(\x07|\x1b\\))")


@dataclass
class Cli:
    """Runs ``formsbackup`` with an environment that names one app, in an empty folder."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def settings(self, **more: str) -> dict[str, str]:
        """Return the environment of a command."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self.folder),
            "TERM": "xterm-256color",
            **self.environment,
            **more,
        }

    def run(self, *arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command with pipes, and return how it ended."""
        return subprocess.run(
            [*PROGRAM, *arguments],
            cwd=self.folder,
            env=self.settings(**more),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def terminal(self, *arguments: str, columns: int = 100, rows: int = 24, **more: str) -> Terminal:
        """Run a command in a terminal."""
        return Terminal(self, arguments, columns, rows, more)


class Terminal:
    """One command in a terminal."""

    def __init__(self, cli: Cli, arguments: tuple[str, ...], columns: int, rows: int, more: dict[str, str]) -> None:
        self.process = pexpect.spawn(
            PROGRAM[0],
            [*PROGRAM[1:], *arguments],
            cwd=str(cli.folder),
            env=cli.settings(**more),
            dimensions=(rows, columns),
            encoding="utf-8",
            timeout=SECONDS,
        )

    def wait_for(self, pattern: str) -> str:
        """Wait for a pattern, and return what was printed until then."""
        self.process.expect(pattern)
        return f"{self.process.before}{self.process.after}"

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what was printed since the last wait."""
        self.process.expect(pexpect.EOF)
        text = str(self.process.before)
        self.process.close()
        assert self.process.exitstatus is not None, f"ended by signal {self.process.signalstatus}"
        return self.process.exitstatus, text


def words(text: str) -> str:
    """Return what was printed as one line, however it was wrapped and coloured."""
    return " ".join(ESCAPE.sub("", text).split())


def too_wide(text: str, columns: int) -> list[str]:
    """Return the lines that do not fit; those with a command to copy may be longer."""
    lines = [line for part in text.splitlines() for line in ESCAPE.sub("", part).split("\r")]
    return [line for line in lines if cell_len(line) > columns and not line.startswith("  -> ")]


@dataclass
class App:
    """The real app on the embedded host, and its simulated resources."""

    stage: Stage
    witness: Witness

    @property
    def url(self) -> str:
        """Where the command line finds it."""
        return self.witness.url

    @property
    def environment(self) -> dict[str, str]:
        return {"FORMSBACKUP_URL": self.url, "FORMSBACKUP_KEY": self.stage.function_key}

    def call(self, method: str, path: str) -> Any:
        """Call the app without the command line."""
        headers = {"x-functions-key": self.stage.function_key}
        return requests.request(method, self.stage.url + path, headers=headers, timeout=SECONDS).json()

    def models(self) -> list[str]:
        """Return the ids of the source's models."""
        url = f"{self.stage.admin}/_sim/resources/{SOURCE}/models"
        return [model["modelId"] for model in requests.get(url, timeout=SECONDS).json()["models"]]

    def simulate(self, route: str, body: Mapping[str, Any], resource: str = SOURCE) -> None:
        """Change a simulated resource."""
        requests.put(
            f"{self.stage.admin}/_sim/resources/{resource}/{route}", json=body, timeout=SECONDS
        ).raise_for_status()


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory, protocol_1: None) -> Iterator[App]:
    """One app for all tests; a test leaves the resources as they were."""
    options = StageOptions(
        directory=tmp_path_factory.mktemp("stage") / "state",
        copy_seconds=(0.1, 0.2),
        patience_seconds=0,
        seed_models="night",
    )
    with Stage(options, report=lambda _: None) as stage:
        witness = Witness(stage.url)
        yield App(stage, witness)
        witness.stop()


@pytest.fixture
def watched(app: App) -> Iterator[App]:
    """The app; a request that docs/openapi.json does not describe fails the test that sent it."""
    app.witness.wrong.clear()
    yield app
    assert app.witness.wrong == []


@pytest.fixture
def alone(tmp_path: Path) -> Cli:
    """The command line without an app."""
    return Cli(tmp_path)


@pytest.fixture
def cli(watched: App, tmp_path: Path) -> Cli:
    """The command line, and the app in its environment."""
    return Cli(tmp_path, watched.environment)


Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]] | None


class Scripted:
    """A server in the place of the app: it gives each call its next answer, the last one for ever; ``None`` is a lost answer."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.wrong: list[str] = []
        """What docs/openapi.json does not describe."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, call: str, *answers: Answer) -> None:
        """Set the answers of a call, such as ``GET /api/health``."""
        self.answers[call] = list(answers)

    def made(self) -> list[str]:
        """Return the calls that were made."""
        return [call for call, _ in self.calls]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                call = f"{self.command} {self.path}"
                scripted.calls.append((call, dict(self.headers)))
                answers = scripted.answers.get(call) or scripted.answers.get(call.partition("?")[0]) or [(404, {})]
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                status = answer[0] if answer else 0
                if not self.path.startswith("/msi/"):  # that is no call of the app, but of the identity of this machine
                    scripted.wrong += undocumented(self.command, self.path, set(self.headers), body, status)
                if answer is None:
                    self.close_connection = True
                    return
                content = json.dumps(answer[1]).encode()
                self.send_response(answer[0])
                for name, value in (answer[2] if len(answer) == 3 else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - the names of http.server

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of http.server
                pass

        return Handler


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """A server that answers as a test says."""
    server = Scripted()
    yield server
    server.stop()
    assert server.wrong == []


@pytest.fixture
def misled(scripted: Scripted, tmp_path: Path) -> Cli:
    """The command line, and that server in its environment."""
    return Cli(tmp_path, {"FORMSBACKUP_URL": scripted.url, "FORMSBACKUP_KEY": "the-key"})


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run_answer() -> Run:
    """Makes answers of ``GET /api/runs/{id}``."""

    def make(status: str = "Running", done: int = 0, total: int = 1, **more: Any) -> dict[str, Any]:
        ended = None if status == "Running" else "2026-11-23T22:22:24.000Z"
        return {
            "runId": "run-1",
            "kind": "copies",
            "status": status,
            "startedAt": "2026-11-23T22:22:14.000Z",
            "endedAt": ended,
            "cancelRequested": False,
            "progress": {"done": done, "total": total},
            "waiting": [],
            "copies": [],
            **more,
        }

    return make
