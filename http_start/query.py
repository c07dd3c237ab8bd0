"""Reading query parameters, with problems that say which one is wrong and what would be right."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

import azure.functions as func

from backup.configuration.problems import path_of
from http_start.problems import Problem, refuse, wrong_input

OF_THE_PLATFORM = {"code", "clientid"}
"""Parameters that every function may be called with: its key, and the key's name."""

LONGEST_NUMBER = 9
"""Digits of a number in the query."""
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

Member = TypeVar("Member", bound=StrEnum)


def wrong_token() -> Problem:
    """Return the problem of a continuation token, parameter ``after``, that the app did not make."""
    return wrong_input("InvalidRequest", [("after", "invalid continuation token; use nextLink as returned")])


def check_parameters(request: func.HttpRequest, *allowed: str) -> None:
    """Refuse query parameters other than ``allowed``: a misspelt one would be ignored silently. Raises ``Problem``."""
    right = f"the parameters are {', '.join(allowed)}" if allowed else "this call takes none"
    unknown = [name for name in request.params if name not in allowed and name.lower() not in OF_THE_PLATFORM]
    refuse("UnknownParameter", ((path_of(name), f"unknown parameter; {right}") for name in unknown))


def whole_number(request: func.HttpRequest, name: str, default: int, most: int) -> int:
    """Return a whole number from the query. Raises ``Problem``."""
    text: str | None = request.params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > LONGEST_NUMBER or int(text) > most:
        raise wrong_input("InvalidRequest", [(name, f"not a whole number in range; use 0 to {most}")])
    return int(text)


def flag(request: func.HttpRequest, name: str) -> bool:
    """Return a query parameter that is ``true`` or ``false``, in any case; ``False`` without it. Raises ``Problem``."""
    text = str(request.params.get(name, "false")).lower()
    if text not in {"true", "false"}:
        raise wrong_input("InvalidRequest", [(name, f"unknown value; write {name}=true, or leave it out")])
    return text == "true"


def moment(request: func.HttpRequest, name: str) -> datetime | None:
    """Return a moment of the query in UTC, or ``None``. Raises ``Problem``."""
    text: str | None = request.params.get(name)
    if text is None:
        return None
    try:
        read = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign that is not escaped arrives as a blank
    except ValueError:
        read = None
    if read is None or read.tzinfo is None or not _EARLIEST <= read <= _LATEST:
        right = "use a moment with its time zone, such as 2026-11-23T22:22:14Z"
        raise wrong_input("InvalidRequest", [(name, f"not a moment; {right}")])
    return read.astimezone(UTC)


def choice(request: func.HttpRequest, name: str, kind: type[Member]) -> Member | None:
    """Return a query parameter as a member of the enumeration ``kind``, or ``None``. Raises ``Problem``."""
    text = request.params.get(name)
    if text is not None and text not in list(kind):
        raise wrong_input("InvalidRequest", [(name, f"unknown value; use one of: {', '.join(kind)}")])
    return None if text is None else kind(text)
