"""Reading query parameters, with problems that say which one is wrong and what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import azure.functions as func
from pydantic import Field

from backup.configuration.problems import path_of
from http_start.problems import Problem, refuse, wrong_input

OF_THE_PLATFORM = {"code", "clientid"}
"""Parameters that every function may be called with: its key, and the key's name."""

LONGEST_NUMBER = 9
"""Digits of a number in the query."""
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

VERSION_PATTERN = r"^[0-9a-f]{4,24}$"
VersionText = Annotated[str, Field(pattern=VERSION_PATTERN)]
"""The first characters of a version, or all of them."""
_VERSION_RULE = "not a version; write what `versions` of GET /api/models/{source}/{modelId} has, or its first characters, four at least"

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


def full_version(field: str, wanted: str, known: Iterable[Mapping[str, Any]]) -> str:
    """Return the fingerprint of the version that ``wanted`` is the beginning of. Raises ``Problem``.

    Parameters
    ----------
    field: what the caller wrote it into.
    known: the versions of the model (:func:`backup.lookup.versions`).
    """
    if re.fullmatch(VERSION_PATTERN, wanted) is None:
        raise wrong_input("InvalidRequest", [(field, _VERSION_RULE)])
    all_known = [str(each["version"]) for each in known]
    found = [each for each in all_known if each.startswith(wanted)]
    if not found:
        there = f"there are {', '.join(all_known)}" if all_known else "there is none"
        raise Problem(404, "UnknownVersion", f"no usable copy has version {wanted}; {there}")
    if len(found) > 1:
        raise wrong_input("InvalidRequest", [(field, f"several versions begin with {wanted}; write more of it")])
    return found[0]
