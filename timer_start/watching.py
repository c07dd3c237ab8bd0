"""The watch: every five minutes it looks for runs that died, and for what is wrong with the app, its resources and its plans."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import azure.durable_functions as df
import azure.functions as func

from backup.codes import Code
from backup.health import Changes, FindingCode, HealthFinding
from backup.messages.copy import Failure
from backup.messages.run import RunClosing
from backup.moments import written
from backup.notices import Notice, notices_of, reminder_of
from backup.records import RunRecord
from catalog.store import CatalogUnavailable
from wiring.closing import close
from wiring.events import Event, emit
from wiring.health import (
    APP_SCOPE,
    DOWN_FOR,
    RESOURCES_SCOPE,
    WATCH_PARTS_SCOPE,
    app_findings,
    note_watch,
    plan_findings,
    plan_scope,
    resource_findings,
    tell,
    watch_findings,
    watch_of,
)
from wiring.notifying import deliver, send_unqueued, send_unusable
from wiring.orchestrations import ENDED
from wiring.services import ConfigurationInvalid, Services, remember_receivers, services

blueprint = df.Blueprint()

_logger = logging.getLogger(__name__)

RUNS = 50
"""How many of the newest runs are looked at."""

QUIET = timedelta(minutes=10)
"""A run that the runtime does not know yet may just be starting, and the lanes of one that was terminated may go on."""


@blueprint.function_name("watch_backups")
@blueprint.timer_trigger(arg_name="timer", schedule="%PROBE_SCHEDULE%", run_on_startup=False, use_monitor=True)
@blueprint.durable_client_input(client_name="client")
async def watch_backups(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:  # noqa: ARG001 - the binding's name
    """Close runs whose orchestration died; tell what began to be wrong and what is right again; send the notices that are due."""
    try:
        app = await asyncio.to_thread(services)
    except ConfigurationInvalid as error:
        await asyncio.to_thread(_tell_unusable, error)
        raise
    now = app.now()
    gaps: list[HealthFinding] = []
    plans = {f"look at plan {name}": _in_thread(_tell_plan, app, name, now) for name in app.configuration.plans}
    parts: Mapping[str, Callable[[], Awaitable[object]]] = {
        "see when it fired last": _in_thread(lambda: gaps.extend(watch_findings(app))),
        "note that it fires": _in_thread(note_watch, app),
        "prove the catalog": _in_thread(app.catalog.housekeeping.prove_usable),
        "remember receivers": _in_thread(remember_receivers, app),
        "close dead runs": partial(close_dead_runs, app, client),
        # before it looks at receivers: one that was away for a moment is nothing to tell
        "send what waits": _in_thread(deliver, app),
        "look at the app": _in_thread(tell, app, APP_SCOPE, app_findings(app), now),
        "look at resources": _in_thread(tell, app, RESOURCES_SCOPE, resource_findings(app, DOWN_FOR), now),
        **plans,
        "forget plans": _in_thread(_forget_plans, app, now),
        "remind": _in_thread(_remind, app, now),
    }
    failures: dict[str, Exception] = {}
    for name, part in parts.items():
        try:
            await part()
        except Exception as error:  # each part is on its own: one that fails does not silence the others
            _logger.exception("the watch could not %s", name)
            failures[name] = error
    await asyncio.to_thread(_tell_of_itself, app, gaps, failures, now)
    if failures:
        raise next(iter(failures.values()))


def _in_thread(work: Callable[..., object], *arguments: object) -> Callable[[], Awaitable[object]]:
    return lambda: asyncio.to_thread(work, *arguments)


def _tell_unusable(error: ConfigurationInvalid) -> None:
    finding = HealthFinding(code=FindingCode.CONFIGURATION_INVALID, subject="app", message=str(error))
    emit(Event.APP_UNUSABLE, code=finding.code, message=finding.message)
    for notice in notices_of(f"{APP_SCOPE}|{error}", Changes(began=[finding]), None, datetime.now(UTC)):
        send_unusable(os.environ, notice)


def _tell_of_itself(
    app: Services, gaps: Sequence[HealthFinding], failures: Mapping[str, Exception], now: datetime
) -> None:
    """Tell that the watch did not fire for long, and which of its parts failed; send what is to be told, past the catalog if it is away."""
    away = next((error for error in failures.values() if isinstance(error, CatalogUnavailable)), None)
    if away is not None:
        _tell_without_catalog(app, away)
        return
    if app.unqueued is not None:
        # the watch fired all the time, and could not note it
        gaps = ()
        _tell_catalog_is_back(app, app.unqueued)
    findings = [
        HealthFinding(
            code=FindingCode.WATCH_FAILING,
            subject=name,
            message=f"the watch cannot {name} ({type(error).__name__})",
        )
        for name, error in failures.items()
    ]
    tell(app, WATCH_PARTS_SCOPE, [*gaps, *findings], now)
    deliver(app)


def _tell_without_catalog(app: Services, error: CatalogUnavailable) -> None:
    now = app.now()
    emit(Event.APP_UNUSABLE, code=FindingCode.CATALOG_UNAVAILABLE, message=str(error))
    for notice in notices_of(APP_SCOPE, Changes(began=[_without_catalog(str(error))]), now, now):
        send_unqueued(app, notice)


def _tell_catalog_is_back(app: Services, told: Notice) -> None:
    for notice in notices_of(APP_SCOPE, Changes(ended=[_without_catalog(told.title)]), told.at, app.now()):
        app.catalog.notices.add(notice)
    app.unqueued = None


def _without_catalog(message: str) -> HealthFinding:
    return HealthFinding(code=FindingCode.CATALOG_UNAVAILABLE, subject="catalog", message=message)


async def close_dead_runs(app: Services, client: df.DurableOrchestrationClient) -> None:
    """Close the runs whose orchestration ended, or is gone, without closing them: they are told like any run that fails."""
    for record in await asyncio.to_thread(_open_runs, app):
        status = await client.get_status(record.run_id)
        state = status.runtime_status if status else None
        is_quiet = app.now() - (record.progressed_at or record.started_at) >= QUIET
        if (state is not None and state not in ENDED) or not is_quiet:
            continue
        # it may have been closed since the record was read
        current = await asyncio.to_thread(app.catalog.runs.find, record.run_id)
        if current is None or current.ended_at is not None:
            continue
        how = "is not known to the runtime any more" if state is None else f"ended as {state.name}"
        message = (
            f"the orchestration of this run {how} before it closed the run; "
            "ask again once the leases of its copies have ended (in 20 minutes, as a rule), and they resume"
        )
        closing = RunClosing(run_id=record.run_id, failure=Failure.of(Code.CHILD_LOST, message))
        await asyncio.to_thread(close, app, closing)


def _open_runs(app: Services) -> list[RunRecord]:
    """Return the runs that have not ended: of the newest, and those that hold a plan."""
    newest, _ = app.catalog.runs.newest(None, RUNS)
    holders = [app.catalog.plans.holder(plan, app.now()) for plan in app.configuration.plans]
    held = [app.catalog.runs.find(holder) for holder in holders if holder is not None]
    records = {record.run_id: record for record in (*newest, *held) if record is not None}
    return [record for record in records.values() if record.ended_at is None]


def _tell_plan(app: Services, plan: str, now: datetime) -> None:
    watch = watch_of(app, plan)
    emit(
        Event.PLAN_WATCHED,
        plan=plan,
        lastGoodAt=written(watch.last_good) if watch.last_good else None,
        promiseHours=watch.promise.total_seconds() / 3600 if watch.promise else None,
        isPaused=watch.paused_at is not None,
        targets=watch.targets(now) or None,
    )
    tell(app, plan_scope(plan), plan_findings(app, plan), now)


def _forget_plans(app: Services, now: datetime) -> None:
    """End the findings of plans that are not configured any more."""
    plans = app.configuration.plans
    for scope in {scope for scope, finding in app.catalog.findings.all() if finding.plan not in {None, *plans}}:
        tell(app, scope, (), now)


def _remind(app: Services, now: datetime) -> None:
    """Queue one notice a day for what has been wrong for a week, or for a number of weeks."""
    by_plan: dict[str | None, list[HealthFinding]] = {}
    for _, finding in app.catalog.findings.all():
        by_plan.setdefault(finding.plan, []).append(finding)
    for plan, findings in by_plan.items():
        notice = reminder_of(plan, findings, now)
        if notice is not None:
            app.catalog.notices.add(notice)
