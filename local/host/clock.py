"""Where the host gets its time from: the machine, or a test that drives it by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

# A sleeping engine looks at the clock at least this often, so that a corrected system clock is noticed.
_LONGEST_SLEEP_S = 30.0


class Clock(Protocol):
    """What the host needs to know about time. All instants are UTC-aware."""

    def now(self) -> datetime:
        """Return the current instant."""
        ...

    def seconds_to_wait(self, until: datetime | None) -> float | None:
        """Return how many real seconds to sleep before looking again; ``None`` means until the next call."""
        ...

    def subscribe(self, on_change: Callable[[], None]) -> None:
        """Have ``on_change`` called whenever the time jumps."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current instant, UTC."""
        return datetime.now(UTC)

    def seconds_to_wait(self, until: datetime | None) -> float | None:
        """Return the seconds up to ``until``, at most half a minute; ``None`` when there is nothing to wait for."""
        if until is None:
            return None
        return min(max(0.0, (until - self.now()).total_seconds()), _LONGEST_SLEEP_S)

    def subscribe(self, on_change: Callable[[], None]) -> None:
        """Do nothing: this clock never jumps on request."""


class ManualClock:
    """A clock that stands still until it is told to move; nothing fires in between.

    Args:
        start: where it begins, UTC-aware. Defaults to a fixed instant, so that recorded histories repeat.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError("ManualClock needs an aware datetime, for example datetime(2026, 1, 1, tzinfo=UTC)")
        self._now = start.astimezone(UTC)
        self._lock = threading.Lock()
        self._subscribers: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """Return the instant it was last set to."""
        with self._lock:
            return self._now

    def seconds_to_wait(self, until: datetime | None) -> float | None:
        """Return 0 when ``until`` has come, else ``None``: only a jump can change anything."""
        return 0.0 if until is not None and until <= self.now() else None

    def subscribe(self, on_change: Callable[[], None]) -> None:
        """Have ``on_change`` called after every jump."""
        with self._lock:
            self._subscribers.append(on_change)

    def advance(self, seconds: float) -> None:
        """Move forward by ``seconds``."""
        self.set(self.now() + timedelta(seconds=seconds))

    def set(self, instant: datetime) -> None:
        """Move to ``instant``; going back raises ``ValueError``, because recorded histories only go forward."""
        with self._lock:
            if instant < self._now:
                raise ValueError(f"the clock is at {self._now.isoformat()} and cannot go back to {instant.isoformat()}")
            self._now = instant.astimezone(UTC)
            subscribers = list(self._subscribers)
        for call in subscribers:
            call()
