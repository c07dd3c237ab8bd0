"""The schedule of each plan, and what the catalog knows of its scheduled moments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from backup.records import PlanState
from backup.schedule import longest_gap, readable
from wiring.services import Services

BACKUP_SCHEDULE = "BACKUP_SCHEDULE"
PROBE_SCHEDULE = "PROBE_SCHEDULE"


@dataclass(frozen=True, slots=True)
class PlanTiming:
    """When a plan is due. Moments are in UTC."""

    schedule: str | None
    """The text of its schedule; ``None`` if app setting ``BACKUP_SCHEDULE`` is not set."""
    is_own: bool
    """Whether the plan has a schedule of its own."""
    problem: str | None
    """Why the schedule cannot be used, and what to do. Then there are no moments."""
    interval: timedelta | None
    """The longest time between two of its next moments."""
    last_due: datetime | None
    """The last scheduled moment, whether or not a run was started for it."""
    next_due: datetime | None
    """The next scheduled moment, also while the plan is paused."""
    state: PlanState | None
    """What is settled, and whether it is paused; ``None`` if no timer has seen the plan yet."""


def schedule_of(services: Services, plan: str) -> str | None:
    """Return the text of a plan's schedule: its own, or that of ``BACKUP_SCHEDULE``; ``None`` if it has none."""
    default = services.environment.get(BACKUP_SCHEDULE, "").strip() or None
    return services.configuration.plans[plan].schedule or default


def schedule_problem(text: str | None) -> str | None:
    """Return why the text of a schedule cannot be used and what to do, or ``None``. The configuration refuses a plan's own before that."""
    if readable(text):
        return None
    wrong = "cannot be read" if text else "is not set"
    return f"app setting {BACKUP_SCHEDULE} {wrong}; write NCRONTAB, such as 0 0 2 * * * for 02:00 UTC each night"


def plan_timing(services: Services, plan: str) -> PlanTiming:
    """Return when a configured plan is due, and what is settled. Raises ``CatalogUnavailable``."""
    return replace(configured_timing(services, plan), state=services.catalog.plans.state(plan))


def configured_timing(services: Services, plan: str) -> PlanTiming:
    """Return when a configured plan is due by its schedule alone, as if no timer had seen it."""
    text, now = schedule_of(services, plan), services.now()
    schedule = readable(text)
    return PlanTiming(
        schedule=text,
        is_own=services.configuration.plans[plan].schedule is not None,
        problem=schedule_problem(text),
        interval=longest_gap(schedule, now.date()) if schedule else None,
        last_due=schedule.latest(now) if schedule else None,
        next_due=schedule.next_after(now) if schedule else None,
        state=None,
    )


def next_tick(services: Services) -> datetime | None:
    """Return when the timer looks next for plans that are due, or ``None`` where ``PROBE_SCHEDULE`` cannot be read."""
    schedule = readable(services.environment.get(PROBE_SCHEDULE))
    return schedule.next_after(services.now()) if schedule else None
