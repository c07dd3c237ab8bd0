"""The bookkeeping of a run: write its rows, hand them out to lanes, write how it ended. No service calls."""

from __future__ import annotations

from datetime import datetime

import azure.durable_functions as df

from activities.envelope import activity
from backup.messages import CopyOrder, LaneInput, Message, RunClosed, RunOpened, RunRef, RunRequest, TakenRow
from backup.names import CLOSE_RUN, OPEN_RUN, TAKE_ROW
from backup.pacing import SLOT_SHARE
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()

READS_PER_ROW = 5
"""How often a copy reads a resource at most, as a rule: the source twice before and two or three times while it copies."""


@activity(blueprint, OPEN_RUN, RunRequest)
def open_run(services: Services, request: RunRequest) -> Message:
    """Write the run's rows. ``RunRequest`` in, ``RunOpened`` out."""
    record = services.catalog.runs.open(request, services.now())
    emit(Event.RUN_STARTED, run=request.run_id, source=request.source, total=record.total)
    return RunOpened(total=record.total or 0)


@activity(blueprint, TAKE_ROW, LaneInput)
def take_row(services: Services, lane: LaneInput) -> Message:
    """Write how the lane's last row ended, and take the next one; close the run after its last. ``LaneInput`` in, ``TakenRow`` out."""
    runs = services.catalog.runs
    order = runs.take(lane.run_id, lane.lane, lane.sequence, lane.finished, services.now())
    if order is not None:
        return TakenRow(order=order, not_before=_turn(services, order))
    return TakenRow(closed=_closed(services, lane.run_id) if runs.is_worked_off(lane.run_id) else None)


def _turn(services: Services, order: CopyOrder) -> datetime | None:
    """Reserve the moment at which a row may be begun: lanes that start together, or go fast, must not ask too much at once.

    Within ``getPerSecond``, a copy reads each resource a few times. What it changes there has a slot of its own, later.
    """
    now = services.now()
    turn = now
    for name in dict.fromkeys((order.source, order.target)):
        resource = services.configuration.resources.get(name)
        per_second = resource.rate_limits.get_per_second if resource else None
        if per_second is not None:
            interval = READS_PER_ROW / (per_second * SLOT_SHARE)
            turn = services.catalog.slots.reserve(name, "get", interval, turn)
    return turn if turn > now else None


@activity(blueprint, CLOSE_RUN, RunRef)
def close_run(services: Services, run: RunRef) -> Message:
    """Write how the run ended. ``RunRef`` in, ``RunClosed`` out."""
    return _closed(services, run.run_id)


def _closed(services: Services, run_id: str) -> RunClosed:
    record = services.catalog.runs.close(run_id, services.now())
    # also where it was closed before: the event of that call may have been lost with it
    emit(Event.RUN_ENDED, run=run_id, status=record.status, total=record.total)
    return RunClosed(status=record.status, done=record.done, total=record.total or 0)
