"""Times of the service, as aware UTC values."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from backup.json_types import Json

# v2 sends seven fractional digits, v3 and later whole seconds; SDKs write three. All are RFC 3339.
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII | re.IGNORECASE,
)

# The end of the year 9999. Unix seconds of today are near 1.7e9, .NET ticks near 6.4e17.
_LARGEST_UNIX_SECONDS = 253_402_300_799
_TICKS_PER_SECOND = 10_000_000
_UNIX_EPOCH_IN_TICKS = 621_355_968_000_000_000


def parse_time(text: str) -> datetime | None:
    """Return an RFC 3339 time, or ``None`` for other text. Digits beyond microseconds are cut; no zone means UTC."""
    if not _TIMESTAMP.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_ticks(value: Json) -> datetime | None:
    """Return a time that v2 sends as a number, or ``None`` for other values.

    The service sends Unix seconds (in all recordings since 2020-06); the article on copying shows .NET ticks (100 ns
    since the year 1). The size of the number says which it is.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    try:
        seconds: float = value
        if value > _LARGEST_UNIX_SECONDS:
            seconds = (value - _UNIX_EPOCH_IN_TICKS) / _TICKS_PER_SECOND
        return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
    except (ValueError, OverflowError, OSError):
        return None
