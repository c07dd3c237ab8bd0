"""One lane of a run: takes the run's next row, does it, and repeats until no rows are left."""

from __future__ import annotations

import azure.durable_functions as df

from backup.codes import Code
from backup.messages.copy import CopyOrder, CopyOutcome, CopyProgress, Failure, RowAction, StepInput
from backup.messages.run import LaneEnded, LaneInput, TakenRow
from backup.names import CHECK_REPLICA, CLEAR_SUSPECT, COPY_MODEL, DELETE_REPLICA, LANE, TAKE_ROW
from backup.states import CopyStatus, Step
from orchestrator.attempts import HistoryFull, Steps, Waits, call, first_line, record
from orchestrator.copy_state import STATUS_OF_CODE

blueprint = df.Blueprint()

MAINTENANCE = {
    RowAction.DELETE: DELETE_REPLICA,
    RowAction.CHECK: CHECK_REPLICA,
    RowAction.CLEAR: CLEAR_SUSPECT,
}
"""The activity for each row that is not a copy."""

ROWS_PER_HISTORY = 20
"""A lane begins a new history after so many rows, so that its replays stay cheap however long the run is."""


@blueprint.function_name(LANE)
@blueprint.orchestration_trigger(context_name="context")
def lane(context: df.DurableOrchestrationContext) -> Steps:
    """Work through rows one after the other. ``LaneInput`` in, ``LaneEnded`` out."""
    position = LaneInput.parse(context.get_input())
    waits = Waits()
    try:
        for _ in range(ROWS_PER_HISTORY):
            envelope = yield from record(context, TAKE_ROW, position, waits)
            if not envelope["ok"]:
                return LaneEnded(failure=Failure.parse(envelope), unrecorded=position).to_json()
            taken = TakenRow.parse(envelope)
            if taken.order is None:
                return LaneEnded(closed=taken.closed).to_json()
            context.set_custom_status(
                {"lane": position.lane, "rows": position.sequence, "modelId": taken.order.model_id}
            )
            if taken.not_before is not None and taken.not_before > context.current_utc_datetime:
                yield context.create_timer(taken.not_before)
            outcome = yield from (_copy if taken.order.action is RowAction.COPY else _maintain)(
                context, taken.order, waits
            )
            position = position.replace(sequence=position.sequence + 1, finished=outcome)
    except HistoryFull:
        # taking under the same number gives the same row again
        pass
    context.continue_as_new(position.to_json())
    return None


def _copy(context: df.DurableOrchestrationContext, order: CopyOrder, _: Waits) -> Steps:
    """Copy one row in an orchestration of its own, without an explicit instance id; return its ``CopyOutcome``."""
    started_at = context.current_utc_datetime
    try:
        result = yield context.call_sub_orchestrator(COPY_MODEL, CopyProgress(order=order).to_json())
        return CopyOutcome.parse(result)
    except Exception as error:  # noqa: BLE001 - the SDK raises a bare Exception for whatever ended a child
        return CopyOutcome(
            status=CopyStatus.FAILED,
            code=Code.CHILD_LOST,
            message=f"the orchestration of this copy ended with an error: {first_line(error)}; "
            "ask again once its lease has ended (in 20 minutes, as a rule), and it resumes",
            started_at=started_at,
            ended_at=context.current_utc_datetime,
        )


def _maintain(context: df.DurableOrchestrationContext, order: CopyOrder, waits: Waits) -> Steps:
    """Delete or check a replica, or clear a suspect; return a ``CopyOutcome``."""
    started_at = context.current_utc_datetime
    envelope = yield from call(
        context,
        MAINTENANCE[order.action],
        lambda: StepInput(order=order, owner=context.instance_id),
        step=Step.DISCARD,
        patience=order.patience_seconds,
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
