"""What the catalog holds about each resource: when it may be called next, and when it last answered."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from catalog.store import Conflict, Store, Table, put, retry_on_conflict

REFRESH = timedelta(minutes=1)
"""An unchanged state is written at most once a minute."""


class SlotTable:
    """The next free moment of each resource and class of operation, for all plans and workers."""

    def __init__(self, store: Store) -> None:
        """Keep slots in ``store``."""
        self._store = store

    def reserve(self, resource: str, operation_class: str, interval_seconds: float, now: datetime) -> datetime:
        """Take the next free moment, ``now`` or later; the one after it is ``interval_seconds`` later.

        A slot that is not used, because a worker crashed, does no harm.
        """

        def attempt() -> datetime:
            row = self._store.get(Table.SLOTS, resource, operation_class)
            free = now if row is None else max(now, datetime.fromisoformat(row.data["nextAt"]))
            data = {"nextAt": (free + timedelta(seconds=interval_seconds)).isoformat()}
            put(self._store, Table.SLOTS, resource, operation_class, data, row)
            return free

        return retry_on_conflict(attempt)


class ReachabilityTable:
    """The last state of each resource, for the health page, which makes no calls itself."""

    def __init__(self, store: Store) -> None:
        """Keep states in ``store``."""
        self._store = store

    def note(self, resource: str, state: str, now: datetime) -> None:
        """Write that ``resource`` is in ``state`` (``reachable`` or a code). On a conflict the other writer's state stays."""
        row = self._store.get(Table.REACHABILITY, "resources", resource)
        if row and row.data["state"] == state and now - datetime.fromisoformat(row.data["at"]) < REFRESH:
            return
        with suppress(Conflict):
            put(self._store, Table.REACHABILITY, "resources", resource, {"state": state, "at": now.isoformat()}, row)

    def all(self) -> dict[str, dict[str, str]]:
        """Return the last state by resource: ``state`` and ``at`` (ISO 8601, UTC)."""
        return {row.key: dict(row.data) for row in self._store.scan(Table.REACHABILITY, partition="resources").rows}
