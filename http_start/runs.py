"""``/api/runs``: the state of a run, its copies in pages, and cancelling it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field

from backup.codes import Code
from backup.messages.run import RunRequest
from backup.names import BACKUP_RUN, COPY_BATCH, RESTORE_RUN, RUN_ID
from backup.records import RunRecord
from backup.states import CopyStatus, RunStatus
from http_start.answers import accepted, base_address, endpoint, json_response, run_address
from http_start.operations import Operation, Parameter, Reply
from http_start.problems import Problem, ProblemCode
from http_start.query import whole_number
from http_start.run_filter import FILTER_NAMES, FILTERS, TOKEN_PATTERN, RunFilter, read_filter, read_token, token
from http_start.run_types import Cancelled, Copy, CopyPage, DecisionPage, Run, RunPage
from http_start.run_views import copy_view, decisions, pending_view, run_summary, run_view
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


THE_RUN = Parameter("id", Annotated[str, Field(pattern=f"^{RUN_ID.pattern}$")], "The id of the run.", place="path")
OF_ONE_RUN: Mapping[int, tuple[ProblemCode, ...]] = {404: ("UnknownRun",), 503: ("RuntimeUnavailable",)}
FIRST = Parameter("first", Annotated[int, Field(ge=0, le=MOST_ROWS)], "The number of the first entry of the page.", 0)


@endpoint(
    blueprint,
    "get_run",
    "GET",
    "runs/{id}",
    Operation(
        "getRun",
        "runs",
        "One run with its first 100 copies",
        {
            200: Reply("The run has ended.", Run),
            202: Reply("The run is under way: ask again.", Run, ("Location", "Retry-After")),
        },
        OF_ONE_RUN,
        parameters=(THE_RUN,),
    ),
)
async def get_run(req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Return a run: 202 while it runs, 200 once it has ended."""
    run_id = _run_id(req)
    view = await _view(app, client, run_id)
    if view["status"] in {RunStatus.PENDING, RunStatus.RUNNING}:
        return accepted(req, run_id, view)
    return json_response(view)


@endpoint(
    blueprint,
    "get_runs",
    "GET",
    "runs",
    Operation(
        "listRuns",
        "runs",
        "The runs, newest first",
        {200: Reply("A page of runs.", RunPage, links={"getRun": "$response.body#/runs/0/runId"})},
        {400: ("UnknownPlan",), 503: ("RuntimeUnavailable",)},
        parameters=(
            *FILTERS,
            Parameter(
                "limit", Annotated[int, Field(ge=0, le=MOST_RUNS)], "How many runs a page has; 0 is 50.", RUNS_PAGE
            ),
            Parameter(
                "after", Annotated[str, Field(pattern=TOKEN_PATTERN)], "Where the page begins; ``nextLink`` has it."
            ),
        ),
    ),
)
async def get_runs(req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Return the runs, newest first, 50 a page, with ``nextLink`` if there are more. ``?plan=``, ``?kind=``, ``?status=``, ``?from=``
    and ``?until=`` narrow it.
    """
    wanted = await asyncio.to_thread(read_filter, req, app)
    limit = whole_number(req, "limit", RUNS_PAGE, MOST_RUNS) or RUNS_PAGE
    runs, following = await _matching(app, client, wanted, wanted.start(read_token(req), app.now()), limit)
    page: RunPage = {"runs": [run_summary(record) for record in runs]}
    if following is not None:
        filters = {name: req.params[name] for name in (*FILTER_NAMES, "limit") if name in req.params}
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


@endpoint(
    blueprint,
    "get_run_decisions",
    "GET",
    "runs/{id}/decisions",
    Operation(
        "listDecisions",
        "runs",
        "What a run of a plan, or a restore, decided",
        {200: Reply("A page of 100 decisions.", DecisionPage)},
        {404: ("UnknownRun",)},
        parameters=(THE_RUN, FIRST),
    ),
)
def get_run_decisions(req: func.HttpRequest, app: Services) -> func.HttpResponse:
    """Return what a run of a plan (or a dry run) decided, from number ``?first=`` on, 100 a page."""
    run_id, first = _run_id(req), _first(req)
    if app.catalog.runs.find(run_id) is None:
        raise Problem(404, "UnknownRun", f"run {run_id} does not exist, or has no decisions yet")
    made = list(itertools.islice(decisions(app, run_id), first, first + PAGE + 1))
    page: DecisionPage = {"decisions": made[:PAGE]}
    if len(made) > PAGE:
        page["nextLink"] = f"{run_address(req, run_id)}/decisions?first={first + PAGE}"
    return json_response(page)


@endpoint(
    blueprint,
    "get_run_copies",
    "GET",
    "runs/{id}/copies",
    Operation(
        "listCopies",
        "runs",
        "The copies of a run",
        {200: Reply("A page of 100 copies.", CopyPage)},
        OF_ONE_RUN,
        parameters=(THE_RUN, FIRST),
    ),
)
async def get_run_copies(
    req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Return the copies of a run from number ``?first=`` on, 100 a page, with ``nextLink`` if there are more."""
    run_id, first = _run_id(req), _first(req)
    record = await asyncio.to_thread(app.catalog.runs.find, run_id)
    if record is None or record.total is None:
        view = await _view(app, client, run_id)
        return json_response({"copies": view["copies"][first : first + PAGE]})

    def read() -> list[Copy]:
        return [copy_view(app, run_id, row) for row in app.catalog.runs.rows(run_id, first, PAGE)]

    page: CopyPage = {"copies": await asyncio.to_thread(read)}
    if first + PAGE < record.total:
        page["nextLink"] = f"{run_address(req, run_id)}/copies?first={first + PAGE}"
    return json_response(page)


@endpoint(
    blueprint,
    "cancel_run",
    "POST",
    "runs/{id}/cancel",
    Operation(
        "cancelRun",
        "runs",
        "Start nothing more in a run; copies under way finish",
        {
            200: Reply("The run has ended already.", Cancelled),
            202: Reply("The run will stop.", Cancelled, ("Location", "Retry-After")),
        },
        OF_ONE_RUN,
        parameters=(THE_RUN,),
    ),
)
async def cancel_run(req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Ask a run to stop: what is not yet authorized stops, what is under way finishes. Asking twice is fine."""
    run_id = _run_id(req)
    await _view(app, client, run_id)
    record = await asyncio.to_thread(app.catalog.runs.cancel, run_id, app.now())
    body: Cancelled = {
        "runId": run_id,
        "cancelRequested": record.cancel_requested,
        "statusUrl": run_address(req, run_id),
    }
    if record.ended_at is not None:
        body["status"] = record.status
        return json_response(body)
    emit(Event.CANCEL_REQUESTED, run=run_id)
    return accepted(req, run_id, body)


def _run_id(req: func.HttpRequest) -> str:
    run_id: str = req.route_params.get("id", "")
    if RUN_ID.fullmatch(run_id) is None:
        raise Problem(404, "UnknownRun", "not a run id; use the runId that the app returned when the run was started")
    return run_id


def _first(req: func.HttpRequest) -> int:
    return whole_number(req, "first", 0, MOST_ROWS)


async def _view(app: Services, client: df.DurableOrchestrationClient, run_id: str) -> Run:
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
                copy["status"], copy["code"], copy["message"] = CopyStatus.FAILED, Code.CHILD_LOST, record.message
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
