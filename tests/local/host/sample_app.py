"""A small function app that exercises what the host has; the tests' own, not the product's."""

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
