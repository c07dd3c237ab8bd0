"""The timers that start plans: one fires at the moments of the default schedule, one every few minutes for all that is due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from backup.schedule import readable
from timer_start.starting import LATE, configured, start_plans
from wiring.plan_schedules import BACKUP_SCHEDULE

blueprint = df.Blueprint()


@blueprint.function_name("start_nightly_backups")
@blueprint.timer_trigger(arg_name="timer", schedule="%BACKUP_SCHEDULE%", run_on_startup=False, use_monitor=True)
@blueprint.durable_client_input(client_name="client")
async def start_nightly_backups(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Start a run of every plan without a schedule of its own, unless its moment is settled or another run is under way.

    The run's id is made of the scheduled time: two workers that fire for the same moment start one run. A schedule that was missed fires
    late (``past_due``), for the last moment that was missed.
    """
    app = await configured()
    plans = [name for name, plan in app.configuration.plans.items() if plan.schedule is None]
    schedule = app.environment.get(BACKUP_SCHEDULE)
    await start_plans(app, client, plans, scheduled_moment(timer, app.now(), schedule))


@blueprint.function_name("start_due_backups")
@blueprint.timer_trigger(arg_name="timer", schedule="%PROBE_SCHEDULE%", run_on_startup=False, use_monitor=True)
@blueprint.durable_client_input(client_name="client")
async def start_due_backups(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:  # noqa: ARG001 - the binding's name
    """Start a run of every plan that is due and not settled: plans with a schedule of their own, and those that could not start before."""
    app = await configured()
    await start_plans(app, client, app.configuration.plans)


def scheduled_moment(timer: func.TimerRequest, now: datetime, schedule: str | None = None) -> datetime:
    """Return the moment that the timer fires for, to the minute (UTC): the last one that was missed, or else the present one."""
    # the library's type for it does not name what its object has
    status: Mapping[str, Any] = getattr(timer, "schedule_status", None) or {}
    try:
        following = datetime.fromisoformat(str(status.get("Next", "")))
    except ValueError:
        following = now
    if following.tzinfo is None:
        following = following.replace(tzinfo=UTC)
    moment = following if now - timedelta(days=7) < following <= now + timedelta(minutes=1) else now
    parsed = readable(schedule)
    if parsed is not None:
        # the status of a timer that is past due may name the first moment that was missed, or the next one to come
        latest = parsed.latest(now)
        is_late = timer.past_due or (moment == now and now - latest < LATE)
        moment = latest if is_late else max(moment, latest)
    return moment.astimezone(UTC).replace(second=0, microsecond=0)
