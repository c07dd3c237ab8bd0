"""``make serve``, as a process: the files that it writes, the failures that it survives, and its clean end."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

ROOT = Path(__file__).parents[2]
MODEL = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
ALIVE = "RSDI"
"""The states of a live process in /proc; a zombie has another."""


def wait_until(is_true: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] in ALIVE
    except (FileNotFoundError, ProcessLookupError):
        return False


class Served:
    """One ``make serve`` on free ports."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.address = directory / "serve.json"
        self.state = directory / "serve"
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "local.serve",
                "--port",
                "0",
                "--sim-port",
                "0",
                "--directory",
                str(directory),
                *arguments,
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> "Served":
        wait_until(lambda: self.address.exists() or self.process.poll() is not None)
        assert self.process.poll() is None, self.output()
        return self

    def output(self) -> str:
        """Wait for the end, and return what was printed."""
        output, errors = self.process.communicate(timeout=30)
        return output + errors

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.address.read_text(encoding="utf-8"))
        return document

    def children(self) -> dict[str, int]:
        """The children's process ids, by the name of their module."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        pids = [pid for task in tasks for pid in (task / "children").read_text(encoding="ascii").split()]
        return {Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")[2]: int(pid) for pid in pids}

    def call(self, method: str, path: str, body: dict[str, object] | None = None) -> requests.Response:
        document = self.document()
        headers = {"x-functions-key": document["functionKey"]}
        return requests.request(method, document["host"] + path, json=body, headers=headers, timeout=10)

    def start_copy(self, *models: str) -> str:
        models = models or (MODEL,)
        body: dict[str, object] = {"source": "forms-westeurope", "targets": ["forms-northeurope"], "models": models}
        answer = self.call("POST", "/api/copies", body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["runId"])

    def ended(self, run: str) -> dict[str, Any]:
        """Wait for the end of a run; the host may restart meanwhile."""
        last: dict[str, Any] = {}

        def has_ended() -> bool:
            try:
                answer = self.call("GET", f"/api/runs/{run}")
            except requests.ConnectionError:
                return False
            last.update(answer.json())
            return answer.status_code == 200

        wait_until(has_ended)
        return last

    def journal(self, resource: str, operation: str) -> list[dict[str, Any]]:
        url = self.document()["resources"][resource]["endpoint"]
        answer = requests.get(f"{url}/_sim/requests", params={"operation": operation}, timeout=10)
        entries: list[dict[str, Any]] = answer.json()["requests"]
        return entries

    def stop(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Shared by tests that only use it."""
    process = Served(tmp_path_factory.mktemp("served"))
    yield process.ready()
    assert process.stop() == 0


@pytest.fixture
def own_serve(tmp_path: Path) -> Iterator[Served]:
    """For a test that kills or stops it."""
    process = Served(tmp_path)
    yield process.ready()
    process.stop()


def test_serve_json_is_complete_and_private(served: Served) -> None:
    """It holds host, keys and resources, and only its owner can read it."""
    document = served.document()
    assert set(document) == {"host", "functionKey", "resources"}
    assert list(document["resources"]) == ["forms-westeurope", "forms-northeurope", "forms-eastus"]
    for resource in document["resources"].values():
        assert set(resource) == {"endpoint", "key", "region", "resourceId", "apiVersion", "apiVersions"}
        assert {"v2.0-preview", "v2.0", "v2.1", "2022-08-31", "2023-07-31", "2024-11-30"} == set(
            resource["apiVersions"]
        )
        assert resource["apiVersion"] in resource["apiVersions"]
    assert stat.S_IMODE(served.address.stat().st_mode) == 0o600


def test_each_resource_takes_its_own_key_only(served: Served) -> None:
    west, north, _ = served.document()["resources"].values()
    url = f"{west['endpoint']}/formrecognizer/v2.1/custom/models/{MODEL}"
    assert requests.get(url, headers={"Ocp-Apim-Subscription-Key": west["key"]}, timeout=10).status_code == 200
    assert requests.get(url, headers={"Ocp-Apim-Subscription-Key": north["key"]}, timeout=10).status_code == 401
    assert requests.get(served.document()["host"] + "/api/health", timeout=10).status_code == 401


def test_a_copy_over_http_succeeds(served: Served) -> None:
    (copy,) = served.ended(served.start_copy())["copies"]
    assert (copy["status"], copy["modelId"]) == ("Succeeded", MODEL)
    assert copy["verifiedAt"]


def test_no_key_is_in_a_file(served: Served) -> None:
    document = served.document()
    keys = [document["functionKey"], *(resource["key"] for resource in document["resources"].values())]
    files = {path.name: path.read_bytes() for path in served.state.rglob("*") if path.is_file()}
    assert {"backup.json", "host.log", "host.sqlite"} <= set(files)
    assert [(name, key) for name, content in files.items() for key in keys if key.encode() in content] == []


def test_no_key_is_in_a_command_line(served: Served) -> None:
    """Every user of the machine can read command lines."""
    document = served.document()
    keys = [document["functionKey"], *(resource["key"] for resource in document["resources"].values())]
    lines = [Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8") for pid in served.children().values()]
    assert len(lines) == 2
    assert [key for key in keys for line in lines if key in line] == []


def test_a_second_serve_in_one_folder_is_refused(served: Served) -> None:
    """Two would write to the same state."""
    second = Served(served.address.parent)
    assert "stop it first" in second.output()
    assert second.stop() == 2
    assert served.call("GET", "/api/health").status_code == 200


def test_a_port_in_use_is_named_with_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = Served(tmp_path, "--port", str(port))
        output = refused.output()
        assert f"port {port} cannot be used" in output
        assert "PORT=" in output
        assert refused.stop() == 2


@pytest.mark.parametrize(
    ("option", "port", "message"),
    [
        ("--port", 70000, "70000 is not a port: choose one up to 65535, make serve PORT=…"),
        ("--sim-port", 65534, "65536 is not a port: choose one up to 65533, make serve SIM_PORT=…"),
        ("--sim-port", -1, "-1 is not a port: choose one up to 65533, make serve SIM_PORT=…"),
    ],
)
def test_an_impossible_port_is_named_with_the_remedy(tmp_path: Path, option: str, port: int, message: str) -> None:
    refused = Served(tmp_path, f"{option}={port}")
    assert refused.output().splitlines() == [f"serve: {message}"]
    assert refused.stop() == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_stops_everything_and_removes_the_keys(own_serve: Served, number: int) -> None:
    children = own_serve.children()
    assert set(children) == {"local.simulator", "local.host"}
    assert own_serve.stop(number) == 0
    assert not own_serve.address.exists()
    assert [name for name, pid in children.items() if is_alive(pid)] == []


def test_a_killed_serve_leaves_no_process(own_serve: Served) -> None:
    children = own_serve.children()
    assert len(children) == 2
    own_serve.start_copy()  # in the middle of work
    assert own_serve.stop(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: not any(map(is_alive, children.values())))


def test_a_copy_survives_a_killed_host(own_serve: Served) -> None:
    """The host is killed between two polls, is started again, and ends the copy without a second authorization or start."""
    run = own_serve.start_copy()
    wait_until(lambda: own_serve.journal("forms-westeurope", "getCopyResult"))
    host = own_serve.children()["local.host"]
    os.kill(host, signal.SIGKILL)
    (copy,) = own_serve.ended(run)["copies"]
    assert copy["status"] == "Succeeded"
    assert own_serve.children()["local.host"] != host
    assert len(own_serve.journal("forms-westeurope", "startCopy")) == 1
    assert len(own_serve.journal("forms-northeurope", "authorizeCopy")) == 1


def test_without_its_simulator_serve_ends(own_serve: Served) -> None:
    os.kill(own_serve.children()["local.simulator"], signal.SIGKILL)
    assert "the simulator ended" in own_serve.output()
    assert own_serve.process.returncode == 1
    assert not own_serve.address.exists()
