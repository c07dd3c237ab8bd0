"""Reads and checks the parameters of management requests. A wrong one raises :class:`BadRequestError`, which is answered with 400."""

from __future__ import annotations

import base64
import json
import math

from local.host.errors import HostError
from local.host.protocol import format_time, parse_time
from local.host.records import Instance, RuntimeStatus
from local.host.server import WebRequest

CONTINUATION = "x-ms-continuation-token"
_LONGEST_WAIT_S = 86400
_LARGEST_PAGE = 10_000
_NAMES = {status.value.lower(): status.value for status in RuntimeStatus}


class BadRequestError(HostError):
    """A parameter of the request is missing or has a wrong value."""


def check_id(instance_id: str) -> None:
    """Check the id of a new instance by the rule of the extension: ids become parts of URLs and table keys."""
    if (
        len(instance_id) > 100
        or instance_id.startswith("@")
        or any(c in "/\\#?" or not c.isprintable() for c in instance_id)
    ):
        raise BadRequestError(
            "an instance id has at most 100 characters, does not begin with @, and contains no / \\ # ? and no control character"
        )


def read_flag(request: WebRequest, name: str, *, default: bool = False) -> bool:
    """Return the value of a true-or-false parameter."""
    value = request.query.get(name)
    return default if value is None else value.lower() == "true"


def read_seconds(text: str) -> float:
    """Return a number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _LONGEST_WAIT_S:
        raise BadRequestError(f"timeout must be a number of seconds from 0 to {_LONGEST_WAIT_S}")
    return value


def read_top(text: str) -> int:
    """Return the largest number of instances on a page."""
    if (
        not text.isascii()
        or not text.isdecimal()
        or len(text) > len(str(_LARGEST_PAGE))
        or not 1 <= int(text) <= _LARGEST_PAGE
    ):
        raise BadRequestError(f"top must be a whole number from 1 to {_LARGEST_PAGE}")
    return int(text)


def read_time(request: WebRequest, name: str) -> str | None:
    """Return a time in the form of the state file, or ``None`` if the parameter is absent."""
    value = request.query.get(name)
    if not value:
        return None
    try:
        return format_time(parse_time(value.replace(" ", "+")))
    except (ValueError, OverflowError):
        raise BadRequestError(f"{name} must be a time, such as 2026-11-23T22:22:14Z") from None


def read_statuses(text: str) -> list[str]:
    """Return the runtime statuses of a comma-separated list; names are compared without case."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    return [_NAMES.get(name, name) for name in names if name in _NAMES or _exists_on_azure_only(name)]


def _exists_on_azure_only(name: str) -> bool:
    if name in ("canceled", "continuedasnew"):
        return True
    raise BadRequestError(f"'{name}' is not a runtime status")


def continuation_token(instance: Instance) -> str:
    """Return the token of the page that begins after ``instance``."""
    return base64.urlsafe_b64encode(json.dumps([instance.created, instance.instance_id]).encode()).decode()


def read_continuation_token(text: str | None) -> tuple[str, str] | None:
    """Return creation time and id of the last instance of the page before, or ``None`` for the first page."""
    if not text:
        return None
    try:
        match json.loads(base64.urlsafe_b64decode(text)):
            # half a character, which is no text for a database, is in no id
            case [str(created), str(instance_id)] if (created + instance_id).isprintable():
                return created, instance_id
    except (ValueError, RecursionError):
        pass
    raise BadRequestError(f"invalid {CONTINUATION}: use the header as returned")
