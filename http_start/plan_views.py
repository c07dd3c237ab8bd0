"""A plan as users see it: its rules, its schedule, its last runs, and the run that is under way."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backup.configuration.sections import Plan
from backup.moments import written
from backup.records import PlanRuns, RunNote, RunRecord
from backup.states import RunStatus
from wiring.plan_schedules import PlanTiming


def plan_view(name: str, plan: Plan, timing: PlanTiming, runs: PlanRuns, held: RunRecord | None) -> dict[str, Any]:
    """Return a plan. ``held`` is the run that holds it: under way, or one that died, which is then its last run."""
    is_under_way = held is not None and held.status in {RunStatus.PENDING, RunStatus.RUNNING}
    if held is not None and not is_under_way:
        runs = runs.with_run(RunNote.of(held))
    state = timing.state
    is_paused = state is not None and state.paused_at is not None
    return {
        "name": name,
        "source": plan.source,
        "targets": list(plan.targets),
        "schedule": timing.schedule,
        "ownSchedule": timing.is_own,
        "scheduleProblem": timing.problem,
        "nextStart": None if is_paused else _iso(timing.next_due),
        "paused": {"since": _iso(state.paused_at), "reason": state.pause_reason} if state and is_paused else None,
        "rpoHours": plan.rpo_hours,
        "underWay": _under_way(held) if held is not None and is_under_way else None,
        "lastRun": _ended(runs.last),
        "lastGoodRun": _ended(runs.last_good),
    }


def _under_way(record: RunRecord) -> dict[str, Any]:
    return {
        "runId": record.run_id,
        "status": record.status,
        "startedAt": _iso(record.started_at),
        "progress": {"done": record.done, "total": record.total},
    }


def _ended(note: RunNote | None) -> dict[str, Any] | None:
    moments = {} if note is None else {"startedAt": _iso(note.started_at), "endedAt": _iso(note.ended_at)}
    return None if note is None else {**note.to_json(), **moments, "code": note.code}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else written(moment)
