"""The probes: every configured resource every few minutes, so that lookups, restores and health know what works."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime

import azure.durable_functions as df
import azure.functions as func

from backup.lookup import REACHABLE
from backup.moments import written
from catalog.store import CatalogUnavailable
from wiring.events import Event, emit
from wiring.probing import ProbeResult, probe_all
from wiring.services import ConfigurationInvalid, Services, services

blueprint = df.Blueprint()

TIMEOUT = 5.0
"""Seconds for all resources together, side by side. A lookup with ``?probe=true`` waits less."""

_logger = logging.getLogger(__name__)


# without a monitor: a probe that was missed is of no use later
@blueprint.function_name("probe_resources")
@blueprint.timer_trigger(arg_name="timer", schedule="%PROBE_SCHEDULE%", run_on_startup=False, use_monitor=False)
async def probe_resources(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding's name
    """Make one cheap call to every configured resource, note what it shows, and log which resources went down or came back."""
    try:
        app = await asyncio.to_thread(services)
    except ConfigurationInvalid:
        _logger.exception("the resources cannot be probed")
        raise
    found = await probe_all(app, app.configuration.resources, TIMEOUT)
    await asyncio.to_thread(_announce_all, app, found.values())


def _announce_all(app: Services, found: Iterable[ProbeResult]) -> None:
    for result in found:
        try:
            _announce(app, result)
        except CatalogUnavailable:
            _logger.exception("the state of %s cannot be noted", result.resource)


def _announce(app: Services, result: ProbeResult) -> None:
    """Log what the probe found; and the change, if the resource works and did not at the last probe, or the other way round."""
    room = result.room
    emit(
        Event.RESOURCE_PROBED,
        resource=result.resource,
        state=result.state,
        models=room.count if room else None,
        limit=room.limit if room else None,
    )
    works = result.state == REACHABLE
    changed = app.seen.announce(result.resource, is_working=works, now=app.now())
    if changed is None:
        return
    since = written(datetime.fromisoformat(changed))
    if works:
        emit(Event.RESOURCE_UP, resource=result.resource, downSince=since)
    else:
        emit(Event.RESOURCE_DOWN, resource=result.resource, code=result.state, message=result.message, since=since)
