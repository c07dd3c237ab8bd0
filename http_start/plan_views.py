"""A plan as users see it: its rules, its schedule, its last runs, and the run that is under way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from backup.configuration.sections import Plan
from backup.coverage import PlanCoverage, TargetCoverage
from backup.health import FindingCode, HealthFinding, findings_view, status, worst_first
from backup.moments import written
from backup.records import PlanRuns, RunNote, RunRecord
from backup.states import RunStatus
from wiring.plan_schedules import PlanTiming

MOST_MODELS: Final = 100
"""How many failing models, and how many that cannot be covered, are listed."""


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


def coverage_view(plan: Plan, seen: PlanCoverage | None, now: datetime) -> dict[str, Any] | None:
    """Return what each target has, as the last run saw it that could list the source; ``None`` before the first one."""
    if seen is None:
        return None
    targets = {}
    for target in plan.targets:
        numbers = seen.targets.get(target, TargetCoverage())
        targets[target] = {
            **{name: value for name, value in numbers.to_json().items() if name != "lackingSince"},
            "lackingSince": _iso(numbers.lacking_since),
            "rpoMet": seen.rpo(target, plan, now),
        }
    return {"runId": seen.run_id, "lookedAt": _iso(seen.looked_at), "targets": targets}


def findings_views(findings: Sequence[HealthFinding]) -> dict[str, Any]:
    """Return the findings of a plan: its status, what is wrong with the plan itself, and the models that fail or cannot be covered."""
    models = {"failing": FindingCode.COPY_FAILING, "notCovered": FindingCode.NOT_COVERED}
    views: dict[str, Any] = {
        "status": status(findings),
        "findings": findings_view(one for one in findings if one.code not in models.values()),
    }
    for name, code in models.items():
        found = [one for one in worst_first(findings) if one.code is code]
        views[name] = {"count": len(found), "models": [_of_model(one) for one in found[:MOST_MODELS]]}
    return views


def _of_model(finding: HealthFinding) -> dict[str, Any]:
    return {
        "target": finding.target,
        "kind": finding.kind,
        "modelId": finding.model_id,
        "code": finding.cause,
        "message": finding.message,
        "remedy": finding.advice,
        "since": _iso(finding.since),
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
