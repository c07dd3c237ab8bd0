"""The stage on which everything runs on one machine: the simulated service and the embedded host, as two child processes.

Keys are drawn afresh each time. They reach the children by environment and standard input; no file of the stage holds one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography.fernet import Fernet

from local.child import Child, ChildError

DEMO_MODEL = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
"""A v2.1 model that the simulator seeds the first resource with."""

ALL_VERSIONS = ("v2.0-preview", "v2.0", "v2.1", "2022-08-31", "2023-07-31", "2024-11-30")
PREFERRED_VERSION = "v2.1"

REGIONS = {"forms-westeurope": "westeurope", "forms-northeurope": "northeurope", "forms-eastus": "eastus"}
SOURCE = "forms-westeurope"
PLAN = "nightly-westeurope"

_FAST_DEATH_SECONDS = 10.0
_MOST_FAST_DEATHS = 3


class StageError(Exception):
    """The stage cannot be set up, or has lost a part that cannot be replaced. The message says what to do."""


@dataclass(frozen=True)
class StageResource:
    """One simulated account, as a user of it sees it."""

    name: str
    region: str
    api_versions: tuple[str, ...]
    endpoint: str = ""
    key: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def resource_id(self) -> str:
        """The id that the account would have in Azure."""
        return (
            "/subscriptions/5a3b1c9e-7d24-4f68-8e0b-2c6f9d1a4b73/resourceGroups/forms"
            f"/providers/Microsoft.CognitiveServices/accounts/{self.name}"
        )

    @property
    def api_version(self) -> str:
        """The version to begin with: the one of the demo model where it is on."""
        return PREFERRED_VERSION if PREFERRED_VERSION in self.api_versions else self.api_versions[-1]

    @property
    def key_setting(self) -> str:
        """Name of the app setting that holds the key."""
        return f"{self.name.upper().replace('-', '_')}_KEY"


@dataclass(frozen=True)
class StageOptions:
    """How the stage is set."""

    directory: Path
    """For configuration, state and logs; emptied at the start."""
    port: int = 0
    """Of the host; 0 takes a free one."""
    simulator_port: int = 0
    """Of the first resource, the others follow; 0 takes free ones."""
    limits: str = "none"
    """``S0``: the simulator throttles as an S0 resource does, and the app paces itself accordingly."""
    api_versions: tuple[str, ...] = ALL_VERSIONS
    copy_seconds: tuple[float, float] = (1.0, 2.0)
    patience_seconds: int = 60
    """How long the app waits for a resource that is down."""
    concurrency: int = 32
    """How many copies of a run are under way at once: the app's own default."""
    seed_models: str = "demo"


class Stage:
    """Starts the two processes, restarts the host if it dies, and ends both."""

    def __init__(self, options: StageOptions, say: Callable[[str], None]) -> None:
        self._options = options
        self._say = say
        self._directory = options.directory
        self._simulator = Child("local.simulator", ["--config", "-"], self._directory / "simulator.log")
        self._host: Child | None = None
        self._host_environment: dict[str, str] = {}
        self._stopping = threading.Event()
        self._lost: str | None = None
        self._ended = threading.Event()
        self.function_key = secrets.token_urlsafe(32)
        self.resources: dict[str, StageResource] = {}
        self.url = ""
        self.admin = ""

    def __enter__(self) -> Self:
        """Set up the stage. Raises ``StageError``; nothing is left running then."""
        try:
            self._prepare_directory()
            self._start_simulator()
            self._write_configuration()
            self._start_host(self._options.port)
        except BaseException:
            self.stop()
            raise
        threading.Thread(target=self._watch_host, daemon=True).start()
        threading.Thread(target=self._watch_simulator, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End both processes."""
        self.stop()

    @property
    def host_log(self) -> Path:
        """What the host and the app log."""
        return self._directory / "host.log"

    @property
    def host_pid(self) -> int:
        """The process id of the host as it was started last."""
        assert self._host is not None, "the stage is not set up"
        return self._host.pid

    @property
    def simulator_pid(self) -> int:
        """The process id of the simulator."""
        return self._simulator.pid

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the stage ends, at most so long. Raises ``StageError`` where it ended because a part was lost."""
        self._ended.wait(seconds)
        if self._lost is not None:
            raise StageError(self._lost)

    def stop(self) -> None:
        """End both processes, the host first. May be called more than once, and from a signal handler's thread."""
        self._stopping.set()
        if self._host is not None:
            self._host.stop()
        self._simulator.stop()
        self._ended.set()

    def _prepare_directory(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True, mode=0o700)

    def _start_simulator(self) -> None:
        options = self._options
        wanted = [StageResource(name, region, options.api_versions) for name, region in REGIONS.items()]
        first = options.simulator_port
        configuration = {
            "resources": [
                {
                    "name": resource.name,
                    "region": resource.region,
                    "resourceId": resource.resource_id,
                    "key": resource.key,
                    "port": first + index if first else 0,
                    "apiVersions": list(options.api_versions),
                }
                for index, resource in enumerate(wanted)
            ],
            "limits": {"preset": options.limits},
            "durations": {"copySeconds": list(options.copy_seconds)},
            "seedModels": options.seed_models,
        }
        try:
            ready = self._simulator.start({}, json.dumps(configuration))
        except ChildError as error:
            raise StageError(f"the simulator did not start: {error}") from None
        self.admin = ready["admin"]["endpoint"]
        self.resources = {
            resource.name: StageResource(
                resource.name,
                resource.region,
                resource.api_versions,
                ready["resources"][resource.name]["endpoint"],
                resource.key,
            )
            for resource in wanted
        }

    def _write_configuration(self) -> None:
        targets = [name for name in self.resources if name != SOURCE]
        paced: dict[str, Any] = {} if self._options.limits != "none" else {"rateLimits": _NOT_PACED}
        configuration = {
            "$schema": "../../backup.schema.json",
            "resources": {
                resource.name: {
                    "endpoint": resource.endpoint,
                    "region": resource.region,
                    "resourceId": resource.resource_id,
                    "apiVersions": list(resource.api_versions),
                    "keySetting": resource.key_setting,
                    **paced,
                }
                for resource in self.resources.values()
            },
            "copies": {
                "concurrency": self._options.concurrency,
                "patienceSeconds": self._options.patience_seconds,
            },
            "plans": {PLAN: {"source": SOURCE, "targets": targets, "deepCheck": "off"}},
        }
        path = self._directory / "backup.json"
        path.write_text(json.dumps(configuration, indent=2) + "\n", encoding="utf-8")
        self._host_environment = {
            "BACKUP_CONFIG": str(path.resolve()),
            "CATALOG": f"sqlite:{(self._directory / 'catalog.sqlite').resolve()}",
            "TaskHubName": "FormsBackup",
            "BACKUP_SCHEDULE": "0 0 2 * * *",
            "PURGE_SCHEDULE": "0 30 3 * * *",
            "SEALING_KEYS": Fernet.generate_key().decode(),
            "LOCAL_HOST_FUNCTION_KEY": self.function_key,
            "LOCAL_HOST_SYSTEM_KEY": secrets.token_urlsafe(32),
            **{resource.key_setting: resource.key for resource in self.resources.values()},
        }

    def _start_host(self, port: int) -> None:
        state = str(self._directory / "host.sqlite")
        self._host = Child("local.host", ["--port", str(port), "--state", state], self.host_log)
        try:
            ready = self._host.start(self._host_environment)
        except ChildError as error:
            raise StageError(f"the host did not start: {error}") from None
        self.url = ready["url"]

    def _watch_host(self) -> None:
        deaths = 0
        while True:
            assert self._host is not None
            born = threading.Event()
            timer = threading.Timer(_FAST_DEATH_SECONDS, born.set)
            timer.daemon = True
            timer.start()
            code = self._host.wait()
            timer.cancel()
            if self._stopping.is_set():
                return
            deaths = 0 if born.is_set() else deaths + 1
            if deaths >= _MOST_FAST_DEATHS:
                self._lose(f"the host ended {deaths} times within seconds (exit code {code}): see {self.host_log}")
                return
            self._say(f"The host ended (exit code {code}): starting it again on the same state")
            try:
                self._start_host(int(self.url.rpartition(":")[2]))
            except StageError as error:
                if not self._stopping.is_set():
                    self._lose(str(error))
                return
            if self._stopping.is_set():  # stop() may have come between the two
                self._host.stop()
                return

    def _watch_simulator(self) -> None:
        code = self._simulator.wait()
        if not self._stopping.is_set():
            self._lose(
                f"the simulator ended (exit code {code}). Its models are in memory and are gone: start again. "
                f"What it said is in {self._directory / 'simulator.log'}"
            )

    def _lose(self, reason: str) -> None:
        self._lost = reason
        self._ended.set()


_NOT_PACED: dict[str, None] = dict.fromkeys(
    ("v2CopiesPerMinute", "v2ListPagesPerMinute", "managePerSecond", "getPerSecond", "listPerSecond")
)


@contextlib.contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Hold the stage's directory. Raises ``StageError`` where another program holds it; a killed one does not."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StageError(f"make {directory.name} is running in this folder already: stop it first") from None
        yield


def read_versions(text: str) -> tuple[str, ...]:
    """Read a comma-separated list of API versions; empty means all of them. Raises ``StageError``."""
    versions: Sequence[str] = [version.strip() for version in text.split(",") if version.strip()]
    unknown = [version for version in versions if version not in ALL_VERSIONS]
    if unknown:
        raise StageError(f"{unknown[0]!r} is not an API version: use one of {', '.join(ALL_VERSIONS)}")
    return tuple(versions) or ALL_VERSIONS
