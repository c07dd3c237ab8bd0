"""Slots: moments at which a resource may be called, handed out one by one to all plans and workers."""

from __future__ import annotations

from datetime import datetime, timedelta

from catalog.store import RowExists, Store, Table
from catalog.stored import retry_on_conflict


class SlotTable:
    """The next free moment per resource and class of operation. A slot that is wasted by a crash is fine."""

    def __init__(self, store: Store) -> None:
        """Keep slots in ``store``."""
        self._store = store

    def reserve(self, resource: str, operation_class: str, interval_seconds: float, now: datetime) -> datetime:
        """Take the next free moment, no earlier than ``now``, and make the one after it free ``interval_seconds`` later."""

        def attempt() -> datetime:
            row = self._store.get(Table.SLOTS, resource, operation_class)
            free = now if row is None else max(now, datetime.fromisoformat(row.data["nextAt"]))
            data = {"nextAt": (free + timedelta(seconds=interval_seconds)).isoformat()}
            if row is None:
                self._store.insert(Table.SLOTS, resource, operation_class, data)
            else:
                self._store.replace(row, data)
            return free

        return retry_on_conflict(attempt, RowExists)
