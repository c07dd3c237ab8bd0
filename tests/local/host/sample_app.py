# mypy: disable-error-code="no-untyped-def, index, union-attr, attr-defined, arg-type, dict-item"
# An app as users write it, with the untyped SDK.
"""A small function app for the tests of the host: it uses all features that the host has."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
calls: Counter[str] = Counter()
gate = threading.Event()
gate.set()
begun = threading.Event()
"""Set when ``gated`` was called."""


@app.activity_trigger(input_name="name")
def hello(name: str) -> str:
    calls["hello"] += 1
    return f"Hello {name}!"


@app.activity_trigger(input_name="value")
async def double(value: int) -> int:
    calls["double"] += 1
    return value * 2


@app.activity_trigger(input_name="text")
def fail(text: str) -> str:
    calls["fail"] += 1
    raise ValueError(text)


@app.activity_trigger(input_name="name")
def gated(name: str) -> str:
    calls["gated"] += 1
    begun.set()
    gate.wait(20)
    return name


@app.orchestration_trigger(context_name="context")
def one(context: df.DurableOrchestrationContext):
    result = yield context.call_activity("hello", context.get_input())
    return result


@app.orchestration_trigger(context_name="context")
def chain(context: df.DurableOrchestrationContext):
    """Activity, timer, sub-orchestrations in parallel."""
    context.set_custom_status({"step": "greeting"})
    greeting = yield context.call_activity(hello, "chain")
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=context.get_input()["wait"]))
    context.set_custom_status({"step": "children"})
    children = yield context.task_all([context.call_sub_orchestrator("one", str(i)) for i in range(3)])
    doubled = yield context.call_activity(double, 21)
    return {"greeting": greeting, "children": children, "doubled": doubled}


@app.route(route="start/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(
    req: func.HttpRequest, client: df.DurableOrchestrationClient, context: func.Context
) -> func.HttpResponse:
    body = req.get_json() if req.get_body() else None
    instance_id = await client.start_new(req.route_params["name"], req.params.get("id"), body)
    return client.create_check_status_response(req, instance_id)


@app.route(route="echo/{id?}", methods=["GET", "POST"], auth_level=func.AuthLevel.ANONYMOUS)
def echo(req: func.HttpRequest) -> func.HttpResponse:
    body = {
        "method": req.method,
        "url": req.url,
        "id": req.route_params.get("id"),
        "params": dict(req.params),
        "length": len(req.get_body()),
        "header": req.headers.get("X-Test"),
    }
    return func.HttpResponse(json.dumps(body), status_code=201, mimetype="application/json", headers={"X-Echo": "yes"})


@app.route(route="broken", auth_level=func.AuthLevel.ANONYMOUS)
def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("a detail that callers must not see")


@app.orchestration_trigger(context_name="context")
def window(context: df.DurableOrchestrationContext):
    """A task_any window of two tasks that is refilled: the results are right, and the refills run one at a time."""
    waiting = [context.call_activity("timed", name) for name in ("a", "b")]
    order = []
    for name in ("c", "d", None, None):
        done = yield context.task_any(waiting)
        waiting.remove(done)
        order.append(done.result)
        if name is not None:
            waiting.append(context.call_activity("timed", name))
    return order


@app.activity_trigger(input_name="name")
def timed(name: str) -> str:
    calls["running"] += 1
    calls[f"together-{name}"] = calls["running"]
    gate.wait(20)
    calls["running"] -= 1
    return name


@app.orchestration_trigger(context_name="context")
def race(context: df.DurableOrchestrationContext):
    """Approval or time-out; the input says whether a lost timer is cancelled."""
    timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    approval = context.wait_for_external_event("approval")
    winner = yield context.task_any([timer, approval])
    if winner is timer:
        return "timed out"
    if context.get_input()["cancel"]:
        timer.cancel()
    greeting = yield context.call_activity("hello", "winner")
    return [approval.result, greeting]


@app.orchestration_trigger(context_name="context")
def rounds(context: df.DurableOrchestrationContext):
    """One activity and one timer in each round, which continues as new and leaves a cancelled timer."""
    state = context.get_input()
    leftover = context.create_timer(context.current_utc_datetime + timedelta(seconds=90))
    step = context.create_timer(context.current_utc_datetime + timedelta(seconds=60))
    yield context.task_any([step, leftover])
    leftover.cancel()
    child = yield context.call_sub_orchestrator("one", str(state["round"]))
    state["seen"].append([child, context.current_utc_datetime.isoformat()])
    if state["round"] == state["rounds"]:
        return state["seen"]
    context.continue_as_new({**state, "round": state["round"] + 1})
    return None


@app.orchestration_trigger(context_name="context")
def listener(context: df.DurableOrchestrationContext):
    """Reads one event, then continues as new and waits for another."""
    state = context.get_input()
    news = yield context.wait_for_external_event("news")
    if state["generation"] == 2:
        return [state["first"], news]
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=10))
    context.continue_as_new({"generation": 2, "first": news})
    return None


@app.orchestration_trigger(context_name="context")
def retried(context: df.DurableOrchestrationContext):
    try:
        yield context.call_activity_with_retry("fail", df.RetryOptions(1000, 3), "no luck")
    except Exception as exc:  # noqa: BLE001 - all that the SDK raises
        after = yield context.call_activity("hello", "after")
        return [str(exc).split(" \n ")[0], after]
    return None


@app.orchestration_trigger(context_name="context")
def failing(context: df.DurableOrchestrationContext):
    yield context.call_activity("fail", "activity trouble")


@app.orchestration_trigger(context_name="context")
def family(context: df.DurableOrchestrationContext):
    try:
        yield context.call_sub_orchestrator("failing")
    except Exception as exc:  # noqa: BLE001 - all that the SDK raises
        return str(exc)
    return None


@app.orchestration_trigger(context_name="context")
def statuses(context: df.DurableOrchestrationContext):
    for status in context.get_input():
        context.set_custom_status(status)
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
    return "done"


@app.orchestration_trigger(context_name="context")
def gated_one(context: df.DurableOrchestrationContext):
    result = yield context.call_activity("gated", context.get_input())
    return result


@app.orchestration_trigger(context_name="context")
def who(context: df.DurableOrchestrationContext):
    child = None
    if context.get_input() == "parent":
        child = yield context.call_sub_orchestrator("who", "child")
    return {"version": context.version, "parent": context.parent_instance_id, "child": child}


@app.orchestration_trigger(context_name="context")
def nothing(context: df.DurableOrchestrationContext):
    yield context.call_activity("missing", None)


@app.orchestration_trigger(context_name="context")
def asks_entity(context: df.DurableOrchestrationContext):
    yield context.call_entity(df.EntityId("counter", "a"), "get")


@app.orchestration_trigger(context_name="context")
def fan(context: df.DurableOrchestrationContext):
    tasks = [context.call_activity("gated", str(i)) for i in range(context.get_input())]
    results = yield context.task_all(tasks)
    return len(results)


@app.orchestration_trigger(context_name="context")
def waits_for_child(context: df.DurableOrchestrationContext):
    try:
        yield context.call_sub_orchestrator("race", {"cancel": True})
    except Exception as exc:  # noqa: BLE001 - all that the SDK raises
        return str(exc)
    return None


@app.orchestration_trigger(context_name="context")
def cancels(context: df.DurableOrchestrationContext):
    """Cancels a timer of one hour and continues for two hours."""
    loser = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    yield context.task_any([loser, context.create_timer(context.current_utc_datetime + timedelta(minutes=1))])
    loser.cancel()
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=2))
    return "done"


@app.orchestration_trigger(context_name="context")
def takes_id(context: df.DurableOrchestrationContext):
    result = yield context.call_sub_orchestrator("race", {"cancel": True}, instance_id="child")
    return result
