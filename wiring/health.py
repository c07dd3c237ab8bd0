"""Observing what is wrong now: with the app, its resources and its plans. Makes no calls to a resource."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from backup.codes import Code
from backup.configuration.app_settings import address_problem, key_problem
from backup.health import Changes, FindingCode, HealthFinding, findings_view
from backup.lookup import REACHABLE
from backup.moments import written
from backup.notices import notices_of
from backup.records import RunRecord
from backup.schedule import longest_gap, readable
from backup.watch import PlanWatch, findings_of_plan
from catalog.store import CatalogUnavailable
from wiring.events import Event, emit
from wiring.plan_schedules import plan_timing
from wiring.services import CATALOG_SETTING, HISTORY_SETTING, ConfigurationInvalid, Services

_logger = logging.getLogger(__name__)

APP_SCOPE = "app"
RESOURCES_SCOPE = "resources"
WATCH_SCOPE = "watch"
"""It holds no findings: only when the watch fired last."""
SLOW_SECONDS = 1.0
MOST_SKEW_SECONDS = 300.0
"""Tokens and signatures of the service tolerate five minutes."""
DOWN_FOR = timedelta(minutes=10)
"""A resource that is down for a shorter time is shown and not told: it may be restarting."""
REFUSALS = {
    Code.ACCESS_DENIED: FindingCode.KEY_REFUSED,
    Code.CONFIGURATION_INVALID: FindingCode.KEY_REFUSED,
    Code.VERSION_RETIRED: FindingCode.VERSION_REFUSED,
    Code.VERSION_UNSUPPORTED: FindingCode.VERSION_REFUSED,
}
"""What it means if a resource answers the app with a refusal. Every other state means that it is down."""
WATCH_PARTS_SCOPE = "watch|parts"
STUCK_AFTER = timedelta(hours=1)
"""A run whose lanes take no row for its deadline and this time makes no progress."""
WATCH_LIMIT = timedelta(minutes=30)
"""The watch fires every five minutes; after so long without it, it has stopped."""
SCHEDULES = ("PURGE_SCHEDULE", "PROBE_SCHEDULE")
ON_AZURE = ("WEBSITE_SITE_NAME", "WEBSITE_INSTANCE_ID")
"""Settings that the platform sets on its workers."""


def app_findings(services: Services) -> Iterator[HealthFinding]:
    """Give what is wrong with the app itself: its settings, its catalog, its receivers of notices, and its watch."""
    environment, configuration = services.environment, services.configuration
    for name, resource in configuration.resources.items():
        problem = resource.key_setting and key_problem(environment.get(resource.key_setting, ""))
        if problem:
            yield _setting(str(resource.key_setting), f'the key of resource "{name}": {problem.wrong}', problem.remedy)
    for entry in configuration.notify:
        problem = address_problem(environment.get(entry.url_setting, ""))
        if problem:
            yield _setting(entry.url_setting, f"the address of a receiver of notices: {problem.wrong}", problem.remedy)
    try:
        services.history_days()
    except ConfigurationInvalid as error:
        yield _setting(HISTORY_SETTING, str(error), "write a whole number of days, such as 30")
    for setting in SCHEDULES:
        text = environment.get(setting, "").strip()
        if readable(text) is None:
            wrong = "cannot be read" if text else "is empty"
            yield _schedule(setting, f"app setting {setting} {wrong}: its timer does not fire")
    uses_file = environment.get(CATALOG_SETTING, "").strip().startswith("sqlite:")
    if uses_file and any(environment.get(name) for name in ON_AZURE):
        yield HealthFinding(
            code=FindingCode.CATALOG_ON_LOCAL_DISK,
            subject=CATALOG_SETTING,
            message="app setting CATALOG names a SQLite file, and the app runs on Azure",
        )
    receivers = [entry.url_setting for entry in configuration.notify]
    for receiver, delivery in services.catalog.notices.failing(receivers).items():
        yield HealthFinding(
            code=FindingCode.NOTICE_UNDELIVERED,
            subject=receiver,
            message=f"the receiver of app setting {receiver} does not take notices: {delivery.reason}",
        )
    yield from watch_findings(services)
    seconds = _read_seconds(services)
    if seconds > SLOW_SECONDS:
        yield HealthFinding(
            code=FindingCode.CATALOG_SLOW, subject="catalog", message=f"one read took {seconds:.1f} seconds"
        )


def resource_findings(services: Services, down_for: timedelta = timedelta(0)) -> Iterator[HealthFinding]:
    """Give what is wrong with resources, by the app's last calls to them. ``down_for``: only those that do not work for so long."""
    now, states = services.now(), services.reachability()
    for name in services.configuration.resources:
        seen = states.get(name)
        if seen is None:
            continue
        since = datetime.fromisoformat(seen.get("since") or seen["at"])
        state = seen["state"]
        if state != REACHABLE and now - since >= down_for:
            yield HealthFinding(
                code=REFUSALS.get(state, FindingCode.RESOURCE_DOWN),
                subject=name,
                message=seen.get("message") or f"{name}: {state}",
                cause=state,
                since=since,
            )
        skew = float(seen.get("skewSeconds") or 0.0)
        if abs(skew) > MOST_SKEW_SECONDS:
            direction = "behind" if skew > 0 else "ahead of"
            yield HealthFinding(
                code=FindingCode.CLOCK_SKEWED,
                subject=name,
                message=f"the app's clock is {abs(skew) / 60:.0f} minutes {direction} that of {name}",
            )


def note_watch(services: Services) -> None:
    """Write that the watch fired."""
    now = services.now()
    services.catalog.findings.observe(WATCH_SCOPE, (), now, now)


def watch_findings(services: Services) -> Iterator[HealthFinding]:
    """Tell whether the watch itself has stopped: health says so, and the end of each run."""
    seen, now = services.catalog.findings.as_of(WATCH_SCOPE), services.now()
    schedule = readable(services.environment.get("PROBE_SCHEDULE"))
    limit = max(WATCH_LIMIT, 2 * longest_gap(schedule, now.date())) if schedule else WATCH_LIMIT
    if seen is not None and now - seen > limit:
        yield HealthFinding(
            code=FindingCode.WATCH_STOPPED,
            subject="watch_backups",
            message=f"the watch fired last at {written(seen)}",
            since=seen,
        )


def tell(
    services: Services, scope: str, found: Iterable[HealthFinding], now: datetime, as_of: datetime | None = None
) -> Changes:
    """Make ``found`` the findings of ``scope``; write an event and queue a notice for each change. Repeating it changes nothing.

    ``as_of``: how old the observation is; ``None``: it is the newest, also if the app's clock was set back since the last one.

    The notice is queued first: if the app dies in between, the same change is seen again, and its notice has the same id.
    """
    findings: Sequence[HealthFinding] = list(found)
    table = services.catalog.findings
    after = table.as_of(scope)
    as_of = as_of or max(now, after or now)
    for notice in notices_of(scope, table.compare(scope, findings, now, as_of), after, now):
        services.catalog.notices.add(notice)
    changes = table.observe(scope, findings, now, as_of)
    for event, changed in ((Event.FINDING_BEGAN, changes.began), (Event.FINDING_ENDED, changes.ended)):
        for view in findings_view(changed):
            emit(event, **view)
    return changes


def run_scope(plan: str) -> str:
    """Return the scope of what the last run of a plan found."""
    return f"run|{plan}"


def plan_scope(plan: str) -> str:
    """Return the scope of what the watch finds about a plan."""
    return f"plan|{plan}"


def watch_of(services: Services, name: str) -> PlanWatch:
    """Return what is known of a plan now."""
    plans, timing = services.catalog.plans, plan_timing(services, name)
    state, runs, held = timing.state, plans.runs(name), _under_way(services, name)
    return PlanWatch(
        name=name,
        plan=services.configuration.plans[name],
        known_since=state.first_seen_at if state else services.now(),
        last_good=runs.last_good.started_at if runs.last_good else None,
        under_way_since=held.started_at if held else None,
        settled=state.settled if state else None,
        interval=timing.interval,
        due=timing.last_due if state else None,
        paused_at=state.paused_at if state else None,
        paused_reason=state.pause_reason if state else None,
        coverage=plans.coverage(name),
    )


def plan_findings(services: Services, name: str) -> Iterator[HealthFinding]:
    """Give what is wrong with a plan now, besides what its last run found."""
    yield from findings_of_plan(watch_of(services, name), services.now())
    yield from _run_findings(services, name)


def _run_findings(services: Services, plan: str) -> Iterator[HealthFinding]:
    """Tell whether the run that holds a plan makes no progress."""
    now, record = services.now(), _under_way(services, plan)
    if record is None:
        return
    last = record.progressed_at or record.started_at
    if now - last > timedelta(seconds=record.deadline_seconds) + STUCK_AFTER:
        yield HealthFinding(
            code=FindingCode.RUN_STUCK,
            subject=record.run_id,
            plan=plan,
            run_id=record.run_id,
            message=f"run {record.run_id} of plan {plan} has made no progress since {written(last)}",
            since=last,
        )


def _under_way(services: Services, plan: str) -> RunRecord | None:
    """Return the run that holds a plan and has not ended, or ``None``."""
    holder = services.catalog.plans.holder(plan, services.now())
    record = services.catalog.runs.find(holder) if holder else None
    return None if record is None or record.ended_at is not None else record


def standing_findings(services: Services) -> list[HealthFinding]:
    """Return everything that is wrong now: what the app can see at once, and what runs and the watch have found."""
    stored: dict[str, list[HealthFinding]] = {}
    for scope, finding in services.catalog.findings.all():
        stored.setdefault(scope, []).append(finding)
    live = {
        APP_SCOPE: [*app_findings(services)],
        RESOURCES_SCOPE: [*resource_findings(services)],
        **{plan_scope(name): plan_or_failure(services, name) for name in services.configuration.plans},
    }
    findings = [finding for scope, found in stored.items() if scope not in live for finding in found]
    for scope, found in live.items():
        findings += _since_when(found, stored.get(scope, []), services.now())
    return findings


def plan_or_failure(services: Services, name: str) -> list[HealthFinding]:
    """Return what is wrong with a plan, also if what the catalog holds of it cannot be read: that is a finding, and hides no other."""
    try:
        return [*plan_findings(services, name)]
    except CatalogUnavailable:
        raise
    except Exception as error:
        _logger.exception("plan %s cannot be looked at", name)
        message = f"plan {name} cannot be looked at ({type(error).__name__})"
        return [
            HealthFinding(code=FindingCode.WATCH_FAILING, subject=f"look at plan {name}", plan=name, message=message)
        ]


def standing_plan_findings(services: Services, name: str) -> list[HealthFinding]:
    """Return everything that is wrong with one plan now."""
    table = services.catalog.findings
    live = _since_when(plan_findings(services, name), table.of(plan_scope(name)), services.now())
    return [*live, *table.of(run_scope(name))]


def _since_when(found: Iterable[HealthFinding], known: Iterable[HealthFinding], now: datetime) -> list[HealthFinding]:
    """Return findings with the moment since which they are known, or else since ``now``."""
    before = {finding.key: finding for finding in known}
    return [finding.replace(since=before.get(finding.key, finding).since or now) for finding in found]


def _setting(setting: str, message: str, remedy: str) -> HealthFinding:
    return HealthFinding(
        code=FindingCode.SETTING_INVALID, subject=setting, message=f"app setting {setting}: {message}", remedy=remedy
    )


def _schedule(setting: str, message: str) -> HealthFinding:
    return HealthFinding(code=FindingCode.SCHEDULE_MISSING, subject=setting, message=message)


def _read_seconds(services: Services) -> float:
    begin = services.ticks()
    services.catalog.findings.as_of(APP_SCOPE)
    return services.ticks() - begin
