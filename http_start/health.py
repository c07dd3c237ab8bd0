"""``GET /api/health``: whether the app does its job, and what is wrong. Makes no calls to a resource."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df
import azure.functions as func

from backup.health import FindingCode, HealthFinding, findings_view, status
from catalog.store import CatalogUnavailable
from http_start.answers import endpoint, json_response
from wiring.health import standing_findings
from wiring.services import ConfigurationInvalid, Services, services

blueprint = df.Blueprint()


def services_or_reason() -> Services | Exception:
    """Return the app's services, or why it cannot do anything."""
    try:
        return services()
    except (ConfigurationInvalid, CatalogUnavailable) as error:
        return error


@endpoint(blueprint, "get_health", "GET", "health", needs=services_or_reason)
def get_health(_req: func.HttpRequest, app: Services | Exception) -> func.HttpResponse:
    """Return 200 with what is wrong, worst first; 503 only if the app can do nothing."""
    if isinstance(app, Exception):
        return useless(app)
    try:
        return json_response(report(app))
    except CatalogUnavailable as error:
        return useless(error)


def report(app: Services) -> dict[str, Any]:
    """Return the app's status, what is wrong with it, and the last state of each resource. Raises ``CatalogUnavailable``, also
    for a table that only some runs need, and for a disk without room.
    """
    app.catalog.housekeeping.prove_usable()
    findings, seen = standing_findings(app), app.reachability()
    resources = {
        name: {"region": resource.region, "apiVersions": list(resource.api_versions), "lastSeen": seen.get(name)}
        for name, resource in app.configuration.resources.items()
    }
    return {
        "status": status(findings),
        "findings": findings_view(findings),
        "configuration": {"status": "ok"},
        "catalog": {"status": "ok"},
        "resources": resources,
    }


def useless(error: Exception) -> func.HttpResponse:
    """Return the answer of an app that can do nothing: platforms take such a worker out of use, or restart it."""
    is_catalog = isinstance(error, CatalogUnavailable)
    code = FindingCode.CATALOG_UNAVAILABLE if is_catalog else FindingCode.CONFIGURATION_INVALID
    finding = HealthFinding(code=code, subject="app", message=str(error))
    body = {"status": "failing", "code": code, "detail": str(error), "findings": [finding.view()]}
    return json_response(body, 503, {"Retry-After": "60"})
