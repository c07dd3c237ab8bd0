"""``make start``: the app on your own resources, on this machine, until Ctrl-C.

It reads ``backup.json`` and ``local.settings.json`` of this folder, as the app does. When the app listens, ``.local/start.json`` holds its
address and function key. Only the owner can read the file, and it is removed at the end.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import sys
import textwrap
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from local.address import port, require_free_port, write_address
from local.app_client import AppClient, AppRefused
from local.child import Child, ChildError
from local.endings import stop_at_signals
from local.host.errors import ConfigurationError
from local.host.front_door import FUNCTION_KEY_VARIABLE, SYSTEM_KEY_VARIABLE
from local.host.settings import apply_local_settings
from local.stage import StageError, locked

DIRECTORY = Path(".local")
SETTINGS = Path("local.settings.json")
PROBE = "probe_resources"
"""The timer function that calls each resource once."""
_PROBE_SECONDS = 8.0
"""The app gives each of its probes five."""
_KEY = re.compile(r"[!-~]+")
_WIDTH = 118
_INDENT = " " * 4

_EPILOG = """\
PORT in the environment is the default of --port. After any end, the next start continues all work.
Exit code: 0 after SIGINT, SIGTERM or SIGHUP, 1 if the app ended by itself, 2 if it could not start, or could do nothing.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    options = _parser().parse_args(arguments)
    stopped = threading.Event()
    stop_at_signals(stopped)
    address = options.directory / "start.json"
    host = Child("local.host", _host_arguments(options), options.directory / "start.log")
    failure = 2
    try:
        with locked(options.directory / "start"):
            address.unlink(missing_ok=True)  # left from a program that was killed
            settings = _settings()
            keys = _keys(settings)
            require_free_port("start", "PORT", options.port)
            try:
                url = _start(host, keys)
                client = AppClient(url, keys[FUNCTION_KEY_VARIABLE])
                health = _health(client, settings)
                if client.run_timer(PROBE, keys[SYSTEM_KEY_VARIABLE]):
                    health = _probed(client, health)
                failure = 1
                write_address(address, {"host": url, "functionKey": keys[FUNCTION_KEY_VARIABLE]})
                _welcome(url, address, options.directory, health, settings)
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
        "--port", type=port, default=os.environ.get("PORT") or "7071", help="port of the app; 0 takes a free one"
    )
    parser.add_argument(
        "--directory", type=Path, default=DIRECTORY, help="for start.json, state and log (default: %(default)s)"
    )
    return parser


def _host_arguments(options: argparse.Namespace) -> list[str]:
    return ["--port", str(options.port), "--state", str(options.directory / "host.sqlite")]


def _settings() -> dict[str, str]:
    """Return all settings of the app. Raises ``StageError`` if the file cannot be read."""
    settings = dict(os.environ)
    try:
        apply_local_settings(SETTINGS, settings)
    except ConfigurationError as error:
        raise StageError(f"{error}; correct it, or start from local.settings.sample.json") from None
    return settings


def _keys(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of the host that the settings name, or new ones. Raises ``StageError`` for a key that no client can send."""
    keys = {
        name: settings.get(name) or secrets.token_urlsafe(32) for name in (FUNCTION_KEY_VARIABLE, SYSTEM_KEY_VARIABLE)
    }
    for name, key in keys.items():
        if _KEY.fullmatch(key) is None:
            raise StageError(f"{name} holds a blank or a letter that no header can hold: use letters and digits")
    return keys


def _start(host: Child, keys: Mapping[str, str]) -> str:
    """Start the app and return its address. Raises ``StageError``."""
    try:
        return str(host.start(keys)["url"])
    except ChildError as error:
        raise StageError(f"the app did not start: {error}") from None


def _health(client: AppClient, settings: Mapping[str, str]) -> dict[str, Any]:
    """Return what the app says of itself. Raises ``StageError`` if it can do nothing: every call would get this answer."""
    try:
        return client.health()
    except (AppRefused, requests.RequestException) as error:
        missing = (
            "" if SETTINGS.exists() else f"\nThere is no {SETTINGS}: copy local.settings.sample.json, and fill it in"
        )
        miswritten = "".join(f"\n{hint}" for hint in _miswritten(str(error), settings))
        raise StageError(f"the app can do nothing, so it was stopped: {error}{miswritten}{missing}") from None


def _miswritten(text: str, settings: Mapping[str, str]) -> list[str]:
    """Return a hint for each setting that ``text`` names and that is there under a name with other capitals."""
    missing = {word for word in re.findall(r"[A-Z][A-Z0-9_]{3,}", text) if word not in settings}
    return [
        f"There is a setting {name}, and capitals count: write {name.upper()}"
        for name in sorted(settings)
        if name.upper() in missing
    ]


def _probed(client: AppClient, health: dict[str, Any]) -> dict[str, Any]:
    """Return what health says once the app has called each resource, or after some seconds."""
    begin, end = datetime.now(UTC), time.monotonic() + _PROBE_SECONDS
    while time.monotonic() < end:
        health = client.health()
        seen = [resource["lastSeen"] for resource in health["resources"].values()]
        if all(one is not None and datetime.fromisoformat(one["at"]) >= begin for one in seen):
            break
        threading.Event().wait(0.1)
    return health


def _welcome(url: str, address: Path, directory: Path, health: Mapping[str, Any], settings: Mapping[str, str]) -> None:
    _print(
        f"The app listens on {url}. Address and key: {address}. Log: {directory / 'start.log'}. Health: {health['status']}"
    )
    for finding in health["findings"]:
        _print(f"\n  {finding['severity']:8}  {finding['code']}")
        hints = [("-> ", hint) for hint in _miswritten(finding["message"], settings)]
        for prefix, text in (("", finding["message"]), ("-> ", finding["remedy"]), *hints):
            _print(
                textwrap.fill(
                    text, _WIDTH, initial_indent=_INDENT + prefix, subsequent_indent=_INDENT + " " * len(prefix)
                )
            )
    _print(
        "\nmake doctor looks closer, in another terminal: it names cause and remedy of what is wrong with resources and plans."
    )
    _print("Press Ctrl-C to stop.")


def _print(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
