"""The admin routes under ``/_sim/``: without a key, on loopback only, not in the journal. The package's docstring lists
them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args
from urllib.parse import unquote

from local.simulator.answers import Answer, json_answer
from local.simulator.copying import World
from local.simulator.faults import KINDS
from local.simulator.limits import Limits
from local.simulator.model_json import model_from_json, model_to_json
from local.simulator.resource import ResourceState
from local.simulator.routing import OPERATIONS
from local.simulator.versions import Kind

PREFIX = "/_sim/"


class AdminError(Exception):
    """A wrong request to an admin route; the message says what is allowed."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class AdminCall:
    """One admin request; ``parts`` is the path below the resource."""

    method: str
    parts: list[str]
    query: dict[str, str]
    body: bytes

    def json_object(self) -> dict[str, Any]:
        """Read the body as a JSON object."""
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as wrong:
            raise AdminError("the body is not valid JSON") from wrong
        if not isinstance(value, dict):
            raise AdminError("the body must be a JSON object")
        return value

    @property
    def kind(self) -> Kind:
        """The kind of model in the query."""
        kind = self.query.get("kind", "model")
        if kind not in get_args(Kind):
            raise AdminError(f"kind must be one of {', '.join(get_args(Kind))}, not {kind!r}")
        return "classifier" if kind == "classifier" else "model"


class Admin:
    """Answers admin requests for every resource of a simulator."""

    def __init__(
        self,
        world: World,
        endpoints: Mapping[str, str],
        set_down: Callable[[str, bool], Awaitable[None]],
    ) -> None:
        self._world = world
        self._endpoints = endpoints
        self._set_down = set_down

    async def answer(
        self, here: ResourceState | None, method: str, path: str, query: dict[str, str], body: bytes
    ) -> Answer:
        """Answer a request on the port of the resource ``here`` (``None``: the admin port)."""
        parts = [unquote(part) for part in path[len(PREFIX) :].split("/")]
        try:
            return await self._route(here, AdminCall(method, parts, query, body))
        except AdminError as wrong:
            return json_answer({"error": str(wrong)}, wrong.status)
        except KeyError as wrong:
            return json_answer({"error": f"the member {wrong} is missing or unknown"}, 400)
        except (ValueError, TypeError, AttributeError) as wrong:
            return json_answer({"error": f"{type(wrong).__name__}: {wrong}"}, 400)

    async def _route(self, here: ResourceState | None, call: AdminCall) -> Answer:
        head, others = call.parts[0], "resources, tokens, clock, down"
        if head == "resources":
            if len(call.parts) == 1:
                return json_answer({"resources": self._resources()})
            here = self._world.resources.get(call.parts[1])
            if here is None:
                raise AdminError(f"there is no resource {call.parts[1]!r}", 404)
            call.parts = call.parts[2:] or [""]
            head, others = call.parts[0], "tokens, clock, down"
        if head == "clock":
            return self._clock(call)
        if head == "tokens":
            _only(call, "DELETE")
            with self._world.lock:
                self._world.issuer.revoke_all()
            return Answer(204)
        if here is None:
            raise AdminError("this is the admin port: name a resource, as in /_sim/resources/{name}/requests", 404)
        if head == "down":
            return await self._down(here, call)
        handler = _HANDLERS.get(head)
        if handler is None:
            raise AdminError(f"unknown admin route {head!r}; use one of {', '.join(sorted(_HANDLERS))}, {others}", 404)
        with self._world.lock:
            self._world.settle(self._world.clock.now())
            return handler(here, call)

    def _resources(self) -> list[dict[str, Any]]:
        return [
            {
                "name": state.spec.name,
                "endpoint": self._endpoints[state.spec.name],
                "region": state.spec.region,
                "resourceId": state.spec.resource_id,
                "apiVersions": list(state.spec.api_versions),
                "encrypted": state.spec.encrypted,
                "down": state.is_down,
            }
            for state in self._world.resources.values()
        ]

    def _clock(self, call: AdminCall) -> Answer:
        clock = self._world.clock
        if call.method == "POST" and call.parts[1:] == ["advance"]:
            advance = getattr(clock, "advance", None)
            if advance is None:
                raise AdminError("the clock cannot be moved: start the simulator with a manual clock", 409)
            advance(float(call.json_object()["seconds"]))
        elif call.method != "GET" or len(call.parts) > 1:
            raise AdminError("use GET /_sim/clock, or POST /_sim/clock/advance", 405)
        return json_answer({"now": clock.now().isoformat().replace("+00:00", "Z")})

    async def _down(self, here: ResourceState, call: AdminCall) -> Answer:
        if call.method == "PUT":
            down = call.json_object().get("down")
            if not isinstance(down, bool):
                raise AdminError('the body must be {"down": true} or {"down": false}')
            await self._set_down(here.spec.name, down)
        elif call.method != "GET":
            raise AdminError("use GET or PUT", 405)
        return json_answer({"down": here.is_down})


def _requests(here: ResourceState, call: AdminCall) -> Answer:
    if call.method == "DELETE":
        here.journal.clear()
        return Answer(204)
    _only(call, "GET")
    return json_answer({"requests": [entry.as_json() for entry in here.journal.entries(call.query.get("operation"))]})


def _models(here: ResourceState, call: AdminCall) -> Answer:
    if len(call.parts) == 1:
        _only(call, "GET")
        kinds: list[Kind] = [call.kind] if "kind" in call.query else ["model", "classifier"]
        return json_answer({"models": [model_to_json(model) for kind in kinds for model in here.table(kind).all()]})
    model_id, table = call.parts[1], here.table(call.kind)
    if call.method == "PUT":
        model = model_from_json(model_id, call.json_object(), "classifier" if call.kind == "classifier" else None)
        here.table(model.kind).put(model)
        return json_answer(model_to_json(model))
    stored = table.get(model_id)
    if stored is None:
        raise AdminError(f"there is no {call.kind} {model_id!r}", 404)
    if call.method == "DELETE":
        table.remove(model_id)
        return Answer(204)
    _only(call, "GET")
    return json_answer(model_to_json(stored))


def _limits(here: ResourceState, call: AdminCall) -> Answer:
    if call.method == "PUT":
        here.limits = Limits.from_json(call.json_object(), here.limits)
        here.throttle.reset()
    else:
        _only(call, "GET")
    return json_answer(here.limits.as_json())


def _durations(here: ResourceState, call: AdminCall) -> Answer:
    if call.method == "PUT":
        here.copy_seconds = read_range(call.json_object()["copySeconds"])
    else:
        _only(call, "GET")
    return json_answer({"copySeconds": list(here.copy_seconds)})


def read_range(value: Any) -> tuple[float, float]:
    """Return a range of seconds from ``[min, max]``; both must be 0 or more."""
    low, high = (float(item) for item in value)
    if not 0 <= low <= high:
        raise ValueError("copySeconds must be [min, max] with 0 <= min <= max")
    return low, high


def _faults(here: ResourceState, call: AdminCall) -> Answer:
    if call.method == "POST":
        fault = here.faults.add(**_fault(call.json_object()))
        return json_answer({"id": fault.id}, 201)
    if call.method == "DELETE":
        here.faults.clear()
        return Answer(204)
    _only(call, "GET")
    return json_answer({"faults": [fault.as_json() for fault in here.faults.list()]})


_FAULT = {
    "operation": (str,),
    "kind": (str,),
    "count": (int, type(None)),
    "skip": (int,),
    "probability": (int, float),
    "seconds": (int, float, type(None)),
    "status": (int,),
    "body": (object,),
    "headers": (dict,),
    "modelId": (str, type(None)),
}
"""The members of a fault, and their types."""


def _fault(body: dict[str, Any]) -> dict[str, Any]:
    if missing := [name for name in ("operation", "kind") if name not in body]:
        raise AdminError(
            f'{" and ".join(missing)} missing; an example is {{"operation": "startCopy", "kind": "lostAnswer"}}. '
            f"operation is * or one of {', '.join(sorted(OPERATIONS))}; kind is one of {', '.join(KINDS)}"
        )
    for name, value in body.items():
        if name not in _FAULT and name != "id":  # the id of a listed fault is ignored
            raise AdminError(f"a fault has no member {name!r}; its members are {', '.join(_FAULT)}")
        if name in _FAULT and not isinstance(value, _FAULT[name]):
            raise AdminError(f"the member {name!r} of a fault cannot be {json.dumps(value)}")
    return {"model_id" if name == "modelId" else name: value for name, value in body.items() if name != "id"}


_BEHAVIOUR = {
    "placeholderDelete": "placeholder_delete",
    "listNeedsOp": "list_needs_op",
    "showRunning": "show_running",
    "composedNeedsParts": "composed_needs_parts",
    "articleBodies": "article_bodies",
    "showsNewerV2": "shows_newer_v2",
    "oddEntries": "odd_entries",
}


def _behaviour(here: ResourceState, call: AdminCall) -> Answer:
    if call.method == "PUT":
        here.behaviour = replace(
            here.behaviour, **{_BEHAVIOUR[name]: value for name, value in call.json_object().items()}
        )
    else:
        _only(call, "GET")
    values = asdict(here.behaviour)
    return json_answer({name: values[member] for name, member in _BEHAVIOUR.items()})


def _only(call: AdminCall, method: str) -> None:
    if call.method != method:
        raise AdminError(f"{call.method} is not allowed here", 405)


_HANDLERS: dict[str, Callable[[ResourceState, AdminCall], Answer]] = {
    "requests": _requests,
    "models": _models,
    "limits": _limits,
    "durations": _durations,
    "faults": _faults,
    "behaviour": _behaviour,
}
