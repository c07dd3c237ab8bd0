"""What every HTTP function has in common: its registration, JSON out, problems for errors, addresses of runs."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import azure.durable_functions as df
import azure.functions as func

from catalog.store import CatalogUnavailable
from http_start.operations import Operation
from http_start.problems import Problem, unavailable
from http_start.query import check_parameters
from wiring.services import ConfigurationInvalid, services

ROUTE_PREFIX = "/api"
"""The ``routePrefix`` of host.json."""

Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A registered HTTP function."""

    method: str
    route: str
    operation: Operation
    needs_services: bool
    """Whether it answers 503 while the app's services cannot be built."""


REFUSING = {"GET", "PATCH"}
"""The methods whose unknown query parameters are refused."""
ENDPOINTS: dict[str, Endpoint] = {}
"""Every HTTP function by its name, in the order of registration. The OpenAPI document is made from it."""


def endpoint(
    blueprint: df.Blueprint,
    name: str,
    method: str,
    route: str,
    operation: Operation,
    needs: Callable[[], Any] = services,
) -> Callable[[Handler], Handler]:
    """Register the decorated handler as the HTTP function ``name``. Its problems, and the app's own, are answered as such.

    Query parameters that ``operation`` does not name are refused before the handler is called.

    A handler gets the request and the app's services. A plain one runs in a thread; a coroutine with a parameter ``client`` also gets the
    client of Durable Functions. With ``needs`` it gets what that returns instead of the services: for a handler that answers while they
    cannot be built.
    """

    def register(handler: Handler) -> Handler:
        async def with_client(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
            return await _answer(req, operation, needs, lambda app: handler(req, app, client))

        async def without_client(req: func.HttpRequest) -> func.HttpResponse:
            if inspect.iscoroutinefunction(handler):
                return await _answer(req, operation, needs, lambda app: handler(req, app))
            return await _answer(req, operation, needs, lambda app: asyncio.to_thread(handler, req, app))

        function: Any = without_client
        if "client" in inspect.signature(handler).parameters:
            function = blueprint.durable_client_input(client_name="client")(with_client)
        function = blueprint.route(route, methods=[method], auth_level=func.AuthLevel.FUNCTION)(function)
        blueprint.function_name(name)(function)
        ENDPOINTS[name] = Endpoint(method, route, operation, needs is services)
        return handler

    return register


async def _answer(
    req: func.HttpRequest,
    operation: Operation,
    needs: Callable[[], Any],
    handle: Callable[[Any], Awaitable[func.HttpResponse]],
) -> func.HttpResponse:
    try:
        app = await asyncio.to_thread(needs)
        if req.method in REFUSING and not operation.takes_others:
            check_parameters(req, *(one.name for one in operation.parameters if one.place == "query"))
        return await handle(app)
    except Problem as problem:
        return problem.response()
    except ConfigurationInvalid as error:
        return unavailable("ConfigurationInvalid", str(error), retry_after=60).response()
    except CatalogUnavailable as error:
        return unavailable("CatalogUnavailable", str(error)).response()


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    """Return ``body`` as JSON."""
    return func.HttpResponse(
        json.dumps(body, ensure_ascii=False),
        status_code=status,
        headers=dict(headers or {}),
        mimetype="application/json",
    )


def accepted(request: func.HttpRequest, run_id: str, body: Any) -> func.HttpResponse:
    """Return ``body`` with status 202, the address of the run's status, and when to ask there."""
    return json_response(body, 202, {"Location": run_address(request, run_id), "Retry-After": "2"})


def base_address(request: func.HttpRequest) -> str:
    """Return the address of the API as the caller reached it, such as ``https://host/api``: no query, so no key in it."""
    parts = urlsplit(request.url)
    # a gateway may have put segments of its own before the route prefix, and routes match whatever their case
    end = parts.path.lower().find(ROUTE_PREFIX + "/") + len(ROUTE_PREFIX)
    return f"{parts.scheme}://{parts.netloc}{parts.path[:end]}"


def run_address(request: func.HttpRequest, run_id: str) -> str:
    """Return the address of a run's status."""
    return f"{base_address(request)}/runs/{run_id}"
