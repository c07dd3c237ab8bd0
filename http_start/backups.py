"""``POST /api/backups``: run a plan now, or see what it would do."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field

from backup.configuration_problems import did_you_mean
from backup.messages.plan import BackupRequest
from backup.names import BACKUP_RUN, plan_run_id
from http_start.answers import run_address, with_problems
from http_start.body import Body, read_body
from http_start.problems import Problem
from http_start.starting import runtime_status, start_run
from wiring.services import Services, services

blueprint = df.Blueprint()

DEAD = {
    df.OrchestrationRuntimeStatus.Completed,
    df.OrchestrationRuntimeStatus.Failed,
    df.OrchestrationRuntimeStatus.Terminated,
    df.OrchestrationRuntimeStatus.Canceled,
}


class BackupBody(Body):
    """Which plan to run, and how."""

    plan: str
    dry_run: bool = False
    plan_hash: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None


@blueprint.function_name("post_backups")
@blueprint.route("backups", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@blueprint.durable_client_input(client_name="client")
@with_problems
async def post_backups(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Start a run of a plan: 202, or 409 with the address of the run that is under way."""
    known = await asyncio.to_thread(services)
    asked = read_body(req, BackupBody, "the name of a plan")
    plans = known.configuration.plans
    if asked.plan not in plans:
        detail = f"no plan is called so; {did_you_mean(asked.plan, plans)}"
        raise Problem(400, "UnknownPlan", detail, [{"pointer": "#/plan", "detail": detail}])
    now = known.now()
    dead = None if asked.dry_run else await dead_holder(known, client, asked.plan, req)
    run_id = plan_run_id(asked.plan, now, secrets.token_hex(4))
    request = BackupRequest(
        run_id=run_id, plan=asked.plan, dry_run=asked.dry_run, plan_hash=asked.plan_hash, steal_from=dead
    )
    return await start_run(req, client, BACKUP_RUN, run_id, request)


async def dead_holder(
    known: Services, client: df.DurableOrchestrationClient, plan: str, req: func.HttpRequest
) -> str | None:
    """Return the run that holds the plan and is dead, or ``None``. Raises ``Problem`` (409) where it is alive."""
    holder = await asyncio.to_thread(known.catalog.plans.holder, plan, known.now())
    if holder is None or await is_dead(client, holder):
        return holder
    address = run_address(req, holder)
    raise Problem(
        409,
        "PlanAlreadyRunning",
        f'run {holder} of plan "{plan}" is under way: wait for it, or cancel it',
        headers={"Location": address},
        runs=[address],
    )


async def is_dead(client: df.DurableOrchestrationClient, run_id: str) -> bool:
    """Tell whether the orchestration of a run has ended, whatever the run's record says."""
    status = await runtime_status(client, run_id)
    return bool(status) and status.runtime_status in DEAD
