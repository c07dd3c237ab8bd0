"""Bring models back from replicas: decide from the catalog alone, then work the rows off like any other run."""

from __future__ import annotations

import azure.durable_functions as df

from backup.messages import Failure, RestorePlanned, RestoreRequest, RunFailure
from backup.names import FAIL_RUN, PLAN_RESTORE, RESTORE_RUN
from orchestrator.attempts import HistoryFull, Steps, Waits
from orchestrator.working_off import persist, work_off

blueprint = df.Blueprint()


@blueprint.function_name(RESTORE_RUN)
@blueprint.orchestration_trigger(context_name="context")
def restore_run(context: df.DurableOrchestrationContext) -> Steps:
    """Restore models. ``RestoreRequest`` in, ``RunClosed`` out."""
    request = RestoreRequest.parse(context.get_input())
    waits = Waits()
    try:
        envelope = yield from persist(context, PLAN_RESTORE, request, waits)
        if not envelope["ok"]:
            failure = Failure.parse(envelope)
            failed = RunFailure(run_id=request.run_id, code=failure.code, message=failure.message)
            return (yield from persist(context, FAIL_RUN, failed, waits))
        planned = RestorePlanned.parse(envelope)
        closed = yield from work_off(context, request.run_id, planned.total, planned.concurrency, waits)
    except HistoryFull:
        context.continue_as_new(request.to_json())
        return None
    return closed
