"""What every HTTP function has in common: its registration, JSON out, problems for what goes wrong, addresses of runs."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import azure.durable_functions as df
import azure.functions as func

from catalog.store import CatalogUnavailable
from http_start.problems import Problem
from wiring.services import ConfigurationInvalid, services

RETRY_AFTER_SECONDS = 2
ROUTE_PREFIX = "/api"
"""The ``routePrefix`` of host.json."""

Handler = Callable[..., Awaitable[func.HttpResponse]]
"""Takes the request and the app's services, and the client of Durable Functions if it has a parameter ``client``."""


def endpoint(blueprint: df.Blueprint, name: str, method: str, route: str) -> Callable[[Handler], Handler]:
    """Register the decorated handler as the HTTP function ``name``. Its problems, and the app's own, are answered as such."""

    def register(handler: Handler) -> Handler:
        async def with_client(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
            return await answer(handler, req, client)

        async def without_client(req: func.HttpRequest) -> func.HttpResponse:
            return await answer(handler, req)

        function: Any = without_client
        if "client" in inspect.signature(handler).parameters:
            function = blueprint.durable_client_input(client_name="client")(with_client)
        function = blueprint.route(route, methods=[method], auth_level=func.AuthLevel.FUNCTION)(function)
        blueprint.function_name(name)(function)
        return handler

    return register


async def answer(handler: Handler, req: func.HttpRequest, *client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Return what ``handler`` answers, or the problem that it raises."""
    try:
        return await handler(req, await asyncio.to_thread(services), *client)
    except Problem as problem:
        return problem.response()
    except ConfigurationInvalid as error:
        return Problem(503, "ConfigurationInvalid", str(error), headers={"Retry-After": "60"}).response()
    except CatalogUnavailable as error:
        return Problem(503, "CatalogUnavailable", str(error), headers={"Retry-After": "10"}).response()


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    """Return ``body`` as JSON."""
    return func.HttpResponse(
        json.dumps(body, ensure_ascii=False),
        status_code=status,
        headers=dict(headers or {}),
        mimetype="application/json",
    )


def base_address(request: func.HttpRequest) -> str:
    """Return the address of the API as the caller reached it, such as ``https://host/api``: no query, so no key in it."""
    parts = urlsplit(request.url)
    # a gateway may have put segments of its own before the route prefix, and routes match whatever their case
    end = parts.path.lower().find(ROUTE_PREFIX + "/") + len(ROUTE_PREFIX)
    return f"{parts.scheme}://{parts.netloc}{parts.path[:end]}"


def run_address(request: func.HttpRequest, run_id: str) -> str:
    """Return the address of a run's status."""
    return f"{base_address(request)}/runs/{run_id}"
