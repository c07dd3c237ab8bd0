"""A host in a process of its own that is killed again and again, between simulated resources that live on."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
from cryptography.fernet import Fernet

from catalog.catalogue import Catalogue
from catalog.sqlite import SqliteStore
from local.child import Child, ChildError
from local.forked import ForkedChild
from local.inprocess import REGIONS, SOURCE, resource_id, setting
from local.simulator import ResourceSpec, SimulatedResource, Simulator, SystemClock

FUNCTION_KEY = "function-key"
UNPACED = ("v2CopiesPerMinute", "v2ListPagesPerMinute", "managePerSecond", "getPerSecond", "listPerSecond")


class KilledHost:
    """One source, its targets, and a host that copies between them on one state, however often it dies.

    Args:
        folder: where state, catalogue and log go.
        versions: the API versions that all resources speak.
    """

    def __init__(self, folder: Path, versions: list[str]) -> None:
        self._folder = folder
        specs = [ResourceSpec(name, region, resource_id(name), f"{name}-key") for name, region in REGIONS.items()]
        self.simulator = Simulator(specs, clock=SystemClock(), seed=1)
        self._versions = versions
        self._settings = {
            "BACKUP_CONFIG": str(folder / "backup.json"),
            "CATALOG": f"sqlite:{folder / 'catalogue.sqlite'}",
            "SEALING_KEYS": Fernet.generate_key().decode(),
            "BACKUP_SCHEDULE": "0 0 2 1 1 *",
            "PURGE_SCHEDULE": "0 0 2 1 1 *",
            "TaskHubName": "Kills",
            "LOCAL_HOST_FUNCTION_KEY": FUNCTION_KEY,
            **{setting(name): f"{name}-key" for name in REGIONS},
        }
        self._child: Child | None = None
        self._url = ""
        self.runs: dict[str, str] = {}
        """The run of each model."""

    def __enter__(self) -> Self:
        """Start the resources and write the configuration."""
        self.simulator.__enter__()
        resources = {
            name: {
                "endpoint": self.simulator.endpoint(name),
                "region": region,
                "resourceId": resource_id(name),
                "apiVersions": self._versions,
                "keySetting": setting(name),
                "rateLimits": dict.fromkeys(UNPACED),
            }
            for name, region in REGIONS.items()
        }
        for name in REGIONS:
            self.resource(name).set_durations((0.1, 0.1))
        copies = {"ambiguityWindowSeconds": 1, "patienceSeconds": 20}
        (self._folder / "backup.json").write_text(json.dumps({"resources": resources, "copies": copies}))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what is left."""
        if self._child is not None:
            self._child.stop()
        self.simulator.__exit__(kind, exc, trace)

    def resource(self, name: str) -> SimulatedResource:
        """Return one of the simulated resources."""
        return self.simulator.resource(name)

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue that the host writes."""
        return Catalogue(SqliteStore(self._folder / "catalogue.sqlite"))

    def start(self, kill: str = "") -> None:
        """Start the host on the state that its predecessor left, to be killed at ``kill``: perhaps before it says that it is ready."""
        arguments = ["--port", "0", "--state", str(self._folder / "host.sqlite")]
        self._child = ForkedChild("local.host", arguments, self._folder / "host.log")
        try:
            self._url = self._child.start({**self._settings, "LOCAL_HOST_KILL": kill})["url"]
        except ChildError:
            assert kill, "only a host that is to be killed may die"
            assert self.is_dead()

    def post(self, model_id: str, kind: str, target: str) -> None:
        """Ask for a copy. A host that dies of an earlier copy before it answers has not been asked."""
        body = {"source": SOURCE, "targets": [target], "models": [model_id], "kind": kind}
        with suppress(requests.RequestException):
            answer = requests.post(
                f"{self._url}/api/copies", json=body, headers={"x-functions-key": FUNCTION_KEY}, timeout=20
            )
            if answer.status_code == 202:
                self.runs[model_id] = answer.json()["runId"]

    def is_dead(self) -> bool:
        """Tell whether the host was killed."""
        assert self._child is not None
        code = self._child.exit_code
        assert code in {None, -signal.SIGKILL}, f"the host ended by itself with {code}"
        return code is not None

    def kill(self) -> None:
        """Kill the host, now."""
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGKILL)
        wait_until(self.is_dead)

    def bury(self) -> None:
        """Let go of a host that is dead."""
        assert self._child is not None
        self._child.stop()

    def run(self, run_id: str) -> dict[str, Any]:
        """Return a run."""
        key = {"x-functions-key": FUNCTION_KEY}
        body: dict[str, Any] = requests.get(f"{self._url}/api/runs/{run_id}", headers=key, timeout=20).json()
        return body

    def ended(self, model_id: str) -> dict[str, Any]:
        """Wait until the run of a model has ended, and return its only copy."""
        wait = {"instanceId": self.runs[model_id], "timeout": "60"}
        requests.get(f"{self._url}/_host/wait", params=wait, timeout=70)
        copies = self.run(self.runs[model_id])["copies"]
        assert len(copies) == 1
        copy: dict[str, Any] = copies[0]
        return copy


def wait_until(is_true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.01)
