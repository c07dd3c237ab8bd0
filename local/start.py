"""``make start``: the app on your own resources, on this machine, until Ctrl-C.

It reads ``backup.json`` and ``local.settings.json`` of this folder, as the app does. When the app listens, ``.local/start.json`` holds its
address and function key. Only the owner can read the file, and it is removed at the end.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import textwrap
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from local.address import require_free_port, write_address
from local.app_client import AppClient, AppRefused
from local.child import Child, ChildError
from local.host.errors import ConfigurationError
from local.host.front_door import FUNCTION_KEY_VARIABLE
from local.host.settings import apply_local_settings
from local.stage import StageError, locked

DIRECTORY = Path(".local")
SETTINGS = Path("local.settings.json")
_WIDTH = 118
_INDENT = " " * 4

_EPILOG = """\
PORT in the environment is the default of --port. After any end, the next start continues all work.
Exit code: 0 after SIGINT or SIGTERM, 1 if the app ended by itself, 2 if it could not start, or could do nothing.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    options = _parser().parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    address = options.directory / "start.json"
    host = Child("local.host", _host_arguments(options), options.directory / "start.log")
    failure = 2
    try:
        with locked(options.directory / "start"):
            address.unlink(missing_ok=True)  # left from a program that was killed
            key = _function_key()
            require_free_port("start", "PORT", options.port)
            try:
                url = _start(host, key)
                client = AppClient(url, key)
                health = _health(client)
                failure = 1
                write_address(address, {"host": url, "functionKey": key})
                _welcome(url, address, options.directory, health)
                while not stopped.wait(0.2):
                    if host.exit_code is not None:
                        raise StageError(
                            f"the app ended (exit code {host.exit_code}); its log: {options.directory / 'start.log'}. "
                            "Start it again: it continues where it was"
                        )
            finally:
                address.unlink(missing_ok=True)
                host.stop()
    except StageError as error:
        if not stopped.is_set():
            print(f"start: {error}", file=sys.stderr)
            return failure
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.start",
        description="Run the app on your own resources, on this machine, until Ctrl-C.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--port", type=int, default=os.environ.get("PORT") or 7071, help="port of the app; 0 takes a free one"
    )
    parser.add_argument(
        "--directory", type=Path, default=DIRECTORY, help="for start.json, state and log (default: %(default)s)"
    )
    return parser


def _host_arguments(options: argparse.Namespace) -> list[str]:
    return ["--port", str(options.port), "--state", str(options.directory / "host.sqlite")]


def _function_key() -> str:
    """Return the key that the settings name, or a new one. Raises ``StageError`` if the settings cannot be read."""
    settings = dict(os.environ)
    try:
        apply_local_settings(SETTINGS, settings)
    except (ConfigurationError, OSError) as error:
        raise StageError(f"{error}; correct it, or start from local.settings.sample.json") from None
    return settings.get(FUNCTION_KEY_VARIABLE) or secrets.token_urlsafe(32)


def _start(host: Child, key: str) -> str:
    """Start the app and return its address. Raises ``StageError``."""
    try:
        return str(host.start({FUNCTION_KEY_VARIABLE: key})["url"])
    except ChildError as error:
        raise StageError(f"the app did not start: {error}") from None


def _health(client: AppClient) -> dict[str, Any]:
    """Return what the app says of itself. Raises ``StageError`` if it can do nothing: every call would get this answer."""
    try:
        return client.health()
    except (AppRefused, requests.RequestException) as error:
        missing = (
            "" if SETTINGS.exists() else f"\nThere is no {SETTINGS}: copy local.settings.sample.json, and fill it in"
        )
        raise StageError(f"the app can do nothing, so it was stopped: {error}{missing}") from None


def _welcome(url: str, address: Path, directory: Path, health: Mapping[str, Any]) -> None:
    _print(
        f"The app listens on {url}. Address and key: {address}. Log: {directory / 'start.log'}. Health: {health['status']}"
    )
    for finding in health["findings"]:
        _print(f"\n  {finding['severity']:8}  {finding['code']}")
        for prefix, text in (("", finding["message"]), ("-> ", finding["remedy"])):
            _print(
                textwrap.fill(
                    text, _WIDTH, initial_indent=_INDENT + prefix, subsequent_indent=_INDENT + " " * len(prefix)
                )
            )
    _print(
        "\nHealth calls no resource. make doctor calls each one, in another terminal, and names cause and remedy of what is wrong."
    )
    _print("Press Ctrl-C to stop.")


def _print(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
