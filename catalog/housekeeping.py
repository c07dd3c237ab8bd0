"""Deleting what is old: runs that ended, and claims that were released."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from backup.claim import Claim
from backup.states import ClaimState
from catalog.runs import INDEX_PARTITION, RunTable, countdown
from catalog.store import Conflict, Row, RowChanged, Store, Table, put, retry_on_conflict, scan_all

RELEASED_FOR = timedelta(days=7)
"""How long a released claim is kept: steps that are delivered late need it, to see that they are."""

RUNS_PER_CALL = 200
ROWS_PER_CALL = 2_000
"""Some twenty seconds on Azure, at ten milliseconds a row: well within a function's time-out. The rest waits for the next call."""


class Housekeeping:
    """Deletes old rows, a bounded number with each call."""

    def __init__(self, store: Store, runs: RunTable) -> None:
        """Delete from ``store``; ``runs`` tells which runs have ended."""
        self._store = store
        self._runs = runs

    def purged_until(self) -> datetime | None:
        """Return until when the task hub's history is purged, or ``None`` where it never was."""
        row = self._store.get(Table.PLANS, "housekeeping", "purgedUntil")
        return None if row is None else datetime.fromisoformat(row.data["at"])

    def note_purged_until(self, moment: datetime) -> None:
        """Write until when the task hub's history is purged."""

        def attempt() -> None:
            row = self._store.get(Table.PLANS, "housekeeping", "purgedUntil")
            put(self._store, Table.PLANS, "housekeeping", "purgedUntil", {"at": moment.isoformat()}, row)

        retry_on_conflict(attempt)

    def prove_usable(self) -> None:
        """Read from every table; write a row of eight kilobytes, and delete it. Raises ``CatalogUnavailable``."""
        for table in Table:
            self._store.get(table, "doctor", "room")
        with suppress(Conflict):
            self._store.delete(self._store.insert(Table.PLANS, "doctor", uuid.uuid4().hex, {"room": "." * 8000}))

    def delete_runs_before(self, moment: datetime) -> int:
        """Delete runs that ended before ``moment``, up to 200 of them and up to 2,000 rows; return how many runs."""
        # keys count down from the newest, so runs that started before the moment lie behind it
        after = (INDEX_PARTITION, countdown(moment))
        page = self._store.scan(Table.RUN_INDEX, partition=INDEX_PARTITION, after=after, limit=RUNS_PER_CALL)
        deleted, budget = 0, ROWS_PER_CALL
        for entry in page.rows:
            record = self._runs.find(entry.data["runId"])
            if record is not None and (record.ended_at is None or record.ended_at >= moment):
                continue
            budget -= self._delete_rows(entry.data["runId"], budget)
            if budget <= 0:
                break
            # last: the next call finds a run that has rows left
            self._delete(entry)
            deleted += 1
        return deleted

    def delete_released_claims(self, targets: Iterable[str], now: datetime) -> int:
        """Delete claims that were released more than seven days ago and have no superseded ids; return how many."""
        deleted = 0
        for target in targets:
            for row in scan_all(self._store, Table.CLAIMS, partition=target):
                claim = Claim.parse(row.data)
                is_old = claim.state is ClaimState.RELEASED and claim.lease_until + RELEASED_FOR < now
                if is_old and not claim.superseded:
                    self._delete(row)
                    deleted += 1
        return deleted

    def _delete_rows(self, run_id: str, budget: int) -> int:
        """Delete up to ``budget`` rows of a run; return how many."""
        deleted = 0
        while deleted < budget:
            rows = self._store.scan(Table.RUNS, partition=run_id, limit=min(1000, budget - deleted)).rows
            if not rows:
                break
            for row in rows:
                self._delete(row)
            deleted += len(rows)
        return deleted

    def _delete(self, row: Row) -> None:
        with suppress(RowChanged):
            self._store.delete(row)
