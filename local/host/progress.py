"""Waiting: callers wait for the end of an instance, tests until the whole host is idle."""

from __future__ import annotations

import threading
from collections.abc import Iterable


class Progress:
    """Counts the work under way and wakes waiting threads. Safe to use from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sent = 0
        self._applied = 0
        self._active = 0
        self._engine_works = True
        self._waiters: dict[str, list[threading.Event]] = {}
        self._over = False

    def sent(self) -> None:
        """Count an operation on its way to the engine."""
        with self._changed:
            self._sent += 1

    def applied(self, operations: int, finished: int) -> None:
        """Count committed operations, and the activities that ended with them."""
        with self._changed:
            self._applied += operations
            self._active -= finished

    def began(self) -> None:
        """Count the start of an activity or another task."""
        with self._changed:
            self._active += 1

    def finished(self) -> None:
        """Count the end of a task that does not report to the engine."""
        with self._changed:
            self._active -= 1
            self._changed.notify_all()

    def engine_works(self, *, works: bool) -> None:
        """Set whether the engine works, or waits for operations and due times."""
        with self._changed:
            self._engine_works = works
            if not works:
                self._changed.notify_all()

    def wait_quiet(self, timeout_s: float | None) -> bool:
        """Wait until the host only waits for due times; return ``False`` after ``timeout_s`` seconds."""
        with self._changed:
            return self._changed.wait_for(self._is_quiet, timeout_s)

    def _is_quiet(self) -> bool:
        return self._over or (self._active == 0 and not self._engine_works and self._sent == self._applied)

    def ended_event(self, instance_id: str) -> threading.Event:
        """Return an event that is set when the instance ends. It may have ended before: read its status after this call."""
        waiter = threading.Event()
        with self._changed:
            self._waiters.setdefault(instance_id, []).append(waiter)
            if self._over:
                waiter.set()
        return waiter

    def forget_waiter(self, instance_id: str, waiter: threading.Event) -> None:
        """Remove an event of :meth:`ended_event`."""
        with self._changed:
            waiters = self._waiters.get(instance_id, [])
            if waiter in waiters:
                waiters.remove(waiter)
            if not waiters:
                self._waiters.pop(instance_id, None)

    def announce(self, instance_ids: Iterable[str]) -> None:
        """Set the events of these instances."""
        with self._changed:
            waiters = [waiter for instance_id in instance_ids for waiter in self._waiters.pop(instance_id, [])]
        for waiter in waiters:
            waiter.set()

    def stopped(self) -> None:
        """Wake all waiting threads: the engine has stopped."""
        with self._changed:
            self._over = True
            waiters = [waiter for waiting in self._waiters.values() for waiter in waiting]
            self._changed.notify_all()
        for waiter in waiters:
            waiter.set()
