"""Starting the run of a plan for a scheduled moment: each plan on its own, one run for each moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df

from backup.messages.plan import BackupRequest
from backup.moments import written
from backup.names import BACKUP_RUN, plan_run_id
from backup.records import PlanState
from backup.schedule import STARTED, due, seen
from catalog.store import CatalogUnavailable
from wiring.events import Event, emit
from wiring.orchestrations import holder_of
from wiring.plan_schedules import next_tick, schedule_of, schedule_problem
from wiring.services import ConfigurationInvalid, Services, services

PATIENCE_SECONDS = 60
"""How long the start of one plan may take. The next tick tries again."""

FIRST_SAY = timedelta(minutes=1)
"""For so long a moment of the default schedule is left to the timer that fires for it. Later it has failed."""

LATE = timedelta(minutes=10)
"""A run that starts so long after its moment is told as ``pastDue``."""

_logger = logging.getLogger(__name__)


async def configured() -> Services:
    """Return the app's services. Where they cannot be had it is told, because then no plan starts."""
    try:
        return await asyncio.to_thread(services)
    except Exception as error:
        _logger.exception("no plan can start")
        emit(Event.RUN_NOT_STARTED, reason=_in_words(error))
        raise


async def start_plans(
    app: Services, client: df.DurableOrchestrationClient, plans: Iterable[str], firing: datetime | None = None
) -> None:
    """Start each of ``plans`` that is due.

    ``firing`` is the moment that a timer fires for. Without it, the catalog tells which moment of a plan is due and not settled. A plan
    that cannot start touches no other one: this is logged and told, and the next tick tries again.
    """
    await asyncio.gather(*(_start_one(app, client, plan, firing) for plan in plans))


async def _start_one(app: Services, client: df.DurableOrchestrationClient, plan: str, firing: datetime | None) -> None:
    run_id = plan_run_id(plan, firing) if firing else None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            text, now = schedule_of(app, plan), app.now()
            state = await asyncio.to_thread(
                app.catalog.plans.change_state, plan, lambda known: seen(known, text, now, firing)
            )
            moment = firing or due(state, now)
            if problem := None if firing else schedule_problem(text):
                _tell_not_started(app, plan, None, problem)
            is_default = app.configuration.plans[plan].schedule is None
            if moment is None or (firing is None and is_default and now - moment < FIRST_SAY):
                return
            run_id = plan_run_id(plan, moment)
            reason = await _start(app, client, state, plan, moment, run_id)
    except Exception as error:
        _logger.exception("plan %s cannot start", plan)
        _tell_not_started(app, plan, run_id, _in_words(error))
        return
    if reason is not None and not (firing is None and reason == STARTED):
        emit(Event.RUN_SKIPPED, run=run_id, plan=plan, reason=reason)
    await _settle(app, plan, moment, reason or STARTED)


async def _start(
    app: Services,
    client: df.DurableOrchestrationClient,
    state: PlanState,
    plan: str,
    moment: datetime,
    run_id: str,
) -> str | None:
    """Start the run of a plan for a moment. Return why it needs none, or ``None`` if it is started now."""
    if moment <= state.settled:
        return state.settled_as
    if state.paused_at is not None:
        return f"paused: {state.pause_reason}"
    # starting a finished id again would replace its history, so it is looked for first
    if await client.get_status(run_id):
        return STARTED
    holder = await holder_of(app, client, plan)
    if holder is not None and holder.is_alive:
        return f"run {holder.run_id} is under way"
    request = BackupRequest(
        run_id=run_id,
        plan=plan,
        steal_from=holder.run_id if holder else None,
        deadline_seconds=app.configuration.deadline_seconds(app.configuration.plans[plan]),
    )
    try:
        await client.start_new(BACKUP_RUN, instance_id=run_id, client_input=request.to_json())
    except Exception:
        # of two workers that start it at once, the runtime refuses one; or it was accepted and the answer is lost
        if await client.get_status(run_id):
            _logger.info("run %s was started by another worker, or the answer was lost", run_id, exc_info=True)
            return STARTED
        raise
    emit(Event.RUN_SCHEDULED, run=run_id, plan=plan, pastDue=app.now() - moment >= LATE)
    return None


async def _settle(app: Services, plan: str, moment: datetime, reason: str) -> None:
    """Write that a moment needs no start any more. Where that fails, the next tick finds the run, and writes it."""

    def settled(state: PlanState | None) -> PlanState:
        return (state or seen(None, schedule_of(app, plan), app.now(), moment)).with_settled(moment, reason)

    try:
        await asyncio.to_thread(app.catalog.plans.change_state, plan, settled)
    except Exception:
        _logger.exception("plan %s: the moment is not settled yet", plan)


def _tell_not_started(app: Services, plan: str, run_id: str | None, reason: str) -> None:
    following = next_tick(app)
    fields: dict[str, Any] = {"plan": plan, "run": run_id, "reason": reason}
    emit(Event.RUN_NOT_STARTED, **fields, nextTry=written(following) if following else None)


def _in_words(error: Exception) -> str:
    """Return why nothing was started. The text of an error of unknown origin stays in the log: it may name an address with a key."""
    if isinstance(error, CatalogUnavailable | ConfigurationInvalid):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"no answer within {PATIENCE_SECONDS} seconds"
    return f"the Durable Functions runtime or the catalog failed with {type(error).__name__}; the log has the details"
