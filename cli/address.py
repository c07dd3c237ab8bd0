"""Where the app is, and with what the command line signs in: options, environment, this checkout, or what ``login`` saved.

A key that was saved is sent to its own address alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.endings import CommandFailed, Ending

URL, KEY, ENTRA = "FORMSBACKUP_URL", "FORMSBACKUP_KEY", "FORMSBACKUP_ENTRA"
"""The environment variables."""
LOCAL_FILES = (".local/start.json", ".local/serve.json", ".local/kept.json")
"""What ``make start``, ``make serve`` and ``make run KEEP=1`` write into a checkout while they run."""

_HINTS = (
    "Sign in once: formsbackup login https://NAME.azurewebsites.net",
    f"or name it each time: --url, or {URL} and {KEY} in the environment",
    "or, in a checkout of the project, start one: make serve",
)


@dataclass(frozen=True)
class Address:
    """The address of an app, what opens it, and where both come from."""

    url: str
    origin: str
    key: str | None = field(default=None, repr=False)
    entra: str | None = None
    """The scope of the tokens that Entra ID issues for the app, if it is protected by it."""


def find(url: str | None, key_file: str | None, entra: str | None) -> Address:
    """Return the app to call; the arguments are options and come first. Raises ``CommandFailed``."""
    key = read_key(key_file) if key_file else os.environ.get(KEY)
    entra = entra or os.environ.get(ENTRA)
    named = url or os.environ.get(URL)
    wanted = checked(named) if named else None
    for known in _known():
        if wanted in (None, known.url):
            return Address(known.url, known.origin, key or known.key, entra or known.entra)
    if wanted is None:
        raise CommandFailed(Ending.USAGE, "no app is named", _HINTS)
    return Address(wanted, "--url" if url else URL, key, entra)


def _known() -> Iterator[Address]:
    """Yield the apps that files name, the nearest first."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        for name in LOCAL_FILES:
            document = _read(folder / name)
            if document and (folder / "host.json").exists():
                yield Address(str(document.get("host")), str(folder / name), document.get("functionKey"))
    document = _read(config_path())
    if document and document.get("url"):
        yield Address(document["url"], str(config_path()), document.get("key"), document.get("entra"))


def _read(path: Path) -> dict[str, Any] | None:
    """Return a file of the user's own as JSON, or ``None``: a file of another user must not choose the app."""
    try:
        if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
            return None
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def checked(url: str) -> str:
    """Return the address of an app without ``/api`` at its end. Raises ``CommandFailed``."""
    wrong = CommandFailed(Ending.USAGE, f"{url} is not the address of an app", ["Write https://NAME.azurewebsites.net"])
    text = url.strip().rstrip("/").removesuffix("/api")
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or parts.username:
        raise wrong
    if parts.scheme == "http" and not is_this_machine(text):
        raise CommandFailed(Ending.USAGE, f"{url} would send the key unencrypted", ["Use https://"])
    return text


def is_this_machine(url: str) -> bool:
    """Tell whether an address is one of this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_key(path: str) -> str:
    """Return the key in a file, or on standard input for ``-``. Raises ``CommandFailed``."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CommandFailed(Ending.USAGE, f"the key cannot be read from {path}: {error}") from None
    return good_key(text.strip())


def good_key(text: str) -> str:
    """Return a function key that can be a header. Raises ``CommandFailed``; the message does not have the key."""
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise CommandFailed(Ending.USAGE, "this is no function key: it is empty, or has blanks or odd characters")
    return text


def config_path() -> Path:
    """Return where ``login`` saves."""
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "formsbackup" / "config.json"


def save(document: Mapping[str, Any]) -> Path:
    """Write what ``login`` found to work, readable for its owner alone, and return where. Raises ``CommandFailed``."""
    path = config_path()
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
        new.replace(path)
    except OSError as error:
        raise CommandFailed(Ending.FAILED, f"{path} cannot be written: {error.strerror}") from None
    return path
