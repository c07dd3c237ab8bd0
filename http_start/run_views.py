"""A run as users see it: its record and rows, joined with the claims of copies under way."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

from backup.messages.run import RunRequest
from backup.moments import written
from backup.records import RunRecord, RunRow, rows_of
from backup.states import RESUME_AT, CopyStatus, Step
from wiring.services import Services

FIRST_COPIES = 100
FIRST_WAITS = 20


def copy_view(app: Services, run_id: str, row: RunRow) -> dict[str, Any]:
    """Return one copy of a run."""
    view = _as_requested(row)
    outcome = row.outcome
    if outcome is not None:
        view.update(
            targetModelId=outcome.target_model_id,
            step=Step.DONE,
            polls=outcome.polls,
            code=outcome.code,
            message=outcome.message,
            apiVersion=outcome.api_version,
            verifiedAt=_iso(outcome.verified_at),
            endedAt=_iso(outcome.ended_at),
        )
    elif row.status is CopyStatus.RUNNING:
        view.update(_under_way(app, run_id, row))
    return view


def _as_requested(row: RunRow) -> dict[str, Any]:
    return {
        "action": row.action,
        "source": row.source,
        "target": row.target,
        "kind": row.kind,
        "modelId": row.model_id,
        "targetModelId": row.target_model_id,
        "status": row.status,
        "polls": 0,
        **dict.fromkeys(("step", "code", "message", "apiVersion", "verifiedAt", "endedAt")),
        "startedAt": _iso(row.started_at),
    }


def _under_way(app: Services, run_id: str, row: RunRow) -> dict[str, Any]:
    held = app.catalog.claims.get(row.target, row.kind, row.source, row.model_id)
    if held is None or (held.record.run_id, held.record.row) != (run_id, row.row):
        return {"step": Step.INSPECT}
    claim = held.record
    return {
        "step": RESUME_AT[claim.state],
        "polls": claim.polls,
        "targetModelId": claim.target_model_id,
        "apiVersion": claim.source_api_version,
        "verifiedAt": _iso(claim.verified_at),
    }


def run_summary(record: RunRecord) -> dict[str, Any]:
    """Return a run without its copies."""
    summary: dict[str, Any] = {
        "runId": record.run_id,
        "kind": record.kind,
        "status": record.status,
        "startedAt": _iso(record.started_at),
        "endedAt": _iso(record.ended_at),
        "cancelRequested": record.cancel_requested,
        "progress": {"done": record.done, "total": record.total},
    }
    if record.kind != "copies":
        summary.update(
            plan=record.plan,
            dryRun=record.dry_run,
            planHash=record.plan_hash,
            counts=record.counts,
            findingCount=record.finding_count,
            notCovered=record.not_covered,
        )
    reason = {"code": record.code, "message": record.message}
    return summary | {name: value for name, value in reason.items() if value is not None}


def run_view(app: Services, record: RunRecord) -> dict[str, Any]:
    """Return a run with its first 100 copies, and of a plan's run the first 100 decisions."""
    runs = app.catalog.runs
    view = run_summary(record)
    if record.kind != "copies":
        view["decisions"] = list(itertools.islice(runs.read_chunks(record.run_id, "decision-"), FIRST_COPIES))
        view["findings"] = list(itertools.islice(runs.read_chunks(record.run_id, "finding-"), FIRST_COPIES))
    view.update(_waiting(app, record))
    view["copies"] = [copy_view(app, record.run_id, row) for row in runs.rows(record.run_id, limit=FIRST_COPIES)]
    return view


def _waiting(app: Services, record: RunRecord) -> dict[str, Any]:
    """Return what a run waits for now, the first 20 waits by their place, and how many more there are."""
    if record.ended_at is not None:
        return {"waiting": []}
    now = app.now()
    # the note of an orchestration that died outlives it: no wait lasts longer than it says
    waits = [wait for wait in app.catalog.waits.of_run(record.run_id) if wait.until >= now]
    shown = [
        {
            "for": wait.what,
            "code": wait.code,
            "message": wait.message,
            "since": _iso(wait.since),
            "until": _iso(wait.until),
        }
        for wait in waits[:FIRST_WAITS]
    ]
    more = len(waits) - len(shown)
    return {"waiting": shown, "more": more} if more else {"waiting": shown}


def pending_view(record: RunRecord, request: RunRequest) -> dict[str, Any]:
    """Return a run of named copies whose rows are not written yet: it was accepted and waits for a worker."""
    rows = rows_of(request)
    return {
        **run_summary(record.replace(total=len(rows))),
        "waiting": [],
        "copies": [_as_requested(row) for row in rows[:FIRST_COPIES]],
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else written(moment)
