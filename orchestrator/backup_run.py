"""One run of a plan: claim the plan → list source and targets → decide → work the rows off → write how it ended."""

from __future__ import annotations

import azure.durable_functions as df

from backup.codes import Code
from backup.messages import (
    BackupRequest,
    Failure,
    ListingRef,
    PageInput,
    PlanClaimed,
    PlanInputs,
    PlanMade,
    RunFailure,
)
from backup.names import BACKUP_RUN, CLAIM_PLAN, FAIL_RUN, LIST_RESOURCE, MAKE_PLAN
from orchestrator.attempts import HistoryFull, Steps, Waits
from orchestrator.working_off import persist, work_off

blueprint = df.Blueprint()


@blueprint.function_name(BACKUP_RUN)
@blueprint.orchestration_trigger(context_name="context")
def backup_run(context: df.DurableOrchestrationContext) -> Steps:
    """Back a source up as its plan says. ``BackupRequest`` in, ``RunClosed`` out."""
    request = BackupRequest.parse(context.get_input())
    try:
        closed = yield from _run(context, request, Waits())
    except HistoryFull:
        # every step finds what it did before and leaves it as it is
        context.continue_as_new(request.to_json())
        return None
    return closed


def _run(context: df.DurableOrchestrationContext, request: BackupRequest, waits: Waits) -> Steps:
    context.set_custom_status({"step": "claiming", "plan": request.plan})
    envelope = yield from persist(context, CLAIM_PLAN, request, waits)
    if not envelope["ok"]:
        return (yield from _fail(context, request, Failure.parse(envelope), waits))
    claimed = PlanClaimed.parse(envelope)

    context.set_custom_status({"step": "listing", "plan": request.plan, "lists": len(claimed.listings)})
    failed = yield from _list_all(context, request, claimed)
    for listing in claimed.listings:
        if listing.is_source and listing.resource in failed:
            said = f'"{listing.resource}" could not be listed: {failed[listing.resource]}'
            return (yield from _fail(context, request, Failure.of(Code.SOURCE_LIST_FAILED, said), waits))

    context.set_custom_status({"step": "planning", "plan": request.plan})
    envelope = yield from persist(context, MAKE_PLAN, PlanInputs(request=request, failed_targets=failed), waits)
    if not envelope["ok"]:
        return (yield from _fail(context, request, Failure.parse(envelope), waits))
    made = PlanMade.parse(envelope)
    return (yield from work_off(context, request.run_id, made.total, claimed.concurrency, waits))


def _list_all(context: df.DurableOrchestrationContext, request: BackupRequest, claimed: PlanClaimed) -> Steps:
    """Read all lists side by side; return why each resource that could not be listed could not."""

    def reading(listing: ListingRef) -> PageInput:
        return PageInput(run_id=request.run_id, listing=listing, patience_seconds=claimed.patience_seconds)

    tasks = [context.call_sub_orchestrator(LIST_RESOURCE, reading(one).to_json()) for one in claimed.listings]
    results = yield context.task_all(tasks)
    return {result["resource"]: f"{result['code']}: {result['message']}" for result in results if not result["ok"]}


def _fail(context: df.DurableOrchestrationContext, request: BackupRequest, failure: Failure, waits: Waits) -> Steps:
    context.set_custom_status({"step": "done", "plan": request.plan, "code": failure.code})
    return persist(
        context,
        FAIL_RUN,
        RunFailure(run_id=request.run_id, plan=request.plan, code=failure.code, message=failure.message),
        waits,
    )
