"""``GET /api/health``: whether the app itself can work. A source that is down is not our failure."""

from __future__ import annotations

import asyncio
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from http_start.answers import json_response, with_problems
from wiring.services import services

blueprint = df.Blueprint()


@blueprint.function_name("get_health")
@blueprint.route("health", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@with_problems
async def get_health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the binding passes it by this name
    """Return 200 where configuration and catalog are usable, with the last known reachability of each resource; else 503."""
    known = await asyncio.to_thread(services)
    seen = await asyncio.to_thread(known.reachability)
    resources: dict[str, Any] = {
        name: {
            "region": resource.region,
            "apiVersions": list(resource.api_versions),
            "lastSeen": seen.get(name),
        }
        for name, resource in known.configuration.resources.items()
    }
    return json_response(
        {"status": "ok", "configuration": {"status": "ok"}, "catalog": {"status": "ok"}, "resources": resources}
    )
