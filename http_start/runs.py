"""``/api/runs``: the state of a run, its copies in pages, and cancelling it."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import azure.durable_functions as df
import azure.functions as func

from backup.messages.run import RunRequest
from backup.names import BACKUP_RUN, COPY_BATCH, RESTORE_RUN, RUN_ID
from backup.records import RunRecord
from backup.states import CopyStatus, RunStatus
from http_start.answers import accepted, base_address, endpoint, json_response, run_address
from http_start.problems import Problem
from http_start.query import check_parameters, whole_number
from http_start.run_filter import FILTERS, RunFilter, read_filter, read_token, token
from http_start.run_views import copy_view, pending_view, run_summary, run_view
from http_start.starting import runtime_status
from wiring.events import Event, emit
from wiring.orchestrations import ENDED
from wiring.services import Services

blueprint = df.Blueprint()

PAGE = 100
RUNS_PAGE = 50
MOST_RUNS = 200
"""Of a page, and how many are looked at to fill it."""
MOST_ROWS = 1_000_000
KIND_OF_ORCHESTRATOR = {BACKUP_RUN: "backup", RESTORE_RUN: "restore"}


@endpoint(blueprint, "get_run", "GET", "runs/{id}")
async def get_run(req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Return a run: 202 while it runs, 200 once it has ended."""
    check_parameters(req)
    run_id = _run_id(req)
    view = await _view(app, client, run_id)
    if view["status"] in {RunStatus.PENDING, RunStatus.RUNNING}:
        return accepted(req, run_id, view)
    return json_response(view)


@endpoint(blueprint, "get_runs", "GET", "runs")
async def get_runs(req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Return the runs, newest first, 50 a page, with ``nextLink`` if there are more. ``?plan=``, ``?kind=``, ``?status=``, ``?from=``
    and ``?until=`` narrow it.
    """
    check_parameters(req, *FILTERS, "limit", "after")
    wanted = await asyncio.to_thread(read_filter, req, app)
    limit = whole_number(req, "limit", RUNS_PAGE, MOST_RUNS) or RUNS_PAGE
    runs, following = await _matching(app, client, wanted, wanted.start(read_token(req), app.now()), limit)
    page: dict[str, Any] = {"runs": [run_summary(record) for record in runs]}
    if following is not None:
        filters = {name: req.params[name] for name in (*FILTERS, "limit") if name in req.params}
        page["nextLink"] = f"{base_address(req)}/runs?{urlencode({**filters, 'after': following})}"
    return json_response(page)


async def _matching(
    app: Services, client: df.DurableOrchestrationClient, wanted: RunFilter, after: str | None, limit: int
) -> tuple[list[RunRecord], str | None]:
    """Return up to ``limit`` runs that are wanted, and where the next page starts. It looks at ``MOST_RUNS`` runs at most, so a page may
    hold fewer, or none, although more follow.
    """
    found: list[RunRecord] = []
    for _ in range(MOST_RUNS // RUNS_PAGE):
        records, after = await asyncio.to_thread(app.catalog.runs.newest, after, RUNS_PAGE)
        current = await asyncio.gather(*(current_record(app, client, record) for record in records))
        for number, record in enumerate(current, start=1):
            if wanted.is_past(record):
                return found, None
            if wanted.matches(record):
                found.append(record)
            if len(found) == limit:
                is_last = number == len(current) and after is None
                return found, None if is_last else token(record)
        if after is None:
            break
    return found, after


@endpoint(blueprint, "get_run_decisions", "GET", "runs/{id}/decisions")
def get_run_decisions(req: func.HttpRequest, app: Services) -> func.HttpResponse:
    """Return what a run of a plan (or a dry run) decided, from number ``?first=`` on, 100 a page."""
    run_id, first = _run_id(req), _first(req)
    if app.catalog.runs.find(run_id) is None:
        raise Problem(404, "UnknownRun", f"run {run_id} does not exist, or has no decisions yet")
    decisions = list(itertools.islice(app.catalog.runs.read_chunks(run_id, "decision-"), first, first + PAGE + 1))
    page: dict[str, Any] = {"decisions": decisions[:PAGE]}
    if len(decisions) > PAGE:
        page["nextLink"] = f"{run_address(req, run_id)}/decisions?first={first + PAGE}"
    return json_response(page)


@endpoint(blueprint, "get_run_copies", "GET", "runs/{id}/copies")
async def get_run_copies(
    req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Return the copies of a run from number ``?first=`` on, 100 a page, with ``nextLink`` if there are more."""
    run_id, first = _run_id(req), _first(req)
    record = await asyncio.to_thread(app.catalog.runs.find, run_id)
    if record is None or record.total is None:
        view = await _view(app, client, run_id)
        return json_response({"copies": view["copies"][first : first + PAGE]})

    def read() -> list[dict[str, Any]]:
        return [copy_view(app, run_id, row) for row in app.catalog.runs.rows(run_id, first, PAGE)]

    page: dict[str, Any] = {"copies": await asyncio.to_thread(read)}
    if first + PAGE < record.total:
        page["nextLink"] = f"{run_address(req, run_id)}/copies?first={first + PAGE}"
    return json_response(page)


@endpoint(blueprint, "cancel_run", "POST", "runs/{id}/cancel")
async def cancel_run(req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Ask a run to stop: what is not yet authorized stops, what is under way finishes. Asking twice is fine."""
    run_id = _run_id(req)
    await _view(app, client, run_id)
    record = await asyncio.to_thread(app.catalog.runs.cancel, run_id, app.now())
    body = {"runId": run_id, "cancelRequested": record.cancel_requested, "statusUrl": run_address(req, run_id)}
    if record.ended_at is not None:
        return json_response({**body, "status": record.status})
    emit(Event.CANCEL_REQUESTED, run=run_id)
    return accepted(req, run_id, body)


def _run_id(req: func.HttpRequest) -> str:
    run_id: str = req.route_params.get("id", "")
    if RUN_ID.fullmatch(run_id) is None:
        raise Problem(404, "UnknownRun", "not a run id; use the runId that the app returned when the run was started")
    return run_id


def _first(req: func.HttpRequest) -> int:
    check_parameters(req, "first")
    return whole_number(req, "first", 0, MOST_ROWS)


async def _view(app: Services, client: df.DurableOrchestrationClient, run_id: str) -> dict[str, Any]:
    """Return the current state of a run: its record and, until it ends, the status of its orchestration."""
    record = await asyncio.to_thread(app.catalog.runs.find, run_id)
    if record is not None and record.ended_at is not None:
        return await asyncio.to_thread(run_view, app, record)
    status = await runtime_status(client, run_id)
    if status is None:
        if record is None or record.total is None:
            raise Problem(404, "UnknownRun", f"run {run_id} does not exist; GET /api/runs lists the runs")
        return await asyncio.to_thread(run_view, app, record)
    if record is None:
        kind = KIND_OF_ORCHESTRATOR.get(status.name or "", "copies")
        record = RunRecord(run_id=run_id, kind=kind, started_at=status.created_time or app.now())
    record = await _closed(app, record, status)
    if record.total is None and status.name == COPY_BATCH:
        view = pending_view(record, RunRequest.parse(status.input_))
    else:
        view = await asyncio.to_thread(run_view, app, record)
    if record.ended_at is not None:
        for copy in view["copies"]:
            if copy["status"] in {CopyStatus.PENDING, CopyStatus.RUNNING}:
                copy.update(status=CopyStatus.FAILED, code="ChildLost", message=record.message)
    return view


async def current_record(app: Services, client: df.DurableOrchestrationClient, record: RunRecord) -> RunRecord:
    """Return the record of a run; if it has not ended, with what the runtime knows of its orchestration."""
    status = None if record.ended_at is not None else await runtime_status(client, record.run_id)
    return record if status is None else await _closed(app, record, status)


async def _closed(app: Services, record: RunRecord, status: Any) -> RunRecord:
    """Return the record of a run: ``Failed`` if its orchestration ended without closing it."""
    if status.runtime_status not in ENDED:
        return record
    # it may have ended since the record was read; otherwise it was terminated, or failed before it could write its end
    latest = await asyncio.to_thread(app.catalog.runs.find, record.run_id)
    if latest is not None and latest.ended_at is not None:
        return latest
    message = (
        f"the orchestration of this run ended as {status.runtime_status.name} before it closed the run; "
        "ask again once the leases of its copies have ended (in 20 minutes, as a rule), and they resume"
    )
    ended_at = status.last_updated_time or datetime.now(UTC)
    return record.replace(status=RunStatus.FAILED, ended_at=ended_at, message=message)
