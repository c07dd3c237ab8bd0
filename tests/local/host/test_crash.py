"""kill -9 at every moment, in real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.request import Request, urlopen

import pytest

ROOT = Path(__file__).parents[3]

APP = """
import os, datetime
import azure.durable_functions as df
app = df.DFApp()

def note(text):
    with open("calls.txt", "a") as calls:
        calls.write(text + "\\n")

@app.activity_trigger(input_name="name")
def step(name: str) -> str:
    note(name)
    return name.upper()

@app.orchestration_trigger(context_name="context")
def child(context):
    first = yield context.call_activity("step", context.get_input() + "-1")
    yield context.create_timer(context.current_utc_datetime + datetime.timedelta(milliseconds=50))
    second = yield context.call_activity("step", context.get_input() + "-2")
    return [first, second]

@app.orchestration_trigger(context_name="context")
def parent(context):
    state = context.get_input()
    results = yield context.task_all([context.call_sub_orchestrator("child", f"{state['round']}{name}") for name in "ab"])
    state["results"] += results
    if state["round"] == 2:
        return state["results"]
    context.continue_as_new({"round": 2, "results": state["results"]})
"""
EXPECTED = [["1A-1", "1A-2"], ["1B-1", "1B-2"], ["2A-1", "2A-2"], ["2B-1", "2B-2"]]
STEPS = sorted(text.lower() for pair in EXPECTED for text in pair)


class HostProcess:
    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [
            sys.executable,
            "-m",
            "local.host",
            "--port",
            "0",
            "--state",
            "state.sqlite",
            "--exit-with-stdin",
            *arguments,
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment.pop("LOCAL_HOST_KILL", None)
        with (folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        out: IO[bytes] | None = self.process.stdout
        assert out is not None
        self.ready = json.loads(out.readline() or b"null")

    def request(self, method: str, path: str, body: object = None) -> Any:  # JSON
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.ready['url']}{path}", data=data, method=method), timeout=10) as answer:
            return json.load(answer)

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "function_app.py").write_text(APP)
    return tmp_path


def finish(host: HostProcess, deadline_s: float = 9) -> dict[str, Any]:
    """Wait for the end of the orchestration, and return its status."""
    return dict(host.request("GET", f"/_host/wait?instanceId=p&timeout={deadline_s}"))


MOMENTS = [
    "step:before-call:1",
    "step:after-call:1",
    "step:after-record:1",
    "step:after-call:3",
    "parent@episode:after-commit:1",
    "parent@episode:before-commit:2",
    "child@episode:before-commit:4",
    "child@episode:after-commit:5",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_at_any_moment_loses_nothing(folder: Path, moment: str) -> None:
    """And no result counts twice; only activities that were under way run again."""
    first = HostProcess(folder, "--kill", moment)
    with suppress(OSError):  # it may be killed before it answers
        first.request("POST", "/durabletask/orchestrators/parent/p", {"round": 1, "results": []})
    assert first.process.wait(timeout=20) == -signal.SIGKILL
    assert first.end() == -signal.SIGKILL
    second = HostProcess(folder)
    try:
        started = second.request("GET", "/durabletask/instances/")
        if not started:  # killed before the first commit: the client got no answer, so it starts again
            second.request("POST", "/durabletask/orchestrators/parent/p", {"round": 1, "results": []})
        status = finish(second)
    finally:
        code = second.end()
    assert code == 0
    assert (status["runtimeStatus"], status["output"]) == ("Completed", EXPECTED)
    calls = sorted((folder / "calls.txt").read_text().split())
    assert sorted(set(calls)) == STEPS
    assert len(calls) - len(STEPS) <= 2  # at most the two activities that were under way ran again


def test_a_recorded_activity_never_runs_again(folder: Path) -> None:
    for _ in range(2):
        host = HostProcess(folder, "--kill", "step:after-record:1")
        if not (folder / "calls.txt").exists():
            with suppress(OSError):
                host.request("POST", "/durabletask/orchestrators/child/p", '"x"')
        host.process.wait(timeout=20)
        host.end()
    last = HostProcess(folder)
    assert finish(last)["output"] == ["X-1", "X-2"]
    last.end()
    assert (folder / "calls.txt").read_text().split() == ["x-1", "x-2"]


def test_an_activity_without_a_record_runs_again(folder: Path) -> None:
    """It returned, and the host was killed before its result was recorded."""
    host = HostProcess(folder, "--kill", "step:after-call:1")
    with suppress(OSError):
        host.request("POST", "/durabletask/orchestrators/child/p", '"x"')
    host.process.wait(timeout=20)
    host.end()
    last = HostProcess(folder)
    assert finish(last)["output"] == ["X-1", "X-2"]
    last.end()
    assert (folder / "calls.txt").read_text().split() == ["x-1", "x-1", "x-2"]
