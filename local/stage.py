"""The stage: the simulated service and the embedded host on one machine, as two child processes.

Every start makes new keys. The children get them by environment and standard input; no file of the stage holds one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from local.child import Child, ChildError
from local.stage_setup import (
    ALL_VERSIONS,
    REGIONS,
    StageOptions,
    StageResource,
    backup_configuration,
    host_environment,
    simulator_configuration,
)

_EARLY_SECONDS = 10.0
_MOST_EARLY_ENDS = 3


class StageError(Exception):
    """The stage cannot start, or one of its processes ended. The message says what to do."""


class Stage:
    """Starts the two processes, restarts the host if it ends, and stops both."""

    def __init__(self, options: StageOptions, report: Callable[[str], None]) -> None:
        self._options = options
        self._report = report
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
        """Start both processes. Raises ``StageError``, and then leaves none running."""
        try:
            self._prepare_directory()
            self._start_simulator()
            self._configure_app()
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
        """Stop both processes."""
        self.stop()

    @property
    def host_log(self) -> Path:
        """The log of the host and the app."""
        return self._directory / "host.log"

    @property
    def host_pid(self) -> int:
        """The process id of the host of the last start."""
        assert self._host is not None, "the stage has not started"
        return self._host.pid

    @property
    def simulator_pid(self) -> int:
        """The process id of the simulator."""
        return self._simulator.pid

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the stage ends, or for ``seconds``. Raises ``StageError`` if a process was lost."""
        self._ended.wait(seconds)
        if self._lost is not None:
            raise StageError(self._lost)

    def stop(self) -> None:
        """Stop both processes, the host first. Safe to call more than once, and from a signal handler's thread."""
        self._stopping.set()
        if self._host is not None:
            self._host.stop()
        self._simulator.stop()
        self._ended.set()

    def _prepare_directory(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True, mode=0o700)

    def _start_simulator(self) -> None:
        resources = [StageResource(name, region, self._options.api_versions) for name, region in REGIONS.items()]
        try:
            ready = self._simulator.start({}, json.dumps(simulator_configuration(self._options, resources)))
        except ChildError as error:
            raise StageError(f"the simulator did not start: {error}") from None
        self.admin = ready["admin"]["endpoint"]
        self.resources = {
            resource.name: replace(resource, endpoint=ready["resources"][resource.name]["endpoint"])
            for resource in resources
        }

    def _configure_app(self) -> None:
        text = json.dumps(backup_configuration(self._options, self.resources), indent=2)
        (self._directory / "backup.json").write_text(text + "\n", encoding="utf-8")
        self._host_environment = host_environment(self._directory, self.function_key, self.resources.values())

    def _start_host(self, port: int) -> None:
        state = str(self._directory / "host.sqlite")
        self._host = Child("local.host", ["--port", str(port), "--state", state], self.host_log)
        try:
            ready = self._host.start(self._host_environment)
        except ChildError as error:
            raise StageError(f"the host did not start: {error}") from None
        self.url = ready["url"]

    def _watch_host(self) -> None:
        early_ends = 0
        while True:
            assert self._host is not None
            started = time.monotonic()
            code = self._host.wait()
            if self._stopping.is_set():
                return
            early_ends = early_ends + 1 if time.monotonic() - started < _EARLY_SECONDS else 0
            if early_ends >= _MOST_EARLY_ENDS:
                self._lose(
                    f"the host ended {early_ends} times within {_EARLY_SECONDS:.0f} s of its start, last with exit code {code}. "
                    f"Its log: {self.host_log}"
                )
                return
            self._report(f"The host ended (exit code {code}); starting it again on the same state")
            try:
                self._start_host(int(self.url.rpartition(":")[2]))
            except StageError as error:
                if not self._stopping.is_set():
                    self._lose(str(error))
                return
            if self._stopping.is_set():  # stop() was called during the start
                self._host.stop()
                return

    def _watch_simulator(self) -> None:
        code = self._simulator.wait()
        if not self._stopping.is_set():
            self._lose(
                f"the simulator ended (exit code {code}), and its models were only in memory. Start again. "
                f"Its log: {self._directory / 'simulator.log'}"
            )

    def _lose(self, reason: str) -> None:
        self._lost = reason
        self._ended.set()


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Lock the directory of a stage. Raises ``StageError`` if another program has locked it; the lock of a killed program is gone."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        file = directory.with_suffix(".lock").open("w")
    except OSError as error:
        raise StageError(
            f"the folder {directory.parent} cannot be used ({error.strerror}): make it one that you can write, or move it away"
        ) from None
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StageError(f"make {directory.name} already runs in this folder: stop it first") from None
        yield


def read_versions(text: str) -> tuple[str, ...]:
    """Read a comma-separated list of API versions; an empty text means all. Raises ``StageError``."""
    versions: Sequence[str] = [version.strip() for version in text.split(",") if version.strip()]
    unknown = [version for version in versions if version not in ALL_VERSIONS]
    if unknown:
        raise StageError(f"{unknown[0]!r} is not an API version: use one of {', '.join(ALL_VERSIONS)}")
    return tuple(versions) or ALL_VERSIONS
