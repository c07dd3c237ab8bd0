"""What the catalog holds about each plan: which run holds it, what of its schedule is settled, and its last runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from backup.codes import Code
from backup.coverage import PlanCoverage
from backup.messages import Message
from backup.records import PlanRuns, PlanState, RunNote, RunRecord
from catalog.runs import RunTable
from catalog.store import Row, Store, Table, put, retry_on_conflict

Record = TypeVar("Record", bound=Message)

LEASE = timedelta(days=7)
"""How long a run that does not end holds its plan. v2 copies one model a minute, so thousands of models take days.
A run that died is noticed earlier: the starter asks the platform about its orchestration."""


class PlanTable:
    """The holder of each plan, its state, and the runs that it remembers: a row each."""

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

    def state(self, plan: str) -> PlanState | None:
        """Return the state of a plan, or ``None`` if it was never seen."""
        row = self._store.get(Table.PLANS, "plans", f"state|{plan}")
        return None if row is None else PlanState.parse(row.data)

    def change_state(self, plan: str, change: Callable[[PlanState | None], PlanState]) -> PlanState:
        """Write what ``change`` makes of a plan's state, and return it. Nothing is written if nothing changes."""
        return self._change(f"state|{plan}", PlanState, change)

    def runs(self, plan: str) -> PlanRuns:
        """Return the runs that a plan remembers."""
        row = self._store.get(Table.PLANS, "plans", f"runs|{plan}")
        return PlanRuns() if row is None else PlanRuns.parse(row.data)

    def note_run(self, record: RunRecord) -> None:
        """Let the plan of a run that has ended remember it. Dry runs, runs that gave way, and runs without a plan are left out."""
        if record.plan is None or record.dry_run or record.code == Code.PLAN_RUNNING:
            return
        note = RunNote.of(record)
        self._change(f"runs|{record.plan}", PlanRuns, lambda known: (known or PlanRuns()).with_run(note))

    def coverage(self, plan: str) -> PlanCoverage | None:
        """Return what the last run of a plan showed that could list its source, or ``None``."""
        row = self._store.get(Table.PLANS, "plans", f"coverage|{plan}")
        return None if row is None else PlanCoverage.parse(row.data)

    def note_coverage(self, plan: str, seen: PlanCoverage) -> None:
        """Write what a run showed, unless a later one is known."""

        def attempt() -> None:
            row = self._store.get(Table.PLANS, "plans", f"coverage|{plan}")
            if row is None or PlanCoverage.parse(row.data).looked_at <= seen.looked_at:
                put(self._store, Table.PLANS, "plans", f"coverage|{plan}", seen.to_json(), row)

        retry_on_conflict(attempt)

    def _change(self, key: str, kind: type[Record], change: Callable[[Record | None], Record]) -> Record:
        def attempt() -> Record:
            row = self._store.get(Table.PLANS, "plans", key)
            before = None if row is None else kind.parse(row.data)
            after = change(before)
            if after != before:
                put(self._store, Table.PLANS, "plans", key, after.to_json(), row)
            return after

        return retry_on_conflict(attempt)

    def _read(self, plan: str, now: datetime) -> tuple[Row | None, str | None]:
        """Return the plan's row as it is, and the run that holds the plan, if one does."""
        row = self._store.get(Table.PLANS, "plans", plan)
        if row is None or now >= datetime.fromisoformat(row.data["until"]):
            return row, None
        holder = str(row.data["runId"])
        record = self._runs.find(holder)
        return row, holder if record is None or record.ended_at is None else None
