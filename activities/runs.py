"""The bookkeeping of a run: write its rows, hand them out to lanes, write how it ended. No service calls."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import azure.durable_functions as df

from activities.envelope import answer
from backup.messages import CopyOrder, LaneInput, Message, RunClosed, RunOpened, RunRef, RunRequest, TakenRow
from backup.names import CLOSE_RUN, OPEN_RUN, TAKE_ROW
from backup.pacing import SLOT_SHARE
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()

READS_PER_ROW = 5
"""How often a copy reads a resource at most, as a rule: the source twice before and two or three times while it copies."""


@blueprint.function_name(OPEN_RUN)
@blueprint.activity_trigger(input_name="request")
def open_run(request: dict) -> dict[str, Any]:  # type: ignore[type-arg]  # the worker refuses dict[str, Any] here
    """Write the run's rows. ``RunRequest`` in, ``RunOpened`` out."""
    return answer(OPEN_RUN, RunRequest, _open, request)


@blueprint.function_name(TAKE_ROW)
@blueprint.activity_trigger(input_name="lane")
def take_row(lane: dict) -> dict[str, Any]:  # type: ignore[type-arg]  # see above
    """Write how the lane's last row ended, and take the next one; close the run after its last. ``LaneInput`` in, ``TakenRow`` out."""
    return answer(TAKE_ROW, LaneInput, _take, lane)


@blueprint.function_name(CLOSE_RUN)
@blueprint.activity_trigger(input_name="run")
def close_run(run: dict) -> dict[str, Any]:  # type: ignore[type-arg]  # see above
    """Write how the run ended. ``RunRef`` in, ``RunClosed`` out."""
    return answer(CLOSE_RUN, RunRef, _close, run)


def _open(services: Services, request: RunRequest) -> Message:
    record = services.catalogue.runs.open(request, services.now())
    emit(Event.RUN_STARTED, run=request.run_id, source=request.source, total=record.total)
    return RunOpened(total=record.total or 0)


def _take(services: Services, lane: LaneInput) -> Message:
    runs = services.catalogue.runs
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
            turn = services.catalogue.slots.reserve(name, "get", interval, turn)
    return turn if turn > now else None


def _close(services: Services, run: RunRef) -> Message:
    return _closed(services, run.run_id)


def _closed(services: Services, run_id: str) -> RunClosed:
    record = services.catalogue.runs.close(run_id, services.now())
    # also where it was closed before: the event of that call may have been lost with it
    emit(Event.RUN_ENDED, run=run_id, status=record.status, total=record.total)
    return RunClosed(status=record.status, done=record.done, total=record.total or 0)
