"""What every HTTP function has in common: JSON out, problems for what goes wrong, addresses of runs."""

from __future__ import annotations

import functools
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import azure.functions as func

from catalog.store import CatalogUnavailable
from http_start.problems import Problem
from wiring.services import ConfigurationInvalid

RETRY_AFTER_SECONDS = 2
ROUTE_PREFIX = "/api"
"""The ``routePrefix`` of host.json."""


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    """Return ``body`` as JSON."""
    return func.HttpResponse(
        json.dumps(body, ensure_ascii=False),
        status_code=status,
        headers=dict(headers or {}),
        mimetype="application/json",
    )


Endpoint = Callable[..., Awaitable[func.HttpResponse]]


def with_problems(endpoint: Endpoint) -> Endpoint:
    """Answer what ``endpoint`` raises with problem details."""

    @functools.wraps(endpoint)
    async def answered(*args: Any, **named: Any) -> func.HttpResponse:
        try:
            return await endpoint(*args, **named)
        except Problem as problem:
            return problem.response()
        except ConfigurationInvalid as error:
            return Problem(503, "ConfigurationInvalid", str(error), headers={"Retry-After": "60"}).response()
        except CatalogUnavailable as error:
            return Problem(503, "CatalogUnavailable", str(error), headers={"Retry-After": "10"}).response()

    return answered


def base_address(request: func.HttpRequest) -> str:
    """Return the address of the API as the caller reached it, such as ``https://host/api``: no query, so no key in it."""
    parts = urlsplit(request.url)
    # a gateway may have put segments of its own in front of our route prefix, and routes match whatever their case
    end = parts.path.lower().find(ROUTE_PREFIX + "/") + len(ROUTE_PREFIX)
    return f"{parts.scheme}://{parts.netloc}{parts.path[:end]}"


def run_address(request: func.HttpRequest, run_id: str) -> str:
    """Return the address of a run's status."""
    return f"{base_address(request)}/runs/{run_id}"
