"""Closing a run: write how it ended, say so, and let its plan's findings follow. Repeating it changes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from backup.codes import Code
from backup.coverage import StateInTarget, coverage, findings_of_end, findings_of_rows, states_in_targets
from backup.health import HealthFinding
from backup.messages.run import RunClosing
from backup.moments import written
from backup.planning.decisions import Decision, Finding
from backup.records import RunRecord
from backup.states import RunStatus
from wiring.events import Event, emit
from wiring.health import run_scope, tell
from wiring.services import Services

_NOTHING_DONE = {Code.PLAN_RUNNING, Code.PLAN_CHANGED}
"""Codes of runs that gave way, to another run or to a plan that differs from the approved one: they say nothing about the plan."""

MODELS_PER_EVENT = 100
"""An entry takes at most 160 characters, and Application Insights cuts a message after 32,768."""


def close(services: Services, closing: RunClosing) -> RunRecord:
    """Close the run in the catalog and return its record. Note what it shows about its plan, and queue what is to be told."""
    record = services.catalog.runs.close(closing, services.now())
    _emit_end(services, record)
    if record.plan is not None and record.kind != "rebuild" and not record.dry_run and record.code not in _NOTHING_DONE:
        services.catalog.plans.note_run(record)
        if record.status is not RunStatus.CANCELLED:
            _observe(services, record, record.plan)
    return record


def _emit_end(services: Services, record: RunRecord) -> None:
    """Emit ``runEnded``; again if the run was closed before, because the event of that call may have been lost with its answer."""
    plan = services.configuration.plans.get(record.plan or "")
    ended_at = record.ended_at or services.now()
    emit(
        Event.RUN_ENDED,
        run=record.run_id,
        plan=record.plan,
        kind=record.kind,
        dryRun=record.dry_run,
        status=record.status,
        total=record.total,
        rows=record.statuses,
        failures=record.failures,
        notCovered=record.not_covered,
        counts=record.counts,
        source=plan.source if plan else next(iter(record.sources), None),
        targets=list(plan.targets) if plan else record.targets,
        startedAt=written(record.started_at),
        endedAt=written(ended_at),
        durationSeconds=round((ended_at - record.started_at).total_seconds()),
        code=record.code,
        message=record.message,
    )


def _observe(services: Services, record: RunRecord, plan: str) -> None:
    """Note the coverage of the plan and its findings. A run that could not decide says nothing about the plan's models."""
    runs, scope = services.catalog.runs, run_scope(plan)
    decisions = [Decision.parse(entry) for entry in runs.read_chunks(record.run_id, "decision-")]
    found = findings_of_end(record)
    if decisions or record.status is RunStatus.SUCCEEDED:
        rows = list(runs.rows(record.run_id))
        plans, states = services.catalog.plans, list(states_in_targets(decisions, rows))
        plans.note_coverage(plan, coverage(record, states, plans.coverage(plan)))
        _emit_states(services, record, plan, states)
        in_plan = [Finding.parse(entry) for entry in runs.read_chunks(record.run_id, "finding-")]
        found += findings_of_rows(record, rows, decisions, in_plan)
    else:
        found += [finding for finding in services.catalog.findings.of(scope) if _is_about_models(finding)]
    tell(services, scope, found, record.ended_at or services.now(), as_of=record.started_at)


def _emit_states(services: Services, record: RunRecord, plan: str, states: Iterable[StateInTarget]) -> None:
    """Emit the state of each model in each target, so many models in one event as the log takes."""
    by_target: dict[str, list[StateInTarget]] = {}
    for each in states:
        by_target.setdefault(each.target, []).append(each)
    resources = services.configuration.resources
    for target, known in by_target.items():
        pieces = range(0, len(known), MODELS_PER_EVENT)
        for number, first in enumerate(pieces, start=1):
            emit(
                Event.MODEL_STATES,
                run=record.run_id,
                plan=plan,
                source=services.configuration.plan(plan).source,
                target=target,
                region=resources[target].region if target in resources else None,
                piece=number,
                pieces=len(pieces),
                models=[_state_view(each) for each in known[first : first + MODELS_PER_EVENT]],
            )


def _state_view(each: StateInTarget) -> dict[str, str]:
    outcome = each.row.outcome if each.row else None
    code = {"code": str(outcome.code)} if outcome is not None and outcome.code is not None else {}
    return {"kind": each.kind, "model": each.model_id, "state": each.state, **code}


def _is_about_models(finding: HealthFinding) -> bool:
    return finding.target is not None
