"""``/api/runs``: how a run stands, its copies page by page, and stopping it."""

from __future__ import annotations

import asyncio
import itertools
import re
from datetime import UTC, datetime
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from backup.messages.run import RunRequest
from backup.moments import written
from backup.names import BACKUP_RUN, COPY_BATCH, RESTORE_RUN, RUN_ID
from backup.records import RunRecord
from backup.states import CopyStatus, RunStatus
from http_start.answers import RETRY_AFTER_SECONDS, base_address, endpoint, json_response, run_address
from http_start.problems import Problem
from http_start.query import check_parameters, whole_number, wrong_parameter
from http_start.run_views import copy_view, pending_view, run_summary, run_view
from http_start.starting import runtime_status
from wiring.events import Event, emit
from wiring.orchestrations import ENDED
from wiring.services import Services

blueprint = df.Blueprint()

PAGE = 100
RUNS_PAGE = 50
INDEX_KEY = re.compile(r"[0-9]{13}-[A-Za-z0-9-]{1,100}")
MOST_ROWS = 1_000_000
KIND_OF_ORCHESTRATOR = {BACKUP_RUN: "backup", RESTORE_RUN: "restore"}


@endpoint(blueprint, "get_run", "GET", "runs/{id}")
async def get_run(req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Return a run: 202 while it runs, 200 once it has ended."""
    check_parameters(req)
    run_id = _run_id(req)
    view = await _view(app, client, run_id)
    if view["status"] in {RunStatus.PENDING, RunStatus.RUNNING}:
        headers = {"Location": run_address(req, run_id), "Retry-After": str(RETRY_AFTER_SECONDS)}
        return json_response(view, 202, headers)
    return json_response(view)


@endpoint(blueprint, "get_runs", "GET", "runs")
async def get_runs(req: func.HttpRequest, app: Services) -> func.HttpResponse:
    """Return the runs, newest first, 50 a page, with ``nextLink`` where there are more."""
    check_parameters(req, "after")
    after = req.params.get("after")
    if after is not None and INDEX_KEY.fullmatch(after) is None:
        raise wrong_parameter("after", "invalid continuation token; use nextLink as returned")
    records, following = await asyncio.to_thread(app.catalog.runs.newest, after, RUNS_PAGE)
    page: dict[str, Any] = {"runs": [run_summary(record) for record in records]}
    if following is not None:
        page["nextLink"] = f"{base_address(req)}/runs?after={following}"
    return json_response(page)


@endpoint(blueprint, "get_run_decisions", "GET", "runs/{id}/decisions")
async def get_run_decisions(req: func.HttpRequest, app: Services) -> func.HttpResponse:
    """Return what a run of a plan (or a dry run) decided, from number ``?first=`` on, 100 at a time."""
    run_id = _run_id(req)
    check_parameters(req, "first")
    first = whole_number(req, "first", 0, MOST_ROWS)
    if await asyncio.to_thread(app.catalog.runs.find, run_id) is None:
        raise Problem(404, "UnknownRun", f"run {run_id} does not exist, or has no decisions yet")

    def read() -> list[Any]:
        decisions = app.catalog.runs.read_chunks(run_id, "decision-")
        return list(itertools.islice(decisions, first, first + PAGE + 1))

    decisions = await asyncio.to_thread(read)
    page: dict[str, Any] = {"decisions": decisions[:PAGE]}
    if len(decisions) > PAGE:
        page["nextLink"] = f"{run_address(req, run_id)}/decisions?first={first + PAGE}"
    return json_response(page)


@endpoint(blueprint, "get_run_copies", "GET", "runs/{id}/copies")
async def get_run_copies(
    req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Return the copies of a run from number ``?first=`` on, a page of 100 at a time, with ``nextLink`` where there are more."""
    run_id = _run_id(req)
    check_parameters(req, "first")
    first = whole_number(req, "first", 0, MOST_ROWS)
    record = await asyncio.to_thread(app.catalog.runs.find, run_id)
    if record is None or record.total is None:
        copies = (await _view(app, client, run_id))["copies"][first : first + PAGE]
        return json_response({"copies": copies})

    def read() -> list[dict[str, Any]]:
        rows = itertools.islice(app.catalog.runs.rows(run_id, first, PAGE), PAGE)
        return [copy_view(app, run_id, row) for row in rows]

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
    address = run_address(req, run_id)
    body = {"runId": run_id, "cancelRequested": record.cancel_requested, "statusUrl": address}
    if record.ended_at is not None:
        return json_response({**body, "status": record.status})
    emit(Event.CANCEL_REQUESTED, run=run_id)
    return json_response(body, 202, {"Location": address, "Retry-After": str(RETRY_AFTER_SECONDS)})


def _run_id(req: func.HttpRequest) -> str:
    run_id: str = req.route_params.get("id", "")
    if RUN_ID.fullmatch(run_id) is None:
        raise Problem(
            404, "UnknownRun", "a run id is 1 to 100 of a-z, 0-9 and -; POST /api/copies returns one as runId"
        )
    return run_id


async def _view(app: Services, client: df.DurableOrchestrationClient, run_id: str) -> dict[str, Any]:
    """Return the run as it stands: its record, and what the platform knows of its orchestration until it ends."""
    record = await asyncio.to_thread(app.catalog.runs.find, run_id)
    if record is not None and record.ended_at is not None:
        return await asyncio.to_thread(run_view, app, record)
    status = await runtime_status(client, run_id)
    if not status or status.runtime_status is None:
        if record is not None and record.total is not None:
            return await asyncio.to_thread(run_view, app, record)
        raise Problem(404, "UnknownRun", f"there is no run {run_id}; POST /api/copies returns the id of a new one")
    if record is None and status.name == COPY_BATCH:
        view = pending_view(run_id, RunRequest.parse(status.input_), status.created_time or app.now())
    elif record is None:
        created = status.created_time or app.now()
        kind = KIND_OF_ORCHESTRATOR.get(status.name or "", "copies")
        view = {**run_summary(RunRecord(run_id=run_id, kind=kind, started_at=created)), "copies": []}
    elif record.total is None and status.name == COPY_BATCH:
        view = pending_view(run_id, RunRequest.parse(status.input_), record.started_at)
        view["cancelRequested"] = record.cancel_requested
    else:
        view = await asyncio.to_thread(run_view, app, record)
    if status.runtime_status in ENDED:
        # it may have ended since the record was read; otherwise it was terminated, or failed before it could write its end
        record = await asyncio.to_thread(app.catalog.runs.find, run_id)
        if record is not None and record.ended_at is not None:
            return await asyncio.to_thread(run_view, app, record)
        _mark_abandoned(view, status.runtime_status, status.last_updated_time)
    return view


def _mark_abandoned(view: dict[str, Any], status: df.OrchestrationRuntimeStatus, at: datetime | None) -> None:
    message = (
        f"the orchestration of this run ended as {status.name} before it closed the run; "
        "ask again once the leases of its copies have ended (in 20 minutes, as a rule), and they resume"
    )
    view["status"] = RunStatus.FAILED
    view["endedAt"] = written(at or datetime.now(UTC))
    view["message"] = message
    for copy in view["copies"]:
        if copy["status"] in {CopyStatus.PENDING, CopyStatus.RUNNING}:
            copy.update(status=CopyStatus.FAILED, code="ChildLost", message=message)
