"""One run of any kind, in one frame: prepare its rows → let lanes work through them → close it. What differs is how rows are prepared."""

from __future__ import annotations

from collections.abc import Callable

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
from orchestrator.attempts import HistoryFull, Steps, Waits, call_once, first_line, record

blueprint = df.Blueprint()

Prepare = Callable[[Waits], Steps]
"""Writes the rows of a run; returns the envelope of ``RunOpened``, or of the ``Failure`` that ends the run."""


@blueprint.function_name(COPY_BATCH)
@blueprint.orchestration_trigger(context_name="context")
def copy_batch(context: df.DurableOrchestrationContext) -> Steps:
    """Copy the models of one request over its routes. ``RunRequest`` in, ``RunClosed`` out."""
    request = RunRequest.parse(context.get_input())
    return (yield from run(context, request, lambda waits: record(context, OPEN_RUN, request, waits)))


@blueprint.function_name(BACKUP_RUN)
@blueprint.orchestration_trigger(context_name="context")
def backup_run(context: df.DurableOrchestrationContext) -> Steps:
    """Back a source up as its plan says. ``BackupRequest`` in, ``RunClosed`` out."""
    request = BackupRequest.parse(context.get_input())
    return (yield from run(context, request, lambda waits: plan_backup(context, request, waits)))


@blueprint.function_name(RESTORE_RUN)
@blueprint.orchestration_trigger(context_name="context")
def restore_run(context: df.DurableOrchestrationContext) -> Steps:
    """Bring models back from replicas, chosen from the catalog alone. ``RestoreRequest`` in, ``RunClosed`` out."""
    request = RestoreRequest.parse(context.get_input())
    return (yield from run(context, request, lambda waits: record(context, PLAN_RESTORE, request, waits)))


def run(
    context: df.DurableOrchestrationContext, request: RunRequest | BackupRequest | RestoreRequest, prepare: Prepare
) -> Steps:
    """Take a run from its request to its end. Return the envelope of ``RunClosed``, or why the run could not be closed."""
    waits = Waits()
    try:
        envelope = yield from prepare(waits)
        if envelope["ok"]:
            end = yield from lanes(context, request.run_id, RunOpened.parse(envelope))
        else:
            end = RunClosing(run_id=request.run_id, failure=Failure.parse(envelope))
        if isinstance(end, RunClosing):
            context.set_custom_status({"step": "closing", "code": end.failure and end.failure.code})
            envelope = yield from record(context, CLOSE_RUN, end, waits)
        else:
            envelope = end.to_json()
    except HistoryFull:
        # every step finds what it did before and changes nothing
        context.continue_as_new(request.to_json())
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


def plan_backup(context: df.DurableOrchestrationContext, request: BackupRequest, waits: Waits) -> Steps:
    """Prepare a backup: claim the plan, list source and targets, decide."""
    context.set_custom_status({"step": "claiming", "plan": request.plan})
    envelope = yield from record(context, CLAIM_PLAN, request, waits)
    if not envelope["ok"]:
        return envelope
    claimed = PlanClaimed.parse(envelope)

    context.set_custom_status({"step": "listing", "plan": request.plan, "lists": len(claimed.listings)})
    failures = yield from list_all(context, request, claimed)
    for listing in claimed.listings:
        if listing.is_source and listing.resource in failures:
            message = f'"{listing.resource}" could not be listed: {failures[listing.resource]}'
            return Failure.of(Code.SOURCE_LIST_FAILED, message).to_json()

    context.set_custom_status({"step": "planning", "plan": request.plan})
    return (yield from record(context, MAKE_PLAN, MakePlanInput(request=request, list_failures=failures), waits))


def list_all(context: df.DurableOrchestrationContext, request: BackupRequest, claimed: PlanClaimed) -> Steps:
    """Read all lists in parallel; return why each resource that could not be listed failed, by resource."""

    def page(listing: ListingRef) -> PageInput:
        return PageInput(run_id=request.run_id, listing=listing, patience_seconds=claimed.patience_seconds)

    tasks = [context.call_sub_orchestrator(LIST_RESOURCE, page(listing).to_json()) for listing in claimed.listings]
    results = yield context.task_all(tasks)
    return {result["resource"]: f"{result['code']}: {result['message']}" for result in results if not result["ok"]}
