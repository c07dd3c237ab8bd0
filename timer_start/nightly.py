"""The nightly start of every plan."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from backup.messages.plan import BackupRequest
from backup.names import BACKUP_RUN, plan_run_id
from catalog.store import CatalogUnavailable
from wiring.events import Event, emit
from wiring.orchestrations import ENDED
from wiring.services import ConfigurationInvalid, Services, services

blueprint = df.Blueprint()

_logger = logging.getLogger(__name__)


@blueprint.function_name("start_nightly_backups")
@blueprint.timer_trigger(arg_name="timer", schedule="%BACKUP_SCHEDULE%", run_on_startup=False, use_monitor=True)
@blueprint.durable_client_input(client_name="client")
async def start_nightly_backups(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Start a run of every plan, unless the one of this scheduled time is there already or another one is under way.

    The run's id is made of the scheduled time: two workers that fire for the same moment start one run. A schedule that was missed fires
    late (``past_due``), for the moment that was missed.
    """
    try:
        app = await asyncio.to_thread(services)
    except ConfigurationInvalid:
        _logger.exception("the nightly backups cannot start")
        raise
    moment = scheduled_moment(timer, app.now())
    for plan in app.configuration.plans:
        try:
            await _start(app, client, plan, moment, past_due=timer.past_due)
        except CatalogUnavailable:
            _logger.exception("plan %s cannot start", plan)


def scheduled_moment(timer: func.TimerRequest, now: datetime) -> datetime:
    """Return the moment that the timer fires for, to the minute (UTC): what its schedule says, or else the present one."""
    # the library's type for it does not name what its object has
    status: Mapping[str, Any] = getattr(timer, "schedule_status", None) or {}
    try:
        following = datetime.fromisoformat(str(status.get("Next", "")))
    except ValueError:
        following = now
    if following.tzinfo is None:
        following = following.replace(tzinfo=UTC)
    due = following if now - timedelta(days=7) < following <= now + timedelta(minutes=1) else now
    return due.astimezone(UTC).replace(second=0, microsecond=0)


async def _start(
    app: Services, client: df.DurableOrchestrationClient, plan: str, moment: datetime, *, past_due: bool
) -> None:
    run_id = plan_run_id(plan, moment)
    # starting a finished id again would replace its history, so it is looked for first
    if await client.get_status(run_id):
        emit(Event.RUN_SKIPPED, run=run_id, plan=plan, reason="it was started already")
        return
    holder = await asyncio.to_thread(app.catalog.plans.holder, plan, app.now())
    if holder is not None:
        status = await client.get_status(holder)
        if not (status and status.runtime_status in ENDED):
            emit(Event.RUN_SKIPPED, run=run_id, plan=plan, reason=f"run {holder} is under way")
            return
    request = BackupRequest(run_id=run_id, plan=plan, steal_from=holder)
    await client.start_new(BACKUP_RUN, instance_id=run_id, client_input=request.to_json())
    emit(Event.RUN_SCHEDULED, run=run_id, plan=plan, pastDue=past_due)
