"""``/api/plans``: the plans with their schedules and last runs; pausing one and resuming it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field

from backup.configuration.fields import NAME_PATTERN
from backup.configuration.problems import looks_like_a_key, unknown_name
from backup.moments import written
from backup.records import PlanRuns, PlanState, RunRecord
from backup.schedule import paused, resumed, seen
from backup.states import RunStatus
from http_start.answers import endpoint, json_response
from http_start.body import Body, read_body
from http_start.operations import Operation, Parameter, Reply
from http_start.plan_types import Plan, PlanFindings, PlanList
from http_start.plan_views import coverage_view, findings_views, plan_view, summary
from http_start.problems import Problem, ProblemCode, wrong_input
from http_start.runs import current_record
from http_start.starting import plan_holder
from wiring.events import Event, emit
from wiring.health import plan_or_failure, standing_plan_findings
from wiring.plan_schedules import PlanTiming, configured_timing, plan_timing, schedule_of
from wiring.services import Services

blueprint = df.Blueprint()

LONGEST_REASON = 200


class PlanBody(Body):
    """What to change of a plan."""

    paused: bool
    """``true`` pauses the plan: no timer starts it. ``false`` resumes it."""
    reason: Annotated[str | None, Field(max_length=LONGEST_REASON)] = None
    """Why. A pause needs it. It is shown to everybody who reads plans and logs."""


THE_PLAN = Parameter("name", Annotated[str, Field(pattern=NAME_PATTERN)], "The name of the plan.", place="path")
OF_ONE_PLAN: Mapping[int, tuple[ProblemCode, ...]] = {404: ("UnknownPlan",), 503: ("RuntimeUnavailable",)}


@endpoint(
    blueprint,
    "get_plans",
    "GET",
    "plans",
    Operation(
        "listPlans",
        "plans",
        "Every plan, with its next start, last run, and what each target has",
        {200: Reply("The plans.", PlanList)},
        {503: ("RuntimeUnavailable",)},
    ),
)
async def get_plans(_req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Return every plan of the configuration."""
    plans = await asyncio.gather(*(_view(app, client, name) for name in app.configuration.plans))
    answer: PlanList = {"plans": [summary(plan) for plan in plans]}
    return json_response(answer)


@endpoint(
    blueprint,
    "get_plan",
    "GET",
    "plans/{name}",
    Operation("getPlan", "plans", "One plan", {200: Reply("The plan.", Plan)}, OF_ONE_PLAN, parameters=(THE_PLAN,)),
)
async def get_plan(req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Return one plan."""
    return json_response(await _view(app, client, _name(req, app)))


@endpoint(
    blueprint,
    "patch_plan",
    "PATCH",
    "plans/{name}",
    Operation(
        "changePlan",
        "plans",
        "Pause a plan, with a reason, or resume it",
        {200: Reply("The plan, changed.", Plan)},
        OF_ONE_PLAN,
        body=PlanBody,
        parameters=(THE_PLAN,),
    ),
)
async def patch_plan(req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Pause a plan, or resume it, and return it. While it is paused no timer starts it; a run that is under way goes on."""
    name = _name(req, app)
    body = read_body(req, PlanBody, '"paused" (true or false), and a "reason" if it is to be paused')
    reason = _reason(body)
    now = app.now()

    def change(known: PlanState | None) -> PlanState:
        state = seen(known, schedule_of(app, name), now)
        return paused(state, reason, now) if body.paused else resumed(state, now)

    state = await asyncio.to_thread(app.catalog.plans.change_state, name, change)
    if state.paused_at is None:
        emit(Event.PLAN_RESUMED, plan=name, reason=reason or None)
    else:
        emit(Event.PLAN_PAUSED, plan=name, reason=reason, since=written(state.paused_at))
    return json_response(await _view(app, client, name))


def _reason(body: PlanBody) -> str:
    """Return the reason in one line. Raises ``Problem`` if a pause has none, or if it may hold a key."""
    reason = " ".join((body.reason or "").split())
    if body.paused and not reason:
        right = "say why, so that those who find the plan paused know what it waits for"
        raise wrong_input("InvalidRequest", [("#/reason", f"a pause needs a reason; {right}")])
    if looks_like_a_key(reason):
        right = "write it without keys and long ids: it is shown to everybody who reads plans and logs"
        raise wrong_input("InvalidRequest", [("#/reason", f"this reason holds what may be a key; {right}")])
    return reason


def _name(req: func.HttpRequest, app: Services) -> str:
    name: str = req.route_params.get("name", "")
    if name not in app.configuration.plans:
        raise Problem(404, "UnknownPlan", unknown_name("plan", name, app.configuration.plans))
    return name


async def _view(app: Services, client: df.DurableOrchestrationClient, name: str) -> Plan:
    """Return a plan; if what the catalog holds of it cannot be read, only what ``backup.json`` says of it, and a finding that names it."""
    try:
        return await _whole_view(app, client, name)
    except (ValueError, LookupError, TypeError, AttributeError):
        pass
    except Problem as problem:
        if not isinstance(problem.__cause__, (ValueError, LookupError, TypeError, AttributeError)):
            raise

    def bare() -> Plan:
        found = findings_views(plan_or_failure(app, name), None)
        return {
            **plan_view(name, app.configuration.plans[name], configured_timing(app, name), PlanRuns(), None),
            **found,
        }

    return await asyncio.to_thread(bare)


async def _whole_view(app: Services, client: df.DurableOrchestrationClient, name: str) -> Plan:
    holder = await plan_holder(app, client, name)

    def read() -> tuple[PlanTiming, PlanRuns, RunRecord | None, PlanFindings]:
        held = app.catalog.runs.find(holder.run_id) if holder else None
        covered = coverage_view(plan, app.catalog.plans.coverage(name), app.now())
        found = findings_views(standing_plan_findings(app, name), covered)
        return plan_timing(app, name), app.catalog.plans.runs(name), held, found

    plan = app.configuration.plans[name]
    timing, runs, held, found = await asyncio.to_thread(read)
    if held is not None and holder is not None and not holder.is_alive:
        held = await current_record(app, client, held)
        if held.ended_at is None:  # the runtime does not know it
            held = held.replace(status=RunStatus.FAILED)
    return {**plan_view(name, plan, timing, runs, held), **found}
