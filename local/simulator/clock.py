"""The time that the simulated service lives in: everything but the waiting of faults is computed from it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Anything that knows the time. A clock that also has ``advance(seconds)`` can be moved by the admin routes."""

    def now(self) -> datetime:
        """Give the present moment, time zone aware, in UTC."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Give the present moment in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is told to move; safe to share between threads."""

    def __init__(self, start: datetime = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError("start must be time zone aware")
        self._now = start.astimezone(UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Give the moment that the clock stands at."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> datetime:
        """Move the clock forward by ``seconds`` (not negative) and give the new moment."""
        if seconds < 0:
            raise ValueError("a clock only moves forward: seconds must not be negative")
        with self._lock:
            self._now += timedelta(seconds=seconds)
            return self._now
