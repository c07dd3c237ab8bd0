"""``GET /api/health``: whether the app does its job, and what is wrong. Makes no calls to a resource."""

from __future__ import annotations

from typing import Literal, cast

import azure.durable_functions as df
import azure.functions as func

from backup.health import FindingCode, FindingView, HealthFinding, HealthStatus, findings_view, status
from backup.json_types import Described
from backup.lookup import ResourceState
from catalog.store import CatalogUnavailable
from http_start.answers import endpoint, json_response
from http_start.operations import Operation, Reply
from wiring.health import standing_findings
from wiring.services import ConfigurationInvalid, Services, services

blueprint = df.Blueprint()


class Usable(Described):
    """Whether a part of the app can be used: ``ok``, or the app could not answer."""

    status: Literal["ok"]
    """Always ``ok``."""


class ResourceHealth(Described):
    """A resource of the configuration, and whether it answers."""

    region: str
    """Its region."""
    apiVersions: list[str]
    """The API versions that it is configured for."""
    lastSeen: ResourceState | None
    """What the app's last call or probe showed; ``null`` if it never called the resource."""


class Health(Described):
    """Whether every plan keeps its promise, and what is wrong."""

    status: HealthStatus
    """That of the worst finding."""
    findings: list[FindingView]
    """What is wrong, worst first."""
    configuration: Usable
    """The configuration."""
    catalog: Usable
    """The catalog."""
    resources: dict[str, ResourceHealth]
    """By their names."""


class Useless(Described):
    """An app that can do nothing."""

    status: Literal["failing"]
    """Always ``failing``."""
    code: Literal[FindingCode.CONFIGURATION_INVALID, FindingCode.CATALOG_UNAVAILABLE]
    """Why."""
    detail: str
    """What is wrong, and what to do."""
    findings: list[FindingView]
    """The same as a finding."""


def services_or_reason() -> Services | Exception:
    """Return the app's services, or why it cannot do anything."""
    try:
        return services()
    except (ConfigurationInvalid, CatalogUnavailable) as error:
        return error


@endpoint(
    blueprint,
    "get_health",
    "GET",
    "health",
    Operation(
        "getHealth",
        "health",
        "Whether every plan keeps its promise, and what is wrong",
        {
            200: Reply("What is wrong with app, resources and plans; it may be nothing.", Health),
            503: Reply("The app can do nothing.", Useless, ("Retry-After",)),
        },
        takes_others=True,
    ),
    needs=services_or_reason,
)
def get_health(_req: func.HttpRequest, app: Services | Exception) -> func.HttpResponse:
    """Return 200 with what is wrong, worst first; 503 only if the app can do nothing."""
    if isinstance(app, Exception):
        return useless(app)
    try:
        return json_response(report(app))
    except CatalogUnavailable as error:
        return useless(error)


def report(app: Services) -> Health:
    """Return the app's status, what is wrong with it, and the last state of each resource. Raises ``CatalogUnavailable``, also
    for a table that only some runs need, and for a disk without room.
    """
    app.catalog.housekeeping.prove_usable()
    findings, seen = standing_findings(app), app.reachability()
    resources: dict[str, ResourceHealth] = {
        name: {
            "region": resource.region,
            "apiVersions": list(resource.api_versions),
            "lastSeen": cast("ResourceState | None", seen.get(name)),
        }
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
    code: Literal[FindingCode.CONFIGURATION_INVALID, FindingCode.CATALOG_UNAVAILABLE] = (
        FindingCode.CATALOG_UNAVAILABLE if is_catalog else FindingCode.CONFIGURATION_INVALID
    )
    finding = HealthFinding(code=code, subject="app", message=str(error))
    body: Useless = {"status": "failing", "code": code, "detail": str(error), "findings": [finding.view()]}
    return json_response(body, 503, {"Retry-After": "60"})
