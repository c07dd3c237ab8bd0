"""Tidying the catalog: runs that ended long ago, and claims that were given back long ago."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from backup.claim import Claim
from backup.states import ClaimState
from catalog.runs import INDEX_PARTITION, RunTable
from catalog.store import Row, RowChanged, RowExists, Store, Table
from catalog.stored import retry_on_conflict, scan_all

RELEASED_FOR = timedelta(days=7)
"""How long a released claim is kept: long enough to tell a phantom that it is too late."""

RUNS_PER_CALL = 200
ROWS_PER_CALL = 2_000
"""At some ten milliseconds a row on Azure, well within a function's time-out; what is left waits for the next call."""


class Housekeeping:
    """Deletes what nobody needs any more, a bounded number of rows at a time."""

    def __init__(self, store: Store, runs: RunTable) -> None:
        """Tidy ``store``."""
        self._store = store
        self._runs = runs

    def purged_until(self) -> datetime | None:
        """Return up to when the task hub's history was purged, or ``None`` where it never was."""
        row = self._store.get(Table.PLANS, "housekeeping", "purgedUntil")
        return None if row is None else datetime.fromisoformat(row.data["at"])

    def note_purged_until(self, moment: datetime) -> None:
        """Remember up to when the task hub's history was purged."""

        def attempt() -> None:
            row = self._store.get(Table.PLANS, "housekeeping", "purgedUntil")
            data = {"at": moment.isoformat()}
            if row is None:
                self._store.insert(Table.PLANS, "housekeeping", "purgedUntil", data)
            else:
                self._store.replace(row, data)

        retry_on_conflict(attempt, RowExists)

    def delete_runs_before(self, moment: datetime) -> int:
        """Delete runs that ended before ``moment``, up to 200 of them and up to 2,000 rows; return how many runs."""
        # keys count down from the newest, so runs that started before the moment lie behind this one
        countdown = 10**13 - int(moment.timestamp() * 1000)
        page = self._store.scan(
            Table.RUN_INDEX,
            partition=INDEX_PARTITION,
            after=(INDEX_PARTITION, f"{countdown:013d}"),
            limit=RUNS_PER_CALL,
        )
        deleted, budget = 0, ROWS_PER_CALL
        for entry in page.rows:
            record = self._runs.find(entry.data["runId"])
            if record is not None and (record.ended_at is None or record.ended_at >= moment):
                continue
            budget -= self._delete_partition(Table.RUNS, entry.data["runId"], budget)
            if budget <= 0:
                break
            # last, so that a run of which rows are left is found again
            self._delete(entry)
            deleted += 1
        return deleted

    def delete_released_claims(self, targets: Iterable[str], now: datetime) -> int:
        """Delete claims that were given back more than seven days ago and left nothing behind; return how many."""
        deleted = 0
        for target in targets:
            for row in scan_all(self._store, Table.CLAIMS, partition=target):
                claim = Claim.parse(row.data)
                is_old = claim.state is ClaimState.RELEASED and claim.lease_until + RELEASED_FOR < now
                if is_old and not claim.superseded:
                    self._delete(row)
                    deleted += 1
        return deleted

    def _delete_partition(self, table: Table, partition: str, budget: int) -> int:
        """Delete up to ``budget`` rows of a partition; return how many there were to delete."""
        deleted = 0
        while deleted < budget:
            rows = self._store.scan(table, partition=partition, limit=min(1000, budget - deleted)).rows
            for row in rows:
                self._delete(row)
            deleted += len(rows)
            if not rows:
                break
        return deleted

    def _delete(self, row: Row) -> None:
        try:
            self._store.delete(row)
        except RowChanged:
            return
