"""``GET /api/health``: whether the app itself works. A source that is down is no failure of the app."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df
import azure.functions as func

from http_start.answers import endpoint, json_response
from wiring.services import Services

blueprint = df.Blueprint()


@endpoint(blueprint, "get_health", "GET", "health")
def get_health(_req: func.HttpRequest, app: Services) -> func.HttpResponse:
    """Return 200 if configuration and catalog are usable, with the last reachability of each resource; else 503."""
    seen = app.reachability()
    resources: dict[str, Any] = {
        name: {
            "region": resource.region,
            "apiVersions": list(resource.api_versions),
            "lastSeen": seen.get(name),
        }
        for name, resource in app.configuration.resources.items()
    }
    return json_response(
        {"status": "ok", "configuration": {"status": "ok"}, "catalog": {"status": "ok"}, "resources": resources}
    )
