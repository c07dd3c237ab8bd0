"""Chooses the part of the host that answers a request, and checks the key."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable

from local.host.app_index import AppIndex
from local.host.engine import Engine
from local.host.host_routes import HostRoutes
from local.host.http_functions import HttpRouter
from local.host.management import Management
from local.host.phantoms import Phantoms
from local.host.server import Answer, WebRequest
from local.host.settings import HostSettings
from local.host.timers import Timers

FUNCTION_KEY_VARIABLE = "LOCAL_HOST_FUNCTION_KEY"
SYSTEM_KEY_VARIABLE = "LOCAL_HOST_SYSTEM_KEY"

_WEBHOOKS = "/runtime/webhooks/durabletask/"
_LOCAL_RPC = "/durabletask/"
_TESTS = "/_host/"
_ADMIN = "/admin/functions/"


class FrontDoor:
    """Answers every request of a host.

    Args:
        index: the app.
        engine: runs the orchestrations.
        phantoms: for the host's own routes.
        settings: the settings of host.json.
        base_url: returns the address of the host.
    """

    def __init__(
        self,
        index: AppIndex,
        engine: Engine,
        phantoms: Phantoms,
        settings: HostSettings,
        base_url: Callable[[], str],
    ) -> None:
        self.function_key = os.environ.get(FUNCTION_KEY_VARIABLE) or secrets.token_urlsafe(32)
        self.system_key = os.environ.get(SYSTEM_KEY_VARIABLE) or secrets.token_urlsafe(32)
        self._engine = engine
        self._base_url = base_url
        self._management = Management(engine, settings)
        self._host_routes = HostRoutes(engine, phantoms)
        self._router = HttpRouter(index.http, settings.route_prefix, self.client_binding)
        self.timers = Timers(index.timers, engine, self.client_binding)

    def client_binding(self) -> str:
        """Return the text of a durable client binding for the app's functions."""
        return self._management.client_binding(self._base_url(), self.system_key)

    async def answer(self, request: WebRequest) -> Answer:
        """Answer a request, from a socket or from this process."""
        path = request.path
        if path.startswith(_WEBHOOKS):
            if not _has_key(request, self.system_key):
                detail = "this route needs the system key, as 'code' in the query or in the header x-functions-key"
                return Answer.problem(401, "Unauthorized", detail)
            return await self._management.answer(
                request, path[len(_WEBHOOKS) :], request.origin + _WEBHOOKS, self.system_key
            )
        if path.startswith((_LOCAL_RPC, _TESTS)):
            if not request.is_local:
                return Answer.problem(403, "Forbidden", "this route is for this machine's own processes only")
            if path.startswith(_TESTS):
                return await self._host_routes.answer(request, path[len(_TESTS) :])
            return await self._management.answer(request, path[len(_LOCAL_RPC) :], request.origin + _LOCAL_RPC, None)
        if path.startswith(_ADMIN):
            return self._run_timer(request, path[len(_ADMIN) :])
        return await self._router.answer(request, self._allows)

    def _run_timer(self, request: WebRequest, name: str) -> Answer:
        """Run a timer function, as Functions does for ``POST /admin/functions/{name}`` with the master key."""
        if not _has_key(request, self.system_key):
            return Answer.problem(401, "Unauthorized", "this route needs the system key, in the header x-functions-key")
        if request.method != "POST" or name not in self.timers.names:
            detail = f"no timer function '{name}' to run, or {request.method} instead of POST"
            return Answer.problem(404, "UnknownRoute", detail)
        self._engine.run_apart(lambda: self.timers.run(name))
        return Answer(202)

    def _allows(self, request: WebRequest, auth_level: str) -> bool:
        if auth_level == "ANONYMOUS":
            return True
        if auth_level == "FUNCTION" and _has_key(request, self.function_key):
            return True
        return _has_key(request, self.system_key)


def _has_key(request: WebRequest, key: str) -> bool:
    sent = request.headers.get("x-functions-key") or request.query.get("code") or ""
    # bytes of a header that are not UTF-8 arrive as surrogates: such a key is simply wrong
    return hmac.compare_digest(sent.encode(errors="surrogatepass"), key.encode())
