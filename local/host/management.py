"""The Durable management API (``HttpApiHandler`` of the extension).

The host serves these routes twice: under ``/runtime/webhooks/durabletask/`` with the system key, and under ``/durabletask/`` without a
key, for the SDK's client in functions of this host.
"""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote, unquote

from local.host.engine import Engine
from local.host.errors import (
    InstanceNotFoundError,
    InstanceStateError,
    NotSupportedError,
    UnknownFunctionError,
)
from local.host.management_query import (
    CONTINUATION,
    BadRequestError,
    check_id,
    continuation_token,
    read_continuation_token,
    read_flag,
    read_seconds,
    read_statuses,
    read_time,
    read_top,
)
from local.host.records import RuntimeStatus
from local.host.server import Answer, WebRequest, json_body, json_text
from local.host.settings import HostSettings
from local.host.status_json import folded_history, status_json

_PAGE = 100
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


class Management:
    """Answers management requests.

    Args:
        engine: runs the orchestrations.
        settings: hold the name of the task hub.
    """

    def __init__(self, engine: Engine, settings: HostSettings) -> None:
        self._engine = engine
        self._reader = engine.store.reader
        self._settings = settings

    # -- the client binding

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
            base: the base URL of links in the answer, with a slash at the end.
            key: the system key for these links, or ``None``.
        """
        try:
            return await self._route(request, [unquote(part) for part in path.rstrip("/").split("/")], base, key)
        except InstanceNotFoundError as exc:
            return _error(404, exc)
        except (UnknownFunctionError, BadRequestError, ValueError) as exc:
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
                    "terminate": self._engine.commands.terminate,
                    "suspend": self._engine.commands.suspend,
                    "resume": self._engine.commands.resume,
                }[verb]
                await asyncio.wrap_future(send(instance_id, request.query.get("reason", "")))
                return Answer(202)
            case ("POST", "instances", instance_id, "restart"):
                return await self._restart(request, instance_id, base, key)
            case ("POST", "instances", _, "rewind"):
                raise NotSupportedError("the embedded host cannot rewind an instance: restart it, or start a new one")
            case (_, "entities", *_):
                raise NotSupportedError(
                    "the embedded host has no durable entities; only Azure Durable Functions has them"
                )
        return Answer.problem(404, "UnknownRoute", f"the management API has no {method} {'/'.join(parts)}")

    # -- one instance

    async def _start(
        self, request: WebRequest, name: str, instance_id: str | None, base: str, key: str | None
    ) -> Answer:
        if instance_id is not None:
            check_id(instance_id)
        json_body(request)  # raises if it is not JSON; the input is the text itself, as the SDK serializes twice
        raw = json_text(request)
        try:
            started = await asyncio.wrap_future(
                self._engine.commands.create(name, raw, instance_id, request.query.get("version"))
            )
        except InstanceStateError as exc:
            return _error(409, exc)
        if "timeout" in request.query:
            wait_s = read_seconds(request.query["timeout"])
            if await asyncio.to_thread(self._engine.wait_for_end, started, wait_s):
                instance = self._reader.existing(started)
                return Answer(
                    200 if instance.status is not RuntimeStatus.FAILED else 500,
                    (instance.output or "null").encode(),
                    _JSON,
                )
        return self._accepted(started, base, key)

    def _accepted(self, instance_id: str, base: str, key: str | None) -> Answer:
        uris = _management_uris(base, quote(instance_id, safe=""), self._query(key))
        del uris["rewindPostUri"]
        return Answer.of_json(
            202, {"id": instance_id, **uris}, {"Location": uris["statusQueryGetUri"], "Retry-After": "10"}
        )

    def _status(self, request: WebRequest, instance_id: str, base: str, key: str | None) -> Answer:
        instance = self._reader.existing(instance_id)
        body = status_json(instance, show_input=read_flag(request, "showInput", default=True))
        if read_flag(request, "showHistory"):
            events = self._reader.history(instance_id)
            body["historyEvents"] = folded_history(events, show_output=read_flag(request, "showHistoryOutput"))
        if not instance.status.is_terminal:
            location = _management_uris(base, quote(instance_id, safe=""), self._query(key))["statusQueryGetUri"]
            return Answer.of_json(202, body, {"Location": location, "Retry-After": "5"})
        failed = instance.status is RuntimeStatus.FAILED and read_flag(request, "returnInternalServerErrorOnFailure")
        return Answer.of_json(500 if failed else 200, body)

    async def _raise_event(self, request: WebRequest, instance_id: str, event_name: str) -> Answer:
        if not request.headers.get("Content-Type", "").lower().startswith("application/json"):
            raise BadRequestError("Only application/json request content is supported")
        json_body(request)
        await asyncio.wrap_future(self._engine.commands.raise_event(instance_id, event_name, json_text(request)))
        return Answer(202)

    async def _restart(self, request: WebRequest, instance_id: str, base: str, key: str | None) -> Answer:
        try:
            instance = await asyncio.to_thread(self._reader.existing, instance_id)
        except InstanceNotFoundError as exc:
            return _error(400, exc)
        target = None if read_flag(request, "restartWithNewInstanceId", default=True) else instance_id
        try:
            started = await asyncio.wrap_future(
                self._engine.commands.create(instance.name, instance.input, target, instance.version)
            )
        except InstanceStateError as exc:
            return _error(409, exc)
        return self._accepted(started, base, key)

    async def _purge(self, instance_id: str) -> Answer:
        try:
            await asyncio.wrap_future(self._engine.commands.purge(instance_id))
        except InstanceStateError as exc:
            return _error(412, exc)
        return Answer.of_json(200, {"instancesDeleted": 1})

    # -- many instances

    def _list(self, request: WebRequest) -> Answer:
        query = request.query
        top = read_top(query.get("top") or str(_PAGE))
        instances = self._reader.query(
            prefix=query.get("instanceIdPrefix", ""),
            created_from=read_time(request, "createdTimeFrom"),
            created_to=read_time(request, "createdTimeTo"),
            statuses=read_statuses(query.get("runtimeStatus", "")),
            after=read_continuation_token(request.headers.get(CONTINUATION)),
            limit=top + 1,
        )
        page, more = instances[:top], len(instances) > top
        show_input = read_flag(request, "showInput", default=True)
        headers = {CONTINUATION: continuation_token(page[-1])} if more else {}
        return Answer.of_json(200, [status_json(instance, show_input=show_input) for instance in page], headers)

    async def _purge_by_filter(self, request: WebRequest) -> Answer:
        if not request.query.get("createdTimeFrom"):
            raise BadRequestError("Please provide value for 'createdTimeFrom' parameter.")
        statuses = read_statuses(request.query.get("runtimeStatus", "")) or [status.value for status in RuntimeStatus]
        instances = await asyncio.to_thread(
            self._reader.query,
            created_from=read_time(request, "createdTimeFrom"),
            created_to=read_time(request, "createdTimeTo"),
            statuses=[status for status in statuses if RuntimeStatus(status).is_terminal]
            or ["none of these has ended"],
        )
        results = await asyncio.gather(
            *(asyncio.wrap_future(self._engine.commands.purge(instance.instance_id)) for instance in instances),
            return_exceptions=True,
        )
        deleted = sum(1 for result in results if result is None)
        return Answer.of_json(200 if deleted else 404, {"instancesDeleted": deleted})


_JSON = {"Content-Type": "application/json; charset=utf-8"}


def _management_uris(base: str, instance_id: str, query: str) -> dict[str, str]:
    uris = {}
    for name, rest in _MANAGEMENT_URIS.items():
        uris[name] = f"{base}instances/{instance_id}{rest}{'&' if '?' in rest else '?'}{query}"
    return uris


def _error(status: int, exc: Exception) -> Answer:
    # The SDK reads ExceptionMessage of a 400. There is no stack trace in the answer: it is in the log.
    return Answer.of_json(
        status, {"Message": str(exc), "ExceptionMessage": str(exc), "ExceptionType": type(exc).__name__}
    )
