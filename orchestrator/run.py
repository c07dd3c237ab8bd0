"""One run of any kind, in one frame: prepare its rows → let lanes work through them → close it. What differs is how rows are prepared."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import azure.durable_functions as df

from backup.codes import Code
from backup.messages.copy import Failure
from backup.messages.plan import BackupRequest, ListingRef, MakePlanInput, PageInput, PlanClaimed
from backup.messages.run import (
    LaneEnded,
    LaneInput,
    NoticesDue,
    RestoreRequest,
    RunClosed,
    RunClosing,
    RunOpened,
    RunProgress,
    RunRequest,
)
from backup.names import (
    BACKUP_RUN,
    CLAIM_PLAN,
    CLOSE_RUN,
    COPY_BATCH,
    LANE,
    LIST_RESOURCE,
    MAKE_PLAN,
    OPEN_RUN,
    PLAN_RESTORE,
    RESTORE_RUN,
    SEND_NOTICES,
)
from orchestrator.attempts import BOOKKEEPING, HistoryFull, Steps, Waits, call_once, first_line, prepare, record

blueprint = df.Blueprint()

Request = RunRequest | BackupRequest | RestoreRequest
Prepare = Callable[[Waits, datetime], Steps]
"""Writes the rows of a run, given when it began; returns the envelope of ``RunOpened``, or of the ``Failure`` that ends the run."""

ROWS = "the catalog, for the rows of the run"
CLOSING = "the catalog, to close the run"


@blueprint.function_name(COPY_BATCH)
@blueprint.orchestration_trigger(context_name="context")
def copy_batch(context: df.DurableOrchestrationContext) -> Steps:
    """Copy the models of one request over its routes. ``RunRequest`` in, ``RunClosed`` out."""
    request = RunRequest.parse(context.get_input())
    return (
        yield from run(
            context,
            request,
            lambda waits, begun_at: prepare(context, OPEN_RUN, request, waits, ROWS, deadline(request, begun_at)),
        )
    )


@blueprint.function_name(BACKUP_RUN)
@blueprint.orchestration_trigger(context_name="context")
def backup_run(context: df.DurableOrchestrationContext) -> Steps:
    """Back a source up as its plan says. ``BackupRequest`` in, ``RunClosed`` out."""
    request = BackupRequest.parse(context.get_input())
    return (yield from run(context, request, lambda waits, begun_at: plan_backup(context, request, waits, begun_at)))


@blueprint.function_name(RESTORE_RUN)
@blueprint.orchestration_trigger(context_name="context")
def restore_run(context: df.DurableOrchestrationContext) -> Steps:
    """Bring models back from replicas, chosen from the catalog alone. ``RestoreRequest`` in, ``RunClosed`` out."""
    request = RestoreRequest.parse(context.get_input())
    return (
        yield from run(
            context,
            request,
            lambda waits, begun_at: prepare(context, PLAN_RESTORE, request, waits, ROWS, deadline(request, begun_at)),
        )
    )


def deadline(request: Request, begun_at: datetime) -> datetime:
    """Return until when a run that began at ``begun_at`` may wait before its rows are written."""
    return begun_at + timedelta(seconds=request.deadline_seconds)


def run(context: df.DurableOrchestrationContext, request: Request, write_rows: Prepare) -> Steps:
    """Take a run from its request to its end. Return the envelope of ``RunClosed``, or why the run could not be closed."""
    progress = request.progress or RunProgress(begun_at=context.current_utc_datetime)
    request = request.replace(progress=None)
    waits = Waits(context, request.run_id, "run", progress.noted)
    try:
        end: RunClosed | RunClosing | None = progress.closing
        if end is None:
            envelope = yield from write_rows(waits, progress.begun_at)
            if envelope["ok"]:
                end = yield from lanes(context, request.run_id, RunOpened.parse(envelope))
            else:
                end = RunClosing(run_id=request.run_id, failure=Failure.parse(envelope))
        if isinstance(end, RunClosing):
            since = progress.closing_since or context.current_utc_datetime
            progress = progress.replace(closing=end, closing_since=since)
            context.set_custom_status({"step": "closing", "code": end.failure and end.failure.code})
            envelope = yield from record(context, CLOSE_RUN, end, waits, CLOSING, since)
        else:
            envelope = end.to_json()
    except HistoryFull:
        # every step finds what it did before and changes nothing
        progress = progress.replace(noted=waits.noted)
        context.continue_as_new(request.replace(progress=progress).to_json())
        return None
    facts = {name: envelope[name] for name in ("status", "done", "total", "code") if name in envelope}
    context.set_custom_status({"step": "done", **facts})
    if isinstance(request, BackupRequest):
        yield from call_once(context, SEND_NOTICES, NoticesDue(run_id=request.run_id))  # whatever comes of it
    return envelope


def lanes(context: df.DurableOrchestrationContext, run_id: str, opened: RunOpened) -> Steps:
    """Let lanes work through the rows. Return ``RunClosed`` if the lane with the last row closed the run, or else ``RunClosing``."""
    count = min(opened.total, opened.concurrency)
    context.set_custom_status({"step": "working", "rows": opened.total, "lanes": count})
    if not count:
        return RunClosing(run_id=run_id)
    # One task_all over lanes: a window of task_any would start its refills one at a time on the real extension.
    inputs = [LaneInput(run_id=run_id, lane=number) for number in range(count)]
    try:
        results = yield context.task_all([context.call_sub_orchestrator(LANE, lane.to_json()) for lane in inputs])
    except Exception as error:  # noqa: BLE001 - the SDK raises a bare Exception for whatever ended a lane
        lost = Failure.of(Code.CHILD_LOST, f"a lane of the run ended with an error: {first_line(error)}")
        return RunClosing(run_id=run_id, failure=lost)
    ended = [LaneEnded.parse(result) for result in results]
    closed: RunClosed | None = next((lane.closed for lane in ended if lane.closed is not None), None)
    return closed or RunClosing(
        run_id=run_id,
        failure=next((lane.failure for lane in ended if lane.failure is not None), None),
        unrecorded=[lane.unrecorded for lane in ended if lane.unrecorded is not None],
    )


def plan_backup(
    context: df.DurableOrchestrationContext, request: BackupRequest, waits: Waits, begun_at: datetime
) -> Steps:
    """Prepare a backup: claim the plan, list source and targets, decide."""
    context.set_custom_status({"step": "claiming", "plan": request.plan})
    what = f'the catalog, to take plan "{request.plan}"'
    envelope = yield from prepare(context, CLAIM_PLAN, request, waits, what, deadline(request, begun_at))
    if not envelope["ok"]:
        return envelope
    claimed = PlanClaimed.parse(envelope)

    context.set_custom_status({"step": "listing", "plan": request.plan, "lists": len(claimed.listings)})
    until = begun_at + timedelta(seconds=claimed.deadline_seconds)
    try:
        failures = yield from list_all(context, request, claimed, until)
    except Exception as error:  # noqa: BLE001 - the SDK raises a bare Exception for whatever ended a list
        return Failure.of(Code.CHILD_LOST, f"a list of the run ended with an error: {first_line(error)}").to_json()
    for listing in claimed.listings:
        if listing.is_source and listing.resource in failures:
            message = f'"{listing.resource}" could not be listed: {failures[listing.resource]}'
            return Failure.of(Code.SOURCE_LIST_FAILED, message).to_json()

    context.set_custom_status({"step": "planning", "plan": request.plan})
    # the lists may have taken until the deadline
    inputs = MakePlanInput(request=request, list_failures=failures)
    return (yield from prepare(context, MAKE_PLAN, inputs, waits, ROWS, until + BOOKKEEPING))


def list_all(
    context: df.DurableOrchestrationContext, request: BackupRequest, claimed: PlanClaimed, until: datetime
) -> Steps:
    """Read all lists in parallel, until ``until``; return why each resource that could not be listed failed, by resource."""

    def page(listing: ListingRef) -> PageInput:
        return PageInput(run_id=request.run_id, listing=listing, patience_seconds=claimed.patience_seconds, until=until)

    tasks = [context.call_sub_orchestrator(LIST_RESOURCE, page(listing).to_json()) for listing in claimed.listings]
    results = yield context.task_all(tasks)
    return {result["resource"]: f"{result['code']}: {result['message']}" for result in results if not result["ok"]}
