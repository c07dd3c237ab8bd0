"""One run of named copies: write its rows, let lanes work them off, write how it ended."""

from __future__ import annotations

import azure.durable_functions as df

from backup.messages import LaneInput, Message, RunOpened, RunRequest
from backup.names import CLOSE_RUN, COPY_BATCH, LANE, OPEN_RUN
from backup.states import Step
from orchestrator.attempts import BeginAnew, Steps, Waits, attempt
from orchestrator.lane import TAKING_PATIENCE_SECONDS

blueprint = df.Blueprint()


@blueprint.function_name(COPY_BATCH)
@blueprint.orchestration_trigger(context_name="context")
def copy_batch(context: df.DurableOrchestrationContext) -> Steps:
    """Copy the models of one request over its routes. ``RunRequest`` in, ``RunClosed`` out."""
    request = RunRequest.parse(context.get_input())
    try:
        closed = yield from _run(context, request)
    except BeginAnew:
        # opening again changes nothing, and lanes go on where the rows say
        context.continue_as_new(request.to_json())
        return None
    return closed


def _run(context: df.DurableOrchestrationContext, request: RunRequest) -> Steps:
    waits = Waits()
    envelope = yield from _persist(context, OPEN_RUN, request, waits)
    if not envelope["ok"]:
        return envelope
    opened = RunOpened.parse(envelope)
    lanes = min(opened.total, request.concurrency)
    context.set_custom_status({"step": "copying", "copies": opened.total, "lanes": lanes})
    if lanes:
        # One task_all over lanes: a refilled window of task_any would run its refills one at a time on the real extension.
        inputs = [LaneInput(run_id=request.run_id, lane=number) for number in range(lanes)]
        try:
            yield context.task_all([context.call_sub_orchestrator(LANE, one.to_json()) for one in inputs])
        except Exception as error:  # noqa: BLE001 - a lane that died leaves its rows to close_run, which reports them
            context.set_custom_status({"step": "closing", "error": str(error).partition("\n")[0][:500]})
    closed = yield from _persist(context, CLOSE_RUN, request, waits)
    context.set_custom_status(
        {"step": "done", **{name: closed[name] for name in ("status", "done", "total") if name in closed}}
    )
    return closed


def _persist(context: df.DurableOrchestrationContext, name: str, message: Message, waits: Waits) -> Steps:
    """Call a bookkeeping activity until the catalogue answers."""
    return attempt(
        context,
        name,
        lambda: message,
        step=Step.RECORD,
        patience=TAKING_PATIENCE_SECONDS,
        deadline=None,
        waits=waits,
    )
