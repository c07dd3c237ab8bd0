"""One lane of a run: takes the run's next row, has it done, and goes on until there are no more."""

from __future__ import annotations

import azure.durable_functions as df

from backup.codes import Code
from backup.messages import CopyOrder, CopyOutcome, CopyProgress, LaneEnded, LaneInput, RowAction, StepInput, TakenRow
from backup.names import CHECK_REPLICA, CLEAR_SUSPECT, COPY_MODEL, DELETE_REPLICA, LANE, TAKE_ROW
from backup.states import CopyStatus, Step
from orchestrator.attempts import HistoryFull, Steps, Waits, attempt
from orchestrator.copy_state import STATUS_OF_CODE
from orchestrator.working_off import persist

blueprint = df.Blueprint()

TENDING = {
    RowAction.DELETE: DELETE_REPLICA,
    RowAction.CHECK: CHECK_REPLICA,
    RowAction.CLEAR: CLEAR_SUSPECT,
}

ROWS_PER_HISTORY = 20
"""A lane begins a new history after so many rows, so that its replays stay cheap however long the run is."""


@blueprint.function_name(LANE)
@blueprint.orchestration_trigger(context_name="context")
def lane(context: df.DurableOrchestrationContext) -> Steps:
    """Work through rows one after the other. ``LaneInput`` in, ``LaneEnded`` out."""
    state = LaneInput.parse(context.get_input())
    waits = Waits()
    try:
        for _ in range(ROWS_PER_HISTORY):
            envelope = yield from persist(context, TAKE_ROW, state, waits)
            taken = TakenRow.parse(envelope) if envelope["ok"] else TakenRow()
            if taken.order is None:
                return LaneEnded(lane=state.lane, rows=state.sequence, closed=taken.closed).to_json()
            context.set_custom_status({"lane": state.lane, "rows": state.sequence, "modelId": taken.order.model_id})
            if taken.not_before is not None and taken.not_before > context.current_utc_datetime:
                yield context.create_timer(taken.not_before)
            if taken.order.action is RowAction.COPY:
                outcome = yield from _copied(context, taken.order)
            else:
                outcome = yield from _tended(context, taken.order, waits)
            state = state.model_copy(update={"sequence": state.sequence + 1, "finished": outcome})
    except HistoryFull:
        # taking under the same number gives the same row again
        pass
    context.continue_as_new(state.to_json())
    return None


def _copied(context: df.DurableOrchestrationContext, order: CopyOrder) -> Steps:
    """Have one row copied by an orchestration of its own, without an explicit instance id; return its ``CopyOutcome``."""
    started_at = context.current_utc_datetime
    try:
        result = yield context.call_sub_orchestrator(COPY_MODEL, CopyProgress(order=order).to_json())
        return CopyOutcome.parse(result)
    except Exception as error:  # noqa: BLE001 - the SDK raises a bare Exception for whatever became of a child
        first_line = str(error).partition("\n")[0][:500]
        return CopyOutcome(
            status=CopyStatus.FAILED,
            code=Code.CHILD_LOST,
            message=f"the orchestration of this copy ended with an error: {first_line}; ask again to resume it",
            started_at=started_at,
            ended_at=context.current_utc_datetime,
        )


def _tended(context: df.DurableOrchestrationContext, order: CopyOrder, waits: Waits) -> Steps:
    """Have a replica deleted or checked, or a suspect cleared away, here and now; return a ``CopyOutcome``."""
    started_at = context.current_utc_datetime
    envelope = yield from attempt(
        context,
        TENDING[order.action],
        lambda: StepInput(order=order, owner=context.instance_id),
        step=Step.DISCARD,
        patience=order.patience_seconds,
        deadline=None,
        waits=waits,
    )
    return CopyOutcome(
        status=CopyStatus.SUCCEEDED if envelope["ok"] else STATUS_OF_CODE.get(envelope["code"], CopyStatus.FAILED),
        code=envelope.get("code"),
        message=envelope.get("message"),
        target_model_id=order.subject_id,
        started_at=started_at,
        ended_at=context.current_utc_datetime,
    )
