"""A child process that reports when it is ready, and ends with its parent."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

READY_SECONDS = 60.0
"""The longest time that a child may take until it listens: a slow machine first compiles much Python."""

_STOP_SECONDS = 10.0


class ChildError(Exception):
    """The child could not be started. The message holds the last lines that it logged."""


class Running(Protocol):
    """What :class:`Child` needs of a process; ``subprocess.Popen[str]`` has it."""

    stdin: IO[str] | None
    stdout: IO[str] | None

    @property
    def pid(self) -> int:
        """The process id."""

    def poll(self) -> int | None:
        """Return the exit code, or ``None`` while the process runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process and return its exit code. Raises ``subprocess.TimeoutExpired``."""

    def terminate(self) -> None:
        """Send SIGTERM."""

    def kill(self) -> None:
        """Send SIGKILL."""


class Child:
    """One program of this repository, run as a process that watches its standard input.

    The parent keeps the child's standard input open. The system closes it even if the parent is killed, and the child, which is started
    with ``--exit-with-stdin``, then ends. The child prints one line of JSON on standard output when it listens; its standard error goes
    to ``log``.
    """

    def __init__(self, module: str, arguments: Sequence[str], log: Path) -> None:
        self._module = module
        self._arguments = ["--exit-with-stdin", *arguments]
        self._log = log
        self._process: Running | None = None

    @property
    def pid(self) -> int:
        """The process id of the child of the last start."""
        return self._started().pid

    @property
    def exit_code(self) -> int | None:
        """The exit code of the child, or ``None`` while it runs."""
        return self._started().poll()

    def start(self, environment: Mapping[str, str], first_line: str | None = None) -> dict[str, Any]:
        """Start the child and return the JSON that it prints when it is ready. Raises ``ChildError``.

        ``environment`` is added to the environment of this process. ``first_line`` is written to the child's standard input. Pass secrets
        there and never as arguments: every user of the machine can see those.
        """
        with self._log.open("ab") as log:
            begin = log.tell()
            process = self._launch({**os.environ, **environment}, log)
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        if first_line is not None:
            try:
                process.stdin.write(first_line + "\n")
                process.stdin.flush()
            except BrokenPipeError:
                pass  # it has ended: the reason is read from its log below
        ready = self._ready_line(process.stdout)
        if ready is None:
            self.stop()
            raise ChildError(self._last_lines(begin))
        return ready

    def wait(self) -> int:
        """Wait for the end of the child and return its exit code."""
        return self._started().wait()

    def stop(self) -> None:
        """Stop the child: close its standard input, then send signals. Returns when it has ended."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        for end in (None, process.terminate, process.kill):
            if end is not None:
                end()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            break
        if process.stdout is not None:
            process.stdout.close()

    def _launch(self, environment: Mapping[str, str], log: IO[bytes]) -> Running:
        """Start the process in its own session: Ctrl-C then goes to the parent alone, which stops its children in order."""
        return subprocess.Popen(
            [sys.executable, "-m", self._module, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def _started(self) -> Running:
        assert self._process is not None, "start() comes first"
        return self._process

    def _ready_line(self, output: IO[str]) -> dict[str, Any] | None:
        lines: queue.Queue[str] = queue.Queue()

        def read() -> None:
            try:
                lines.put(output.readline())
                while output.readline():  # later output must not fill the pipe
                    pass
            except ValueError:
                pass  # closed by stop()

        threading.Thread(target=read, daemon=True).start()
        try:
            line = lines.get(timeout=READY_SECONDS)
            ready: dict[str, Any] = json.loads(line)
        except (queue.Empty, ValueError):
            return None
        return ready

    def _last_lines(self, begin: int) -> str:
        with self._log.open("rb") as log:
            log.seek(begin)
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        return "\n".join(lines[-5:]) if lines else f"{self._module} ended and logged nothing (see {self._log})"
