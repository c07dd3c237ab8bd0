"""One lane of a run: takes the run's next row, has it copied, and goes on until there are no more."""

from __future__ import annotations

import azure.durable_functions as df

from backup.codes import Code
from backup.messages import CopyOrder, CopyOutcome, CopyProgress, LaneInput, TakenRow
from backup.names import COPY_MODEL, LANE, TAKE_ROW
from backup.states import CopyStatus, Step
from orchestrator.attempts import BeginAnew, Steps, Waits, attempt

blueprint = df.Blueprint()

ROWS_PER_HISTORY = 20
"""A lane begins a new history after so many rows, so that its replays stay cheap however long the run is."""

TAKING_PATIENCE_SECONDS = 24 * 3600.0
"""How long a lane waits for a catalogue that does not answer: rows that are not taken are not lost."""


@blueprint.function_name(LANE)
@blueprint.orchestration_trigger(context_name="context")
def lane(context: df.DurableOrchestrationContext) -> Steps:
    """Work through rows one after the other. ``LaneInput`` in, the number of rows taken out."""
    state = LaneInput.parse(context.get_input())
    waits = Waits()
    for _ in range(ROWS_PER_HISTORY):
        try:
            envelope = yield from attempt(
                context,
                TAKE_ROW,
                lambda: state,  # noqa: B023 - called before the loop goes on
                step=Step.RECORD,
                patience=TAKING_PATIENCE_SECONDS,
                deadline=None,
                waits=waits,
            )
        except BeginAnew:
            break
        taken = TakenRow.parse(envelope) if envelope["ok"] else TakenRow()
        if taken.order is None:
            return {"lane": state.lane, "rows": state.sequence}
        context.set_custom_status({"lane": state.lane, "rows": state.sequence, "modelId": taken.order.model_id})
        outcome = yield from _copied(context, taken.order)
        state = state.model_copy(update={"sequence": state.sequence + 1, "finished": outcome})
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
