"""A child process that says when it is ready, and cannot outlive its parent."""

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
"""How long a child may take until it listens; a slow machine compiles a lot of Python first."""

_STOP_SECONDS = 10.0


class ChildError(Exception):
    """The child could not be started. The message says why, in the child's own words where it had any."""


class Running(Protocol):
    """What a child needs of its process; ``subprocess.Popen[str]`` has it."""

    stdin: IO[str] | None
    stdout: IO[str] | None

    @property
    def pid(self) -> int:
        """The process id."""

    def poll(self) -> int | None:
        """Return the exit code, or ``None`` while the process runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code when there is one. Raises ``subprocess.TimeoutExpired``."""

    def terminate(self) -> None:
        """Send SIGTERM."""

    def kill(self) -> None:
        """Send SIGKILL."""


class Child:
    """One of our own programs, run as a process that watches its standard input.

    Standard input stays open as long as we live: the system closes it even if we are killed, and the child, started with
    ``--exit-with-stdin``, ends. Standard output holds one line of JSON, printed when the child listens; standard error goes to ``log``.
    """

    def __init__(self, module: str, arguments: Sequence[str], log: Path) -> None:
        self._module = module
        self._arguments = ["--exit-with-stdin", *arguments]
        self._log = log
        self._process: Running | None = None

    @property
    def pid(self) -> int:
        """The process id of the child as it was started last."""
        return self._started().pid

    @property
    def exit_code(self) -> int | None:
        """How the child ended, or ``None`` while it runs."""
        return self._started().poll()

    def start(self, environment: Mapping[str, str], first_line: str | None = None) -> dict[str, Any]:
        """Start the child and return the JSON with which it says that it is ready. Raises ``ChildError``.

        ``environment`` is added to ours; ``first_line`` is what the child reads first on its standard input. What is secret goes there,
        and never into the arguments, which everybody on the machine can see.
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
                pass  # it has ended: what it said about that is read below
        ready = self._ready_line(process.stdout)
        if ready is None:
            self.stop()
            raise ChildError(self._last_words(begin))
        return ready

    def wait(self) -> int:
        """Return the exit code, when there is one."""
        return self._started().wait()

    def stop(self) -> None:
        """End the child: by closing its standard input, then by signals. Returns when it is gone."""
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
        """Start the process, with standard streams as the class says, in a session of its own: Ctrl-C is for us, who stop it in order."""
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
                while output.readline():  # whatever else it prints must not fill the pipe
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

    def _last_words(self, begin: int) -> str:
        with self._log.open("rb") as log:
            log.seek(begin)
            last_lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        return "\n".join(last_lines[-5:]) if last_lines else f"{self._module} ended without a word (see {self._log})"
