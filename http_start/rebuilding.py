"""``POST /api/catalog/rebuild``: record the copies that the targets hold and the catalog does not know."""

from __future__ import annotations

import secrets
from dataclasses import replace

import azure.durable_functions as df
import azure.functions as func

from backup.configuration.problems import unknown_name
from backup.json_types import Described
from backup.messages.plan import BackupRequest
from backup.names import BACKUP_RUN, plan_run_id
from http_start.answers import endpoint, json_response, run_address
from http_start.backups import dead_holder
from http_start.body import Body, read_body
from http_start.operations import Operation, Reply
from http_start.problems import Problem, wrong_input
from http_start.starting import START_PROBLEMS, Started, start_run
from wiring.services import Services

blueprint = df.Blueprint()


class RebuildBody(Body):
    """Of which plan; of all by default."""

    plan: str | None = None
    """The plan; all by default."""
    dry_run: bool = False
    """Whether to decide only."""


class RebuildStarted(Started):
    """A rebuild of one plan that was accepted."""

    plan: str
    """The plan."""


class RebuildsStarted(Described):
    """Rebuilds that were accepted."""

    runs: list[RebuildStarted]
    """One for each plan that has no run under way."""


@endpoint(
    blueprint,
    "post_catalog_rebuild",
    "POST",
    "catalog/rebuild",
    Operation(
        "rebuildCatalog",
        "models",
        "Record the copies that the targets hold and the catalog does not know; nothing is copied",
        {
            202: Reply(
                "The runs were accepted.",
                RebuildsStarted,
                ("Location", "Retry-After"),
                links={"getRun": "$response.body#/runs/0/runId"},
            )
        },
        {400: ("UnknownPlan",), 409: ("PlanAlreadyRunning", "NoPlans"), 503: ("RuntimeUnavailable", *START_PROBLEMS)},
        body=RebuildBody,
        body_is_optional=True,
    ),
)
async def post_catalog_rebuild(
    req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Start a run that only adopts, for one plan or for each: 202 with the addresses, or 409 if every plan has a run under way."""
    body = read_body(req, RebuildBody, "the name of a plan, or nothing") if req.get_body().strip() else RebuildBody()
    plans = app.configuration.plans
    if body.plan is not None and body.plan not in plans:
        raise wrong_input("UnknownPlan", [("#/plan", unknown_name("plan", body.plan, plans))])
    if not plans:
        raise Problem(409, "NoPlans", "backup.json has no plans, which say what to look for and where; add one")
    started: list[RebuildStarted] = []
    busy: list[Problem] = []
    for plan in [body.plan] if body.plan is not None else sorted(plans):
        try:
            started.append(await _start(req, app, client, plan, dry_run=body.dry_run))
        except Problem as problem:
            if problem.code != "PlanAlreadyRunning":
                raise
            busy.append(problem)
    if not started:
        raise replace(busy[0], runs=[run for problem in busy for run in problem.runs])
    location = run_address(req, started[0]["runId"])
    answer: RebuildsStarted = {"runs": started}
    return json_response(answer, 202, {"Location": location, "Retry-After": "2"})


async def _start(
    req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient, plan: str, *, dry_run: bool
) -> RebuildStarted:
    dead = None if dry_run else await dead_holder(app, client, plan, req)
    run_id = plan_run_id(f"rebuild-{plan}", app.now(), secrets.token_hex(4))
    request = BackupRequest(
        run_id=run_id,
        plan=plan,
        dry_run=dry_run,
        rebuild=True,
        steal_from=dead,
        deadline_seconds=app.configuration.deadline_seconds(app.configuration.plans[plan]),
    )
    await start_run(req, client, BACKUP_RUN, run_id, request)
    address = run_address(req, run_id)
    return {"plan": plan, "runId": run_id, "statusUrl": address, "cancelUrl": f"{address}/cancel"}
