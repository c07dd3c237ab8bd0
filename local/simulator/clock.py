"""The clocks of the simulated service: all times but the waits of faults are computed from them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Any clock. The admin routes can move a clock that also has ``advance(seconds)``."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until a test moves it. Safe to use from several threads."""

    def __init__(self, start: datetime = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError("start must be time zone aware")
        self._now = start.astimezone(UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the time of the clock."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> datetime:
        """Move the clock forward by ``seconds`` (0 or more) and return the new time."""
        if seconds < 0:
            raise ValueError("a clock only moves forward: seconds must not be negative")
        with self._lock:
            self._now += timedelta(seconds=seconds)
            return self._now
