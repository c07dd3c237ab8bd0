"""Every way to end a program of this repository ends it with the exit code that its ``--help`` tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.local.host.test_cli import APP
from tests.local.simulator.test_program import CONFIG
from tests.local.test_serve import wait_until

ROOT = Path(__file__).parents[2]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
SIMULATOR = json.dumps(CONFIG)


@contextmanager
def program(folder: Path, module: str | None, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a program of this repository in an empty folder, or Python itself, with its standard input open."""
    process = subprocess.Popen(
        [sys.executable, *(["-m", module] if module else []), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell lets what it starts in the background ignore SIGINT, and so does what that starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def child(folder: Path, module: str) -> Sequence[str]:
    """The arguments of a program that listens, without anything of the folder that tests start in."""
    if module == "local.simulator":
        return ("--config", "-")
    (folder / "function_app.py").write_text(APP, encoding="utf-8")
    return ("--port", "0", "--state", "host.sqlite")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("module", ["local.host", "local.simulator"])
@pytest.mark.parametrize("some_input", ["", "more\n"])
def test_a_signal_ends_a_child_while_its_input_is_open(
    tmp_path: Path, protocol_1: None, module: str, number: int, some_input: str
) -> None:
    """A thread that reads standard input must not abort the interpreter at its end."""
    arguments = child(tmp_path, module)
    with program(tmp_path, module, "--exit-with-stdin", *arguments) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write((SIMULATOR + "\n" if module == "local.simulator" else "") + some_input)
        process.stdin.flush()
        assert '"ready": true' in process.stdout.readline()
        process.send_signal(number)
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("module", ["local.host", "local.simulator"])
def test_the_end_of_its_input_ends_a_child(tmp_path: Path, protocol_1: None, module: str) -> None:
    with program(tmp_path, module, "--exit-with-stdin", *child(tmp_path, module)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(SIMULATOR + "\n" if module == "local.simulator" else "")
        process.stdin.flush()
        assert '"ready": true' in process.stdout.readline()
        process.stdin.close()
        assert process.wait(30) == 0
        process.stdin = None


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupted_run_says_so(tmp_path: Path, protocol_1: None, number: int) -> None:
    """It stops both of its programs."""
    with program(ROOT, "local.run", "--directory", str(tmp_path / "run")) as process:
        wait_until(lambda: (tmp_path / "run" / "host.log").exists() or process.poll() is not None)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (130, "run: interrupted; both programs were stopped\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["local.serve", "local.start"])
def test_a_signal_during_the_start_ends_with_zero(tmp_path: Path, protocol_1: None, module: str, number: int) -> None:
    """It stops what it has begun to start."""
    options = ("--sim-port", "0") if module == "local.serve" else ()
    log = tmp_path / ("serve/simulator.log" if module == "local.serve" else "start.log")
    with program(ROOT, module, "--port", "0", *options, "--directory", str(tmp_path)) as process:
        wait_until(lambda: log.exists() or process.poll() is not None)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")


def test_nohup_outlives_its_terminal(tmp_path: Path, protocol_1: None) -> None:
    """Who starts a program with nohup wants it to go on."""
    begin = "import signal, runpy; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
    wrapped = ("-c", f"{begin}runpy.run_module('local.host', run_name='__main__')")
    with program(tmp_path, None, *wrapped, *child(tmp_path, "local.host")) as process:
        assert process.stdout is not None
        assert '"ready": true' in process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.terminate()
        assert process.wait(30) == 0
