"""What the watch finds about a plan between its runs: a pure function of what the catalog knows and the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from backup.configuration.sections import Plan
from backup.coverage import PlanCoverage, findings_of_coverage
from backup.health import FindingCode, HealthFinding
from backup.moments import written

GRACE = timedelta(hours=2)
"""How much longer than the time between two runs a plan may be without a good one, if it promises nothing else by ``rpoHours``."""

LATE = timedelta(minutes=15)
"""How late a run may start: the app tries every five minutes."""


@dataclass(frozen=True, slots=True)
class PlanWatch:
    """What is known of a plan at one moment. All moments are UTC."""

    name: str
    plan: Plan
    known_since: datetime
    last_good: datetime | None
    """When the last good run began."""
    under_way_since: datetime | None = None
    """When the run began that holds the plan."""
    settled: datetime | None = None
    """The last scheduled moment for which a run was started, or skipped for a reason."""
    interval: timedelta | None = None
    """The longest time between two runs by its schedule; ``None`` if it has no schedule that can be read."""
    due: datetime | None = None
    """The last moment at which a run should have started."""
    paused_at: datetime | None = None
    paused_reason: str | None = None
    coverage: PlanCoverage | None = None

    @property
    def promise(self) -> timedelta | None:
        """For how long the plan may be without a good run; ``None`` if it has neither a schedule nor ``rpoHours``."""
        if self.plan.rpo_hours is not None:
            return timedelta(hours=self.plan.rpo_hours)
        return None if self.interval is None else self.interval + GRACE

    def targets(self, now: datetime) -> dict[str, dict[str, object]]:
        """Return the numbers of each target that is known, with whether its promise holds (``isRpoMet``, if there is one)."""
        seen = self.coverage
        if seen is None:
            return {}
        met = {name: seen.rpo(name, self.plan, now) for name in seen.targets}
        return {
            name: {**numbers.to_json(), **({} if met[name] is None else {"isRpoMet": met[name]})}
            for name, numbers in seen.targets.items()
        }


def findings_of_plan(watch: PlanWatch, now: datetime) -> Iterator[HealthFinding]:
    """Give what is wrong with a plan now, besides what its last run found."""
    name = watch.name
    if watch.paused_at is not None:
        message = f"plan {name} is paused since {written(watch.paused_at)}: {watch.paused_reason or 'no reason given'}"
        remedy = f'resume it: PATCH /api/plans/{name} with {{"paused": false}}'
        yield _about(FindingCode.PLAN_PAUSED, name, message, since=watch.paused_at, remedy=remedy)
    elif watch.due is not None and _is_not_started(watch, now):
        yield _about(
            FindingCode.PLAN_NOT_STARTED,
            name,
            f"the run of plan {name} that was due at {written(watch.due)} has not started",
            since=watch.due,
        )
    if watch.interval is None and watch.paused_at is None:
        yield _about(
            FindingCode.SCHEDULE_MISSING,
            name,
            f"plan {name} has no schedule that can be read, so no run starts by itself",
            remedy='set BACKUP_SCHEDULE, or "schedule" of the plan in backup.json, to six fields: 0 0 2 * * *',
        )
    good, promise = watch.last_good or watch.known_since, watch.promise
    is_running = watch.under_way_since is not None and promise is not None and now - watch.under_way_since <= promise
    if promise is not None and now - good > promise and not is_running:
        last = f"its last good run began at {written(good)}" if watch.last_good else "it has had no good run yet"
        hours = promise.total_seconds() / 3600
        message = f"plan {name} is without a good run for more than {hours:g} hours: {last}"
        yield _about(FindingCode.PLAN_OVERDUE, name, message)
    yield from findings_of_coverage(name, watch.plan, watch.coverage, now)


def _is_not_started(watch: PlanWatch, now: datetime) -> bool:
    if watch.due is None or now - watch.due <= LATE:
        return False
    return watch.settled is None or watch.settled < watch.due


def _about(
    code: FindingCode, plan: str, message: str, since: datetime | None = None, remedy: str | None = None
) -> HealthFinding:
    return HealthFinding(code=code, subject=plan, plan=plan, message=message, since=since, remedy=remedy)
