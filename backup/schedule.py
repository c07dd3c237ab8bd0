"""When a plan is due: which scheduled moment needs a start, and why it may need none."""

from __future__ import annotations

from datetime import datetime

from backup.records import PlanState
from schedules.ncrontab import Schedule

STARTED = "it was started already"
"""How a moment is settled whose run was started."""


def seen(state: PlanState | None, schedule: str, now: datetime) -> PlanState:
    """Return the state of a plan with this schedule. A plan that is new, or has a new schedule, is due from its next moment on."""
    if state is None:
        return PlanState(first_seen_at=now, schedule=schedule, schedule_since=now)
    return state.with_schedule(schedule, now)


def due(state: PlanState, now: datetime) -> datetime | None:
    """Return the scheduled moment that is due at ``now`` (UTC), or ``None``.

    Of several moments that were missed it is the last one: a plan is made up for once. Raises ``ScheduleError``.
    """
    moment = Schedule.parse(state.schedule).latest(now)
    is_open = moment > state.schedule_since and (state.settled is None or moment > state.settled)
    return moment if is_open else None


def why_not(state: PlanState, moment: datetime) -> str | None:
    """Return why the plan needs no start for ``moment``, or ``None`` if it needs one."""
    if state.settled is not None and moment <= state.settled:
        return state.settled_as
    return None if state.paused_at is None else f"paused: {state.pause_reason}"


def next_start(state: PlanState | None, schedule: str, now: datetime) -> datetime | None:
    """Return when the timer starts the plan next (UTC): the next moment, or ``None`` while it is paused. Raises ``ScheduleError``."""
    is_paused = state is not None and state.paused_at is not None
    return None if is_paused else Schedule.parse(schedule).next_after(now)
