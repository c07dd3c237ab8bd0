"""How moments are written in answers: one form everywhere, so that they compare as text. And how the service's own are read."""

from __future__ import annotations

from datetime import UTC, datetime


def written(moment: datetime) -> str:
    """Return ``moment`` in UTC with milliseconds and ``Z``, such as ``2026-11-23T22:22:14.643Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_of(text: str | None) -> datetime | None:
    """Return a date in the service's own words, which is UTC if it does not say, or ``None`` if it cannot be read."""
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    # the first and last hours of the calendar in another zone raise OverflowError
    except (ValueError, OverflowError):
        return None
