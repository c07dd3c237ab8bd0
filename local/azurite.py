"""Runs Azurite, Microsoft's emulator of Azure Storage, as a child process: Table Storage only, on loopback, in memory."""

from __future__ import annotations

import queue
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from typing import IO

PROGRAM = Path(__file__).parents[1] / "node_modules" / ".bin" / "azurite-table"
READY_SECONDS = 60.0

ACCOUNT = "devstoreaccount1"
PUBLIC_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Published by Microsoft for emulators, and the same on every machine."""

# The shell ends Azurite when its standard input closes. The system closes it even if this process is killed.
_UNTIL_STDIN_CLOSES = '"$@" & child=$!; read -r _; kill $child'


class AzuriteMissing(Exception):
    """Azurite cannot be started. The message says what to do."""


def connection_string(port: int) -> str:
    """Return the connection string of an emulator, or of a proxy in front of one, that listens on ``port``."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={PUBLIC_KEY};"
        f"TableEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
    )


class Azurite:
    """A running emulator. It starts empty and loses its contents when it stops."""

    def __init__(self, arguments: tuple[str, ...] = ()) -> None:
        """Start it and wait until it listens. ``arguments`` are added to the command line. Raises ``AzuriteMissing``."""
        if shutil.which("node") is None or not PROGRAM.exists():
            raise AzuriteMissing("Azurite is not installed: install Node.js with npm, then run make test (or npm ci)")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        command = [str(PROGRAM), "--tablePort", str(self.port), "--inMemoryPersistence", "--disableTelemetry"]
        # A later client library may send an API version that Azurite does not list.
        command += ["--skipApiVersionCheck", "--silent", *arguments]
        self._process = subprocess.Popen(
            ["sh", "-c", _UNTIL_STDIN_CLOSES, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        problem = _wait_until_ready(self._process.stdout)
        if problem is not None:
            self.stop()
            raise AzuriteMissing(f"Azurite does not start: {problem}")

    @property
    def connection_string(self) -> str:
        """The connection string of the emulator."""
        return connection_string(self.port)

    def stop(self) -> None:
        """Stop it and wait until it has ended."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(READY_SECONDS)


def _wait_until_ready(output: IO[str]) -> str | None:
    """Return ``None`` when the emulator listens, or else its output."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in output:  # to the end: later output must not fill the pipe
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    printed: list[str] = []
    while True:
        try:
            line = lines.get(timeout=READY_SECONDS)
        except queue.Empty:
            return " ".join(printed) or f"no output within {READY_SECONDS:.0f} s"
        if "successfully started" in line:
            return None
        printed.append(line.strip())
        if not line or line.startswith("Exiting"):
            return " ".join(printed)
