"""Which run holds a plan: one at a time."""

from __future__ import annotations

from datetime import datetime, timedelta

from catalog.runs import RunTable
from catalog.store import Row, Store, Table, put, retry_on_conflict

LEASE = timedelta(days=7)
"""How long a run that does not end holds its plan. v2 copies one model a minute, so thousands of models take days.
A run that died is noticed earlier: the starter asks the platform about its orchestration."""


class PlanTable:
    """The holder of each plan."""

    def __init__(self, store: Store, runs: RunTable) -> None:
        """Keep holders in ``store``; ``runs`` tells which of them have ended."""
        self._store = store
        self._runs = runs

    def claim(self, plan: str, run_id: str, now: datetime, steal_from: str | None = None) -> str:
        """Take the plan for ``run_id`` if it is free; return the run that holds it now.

        ``steal_from`` is a run that died without giving the plan back.
        """

        def attempt() -> str:
            row, holder = self._read(plan, now)
            if holder is not None and holder not in {run_id, steal_from}:
                return holder
            data = {"runId": run_id, "until": (now + LEASE).isoformat()}
            put(self._store, Table.PLANS, "plans", plan, data, row)
            return run_id

        return retry_on_conflict(attempt)

    def holder(self, plan: str, now: datetime) -> str | None:
        """Return the run that holds the plan, or ``None``."""
        return self._read(plan, now)[1]

    def _read(self, plan: str, now: datetime) -> tuple[Row | None, str | None]:
        """Return the plan's row as it is, and the run that holds the plan, if one does."""
        row = self._store.get(Table.PLANS, "plans", plan)
        if row is None or now >= datetime.fromisoformat(row.data["until"]):
            return row, None
        holder = str(row.data["runId"])
        record = self._runs.find(holder)
        return row, holder if record is None or record.ended_at is None else None
