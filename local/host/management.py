"""The Durable management API (``HttpApiHandler`` of the extension), and the host's own routes for tests.

The same routes are served twice: under ``/runtime/webhooks/durabletask/`` with the system key, and under ``/durabletask/``
without one for the SDK's client in functions of this host.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import Awaitable, Callable
from urllib.parse import quote, unquote

from local.host.engine import Engine
from local.host.errors import (
    HostError,
    InstanceNotFoundError,
    InstanceStateError,
    NotSupportedError,
    UnknownFunctionError,
)
from local.host.phantoms import Phantoms
from local.host.protocol import format_time, parse_time
from local.host.server import Answer, WebRequest, json_body
from local.host.settings import HostSettings
from local.host.status_json import folded_history, status_json
from local.host.store import Instance, RuntimeStatus

_PAGE = 100
_CONTINUATION = "x-ms-continuation-token"
_NAMES = {status.value.lower(): status.value for status in RuntimeStatus}
_MANAGEMENT_URIS = {
    "statusQueryGetUri": "",
    "sendEventPostUri": "/raiseEvent/{eventName}",
    "terminatePostUri": "/terminate?reason={text}",
    "rewindPostUri": "/rewind?reason={text}",
    "purgeHistoryDeleteUri": "",
    "restartPostUri": "/restart",
    "suspendPostUri": "/suspend?reason={text}",
    "resumePostUri": "/resume?reason={text}",
}


class _BadRequestError(HostError):
    """The request cannot be understood."""


class Management:
    """Answers management requests.

    Args:
        engine: what is managed.
        settings: for the hub's name.
        phantoms: for the test routes.
    """

    def __init__(self, engine: Engine, settings: HostSettings, phantoms: Phantoms) -> None:
        self._engine = engine
        self._settings = settings
        self._phantoms = phantoms

    # -- what functions and callers are told

    def client_binding(self, base_url: str, system_key: str) -> str:
        """Return the text of a durable client binding (``BindingHelper`` of the extension)."""
        webhooks = f"{base_url}/runtime/webhooks/durabletask/"
        query = self._query(system_key)
        return json.dumps(
            {
                "taskHubName": self._settings.hub_name,
                "creationUrls": {
                    "createNewInstancePostUri": f"{webhooks}orchestrators/{{functionName}}[/{{instanceId}}]?{query}",
                    "createAndWaitOnNewInstancePostUri": f"{webhooks}orchestrators/{{functionName}}[/{{instanceId}}]"
                    f"?timeout={{timeoutInSeconds}}&pollingInterval={{intervalInSeconds}}&{query}",
                },
                "managementUrls": {"id": "INSTANCEID", **_management_uris(webhooks, "INSTANCEID", query)},
                "baseUrl": webhooks.rstrip("/"),
                "requiredQueryStringParameters": query,
                "rpcBaseUrl": f"{base_url}/durabletask/",
            }
        )

    def _query(self, key: str | None) -> str:
        query = f"taskHub={quote(self._settings.hub_name)}&connection=Storage"
        return query if key is None else f"{query}&code={quote(key)}"

    # -- routing

    async def answer(self, request: WebRequest, path: str, base: str, key: str | None) -> Answer:
        """Answer a management request.

        Args:
            request: the request.
            path: its path below ``base``.
            base: the base URL for links in the answer, with a slash at the end.
            key: the system key to put into those links; ``None`` for none.
        """
        try:
            return await self._route(request, [unquote(part) for part in path.rstrip("/").split("/")], base, key)
        except InstanceNotFoundError as exc:
            return _error(404, exc)
        except (UnknownFunctionError, _BadRequestError, ValueError) as exc:
            return _error(400, exc)
        except InstanceStateError as exc:
            return _error(410, exc)
        except NotSupportedError as exc:
            return _error(501, exc)

    async def _route(self, request: WebRequest, parts: list[str], base: str, key: str | None) -> Answer:
        method = request.method
        match (method, *parts):
            case ("POST", "orchestrators", name):
                return await self._start(request, name, None, base, key)
            case ("POST", "orchestrators", name, instance_id):
                return await self._start(request, name, instance_id, base, key)
            case ("GET", "instances"):
                return await asyncio.to_thread(self._list, request)
            case ("DELETE", "instances"):
                return await self._purge_by_filter(request)
            case ("GET", "instances", instance_id):
                return await asyncio.to_thread(self._status, request, instance_id, base, key)
            case ("DELETE", "instances", instance_id):
                return await self._purge(instance_id)
            case ("POST", "instances", instance_id, "raiseEvent", event_name):
                return await self._raise_event(request, instance_id, event_name)
            case ("POST", "instances", instance_id, "terminate" | "suspend" | "resume" as verb):
                send = {
                    "terminate": self._engine.terminate,
                    "suspend": self._engine.suspend,
                    "resume": self._engine.resume,
                }[verb]
                await asyncio.wrap_future(send(instance_id, request.query.get("reason", "")))
                return Answer(202)
            case ("POST", "instances", instance_id, "restart"):
                return await self._restart(request, instance_id, base, key)
            case ("POST", "instances", _, "rewind"):
                raise NotSupportedError("the embedded host cannot rewind; start the instance again, or restart it")
            case (_, "entities", *_):
                raise NotSupportedError(
                    "the embedded host has no durable entities; they work on Azure Durable Functions only"
                )
        return Answer.problem(404, "UnknownRoute", f"the management API has no {method} {'/'.join(parts)}")

    async def answer_host(self, request: WebRequest, path: str) -> Answer:
        """Answer the host's own routes, which tests use from other processes."""
        try:
            return await self._route_host(request, path.rstrip("/"))
        except InstanceNotFoundError as exc:
            return Answer.problem(404, "UnknownInstance", str(exc))
        except (KeyError, TypeError, ValueError) as exc:
            return Answer.problem(400, "InvalidRequest", f"cannot read the request: {exc}")

    async def _route_host(self, request: WebRequest, path: str) -> Answer:
        match (request.method, path):
            case ("POST", "phantoms"):
                body = json_body(request) or {}
                self._phantoms(delay=float(body.get("delay", 0)), match=str(body.get("match", "*")))
                return Answer(204)
            case ("DELETE", "phantoms"):
                self._phantoms.clear()
                return Answer(204)
            case ("GET", "phantoms"):
                return Answer.of_json(200, {"count": self._phantoms.count})
            case ("POST", "rerun"):
                body = json_body(request)
                result = await asyncio.to_thread(
                    self._phantoms.rerun, body["instanceId"], int(body["taskId"]), body.get("executionId")
                )
                return Answer.of_json(200, {"result": result})
            case ("GET", "activities"):
                jobs = self._phantoms.finished(request.query.get("instanceId"))
                keys = ("instanceId", "executionId", "taskId", "name")
                values = [(job.instance_id, job.execution_id, job.task_id, job.name) for job in jobs]
                return Answer.of_json(200, [dict(zip(keys, value, strict=True)) for value in values])
            case ("GET", "wait"):
                instance_id, timeout_s = request.query["instanceId"], _seconds(request.query.get("timeout", "30"))
                await asyncio.to_thread(self._wait, instance_id, timeout_s)
                return Answer.of_json(200, status_json(self._existing(instance_id), show_input=False))
            case ("GET", "history"):
                events = await asyncio.to_thread(self._engine.store.read_history, request.query["instanceId"])
                return Answer.of_json(200, events)
        return Answer.problem(404, "UnknownRoute", f"the host has no {request.method} /_host/{path}")

    # -- one instance

    async def _start(
        self, request: WebRequest, name: str, instance_id: str | None, base: str, key: str | None
    ) -> Answer:
        if instance_id is not None:
            _check_id(instance_id)
        json_body(
            request
        )  # a body that is not JSON is a 400; the text itself is the input, as the SDK serializes twice
        raw = request.body.decode("utf-8").strip() or None
        try:
            started = await asyncio.wrap_future(
                self._engine.create(name, raw, instance_id, request.query.get("version"))
            )
        except InstanceStateError as exc:
            return _error(409, exc)
        if "timeout" in request.query:
            wait_s = _seconds(request.query["timeout"])
            if await asyncio.to_thread(self._wait, started, wait_s):
                instance = self._existing(started)
                return Answer(
                    200 if instance.status is not RuntimeStatus.FAILED else 500,
                    (instance.output or "null").encode(),
                    _JSON,
                )
        return self._accepted(started, base, key)

    def _wait(self, instance_id: str, timeout_s: float) -> bool:
        waiter = self._engine.progress.ended_event(instance_id)
        try:
            return self._existing(instance_id).status.is_terminal or waiter.wait(timeout_s)
        finally:
            self._engine.progress.forget_waiter(instance_id, waiter)

    def _accepted(self, instance_id: str, base: str, key: str | None) -> Answer:
        uris = _management_uris(base, quote(instance_id, safe=""), self._query(key))
        del uris["rewindPostUri"]
        return Answer.of_json(
            202, {"id": instance_id, **uris}, {"Location": uris["statusQueryGetUri"], "Retry-After": "10"}
        )

    def _status(self, request: WebRequest, instance_id: str, base: str, key: str | None) -> Answer:
        instance = self._existing(instance_id)
        body = status_json(instance, show_input=_flag(request, "showInput", default=True))
        if _flag(request, "showHistory"):
            events = self._engine.store.read_history(instance_id)
            body["historyEvents"] = folded_history(events, show_output=_flag(request, "showHistoryOutput"))
        if not instance.status.is_terminal:
            location = _management_uris(base, quote(instance_id, safe=""), self._query(key))["statusQueryGetUri"]
            return Answer.of_json(202, body, {"Location": location, "Retry-After": "5"})
        failed = instance.status is RuntimeStatus.FAILED and _flag(request, "returnInternalServerErrorOnFailure")
        return Answer.of_json(500 if failed else 200, body)

    async def _raise_event(self, request: WebRequest, instance_id: str, event_name: str) -> Answer:
        if not request.headers.get("Content-Type", "").lower().startswith("application/json"):
            raise _BadRequestError("Only application/json request content is supported")
        json_body(request)
        await asyncio.wrap_future(
            self._engine.raise_event(instance_id, event_name, request.body.decode("utf-8").strip() or None)
        )
        return Answer(202)

    async def _restart(self, request: WebRequest, instance_id: str, base: str, key: str | None) -> Answer:
        try:
            instance = await asyncio.to_thread(self._existing, instance_id)
        except InstanceNotFoundError as exc:
            return _error(400, exc)
        target = None if _flag(request, "restartWithNewInstanceId", default=True) else instance_id
        try:
            started = await asyncio.wrap_future(
                self._engine.create(instance.name, instance.input, target, instance.version)
            )
        except InstanceStateError as exc:
            return _error(409, exc)
        return self._accepted(started, base, key)

    async def _purge(self, instance_id: str) -> Answer:
        try:
            await asyncio.wrap_future(self._engine.purge(instance_id))
        except InstanceStateError as exc:
            return _error(412, exc)
        return Answer.of_json(200, {"instancesDeleted": 1})

    def _existing(self, instance_id: str) -> Instance:
        instance = self._engine.store.read_instance(instance_id)
        if instance is None:
            raise InstanceNotFoundError(f"no instance has the id '{instance_id}'")
        return instance

    # -- many instances

    def _list(self, request: WebRequest) -> Answer:
        query = request.query
        top = int(query.get("top") or _PAGE)
        if top < 1:
            raise _BadRequestError("top must be 1 or more")
        found = self._engine.store.query(
            prefix=query.get("instanceIdPrefix", ""),
            created_from=_time(request, "createdTimeFrom"),
            created_to=_time(request, "createdTimeTo"),
            statuses=_statuses(query.get("runtimeStatus", "")),
            after=_read_token(request.headers.get(_CONTINUATION)),
            limit=top + 1,
        )
        page, more = found[:top], len(found) > top
        show_input = _flag(request, "showInput", default=True)
        headers = {_CONTINUATION: _token(page[-1])} if more else {}
        return Answer.of_json(200, [status_json(instance, show_input=show_input) for instance in page], headers)

    async def _purge_by_filter(self, request: WebRequest) -> Answer:
        if not request.query.get("createdTimeFrom"):
            raise _BadRequestError("Please provide value for 'createdTimeFrom' parameter.")
        wanted = _statuses(request.query.get("runtimeStatus", "")) or [status.value for status in RuntimeStatus]
        found = await asyncio.to_thread(
            self._engine.store.query,
            created_from=_time(request, "createdTimeFrom"),
            created_to=_time(request, "createdTimeTo"),
            statuses=[status for status in wanted if RuntimeStatus(status).is_terminal] or ["none of these has ended"],
        )
        results = await asyncio.gather(
            *(asyncio.wrap_future(self._engine.purge(found_one.instance_id)) for found_one in found),
            return_exceptions=True,
        )
        deleted = sum(1 for result in results if result is None)
        return Answer.of_json(200 if deleted else 404, {"instancesDeleted": deleted})


_JSON = {"Content-Type": "application/json; charset=utf-8"}
Route = Callable[[WebRequest], Awaitable[Answer]]


def _management_uris(base: str, instance_id: str, query: str) -> dict[str, str]:
    uris = {}
    for name, rest in _MANAGEMENT_URIS.items():
        uris[name] = f"{base}instances/{instance_id}{rest}{'&' if '?' in rest else '?'}{query}"
    return uris


def _error(status: int, exc: Exception) -> Answer:
    # The SDK reads ExceptionMessage of a 400. No stack trace: it is in the log where it matters.
    return Answer.of_json(
        status, {"Message": str(exc), "ExceptionMessage": str(exc), "ExceptionType": type(exc).__name__}
    )


def _check_id(instance_id: str) -> None:
    # The extension's rule for ids from outside: they end up in URLs and table keys.
    if (
        len(instance_id) > 100
        or instance_id.startswith("@")
        or any(c in "/\\#?" or not c.isprintable() for c in instance_id)
    ):
        raise _BadRequestError(
            "an instance id has at most 100 characters, does not begin with @, and contains none of / \\ # ? and control characters"
        )


def _flag(request: WebRequest, name: str, *, default: bool = False) -> bool:
    value = request.query.get(name)
    return default if value is None else value.lower() == "true"


def _seconds(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise _BadRequestError("timeout must be a number of seconds from 0 up")
    return value


def _time(request: WebRequest, name: str) -> str | None:
    value = request.query.get(name)
    return format_time(parse_time(value.replace(" ", "+"))) if value else None


def _statuses(text: str) -> list[str]:
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    # valid on Azure, never seen here
    return [_NAMES.get(name, name) for name in names if name in _NAMES or _unseen(name)]


def _unseen(name: str) -> bool:
    if name in ("canceled", "continuedasnew"):
        return True
    raise _BadRequestError(f"'{name}' is not a runtime status")


def _token(instance: Instance) -> str:
    return base64.urlsafe_b64encode(json.dumps([instance.created, instance.instance_id]).encode()).decode()


def _read_token(text: str | None) -> tuple[str, str] | None:
    if not text:
        return None
    try:
        created, instance_id = json.loads(base64.urlsafe_b64decode(text))
    except (ValueError, TypeError):
        raise _BadRequestError(f"the header {_CONTINUATION} is not one that this host gave") from None
    return str(created), str(instance_id)
