"""The command line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[3]
APP = """
import os
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="setting")
def setting(req: func.HttpRequest) -> str:
    return os.environ.get("A_SETTING", "") + os.environ.get("B_SETTING", "")
"""


class Cli:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.host", "--port", "0", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def ready(self, process: subprocess.Popen[str]) -> dict[str, str]:
        """Wait until the host listens, and return the line that it prints."""
        assert process.stdout is not None
        line: dict[str, str] = json.loads(process.stdout.readline())
        return line

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=20)
        return process.returncode, out, err


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    (tmp_path / "function_app.py").write_text(APP)
    cli = Cli(tmp_path)
    yield cli
    for process in cli.running:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def test_it_says_where_it_listens_and_never_its_keys(cli: Cli) -> None:
    process = cli.start(LOCAL_HOST_FUNCTION_KEY="function-secret", LOCAL_HOST_SYSTEM_KEY="system-secret")
    assert set(cli.ready(process)) == {"ready", "url"}
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "secret" not in out + err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(cli: Cli, number: signal.Signals) -> None:
    process = cli.start()
    cli.ready(process)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in err


def test_exit_with_stdin_ends_it_with_its_parent(cli: Cli) -> None:
    process = cli.start("--exit-with-stdin")
    cli.ready(process)
    process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.parametrize("port", ["70000", "65536", "-1"])
def test_an_impossible_port_is_refused_in_one_line(cli: Cli, port: str) -> None:
    code, out, err = cli.run(f"--port={port}")
    assert (code, out) == (2, "")
    assert err.splitlines() == [f"local.host: {port} is not a port: choose one up to 65535, or 0"]


def test_a_second_host_on_the_same_state_is_refused(cli: Cli) -> None:
    first = cli.start("--state", "s.sqlite")
    cli.ready(first)
    code, out, err = cli.run("--state", "s.sqlite")
    assert code == 2
    assert out == ""
    assert f"s.sqlite is in use by another host (process {first.pid})" in err
    assert "Traceback" not in err


def test_only_the_owner_can_read_the_state_file(cli: Cli) -> None:
    process = cli.start("--state", "s.sqlite")
    cli.ready(process)
    assert (cli.folder / "s.sqlite").stat().st_mode & 0o077 == 0


def test_a_port_in_use_is_named(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        code, _, err = cli.run("--port", port)
    assert code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in err


def test_an_app_that_does_not_load_is_reported(cli: Cli) -> None:
    """In one line, without a traceback."""
    (cli.folder / "function_app.py").write_text("import nothing_of_that_name\n")
    code, _, err = cli.run()
    assert code == 2
    assert "the app module 'function_app' does not load: ModuleNotFoundError" in err
    assert "Traceback" not in err


def test_a_wrong_kill_point_is_explained(cli: Cli) -> None:
    code, _, err = cli.run("--kill", "step:sometimes:1")
    assert code == 2
    assert "before-call, after-call, after-record" in err


def test_local_settings_fill_the_environment(cli: Cli) -> None:
    """A variable that is set already keeps its value."""
    values = {"Values": {"A_SETTING": "from-file", "B_SETTING": "from-file"}}
    (cli.folder / "local.settings.json").write_text(json.dumps(values))
    process = cli.start(B_SETTING="-kept")
    with urlopen(cli.ready(process)["url"] + "/api/setting") as answer:
        assert answer.read() == b"from-file-kept"


def test_help_explains_every_flag(cli: Cli) -> None:
    code, out, _ = cli.run("--help")
    assert code == 0
    for word in ("--port", "--state", "--app", "--exit-with-stdin", "--kill", "LOCAL_HOST_FUNCTION_KEY", "SIGTERM"):
        assert word in out
