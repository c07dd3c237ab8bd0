"""Where a local program listens: a port that is free, and the file that tells its user the address and the keys."""

from __future__ import annotations

import argparse
import json
import os
import socket
from pathlib import Path
from typing import Any

from local.stage import StageError

LAST_PORT = 65535


def port(text: str) -> int:
    """Read a port from the command line or the environment, for ``argparse``."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port (PORT and SIM_PORT are the defaults): write a number up to {LAST_PORT}"
        ) from None


def require_free_port(chore: str, variable: str, port: int, highest: int = LAST_PORT) -> None:
    """Check that ``port`` can be listened on; 0 always can. ``variable`` chooses it for ``make <chore>``. Raises ``StageError``."""
    remedy = f"make {chore} {variable}=…"
    if port == 0:
        return
    if not 0 < port <= LAST_PORT:
        raise StageError(f"{port} is not a port: choose one up to {highest}, {remedy}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StageError(f"port {port} cannot be used ({error.strerror}): choose another one, {remedy}") from None


def write_address(path: Path, document: dict[str, Any]) -> None:
    """Write ``document`` as JSON into a file that only its owner can read. A reader never sees a half-written file."""
    new = path.with_suffix(".json.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
    new.replace(path)
