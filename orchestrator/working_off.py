"""What every run does with its rows: let lanes work them off, then write how it ended."""

from __future__ import annotations

import azure.durable_functions as df

from backup.messages import LaneEnded, LaneInput, Message, RunClosed, RunRef
from backup.names import CLOSE_RUN, LANE
from backup.states import Step
from orchestrator.attempts import Steps, Waits, attempt

BOOKKEEPING_PATIENCE_SECONDS = 24 * 3600.0
"""How long a run waits for a catalog that does not answer: rows that are not taken are not lost."""


def work_off(context: df.DurableOrchestrationContext, run_id: str, rows: int, concurrency: int, waits: Waits) -> Steps:
    """Work ``rows`` rows off in up to ``concurrency`` lanes and close the run; return ``RunClosed``, or why it is not closed."""
    lanes = min(rows, concurrency)
    context.set_custom_status({"step": "working", "rows": rows, "lanes": lanes})
    closed: RunClosed | None = None
    if lanes:
        # One task_all over lanes: a refilled window of task_any would run its refills one at a time on the real extension.
        inputs = [LaneInput(run_id=run_id, lane=number) for number in range(lanes)]
        try:
            ended = yield context.task_all([context.call_sub_orchestrator(LANE, one.to_json()) for one in inputs])
            closed = next((lane.closed for lane in map(LaneEnded.parse, ended) if lane.closed is not None), None)
        except Exception as error:  # noqa: BLE001 - a lane that died leaves its rows to close_run, which reports them
            context.set_custom_status({"step": "closing", "error": str(error).partition("\n")[0][:500]})
    # where every row came to an end, the lane that had the last one closed the run
    envelope = (
        (yield from persist(context, CLOSE_RUN, RunRef(run_id=run_id), waits)) if closed is None else closed.to_json()
    )
    shown = {name: envelope[name] for name in ("status", "done", "total") if name in envelope}
    context.set_custom_status({"step": "done", **shown})
    return envelope


def persist(context: df.DurableOrchestrationContext, name: str, message: Message, waits: Waits) -> Steps:
    """Call a bookkeeping activity until the catalog answers; return its envelope."""
    return attempt(
        context,
        name,
        lambda: message,
        step=Step.RECORD,
        patience=BOOKKEEPING_PATIENCE_SECONDS,
        deadline=None,
        waits=waits,
    )
