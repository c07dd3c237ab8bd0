"""When a plan is due: which scheduled moment needs a start, and which one is settled without."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from backup.records import PlanState
from schedules.ncrontab import Schedule, ScheduleError

STARTED = "it was started already"
"""How a moment is settled whose run was started."""

LOOK_BACK = timedelta(minutes=30)
"""How far back a plan that is new, or has a new schedule, is due: a new version of the app may begin its work while the catalog is away."""

_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_LEAST_OCCURRENCES = 16
_MOST_OCCURRENCES = 2_500
"""Eight days of every five minutes."""


def readable(text: str | None) -> Schedule | None:
    """Return the schedule, or ``None`` for a text that is none."""
    try:
        schedule = Schedule.parse(text or "")
        schedule.next_after(_SOME_DAY)
    except ScheduleError:
        return None
    return schedule


def seen(state: PlanState | None, schedule: str | None, now: datetime, firing: datetime | None = None) -> PlanState:
    """Return the state of a plan with this schedule. One that is new, or has a new schedule, is due for the last half hour and later.

    ``firing`` is the moment that a timer fires for: it is due as well, however old it is.
    """
    if state is not None and state.schedule == schedule:
        return state
    until = now - LOOK_BACK if firing is None else min(now - LOOK_BACK, firing - timedelta(seconds=1))
    parsed = readable(schedule)
    before = parsed.latest(until) if parsed else until
    if state is None:
        return PlanState(first_seen_at=now, schedule=schedule, settled=before, settled_as="the plan was not there yet")
    return state.replace(schedule=schedule).with_settled(before, "the plan had another schedule")


def due(state: PlanState, now: datetime) -> datetime | None:
    """Return the scheduled moment that is due at ``now`` (UTC), or ``None``.

    Of several moments that were missed it is the last one: a plan is made up for once.
    """
    schedule = readable(state.schedule)
    moment = schedule.latest(now) if schedule else None
    return moment if moment and moment > state.settled else None


def paused(state: PlanState, reason: str, now: datetime) -> PlanState:
    """Return the state as paused, since it was first paused."""
    return state.replace(paused_at=state.paused_at or now, pause_reason=reason)


def resumed(state: PlanState, now: datetime) -> PlanState:
    """Return the state as no longer paused. Only moments after ``now`` are due."""
    if state.paused_at is None:
        return state
    schedule = readable(state.schedule)
    settled = state.with_settled(schedule.latest(now) if schedule else now, f"paused: {state.pause_reason}")
    return settled.replace(paused_at=None, pause_reason=None)


@lru_cache(maxsize=256)
def longest_gap(schedule: Schedule, day: date) -> timedelta:
    """Return the longest time between two occurrences that follow each other, in the eight days after ``day`` and longer."""
    start = moment = schedule.next_after(datetime.combine(day, time(), UTC))
    longest = timedelta(0)
    for count in range(_MOST_OCCURRENCES):
        if count >= _LEAST_OCCURRENCES and moment - start > timedelta(days=8):
            break
        following = schedule.next_after(moment)
        longest, moment = max(longest, following - moment), following
    return longest
