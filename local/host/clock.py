"""The clocks of the host: that of the machine, and one that a test moves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

# A waiting engine reads the clock at least this often: the system clock may be corrected meanwhile.
_LONGEST_SLEEP_S = 30.0


class Clock(Protocol):
    """The time, as the host needs it. All instants are aware and in UTC."""

    def now(self) -> datetime:
        """Return the current instant."""
        ...

    def seconds_to_wait(self, until: datetime | None) -> float | None:
        """Return how many real seconds to wait before the next look at the clock; ``None``: until the next operation."""
        ...

    def subscribe(self, on_change: Callable[[], None]) -> None:
        """Call ``on_change`` after every jump of the time."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current instant."""
        return datetime.now(UTC)

    def seconds_to_wait(self, until: datetime | None) -> float | None:
        """Return the seconds up to ``until``, at most half a minute; ``None`` if ``until`` is ``None``."""
        if until is None:
            return None
        return min(max(0.0, (until - self.now()).total_seconds()), _LONGEST_SLEEP_S)

    def subscribe(self, on_change: Callable[[], None]) -> None:
        """Do nothing: this clock does not jump."""


class ManualClock:
    """A clock that stands still until a test moves it; nothing fires in between.

    Args:
        start: its first instant, aware. The default is fixed, so that recorded histories repeat.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError("ManualClock needs an aware datetime, for example datetime(2026, 1, 1, tzinfo=UTC)")
        self._now = start.astimezone(UTC)
        self._lock = threading.Lock()
        self._subscribers: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """Return the instant that it was set to last."""
        with self._lock:
            return self._now

    def seconds_to_wait(self, until: datetime | None) -> float | None:
        """Return 0 if ``until`` has come, else ``None``: only a jump can change that."""
        return 0.0 if until is not None and until <= self.now() else None

    def subscribe(self, on_change: Callable[[], None]) -> None:
        """Call ``on_change`` after every jump."""
        with self._lock:
            self._subscribers.append(on_change)

    def advance(self, seconds: float) -> None:
        """Move forward by ``seconds``."""
        self.set(self.now() + timedelta(seconds=seconds))

    def set(self, instant: datetime) -> None:
        """Move to ``instant``; an earlier one raises ``ValueError``, because the times of a history only increase."""
        with self._lock:
            if instant < self._now:
                raise ValueError(f"the clock is at {self._now.isoformat()} and cannot go back to {instant.isoformat()}")
            self._now = instant.astimezone(UTC)
            subscribers = list(self._subscribers)
        for call in subscribers:
            call()
