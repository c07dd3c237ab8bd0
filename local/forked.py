"""A child process that need not load its program: for tests that start the host more often than they can wait for that.

The host is forked from a process that has loaded it, and the app, and does nothing else. It is a process of its own in all respects:
nothing of it but what it would have imported is there when it starts, and nothing but its files is left when it is killed.
"""

from __future__ import annotations

import functools
import importlib
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import IO

from local.child import Child, Running

_LOADED = ["local.host.__main__", "function_app", "wiring.table_storage"]


@functools.cache
def _context() -> ForkServerContext:
    """Return the one that forks from a process with everything loaded; that process starts with the first child and ends with us."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    return context


class ForkedChild(Child):
    """A :class:`local.child.Child` whose program was loaded before it began."""

    def _launch(self, environment: Mapping[str, str], log: IO[bytes]) -> Running:
        return _Forked(self._module, self._arguments, environment, log)


class _Forked:
    """A process that was forked for us by another one, looking as if it were of :mod:`subprocess`."""

    def __init__(self, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> None:
        self._lock = threading.Lock()
        read_in, write_in = _context().Pipe(duplex=False)
        read_out, write_out = _context().Pipe(duplex=False)
        with read_in, write_out, Connection(os.dup(log.fileno()), readable=False) as errors:
            streams = (read_in, write_out, errors)
            self._process: ForkServerProcess = _context().Process(
                target=_run, args=(module, list(arguments), dict(environment), streams), daemon=True
            )
            self._process.start()
        self.stdin: IO[str] | None = _opened(write_in, "w")
        self.stdout: IO[str] | None = _opened(read_out, "r")

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        # of two threads that ask at once, one would read the exit code and the other make 255 of the end of the file
        with self._lock:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        wait([self._process.sentinel], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        return code

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def _opened(end: Connection, mode: str) -> IO[str]:
    """Return one end of a pipe as a text file that owns it."""
    with end:
        return os.fdopen(os.dup(end.fileno()), mode)


def _run(module: str, arguments: list[str], environment: dict[str, str], streams: Sequence[Connection]) -> None:
    """Be the program, in the forked process."""
    os.setsid()
    for number, stream in enumerate(streams):
        with stream:
            os.dup2(stream.fileno(), number)
    sys.stdin = os.fdopen(0, closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(importlib.import_module(f"{module}.__main__").main(arguments))
