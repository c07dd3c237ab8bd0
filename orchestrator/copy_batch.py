"""One run of named copies: write its rows, let lanes work them off, write how it ended."""

from __future__ import annotations

import azure.durable_functions as df

from backup.messages import RunOpened, RunRequest
from backup.names import COPY_BATCH, OPEN_RUN
from orchestrator.attempts import HistoryFull, Steps, Waits
from orchestrator.working_off import persist, work_off

blueprint = df.Blueprint()


@blueprint.function_name(COPY_BATCH)
@blueprint.orchestration_trigger(context_name="context")
def copy_batch(context: df.DurableOrchestrationContext) -> Steps:
    """Copy the models of one request over its routes. ``RunRequest`` in, ``RunClosed`` out."""
    request = RunRequest.parse(context.get_input())
    waits = Waits()
    try:
        envelope = yield from persist(context, OPEN_RUN, request, waits)
        if not envelope["ok"]:
            return envelope
        opened = RunOpened.parse(envelope)
        closed = yield from work_off(context, request.run_id, opened.total, request.concurrency, waits)
    except HistoryFull:
        # opening again changes nothing, and lanes go on where the rows say
        context.continue_as_new(request.to_json())
        return None
    return closed
