"""The findings that hold now, by scope: what was observed last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from backup.health import Changes, HealthFinding, changes
from catalog.store import Conflict, Row, RowChanged, Store, Table, put, scan_all

AS_OF = "asOf"
"""The key of the row that says how old the observation of a scope is."""


class FindingTable:
    """The findings, one partition for each scope, such as ``run|nightly`` or ``app``."""

    def __init__(self, store: Store) -> None:
        """Keep findings in ``store``."""
        self._store = store

    def of(self, scope: str) -> list[HealthFinding]:
        """Return the findings of one scope."""
        return [finding for finding, _ in self._rows(scope)]

    def all(self) -> Iterator[tuple[str, HealthFinding]]:
        """Go through all findings, each with its scope."""
        for row in scan_all(self._store, Table.FINDINGS):
            if row.key != AS_OF:
                yield row.partition, HealthFinding.parse(row.data)

    def as_of(self, scope: str) -> datetime | None:
        """Return the moment of the scope's last observation, or ``None``."""
        row = self._store.get(Table.FINDINGS, scope, AS_OF)
        return None if row is None else datetime.fromisoformat(row.data["at"])

    def compare(self, scope: str, found: Iterable[HealthFinding], now: datetime, as_of: datetime) -> Changes:
        """Return what :meth:`observe` would change. Writes nothing."""
        last = self.as_of(scope)
        return Changes() if last is not None and as_of < last else changes(self.of(scope), found, now)

    def observe(self, scope: str, found: Sequence[HealthFinding], now: datetime, as_of: datetime) -> Changes:
        """Make ``found`` the findings of ``scope``; return what began and what ended. Repeating it changes nothing.

        Parameters
        ----------
        found: everything that is wrong in this scope.
        now: since when findings hold that are new (UTC).
        as_of: how old the observation is (UTC). One that is older than the last changes nothing: it was delivered late.
        """
        mark = self._store.get(Table.FINDINGS, scope, AS_OF)
        if mark is not None and as_of < datetime.fromisoformat(mark.data["at"]):
            return Changes()
        rows = {finding.key: (finding, row) for finding, row in self._rows(scope)}
        changed = changes([finding for finding, _ in rows.values()], found, now)
        new = {finding.key: finding.to_json() for finding in changed.began}
        self._store.ensure(Table.FINDINGS, scope, new)
        for finding in found:
            if finding.key not in rows:
                continue
            known, row = rows[finding.key]
            current = finding.replace(since=known.since)
            if current != known:
                with suppress(Conflict):
                    self._store.replace(row, current.to_json())
        for finding in changed.ended:
            with suppress(RowChanged):
                self._store.delete(rows[finding.key][1])
        with suppress(Conflict):
            put(self._store, Table.FINDINGS, scope, AS_OF, {"at": as_of.isoformat()}, mark)
        return changed

    def _rows(self, scope: str) -> Iterator[tuple[HealthFinding, Row]]:
        for row in scan_all(self._store, Table.FINDINGS, partition=scope):
            if row.key != AS_OF:
                yield HealthFinding.parse(row.data), row
