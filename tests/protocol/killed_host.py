"""A host in a process of its own that is killed again and again, between simulated resources that live on."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
from cryptography.fernet import Fernet

from backup.document_models import Kind
from backup.states import ClaimState
from catalog.catalog import Catalog
from catalog.sqlite import SqliteStore
from catalog.store import Store
from catalog.table_service import TableService
from catalog.tables import TableStore
from local.azurite import Azurite
from local.child import Child, ChildError
from local.forked import ForkedChild
from local.inprocess import REGIONS, SOURCE, resource_id, setting
from local.simulator import ResourceSpec, SimulatedResource, Simulator, SystemClock

from .conftest import Subject, known_ids

FUNCTION_KEY = "function-key"
UNPACED = ("v2CopiesPerMinute", "v2ListPagesPerMinute", "managePerSecond", "getPerSecond", "listPerSecond")


@dataclass(frozen=True)
class Place:
    """Where the catalog is kept: the app's settings for it, and how the test opens it."""

    settings: Mapping[str, str]
    open_store: Callable[[], Store]


def in_a_file(folder: Path) -> Place:
    """A file in ``folder``."""
    path = folder / "catalog.sqlite"
    return Place({"CATALOG": f"sqlite:{path}"}, lambda: SqliteStore(path))


def in_table_storage(azurite: Azurite, line: str = "") -> Place:
    """Tables under a prefix of their own. The app reaches them over ``line``, a connection string, where there is one."""
    prefix = f"t{uuid.uuid4().hex}"
    settings = {
        "CATALOG": "table:STORAGE",
        "CATALOG_TABLE_PREFIX": prefix,
        "STORAGE": line or azurite.connection_string,
    }
    return Place(settings, lambda: TableStore(TableService(azurite.connection_string), prefix))


class KilledHost:
    """One source, its targets, and a host that copies between them on one state, however often it dies.

    Args:
        folder: where state and log go.
        versions: the API versions that all resources speak.
        place: where the catalog is kept.
    """

    def __init__(self, folder: Path, versions: list[str], place: Place) -> None:
        self._folder = folder
        self.catalog = Catalog(place.open_store())
        specs = [ResourceSpec(name, region, resource_id(name), f"{name}-key-1") for name, region in REGIONS.items()]
        self.simulator = Simulator(specs, clock=SystemClock(), seed=1)
        self._versions = versions
        self._settings = {
            "BACKUP_CONFIG": str(folder / "backup.json"),
            **place.settings,
            "SEALING_KEYS": Fernet.generate_key().decode(),
            "BACKUP_SCHEDULE": "0 0 2 1 1 *",
            "PURGE_SCHEDULE": "0 0 2 1 1 *",
            "PROBE_SCHEDULE": "0 0 2 1 1 *",
            "TaskHubName": "Kills",
            "LOCAL_HOST_FUNCTION_KEY": FUNCTION_KEY,
            **{setting(name): f"{name}-key-1" for name in REGIONS},
        }
        self._child: Child | None = None
        self._url = ""
        self._asked = 0
        self._copies: list[tuple[Subject, str, str]] = []

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
        copies = {"ambiguityWindowSeconds": 1, "callTimeoutSeconds": 3, "patienceSeconds": 20}
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

    def start(self, kill: str = "") -> None:
        """Start the host on the state that its predecessor left, to be killed at ``kill``: perhaps before it says that it is ready."""
        arguments = ["--port", "0", "--state", str(self._folder / "host.sqlite")]
        self._child = ForkedChild("local.host", arguments, self._folder / "host.log")
        try:
            self._url = self._child.start({**self._settings, "LOCAL_HOST_KILL": kill})["url"]
        except ChildError:
            assert kill, "only a host that is to be killed may die"
            assert self.is_dead()

    def ask(self, subject: Subject) -> None:
        """Ask for a copy of a new model. A host that dies of an earlier copy before it answers has not been asked."""
        self._asked += 1
        model_id = self.resource(SOURCE).put_model(subject.model(self._asked)).model_id
        body = {"source": SOURCE, "targets": [subject.target], "models": [model_id], "kind": str(subject.kind)}
        with suppress(requests.RequestException):
            answer = requests.post(
                f"{self._url}/api/copies", json=body, headers={"x-functions-key": FUNCTION_KEY}, timeout=20
            )
            if answer.status_code == 202:
                self._copies.append((subject, model_id, answer.json()["runId"]))

    @property
    def answered(self) -> int:
        """How many copies a host has taken on."""
        return len(self._copies)

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
        """Let go of a host that is dead, or end it."""
        assert self._child is not None
        self._child.stop()

    def run(self, run_id: str) -> dict[str, Any]:
        """Return a run."""
        key = {"x-functions-key": FUNCTION_KEY}
        body: dict[str, Any] = requests.get(f"{self._url}/api/runs/{run_id}", headers=key, timeout=20).json()
        return body

    def ended(self, run_id: str) -> dict[str, Any]:
        """Wait until a run has ended, and return its only copy."""
        wait = {"instanceId": run_id, "timeout": "60"}
        requests.get(f"{self._url}/_host/wait", params=wait, timeout=70)
        copies = self.run(run_id)["copies"]
        assert len(copies) == 1
        copy: dict[str, Any] = copies[0]
        return copy

    def let_worn_copies_end(self) -> None:
        """Let a host live until all copies have ended, where one has begun afresh already.

        By design the third authorization that comes to nothing ends a copy, and hosts that live for a tenth of a second can bring that
        about. What is seen here is something else.
        """
        asked = {(subject.target, model_id) for subject, model_id, _ in self._copies}
        claims = [
            claim for target in {target for target, _ in asked} for claim in self.catalog.claims.of_target(target)
        ]
        under_way = [claim for claim in claims if claim.state is not ClaimState.RELEASED]
        if any(claim.attempt > 1 and (claim.target, claim.model_id) in asked for claim in under_way):
            self.start()
            self.settle()
            self.bury()

    def settle(self) -> None:
        """Let all copies end, so that what happens next belongs to the next one."""
        for _, _, run_id in self._copies:
            self.ended(run_id)

    def see_that_all_was_copied_once(self) -> None:
        """Wait for the copies that hosts took on: one for each, recorded, and no placeholder that the catalog does not know."""
        copied: dict[Subject, list[str]] = {}
        for subject, model_id, run_id in self._copies:
            copy = self.ended(run_id)
            assert copy["status"] == "Succeeded", copy
            replicas = self.catalog.replicas.of_model(SOURCE, subject.kind, model_id, subject.target)
            assert [stored.record.target_model_id for stored in replicas] == [copy["targetModelId"]]
            copied.setdefault(subject, []).append(model_id)
        for subject, model_ids in copied.items():
            self._see_that_nothing_is_left(subject, model_ids)

    def _see_that_nothing_is_left(self, subject: Subject, copied: list[str]) -> None:
        held = self.resource(subject.target).models("classifier" if subject.kind is Kind.CLASSIFIER else "model")
        # a host that died before it answered may have accepted the request
        sources = Counter(model.copy_of for model in held if model.state == "ready")
        assert set(copied) <= {str(source).rpartition("/")[2] for source in sources}
        assert set(sources.values()) == {1}
        unfinished = {model.model_id for model in held if model.state != "ready"}
        assert unfinished <= known_ids(self.catalog, subject)


def wait_until(is_true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.01)
