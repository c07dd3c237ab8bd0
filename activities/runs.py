"""The record of a run: write its rows, hand them out to lanes, write how it ended. No service calls."""

from __future__ import annotations

from datetime import datetime

import azure.durable_functions as df

from activities.envelope import activity
from backup.messages import Message
from backup.messages.copy import CopyOrder
from backup.messages.run import LaneInput, RunClosed, RunClosing, RunOpened, RunRequest, TakenRow
from backup.names import CLOSE_RUN, OPEN_RUN, TAKE_ROW
from backup.pacing import SLOT_SHARE
from wiring.closing import close
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()

READS_PER_ROW = 5
"""How often a copy reads a resource, as a rule: the source twice before and two or three times during the copy."""


@activity(blueprint, OPEN_RUN, RunRequest)
def open_run(services: Services, request: RunRequest) -> Message:
    """Write the run's rows. ``RunRequest`` in, ``RunOpened`` out."""
    record = services.catalog.runs.open(request, services.now())
    emit(Event.RUN_STARTED, run=request.run_id, source=request.source, total=record.total)
    return RunOpened(total=record.total or 0, concurrency=request.concurrency)


@activity(blueprint, TAKE_ROW, LaneInput)
def take_row(services: Services, lane: LaneInput) -> Message:
    """Write how the lane's last row ended, and take the next one; close the run after its last. ``LaneInput`` in, ``TakenRow`` out."""
    runs = services.catalog.runs
    order = runs.take(lane.run_id, lane.lane, lane.sequence, lane.finished, services.now())
    if order is not None:
        return TakenRow(order=order, not_before=_turn(services, order))
    is_done = runs.is_worked_off(lane.run_id)
    return TakenRow(closed=_closed(services, RunClosing(run_id=lane.run_id)) if is_done else None)


def _turn(services: Services, order: CopyOrder) -> datetime | None:
    """Reserve the moment at which a row may begin, so that its reads stay within ``getPerSecond``. Its writes get a slot of their own."""
    now = services.now()
    turn = now
    for name in dict.fromkeys((order.source, order.target)):
        resource = services.configuration.resources.get(name)
        per_second = resource.rate_limits.get_per_second if resource else None
        if per_second is not None:
            interval = READS_PER_ROW / (per_second * SLOT_SHARE)
            turn = services.catalog.slots.reserve(name, "get", interval, turn)
    return turn if turn > now else None


@activity(blueprint, CLOSE_RUN, RunClosing)
def close_run(services: Services, closing: RunClosing) -> Message:
    """Write how the run ended. ``RunClosing`` in, ``RunClosed`` out."""
    return _closed(services, closing)


def _closed(services: Services, closing: RunClosing) -> RunClosed:
    record = close(services, closing)
    return RunClosed(status=record.status, done=record.done, total=record.total or 0, code=record.code)
