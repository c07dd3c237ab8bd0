"""``/api/models`` and ``/api/replicas``: where models can be used, from the catalog alone, so also while their region is down."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import azure.durable_functions as df
import azure.functions as func
from pydantic.alias_generators import to_camel

from backup.configuration.fields import NAME_PATTERN
from backup.configuration.problems import unknown_name
from backup.document_models import Kind
from backup.lookup import places
from backup.moments import written
from backup.names import MODEL_ID, V2_MODEL_ID
from backup.records import Replica
from backup.states import ReplicaState
from http_start.answers import base_address, endpoint, json_response
from http_start.copy_request import WHAT_AN_ID_IS
from http_start.problems import Problem
from http_start.query import OF_THE_PLATFORM, check_parameters, choice, whole_number, wrong_parameter
from wiring.services import Services

blueprint = df.Blueprint()

_NAME = re.compile(NAME_PATTERN)
PAGE = 200
MOST_ROWS = 1000
CACHE = {"Cache-Control": "private, max-age=60"}


@endpoint(blueprint, "get_model", "GET", "models/{source}/{modelId}")
async def get_model(req: func.HttpRequest, app: Services) -> func.HttpResponse:
    """Return every place where a model can be used now, best first. ``?kind=classifier`` for a classifier."""
    source, model_id = req.route_params.get("source", ""), req.route_params.get("modelId", "")
    check_parameters(req, "kind")
    kind = choice(req, "kind", Kind) or Kind.MODEL
    if MODEL_ID.fullmatch(model_id) is None:
        raise Problem(404, "UnknownModel", f"impossible model id; {WHAT_AN_ID_IS}")
    if _NAME.fullmatch(source) is None:
        raise Problem(404, "UnknownModel", _no_resource(app, source))
    return await asyncio.to_thread(_look_up, app, req, source, kind, model_id)


@endpoint(blueprint, "get_models", "GET", "models")
async def get_models(req: func.HttpRequest, app: Services) -> func.HttpResponse:
    """Return the whole mapping, as a file to keep elsewhere. ``?source=`` for the models of one resource."""
    check_parameters(req, "source")
    return await asyncio.to_thread(_mapping, app, req)


@endpoint(blueprint, "get_replicas", "GET", "replicas")
async def get_replicas(req: func.HttpRequest, app: Services) -> func.HttpResponse:
    """Return the matrix of models and targets, page by page. ``?source=``, ``?target=``, ``?kind=``, ``?state=`` narrow it."""
    check_parameters(req, "source", "target", "kind", "state", "limit", "after")
    return await asyncio.to_thread(_matrix, app, req)


def _look_up(app: Services, req: func.HttpRequest, source: str, kind: Kind, model_id: str) -> func.HttpResponse:
    model_id, found = _find(app, source, kind, model_id)
    if not found:
        raise Problem(404, "UnknownModel", _why_unknown(app, source, kind, model_id))
    body = {"source": source, "modelId": model_id, "kind": str(kind), "places": found}
    return _cacheable(req, body, _without_age(body))


def _find(app: Services, source: str, kind: Kind, model_id: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the id that the catalog has the model under, and its places; no places if none is usable."""
    # v2 writes its ids, which are UUIDs, in lower case
    spellings = [model_id, model_id.lower()] if V2_MODEL_ID.fullmatch(model_id) else [model_id]
    for one in dict.fromkeys(spellings):
        replicas = [each.record for each in app.catalog.replicas.of_model(source, kind, one)]
        found = places(source, kind, one, replicas, app.configuration.resources, app.reachability(), app.now())
        if found:
            return one, found
    return model_id, []


def _why_unknown(app: Services, source: str, kind: Kind, model_id: str) -> str:
    if not _is_source(app, source):
        return _no_resource(app, source)
    other = Kind.CLASSIFIER if kind is Kind.MODEL else Kind.MODEL
    its_id, found = _find(app, source, other, model_id)
    if found:
        return f"{its_id} is a {other} and not a {kind}; ask with ?kind={other}"
    return f'no usable copy of {kind} {model_id} of "{source}" is known; copy it with POST /api/copies'


def _is_source(app: Services, name: str) -> bool:
    """Tell whether ``name`` is configured, or was and has left replicas of its models."""
    return name in app.configuration.resources or next(app.catalog.replicas.of_source(name), None) is not None


def _is_target(app: Services, name: str) -> bool:
    """Tell whether ``name`` is configured, or was and holds replicas."""
    return name in app.configuration.resources or any(one.target == name for one in app.catalog.replicas.all())


def _no_resource(app: Services, name: str) -> str:
    return unknown_name("resource", name, app.configuration.resources)


def _resource(
    app: Services, req: func.HttpRequest, parameter: str, is_one: Callable[[Services, str], bool]
) -> str | None:
    """Return the resource that a query parameter names, or ``None``. Raises ``Problem`` where there never was one of this name."""
    name: str | None = req.params.get(parameter)
    if name is None or (_NAME.fullmatch(name) and is_one(app, name)):
        return name
    raise wrong_parameter(parameter, _no_resource(app, name), "UnknownResource")


def _mapping(app: Services, req: func.HttpRequest) -> func.HttpResponse:
    source = _resource(app, req, "source", _is_source)
    table, seen, now = app.catalog.replicas, app.reachability(), app.now()
    replicas: Iterator[Replica] = table.all() if source is None else (one.record for one in table.of_source(source))
    models = []
    for (owner, kind, model_id), group in itertools.groupby(replicas, lambda one: (one.source, one.kind, one.model_id)):
        found = places(owner, kind, model_id, group, app.configuration.resources, seen, now)
        if found:
            models.append({"source": owner, "modelId": model_id, "kind": str(kind), "places": found})
    body = {"generatedAt": written(now), "models": models}
    return _cacheable(req, body, [_without_age(model) for model in models])


def _matrix(app: Services, req: func.HttpRequest) -> func.HttpResponse:
    wanted_kind, wanted_state = choice(req, "kind", Kind), choice(req, "state", ReplicaState)
    source = _resource(app, req, "source", _is_source)
    target = _resource(app, req, "target", _is_target)
    limit = whole_number(req, "limit", PAGE, MOST_ROWS) or PAGE
    now = app.now()
    found, after = app.catalog.replicas.page(_position(req), limit, source)
    rows = [
        {**_row(one), "ageSeconds": max(0, round((now - one.verified_at).total_seconds()))}
        for one in found
        if (target is None or one.target == target)
        and wanted_kind in {None, one.kind}
        and wanted_state in {None, one.state}
    ]
    body: dict[str, Any] = {"replicas": rows}
    if after is not None:
        kept = {
            name: value for name, value in req.params.items() if name != "after" and name.lower() not in OF_THE_PLATFORM
        }
        query = urlencode({**kept, "after": _token(after)})
        body["nextLink"] = f"{base_address(req)}/replicas?{query}"
    return json_response(body)


def _row(replica: Replica) -> dict[str, Any]:
    moments = {name: value for name, value in replica if isinstance(value, datetime)}
    return {**replica.to_json(), **{to_camel(name): written(moment) for name, moment in moments.items()}}


def _token(after: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(after).encode()).decode()


def _position(req: func.HttpRequest) -> tuple[str, str] | None:
    text = req.params.get("after")
    if text is None:
        return None
    try:
        partition, key = json.loads(base64.urlsafe_b64decode(text))
    except (ValueError, TypeError, binascii.Error):
        raise wrong_parameter("after", "invalid continuation token; use nextLink as returned") from None
    return str(partition), str(key)


def _without_age(body: dict[str, Any]) -> Any:
    """Return what must be the same for two answers to count as one: not the ages, which change by the second."""
    volatile = {"ageSeconds", "lastSeen"}
    return [[value for name, value in place.items() if name not in volatile] for place in body["places"]]


def _cacheable(req: func.HttpRequest, body: Any, essence: Any) -> func.HttpResponse:
    """Return ``body`` with an entity tag of its ``essence``, or 304 where the caller has it already."""
    text = json.dumps([req.url.partition("?")[0], essence], sort_keys=True)
    etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    given = [tag.strip().removeprefix("W/") for tag in req.headers.get("If-None-Match", "").split(",")]
    if etag in given or "*" in given:
        return func.HttpResponse(status_code=304, headers={"ETag": etag, **CACHE})
    return json_response(body, headers={"ETag": etag, **CACHE})
