"""Who waits for what: callers for an instance's end, tests for the whole host to come to rest."""

from __future__ import annotations

import threading
from collections.abc import Iterable


class Progress:
    """Counts work under way and wakes those who wait. Safe from any thread."""

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
        """Count operations that are committed, and the activities whose end was among them."""
        with self._changed:
            self._applied += operations
            self._active -= finished

    def began(self) -> None:
        """Count an activity or other task that begins."""
        with self._changed:
            self._active += 1

    def finished(self) -> None:
        """Count a task that ended without the engine."""
        with self._changed:
            self._active -= 1
            self._changed.notify_all()

    def engine_works(self, *, works: bool) -> None:
        """Say whether the engine has something to do besides waiting for operations and times."""
        with self._changed:
            self._engine_works = works
            if not works:
                self._changed.notify_all()

    def wait_quiet(self, timeout_s: float | None) -> bool:
        """Wait until nothing runs and nothing waits but times; ``False`` after ``timeout_s`` seconds."""
        with self._changed:
            return self._changed.wait_for(self._is_quiet, timeout_s)

    def _is_quiet(self) -> bool:
        return self._over or (self._active == 0 and not self._engine_works and self._sent == self._applied)

    def ended_event(self, instance_id: str) -> threading.Event:
        """Return an event that is set when the instance ends (it may have already: look at its status afterwards)."""
        waiter = threading.Event()
        with self._changed:
            self._waiters.setdefault(instance_id, []).append(waiter)
            if self._over:
                waiter.set()
        return waiter

    def forget_waiter(self, instance_id: str, waiter: threading.Event) -> None:
        """Give up an event from :meth:`ended_event`."""
        with self._changed:
            waiters = self._waiters.get(instance_id, [])
            if waiter in waiters:
                waiters.remove(waiter)
            if not waiters:
                self._waiters.pop(instance_id, None)

    def announce(self, instance_ids: Iterable[str]) -> None:
        """Wake those who wait for these instances."""
        with self._changed:
            waiters = [waiter for instance_id in instance_ids for waiter in self._waiters.pop(instance_id, [])]
        for waiter in waiters:
            waiter.set()

    def give_up(self) -> None:
        """Wake everybody: the engine has stopped."""
        with self._changed:
            self._over = True
            waiters = [waiter for waiting in self._waiters.values() for waiter in waiting]
            self._changed.notify_all()
        for waiter in waiters:
            waiter.set()
