"""How moments are written in answers: one form everywhere, so that they compare as text."""

from __future__ import annotations

from datetime import UTC, datetime


def written(moment: datetime) -> str:
    """Return ``moment`` in UTC with milliseconds and ``Z``, such as ``2026-11-23T22:22:14.643Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
