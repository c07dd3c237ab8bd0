"""One lane of a run: takes the run's next row, does it, and repeats until no rows are left."""

from __future__ import annotations

from datetime import datetime, timedelta

import azure.durable_functions as df

from backup.codes import Code
from backup.messages.copy import CopyOrder, CopyOutcome, CopyProgress, Failure, RowAction, StepInput
from backup.messages.run import LaneEnded, LaneInput, TakenRow
from backup.moments import written
from backup.names import CHECK_REPLICA, CLEAR_SUSPECT, CONFIRM_REPLICA, COPY_MODEL, DELETE_REPLICA, LANE, TAKE_ROW
from backup.states import CopyStatus, Step
from orchestrator.attempts import HistoryFull, Steps, Waits, call, first_line, record
from orchestrator.copy_state import STATUS_OF_CODE

blueprint = df.Blueprint()

MAINTENANCE = {
    RowAction.DELETE: DELETE_REPLICA,
    RowAction.CHECK: CHECK_REPLICA,
    RowAction.CLEAR: CLEAR_SUSPECT,
    RowAction.CONFIRM: CONFIRM_REPLICA,
}
"""The activity for each row that is not a copy."""

ROWS_PER_HISTORY = 20
"""A lane begins a new history after so many rows, so that its replays stay cheap however long the run is."""


@blueprint.function_name(LANE)
@blueprint.orchestration_trigger(context_name="context")
def lane(context: df.DurableOrchestrationContext) -> Steps:
    """Work through rows one after the other. ``LaneInput`` in, ``LaneEnded`` out."""
    position = LaneInput.parse(context.get_input())
    waits = Waits(context, position.run_id, f"lane-{position.lane}", position.noted)
    since = position.since or context.current_utc_datetime
    taken_at = position.taken_at
    position = position.replace(since=None, taken_at=None, noted=None)
    try:
        for _ in range(ROWS_PER_HISTORY):
            what = f"the catalog, for the next copy of lane {position.lane}"
            envelope = yield from record(context, TAKE_ROW, position, waits, what, since)
            if not envelope["ok"]:
                return LaneEnded(failure=Failure.parse(envelope), unrecorded=position).to_json()
            taken = TakenRow.parse(envelope)
            if taken.order is None:
                return LaneEnded(closed=taken.closed).to_json()
            context.set_custom_status(
                {"lane": position.lane, "rows": position.sequence, "modelId": taken.order.model_id}
            )
            taken_at = taken_at or context.current_utc_datetime
            outcome = yield from _work(context, taken.order, taken.not_before, taken_at, waits)
            position = position.replace(sequence=position.sequence + 1, finished=outcome)
            since, taken_at = context.current_utc_datetime, None
    except HistoryFull:
        # taking under the same number gives the same row again
        position = position.replace(since=since, taken_at=taken_at, noted=waits.noted)
    context.continue_as_new(position.to_json())
    return None


def _work(
    context: df.DurableOrchestrationContext,
    order: CopyOrder,
    not_before: datetime | None,
    taken_at: datetime,
    waits: Waits,
) -> Steps:
    """Wait for the row's turn, then do it; return a ``CopyOutcome``. A turn that comes after the deadline ends the row."""
    until = taken_at + timedelta(seconds=order.deadline_seconds)
    if not_before is not None and not_before > context.current_utc_datetime:
        if not_before >= until:
            message = f"the rate limits allow this row at {written(not_before)}, and its deadline is {written(until)}"
            return CopyOutcome(
                status=CopyStatus.FAILED,
                code=Code.DEADLINE_EXCEEDED,
                message=f"{message}; raise rateLimits or the deadline",
                started_at=taken_at,
                ended_at=context.current_utc_datetime,
            )
        yield context.create_timer(not_before)
    if order.action in {RowAction.COPY, RowAction.ADOPT}:
        return (yield from _copy(context, order))
    return (yield from _maintain(context, order, until, waits))


def _copy(context: df.DurableOrchestrationContext, order: CopyOrder) -> Steps:
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


def _maintain(context: df.DurableOrchestrationContext, order: CopyOrder, until: datetime, waits: Waits) -> Steps:
    """Delete or check a replica, or clear a suspect, until ``until``; return a ``CopyOutcome``."""
    started_at = context.current_utc_datetime
    envelope = yield from call(
        context,
        MAINTENANCE[order.action],
        lambda: StepInput(order=order, owner=context.instance_id),
        step=Step.DISCARD,
        what=f'{order.action} of {order.kind} {order.subject_id} in "{order.target}"',
        patience=order.patience_seconds,
        until=until,
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
