"""The checks of every request before its operation: key or token, version, rate limit."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime

from local.simulator import analyzing, v2, v3, v3_copying
from local.simulator.answers import (
    Answer,
    ServiceError,
    access_denied,
    resource_not_found,
    subdomain_needed,
    version_retired,
)
from local.simulator.call import Call
from local.simulator.copying import World
from local.simulator.resource import ResourceState
from local.simulator.routing import Route
from local.simulator.versions import ALL_VERSIONS, RETIRED_VERSIONS, generation_of

V3_OPERATIONS: Mapping[str, Callable[[Call], Answer]] = {
    "listModels": v3.list_models,
    "getModel": v3.get_model,
    "deleteModel": v3.delete_model,
    "composeModel": v3.compose_model,
    "getInfo": v3.info,
    "analyzeModel": v3.analyze_model,
    "getAnalyzeResult": analyzing.result_v3,
    "authorizeCopy": v3_copying.authorize_copy,
    "startCopy": v3_copying.start_copy,
    "getOperation": v3_copying.get_operation,
    "listOperations": v3_copying.list_operations,
    "listClassifiers": v3.list_models,
    "getClassifier": v3.get_model,
    "deleteClassifier": v3.delete_model,
    "authorizeClassifierCopy": v3_copying.authorize_copy,
    "startClassifierCopy": v3_copying.start_copy,
}

KEY_HEADER = "Ocp-Apim-Subscription-Key"


def answer(call: Call) -> Answer:
    """Answer a routed request: check credentials, version and rate limit, then run the operation."""
    try:
        _check_credentials(call.world, call.resource, call.headers)
        _check_version(call.resource, call.route)
        call.resource.throttle.check(
            call.resource.limits, call.route.operation, call.route.generation, call.now, call.route.version
        )
        operations = v2.OPERATIONS if call.route.generation == "v2" else V3_OPERATIONS
        return operations[call.route.operation](call)
    except ServiceError as refused:
        return refused.answer


def resource_at_region(resources: Sequence[ResourceState], headers: Mapping[str, str]) -> ResourceState | Answer:
    """Return the resource of a regional endpoint that has the request's key, or how the endpoint refuses the request."""
    if KEY_HEADER not in headers and "Authorization" in headers:
        return subdomain_needed().answer
    key = headers.get(KEY_HEADER, "").encode(errors="surrogatepass")
    found = [resource for resource in resources if hmac.compare_digest(key, resource.spec.key.encode())]
    return found[0] if found else access_denied().answer


def unrouted(world: World, resource: ResourceState, headers: Mapping[str, str]) -> Answer:
    """Answer a path without a route; credentials are checked first here, too."""
    try:
        _check_credentials(world, resource, headers)
    except ServiceError as refused:
        return refused.answer
    return resource_not_found().answer


def dress(resource: ResourceState, reply: Answer, now: datetime) -> Answer:
    """Add the headers that every answer of the service has."""
    reply.headers["Date"] = format_datetime(now, usegmt=True)
    reply.headers["apim-request-id"] = resource.new_id()
    reply.headers["x-envoy-upstream-service-time"] = "12"
    reply.headers["x-ms-region"] = resource.spec.region
    reply.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains; preload"
    reply.headers["X-Content-Type-Options"] = "nosniff"
    return reply


def make_call(
    world: World,
    resource: ResourceState,
    route: Route,
    query: dict[str, str],
    headers: Mapping[str, str],
    body: bytes,
    base: str,
    now: datetime,
) -> Call:
    """Bring the world up to the present time, and return the call."""
    world.settle(now)
    return Call(world, resource, route, query, headers, body, base, now, model_id=route.model_id)


def _check_credentials(world: World, resource: ResourceState, headers: Mapping[str, str]) -> None:
    """Check the key or the token; if both are sent, the key counts."""
    key = headers.get(KEY_HEADER)
    if key is None and "Authorization" in headers:
        world.issuer.check(headers["Authorization"], resource.spec.name)
    elif not hmac.compare_digest((key or "").encode(errors="surrogatepass"), resource.spec.key.encode()):
        raise access_denied()


def _check_version(resource: ResourceState, route: Route) -> None:
    version = route.version
    if version in RETIRED_VERSIONS or (version in ALL_VERSIONS and version not in resource.spec.api_versions):
        raise version_retired()
    # Each base path has its own versions.
    if version not in ALL_VERSIONS or generation_of(version) != route.generation:
        raise resource_not_found()
