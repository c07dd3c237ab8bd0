"""Purging what is old: finished orchestrations from the task hub, finished runs and released claims from the catalog."""

from __future__ import annotations

import asyncio
import math
from datetime import datetime, timedelta

import azure.durable_functions as df
import azure.functions as func

from catalog.notices import KEPT_FOR
from wiring.events import Event, emit
from wiring.orchestrations import ENDED
from wiring.services import Services, services

blueprint = df.Blueprint()

WINDOW = timedelta(hours=1)
"""Purging by time range runs into time-outs on large hubs (durabletask extension, issues 1145 and 2211)."""

WINDOWS_PER_CALL = 200
FIRST_LOOK_BACK = timedelta(days=7)
LONGEST_RUN = timedelta(days=30)
"""Windows of so many days are purged again, a day at a time: an orchestration may have been running when its window was purged first.
A copy has up to six days, and a run of thousands of v2 models takes one or two weeks."""
PURGED = sorted(ENDED - {df.OrchestrationRuntimeStatus.Canceled}, key=str)
"""The platform purges no other statuses."""


@blueprint.function_name("purge_old_history")
@blueprint.timer_trigger(arg_name="timer", schedule="%PURGE_SCHEDULE%", run_on_startup=False, use_monitor=True)
@blueprint.durable_client_input(client_name="client")
async def purge_old_history(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:  # noqa: ARG001 - the binding's name
    """Purge orchestrations that began more than ``HISTORY_DAYS`` ago and have ended, then what the catalog keeps of old runs."""
    app = await asyncio.to_thread(services)
    until = app.now() - timedelta(days=app.history_days())
    since = await asyncio.to_thread(app.catalog.housekeeping.purged_until) or until - FIRST_LOOK_BACK
    deleted = 0
    for start, end in windows(since, until):
        deleted += (await client.purge_instance_history_by(start, end, PURGED)).instances_deleted
        await asyncio.to_thread(app.catalog.housekeeping.note_purged_until, end)
    for start, end in windows(since - LONGEST_RUN, since, timedelta(days=1)):
        deleted += (await client.purge_instance_history_by(start, end, PURGED)).instances_deleted
    runs, claims, notices = await asyncio.to_thread(_tidy, app, until)
    emit(Event.PURGED, orchestrations=deleted, runs=runs, claims=claims, notices=notices, until=until)


def windows(since: datetime, until: datetime, width: timedelta = WINDOW) -> list[tuple[datetime, datetime]]:
    """Return the windows between two moments, oldest first, as many as one call should purge."""
    count = min(math.ceil((until - since) / width), WINDOWS_PER_CALL)
    return [(since + number * width, min(since + (number + 1) * width, until)) for number in range(count)]


def _tidy(app: Services, until: datetime) -> tuple[int, int, int]:
    housekeeping = app.catalog.housekeeping
    targets = list(app.configuration.resources)
    return (
        housekeeping.delete_runs_before(until),
        housekeeping.delete_released_claims(targets, app.now()),
        app.catalog.notices.delete_before(app.now() - KEPT_FOR),
    )
