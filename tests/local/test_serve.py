"""``make serve``, as a process: what it writes, what it survives, and that it leaves nothing behind."""

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
LIVING = "RSDI"
"""States of a process that is still there; a zombie only waits to be counted."""


def wait_until(is_true: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] in LIVING
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
        assert self.process.poll() is None, self.said()
        return self

    def said(self) -> str:
        output, errors = self.process.communicate(timeout=30)
        return output + errors

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.address.read_text(encoding="utf-8"))
        return document

    def children(self) -> dict[str, int]:
        """The children's process ids, by the name of their module."""
        pid = self.process.pid
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += (task / "children").read_text(encoding="ascii").split()
        return {
            Path(f"/proc/{child}/cmdline").read_text(encoding="utf-8").split("\0")[2]: int(child) for child in found
        }

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        document = self.document()
        headers = {"x-functions-key": document["functionKey"]}
        return requests.request(method, document["host"] + path, json=body, headers=headers, timeout=10)

    def start_copy(self, *models: str) -> str:
        body = {"source": "forms-westeurope", "targets": ["forms-northeurope"], "models": list(models or (MODEL,))}
        answer = self.call("POST", "/api/copies", body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["runId"])

    def ended(self, run: str) -> dict[str, Any]:
        """Wait for the end of a run; the host may be away meanwhile."""
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
        requests_made: list[dict[str, Any]] = answer.json()["requests"]
        return requests_made

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
    """One that is only used, not harmed."""
    one = Served(tmp_path_factory.mktemp("served"))
    yield one.ready()
    assert one.stop() == 0


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Served]:
    """One that may be harmed."""
    one = Served(tmp_path)
    yield one.ready()
    one.stop()


def test_serve_json_says_everything_and_only_to_its_owner(served: Served) -> None:
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


def test_keys_in_serve_json_open_resources(served: Served) -> None:
    """The keys in serve json open the resources and others do not."""
    west, north, _ = served.document()["resources"].values()
    url = f"{west['endpoint']}/formrecognizer/v2.1/custom/models/{MODEL}"
    assert requests.get(url, headers={"Ocp-Apim-Subscription-Key": west["key"]}, timeout=10).status_code == 200
    assert requests.get(url, headers={"Ocp-Apim-Subscription-Key": north["key"]}, timeout=10).status_code == 401
    assert requests.get(served.document()["host"] + "/api/health", timeout=10).status_code == 401


def test_a_copy_that_is_asked_for_over_http_succeeds(served: Served) -> None:
    (copy,) = served.ended(served.start_copy())["copies"]
    assert (copy["status"], copy["modelId"]) == ("Succeeded", MODEL)
    assert copy["verifiedAt"]


def test_no_key_is_in_the_files_that_serve_leaves(served: Served) -> None:
    document = served.document()
    keys = [document["functionKey"], *(resource["key"] for resource in document["resources"].values())]
    files = {path.name: path.read_bytes() for path in served.state.rglob("*") if path.is_file()}
    assert {"backup.json", "host.log", "host.sqlite"} <= set(files)
    assert [(name, key) for name, content in files.items() for key in keys if key.encode() in content] == []


def test_keys_are_not_in_command_lines(served: Served) -> None:
    """Keys are not in the command lines that everybody can read."""
    document = served.document()
    keys = [document["functionKey"], *(resource["key"] for resource in document["resources"].values())]
    lines = [Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8") for pid in served.children().values()]
    assert len(lines) == 2
    assert [key for key in keys for line in lines if key in line] == []


def test_two_in_one_folder_would_take_each_others(served: Served) -> None:
    """Two in one folder would take each others state so the second is refused."""
    second = Served(served.address.parent)
    assert "stop it first" in second.said()
    assert second.stop() == 2
    assert served.call("GET", "/api/health").status_code == 200


def test_a_port_in_use_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = Served(tmp_path, "--port", str(port))
        said = refused.said()
        assert f"port {port} cannot be used" in said
        assert "PORT=" in said
        assert refused.stop() == 2


@pytest.mark.parametrize(
    ("option", "port", "said"),
    [
        ("--port", 70000, "there is no port 70000: choose one up to 65535, make serve PORT=…"),
        ("--sim-port", 65534, "there is no port 65536: choose one up to 65533, make serve SIM_PORT=…"),
        ("--sim-port", -1, "there is no port -1: choose one up to 65533, make serve SIM_PORT=…"),
    ],
)
def test_port_that_does_not_exist_is_named(tmp_path: Path, option: str, port: int, said: str) -> None:
    """A port that does not exist is named with the way out."""
    refused = Served(tmp_path, f"{option}={port}")
    assert refused.said().splitlines() == [f"serve: {said}"]
    assert refused.stop() == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_everything_and_removes_the_keys(mortal: Served, number: int) -> None:
    children = mortal.children()
    assert set(children) == {"local.simulator", "local.host"}
    assert mortal.stop(number) == 0
    assert not mortal.address.exists()
    assert [name for name, pid in children.items() if is_alive(pid)] == []


def test_even_a_killed_serve_leaves_no_process_behind(mortal: Served) -> None:
    children = mortal.children()
    assert len(children) == 2
    mortal.start_copy()  # in the middle of work
    assert mortal.stop(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: not any(map(is_alive, children.values())))


def test_copy_survives_death_of_host_while_it_polls(mortal: Served) -> None:
    """A copy survives the death of the host while it polls."""
    run = mortal.start_copy()
    wait_until(lambda: mortal.journal("forms-westeurope", "getCopyResult"))
    host = mortal.children()["local.host"]
    os.kill(host, signal.SIGKILL)
    (copy,) = mortal.ended(run)["copies"]
    assert copy["status"] == "Succeeded"
    assert mortal.children()["local.host"] != host
    assert len(mortal.journal("forms-westeurope", "startCopy")) == 1
    assert len(mortal.journal("forms-northeurope", "authorizeCopy")) == 1


def test_without_its_simulator_serve_ends_and_says_why(mortal: Served) -> None:
    os.kill(mortal.children()["local.simulator"], signal.SIGKILL)
    assert "the simulator ended" in mortal.said()
    assert mortal.process.returncode == 1
    assert not mortal.address.exists()
