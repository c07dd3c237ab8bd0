"""A plan as users see it: its rules, its schedule, its last runs, and the run that is under way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, cast

from backup.configuration.sections import Plan as Rules
from backup.coverage import PlanCoverage, TargetCoverage
from backup.health import FindingCode, HealthFinding, findings_view, status, worst_first
from backup.moments import written
from backup.planning.decisions import Action
from backup.records import PlanRuns, RunNote, RunRecord
from backup.states import RunStatus
from http_start import plan_types as types
from http_start.plan_types import (
    Coverage,
    LastRun,
    ModelFinding,
    ModelFindings,
    Plan,
    PlanCore,
    PlanFindings,
    PlanSummary,
    UnderWay,
)
from wiring.plan_schedules import PlanTiming

MOST_MODELS: Final = 100
"""How many failing models, and how many that cannot be covered, are listed."""


def plan_view(name: str, plan: Rules, timing: PlanTiming, runs: PlanRuns, held: RunRecord | None) -> PlanCore:
    """Return a plan. ``held`` is the run that holds it: under way, or one that died, which is then its last run."""
    is_under_way = held is not None and held.status in {RunStatus.PENDING, RunStatus.RUNNING}
    if held is not None and not is_under_way:
        runs = runs.with_run(RunNote.of(held))
    state = timing.state
    paused_at = state.paused_at if state is not None else None
    return {
        "name": name,
        "source": plan.source,
        "targets": list(plan.targets),
        "schedule": timing.schedule,
        "ownSchedule": timing.is_own,
        "scheduleProblem": timing.problem,
        "nextStart": None if paused_at else _iso(timing.next_due),
        "paused": {"since": written(paused_at), "reason": state.pause_reason or ""} if state and paused_at else None,
        "rpoHours": plan.rpo_hours,
        "underWay": _under_way(held) if held is not None and is_under_way else None,
        "lastRun": _ended(runs.last),
        "lastGoodRun": _ended(runs.last_good),
    }


def coverage_view(plan: Rules, seen: PlanCoverage | None, now: datetime) -> Coverage | None:
    """Return what each target has, as the last run saw it that could list the source; ``None`` before the first one."""
    if seen is None:
        return None
    targets: dict[str, types.TargetCoverage] = {}
    for target in plan.targets:
        numbers = seen.targets.get(target, TargetCoverage())
        targets[target] = {
            "models": numbers.models,
            "covered": numbers.covered,
            "notCovered": numbers.not_covered,
            "failing": numbers.failing,
            "inTraining": numbers.in_training,
            "lackingSince": _iso(numbers.lacking_since),
            "rpoMet": seen.rpo(target, plan, now),
        }
    return {"runId": seen.run_id, "lookedAt": written(seen.looked_at), "targets": targets}


def findings_views(findings: Sequence[HealthFinding], covered: Coverage | None) -> PlanFindings:
    """Return the findings of a plan: its status, what is wrong with the plan itself, and the models that fail or cannot be covered."""
    of_models = {FindingCode.COPY_FAILING, FindingCode.NOT_COVERED}
    return {
        "status": status(findings),
        "findings": findings_view(one for one in findings if one.code not in of_models),
        "failing": _of_models(findings, FindingCode.COPY_FAILING),
        "notCovered": _of_models(findings, FindingCode.NOT_COVERED),
        "coverage": covered,
    }


def summary(plan: Plan) -> PlanSummary:
    """Return a plan as it stands in the list of plans: of failing and not covered copies only the numbers."""
    numbers = {"failing": plan["failing"]["count"], "notCovered": plan["notCovered"]["count"]}
    return cast("PlanSummary", {**plan, **numbers})


def _of_models(findings: Sequence[HealthFinding], code: FindingCode) -> ModelFindings:
    found = [one for one in worst_first(findings) if one.code is code]
    return {"count": len(found), "models": [_of_model(one) for one in found[:MOST_MODELS]]}


def _of_model(finding: HealthFinding) -> ModelFinding:
    return {
        "target": finding.target,
        "kind": finding.kind,
        "modelId": finding.model_id,
        "code": finding.cause,
        "message": finding.message,
        "remedy": finding.advice,
        "since": _iso(finding.since),
    }


def _under_way(record: RunRecord) -> UnderWay:
    return {
        "runId": record.run_id,
        "status": record.status,
        "startedAt": written(record.started_at),
        "progress": {"done": record.done, "total": record.total},
    }


def _ended(note: RunNote | None) -> LastRun | None:
    if note is None:
        return None
    return {
        "runId": note.run_id,
        "status": note.status,
        "startedAt": written(note.started_at),
        "endedAt": _iso(note.ended_at),
        "total": note.total,
        "counts": cast("dict[Action, int]", note.counts),
        "notCovered": note.not_covered,
        "code": note.code,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else written(moment)
