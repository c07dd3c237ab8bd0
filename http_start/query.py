"""Reading query parameters, with problems that say which one is wrong and what would be right."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

import azure.functions as func

from backup.configuration.problems import path_of
from http_start.problems import Problem

OF_THE_PLATFORM = {"code", "clientid"}
"""Parameters that every function may be called with: its key, and the key's name."""

Member = TypeVar("Member", bound=StrEnum)


def wrong_parameter(name: str, detail: str, code: str = "InvalidRequest") -> Problem:
    """Return the problem of one query parameter."""
    return Problem(400, code, f"{name}: {detail}", [{"parameter": name, "detail": detail}])


def check_parameters(request: func.HttpRequest, *allowed: str) -> None:
    """Refuse query parameters other than ``allowed``: a misspelt one would be ignored silently. Raises ``Problem``."""
    unknown = [name for name in request.params if name not in allowed and name.lower() not in OF_THE_PLATFORM]
    if not unknown:
        return
    right = f"the parameters are {', '.join(allowed)}" if allowed else "this call takes none"
    detail = f"unknown parameter; {right}"
    errors = [{"parameter": name, "detail": detail} for name in map(path_of, unknown)]
    raise Problem(400, "UnknownParameter", "; ".join(f"{error['parameter']}: {detail}" for error in errors), errors)


def whole_number(request: func.HttpRequest, name: str, default: int, most: int) -> int:
    """Return a whole number from the query. Raises ``Problem``."""
    text: str | None = request.params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or int(text[:9]) > most:
        raise wrong_parameter(name, f"not a whole number from 0 to {most}")
    return int(text)


def choice(request: func.HttpRequest, name: str, kind: type[Member]) -> Member | None:
    """Return a query parameter as a member of the enumeration ``kind``, or ``None``. Raises ``Problem``."""
    text = request.params.get(name)
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        raise wrong_parameter(name, f"not one of {', '.join(kind)}") from None
