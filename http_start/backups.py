"""``POST /api/backups``: run a plan now, or see what it would do."""

from __future__ import annotations

import secrets
from typing import Annotated

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field

from backup.configuration.problems import unknown_name
from backup.messages.plan import BackupRequest
from backup.names import BACKUP_RUN, plan_run_id
from http_start.answers import endpoint, run_address
from http_start.body import Body, read_body
from http_start.operations import Operation
from http_start.problems import Problem, wrong_input
from http_start.starting import START_PROBLEMS, STARTED, plan_holder, start_run
from wiring.services import Services

blueprint = df.Blueprint()


class BackupBody(Body):
    """Which plan to run, and how."""

    plan: str
    """The plan."""
    dry_run: bool = False
    """Whether to decide only."""
    plan_hash: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None
    """The ``planHash`` of a dry run: the run does exactly that, or ends as ``PlanChanged``."""


@endpoint(
    blueprint,
    "post_backups",
    "POST",
    "backups",
    Operation(
        "startBackup",
        "runs",
        "Run a plan now, or see what it would do",
        {202: STARTED},
        {400: ("UnknownPlan",), 409: ("PlanAlreadyRunning",), 503: ("RuntimeUnavailable", *START_PROBLEMS)},
        body=BackupBody,
    ),
)
async def post_backups(
    req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Start a run of a plan: 202, or 409 with the address of the run that is under way."""
    body = read_body(req, BackupBody, "the name of a plan")
    plans = app.configuration.plans
    if body.plan not in plans:
        raise wrong_input("UnknownPlan", [("#/plan", unknown_name("plan", body.plan, plans))])
    now = app.now()
    dead = None if body.dry_run else await dead_holder(app, client, body.plan, req)
    run_id = plan_run_id(body.plan, now, secrets.token_hex(4))
    request = BackupRequest(
        run_id=run_id,
        plan=body.plan,
        dry_run=body.dry_run,
        plan_hash=body.plan_hash,
        steal_from=dead,
        deadline_seconds=app.configuration.deadline_seconds(plans[body.plan]),
    )
    return await start_run(req, client, BACKUP_RUN, run_id, request)


async def dead_holder(
    app: Services, client: df.DurableOrchestrationClient, plan: str, req: func.HttpRequest
) -> str | None:
    """Return the run that holds the plan although its orchestration has ended, or ``None``. Raises ``Problem`` (409) if it still runs."""
    holder = await plan_holder(app, client, plan)
    if holder is None or not holder.is_alive:
        return holder.run_id if holder else None
    address = run_address(req, holder.run_id)
    raise Problem(
        409,
        "PlanAlreadyRunning",
        f'run {holder.run_id} of plan "{plan}" is under way; wait for it, or cancel it',
        headers={"Location": address},
        runs=[address],
    )
