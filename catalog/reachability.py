"""When each resource last answered, and when it last could not be reached: for the health page, which makes no calls itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from catalog.store import RowChanged, RowExists, Store, Table

REFRESH = timedelta(minutes=1)
"""An unchanged state is written at most once a minute."""


class ReachabilityTable:
    """The last known state of each resource."""

    def __init__(self, store: Store) -> None:
        """Keep states in ``store``."""
        self._store = store

    def note(self, resource: str, state: str, now: datetime) -> None:
        """Remember that ``resource`` was found ``state`` (``reachable`` or a code). Losing a race here loses nothing."""
        row = self._store.get(Table.REACHABILITY, "resources", resource)
        data = {"state": state, "at": now.isoformat()}
        try:
            if row is None:
                self._store.insert(Table.REACHABILITY, "resources", resource, data)
            elif row.data["state"] != state or now - datetime.fromisoformat(row.data["at"]) >= REFRESH:
                self._store.replace(row, data)
        except (RowExists, RowChanged):
            return

    def all(self) -> dict[str, dict[str, str]]:
        """Return what is known, by resource: ``state`` and ``at`` (ISO 8601, UTC)."""
        return {row.key: dict(row.data) for row in self._store.scan(Table.REACHABILITY, partition="resources").rows}
