"""Which run of a plan is under way: one at a time."""

from __future__ import annotations

from datetime import datetime, timedelta

from catalog.runs import RunTable
from catalog.store import RowExists, Store, Table
from catalog.stored import retry_on_conflict

LEASE = timedelta(days=7)
"""A run that says nothing of its end for so long does not hold its plan any more. v2 copies one model a minute: thousands take days.
A run that died is found out earlier, by asking the platform about its orchestration."""


class PlanTable:
    """The holder of each plan."""

    def __init__(self, store: Store, runs: RunTable) -> None:
        """Keep holders in ``store``; ``runs`` tells which of them have ended."""
        self._store = store
        self._runs = runs

    def claim(self, plan: str, run_id: str, now: datetime, steal_from: str | None = None) -> str:
        """Take the plan for ``run_id`` if nobody holds it; return who holds it then.

        ``steal_from`` is a run that is known to be dead, although it did not say so.
        """

        def attempt() -> str:
            row = self._store.get(Table.PLANS, "plans", plan)
            data = {"runId": run_id, "until": (now + LEASE).isoformat()}
            if row is None:
                self._store.insert(Table.PLANS, "plans", plan, data)
                return run_id
            holder = str(row.data["runId"])
            if holder != run_id and holder != steal_from and self._is_live(row.data["until"], holder, now):
                return holder
            self._store.replace(row, data)
            return run_id

        return retry_on_conflict(attempt, RowExists)

    def holder(self, plan: str, now: datetime) -> str | None:
        """Return the run that holds the plan, or ``None``."""
        row = self._store.get(Table.PLANS, "plans", plan)
        if row is None or not self._is_live(row.data["until"], str(row.data["runId"]), now):
            return None
        return str(row.data["runId"])

    def _is_live(self, until: str, holder: str, now: datetime) -> bool:
        if now >= datetime.fromisoformat(until):
            return False
        record = self._runs.find(holder)
        return record is None or record.ended_at is None
