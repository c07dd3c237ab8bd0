"""A child process whose program is already loaded: for tests that start the host many times.

A server process loads the host and the app, and each host is forked from it. A forked host is a separate process: it starts with the
imported modules and nothing else, and leaves nothing but its files when it is killed.
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
    """Return the context whose server process has loaded everything; it starts with the first child and ends with this process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    return context


class ForkedChild(Child):
    """A :class:`local.child.Child` whose program was loaded before its start."""

    def _launch(self, environment: Mapping[str, str], log: IO[bytes]) -> Running:
        return _Forked(self._module, self._arguments, environment, log)


class _Forked:
    """A forked process with the interface of ``subprocess.Popen``."""

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
        # without the lock, the second of two threads would read the end of the file and return 255
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
    """Run the program, in the forked process."""
    os.setsid()
    for number, stream in enumerate(streams):
        with stream:
            os.dup2(stream.fileno(), number)
    sys.stdin = os.fdopen(0, closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(importlib.import_module(f"{module}.__main__").main(arguments))
