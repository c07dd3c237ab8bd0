"""A run as users see it: its record and rows, joined with the claims of copies under way."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime
from typing import cast

from backup.messages.run import RunRequest
from backup.moments import written
from backup.planning.decisions import Action
from backup.records import RunRecord, RunRow, rows_of
from backup.states import RESUME_AT, CopyStatus, Step
from http_start.run_types import Copy, Decision, Run, RunFinding, RunKind, RunSummary, Wait
from wiring.services import Services

FIRST_COPIES = 100
FIRST_WAITS = 20


def copy_view(app: Services, run_id: str, row: RunRow) -> Copy:
    """Return one copy of a run."""
    view = _as_requested(row)
    outcome = row.outcome
    if outcome is not None:
        view["targetModelId"] = outcome.target_model_id
        view["step"] = Step.DONE
        view["polls"] = outcome.polls
        view["code"] = outcome.code
        view["message"] = outcome.message
        view["apiVersion"] = outcome.api_version
        view["verifiedAt"] = _iso(outcome.verified_at)
        view["endedAt"] = _iso(outcome.ended_at)
    elif row.status is CopyStatus.RUNNING:
        _note_claim(view, app, run_id, row)
    return view


def _as_requested(row: RunRow) -> Copy:
    return {
        "action": row.action,
        "source": row.source,
        "target": row.target,
        "kind": row.kind,
        "modelId": row.model_id,
        "targetModelId": row.target_model_id,
        "status": row.status,
        "polls": 0,
        "step": None,
        "code": None,
        "message": None,
        "apiVersion": None,
        "verifiedAt": None,
        "endedAt": None,
        "startedAt": _iso(row.started_at),
    }


def _note_claim(view: Copy, app: Services, run_id: str, row: RunRow) -> None:
    held = app.catalog.claims.get(row.target, row.kind, row.source, row.model_id)
    if held is None or (held.record.run_id, held.record.row) != (run_id, row.row):
        view["step"] = Step.INSPECT
        return
    claim = held.record
    view["step"] = RESUME_AT[claim.state]
    view["polls"] = claim.polls
    view["targetModelId"] = claim.target_model_id
    view["apiVersion"] = claim.source_api_version
    view["verifiedAt"] = _iso(claim.verified_at)


def run_summary(record: RunRecord) -> RunSummary:
    """Return a run without its copies."""
    summary: RunSummary = {
        "runId": record.run_id,
        "kind": cast("RunKind", record.kind),
        "status": record.status,
        "startedAt": written(record.started_at),
        "endedAt": _iso(record.ended_at),
        "cancelRequested": record.cancel_requested,
        "progress": {"done": record.done, "total": record.total},
    }
    if record.kind != "copies":
        summary["plan"] = record.plan
        summary["dryRun"] = record.dry_run
        summary["planHash"] = record.plan_hash
        summary["counts"] = cast("dict[Action, int]", record.counts)
        summary["findingCount"] = record.finding_count
        summary["notCovered"] = record.not_covered
    if record.code is not None:
        summary["code"] = record.code
    if record.message is not None:
        summary["message"] = record.message
    return summary


def run_view(app: Services, record: RunRecord) -> Run:
    """Return a run with its first 100 copies, and of a plan's run the first 100 decisions."""
    runs = app.catalog.runs
    waiting, more = _waiting(app, record)
    rows = runs.rows(record.run_id, limit=FIRST_COPIES)
    view = cast("Run", run_summary(record))
    view["waiting"] = waiting
    view["copies"] = [copy_view(app, record.run_id, row) for row in rows]
    if more:
        view["more"] = more
    if record.kind != "copies":
        view["decisions"] = list(itertools.islice(decisions(app, record.run_id), FIRST_COPIES))
        found = runs.read_chunks(record.run_id, "finding-")
        view["findings"] = [cast("RunFinding", each) for each in itertools.islice(found, FIRST_COPIES)]
    return view


def decisions(app: Services, run_id: str) -> Iterator[Decision]:
    """Give the decisions of a run."""
    for each in app.catalog.runs.read_chunks(run_id, "decision-"):
        yield cast("Decision", each)


def _waiting(app: Services, record: RunRecord) -> tuple[list[Wait], int]:
    """Return what a run waits for now, the first 20 waits by their place, and how many more there are."""
    if record.ended_at is not None:
        return [], 0
    now = app.now()
    # the note of an orchestration that died outlives it: no wait lasts longer than it says
    waits = [wait for wait in app.catalog.waits.of_run(record.run_id) if wait.until >= now]
    shown: list[Wait] = [
        {
            "for": wait.what,
            "code": wait.code,
            "message": wait.message,
            "since": written(wait.since),
            "until": written(wait.until),
        }
        for wait in waits[:FIRST_WAITS]
    ]
    return shown, len(waits) - len(shown)


def pending_view(record: RunRecord, request: RunRequest) -> Run:
    """Return a run of named copies whose rows are not written yet: it was accepted and waits for a worker."""
    rows = rows_of(request)
    view = cast("Run", run_summary(record.replace(total=len(rows))))
    view["waiting"] = []
    view["copies"] = [_as_requested(row) for row in rows[:FIRST_COPIES]]
    return view


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else written(moment)
