"""``/api/models`` and ``/api/replicas``: where models can be used, from the catalogue alone, so also while their region is down."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import itertools
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import azure.durable_functions as df
import azure.functions as func
from pydantic.alias_generators import to_camel

from backup.document_models import Kind
from backup.lookup import places
from backup.moments import written
from backup.names import MODEL_ID
from backup.records import Replica
from backup.states import ReplicaState
from http_start.answers import answered, base_address, json_response
from http_start.copy_request import plain_query_number
from http_start.problems import Problem
from wiring.services import Services, services

blueprint = df.Blueprint()

PAGE = 200
MOST_ROWS = 1000
CACHE = {"Cache-Control": "private, max-age=60"}


@blueprint.function_name("get_model")
@blueprint.route("models/{source}/{modelId}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def get_model(req: func.HttpRequest) -> func.HttpResponse:
    """Return every place where a model can be used now, best first. ``?kind=classifier`` for a classifier."""

    async def work() -> func.HttpResponse:
        known = await asyncio.to_thread(services)
        source, model_id = req.route_params.get("source", ""), req.route_params.get("modelId", "")
        kind = _choice(req, "kind", Kind) or Kind.MODEL
        if source not in known.configuration.resources or MODEL_ID.fullmatch(model_id) is None:
            raise Problem(
                404, "UnknownModel", "name a configured resource and a model id: /api/models/{source}/{modelId}"
            )
        return await asyncio.to_thread(_look_up, known, req, source, kind, model_id)

    return await answered(work)


@blueprint.function_name("get_models")
@blueprint.route("models", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def get_models(req: func.HttpRequest) -> func.HttpResponse:
    """Return the whole mapping, as a file to keep elsewhere. ``?source=`` for the models of one resource."""

    async def work() -> func.HttpResponse:
        known = await asyncio.to_thread(services)
        return await asyncio.to_thread(_mapping, known, req)

    return await answered(work)


@blueprint.function_name("get_replicas")
@blueprint.route("replicas", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def get_replicas(req: func.HttpRequest) -> func.HttpResponse:
    """Return the matrix of models and targets, page by page. ``?source=``, ``?target=``, ``?kind=``, ``?state=`` narrow it."""

    async def work() -> func.HttpResponse:
        known = await asyncio.to_thread(services)
        return await asyncio.to_thread(_matrix, known, req)

    return await answered(work)


def _look_up(known: Services, req: func.HttpRequest, source: str, kind: Kind, model_id: str) -> func.HttpResponse:
    replicas = [one.replica for one in known.catalogue.replicas.of_model(source, kind, model_id)]
    found = places(source, kind, model_id, replicas, known.configuration.resources, known.reachability(), known.now())
    if not found:
        detail = f'no usable copy of {kind} {model_id} of "{source}" is known: copy it with POST /api/copies'
        raise Problem(404, "UnknownModel", detail)
    body = {"source": source, "modelId": model_id, "kind": str(kind), "places": found}
    return _cacheable(req, body, _without_age(body))


def _mapping(known: Services, req: func.HttpRequest) -> func.HttpResponse:
    source = req.params.get("source")
    table, seen, now = known.catalogue.replicas, known.reachability(), known.now()
    replicas: Iterator[Replica] = table.all() if source is None else (one.replica for one in table.of_source(source))
    models = []
    for (owner, kind, model_id), group in itertools.groupby(replicas, lambda one: (one.source, one.kind, one.model_id)):
        found = places(owner, kind, model_id, group, known.configuration.resources, seen, now)
        if found:
            models.append({"source": owner, "modelId": model_id, "kind": str(kind), "places": found})
    body = {"generatedAt": written(now), "models": models}
    return _cacheable(req, body, [_without_age(model) for model in models])


def _matrix(known: Services, req: func.HttpRequest) -> func.HttpResponse:
    wanted_kind, wanted_state = _choice(req, "kind", Kind), _choice(req, "state", ReplicaState)
    source, target = req.params.get("source"), req.params.get("target")
    limit = plain_query_number(req, "limit", PAGE, MOST_ROWS) or PAGE
    now = known.now()
    found, after = known.catalogue.replicas.page(_position(req), limit, source)
    rows = [
        {**_row(one), "ageSeconds": max(0, round((now - one.verified_at).total_seconds()))}
        for one in found
        if (target is None or one.target == target)
        and wanted_kind in {None, one.kind}
        and wanted_state in {None, one.state}
    ]
    body: dict[str, Any] = {"replicas": rows}
    if after is not None:
        kept = {name: value for name, value in req.params.items() if name not in {"after", "code"}}
        query = urlencode({**kept, "after": _token(after)})
        body["nextLink"] = f"{base_address(req)}/replicas?{query}"
    return json_response(body)


def _row(replica: Replica) -> dict[str, Any]:
    moments = {name: value for name, value in replica if isinstance(value, datetime)}
    return {**replica.to_json(), **{to_camel(name): written(moment) for name, moment in moments.items()}}


def _choice(req: func.HttpRequest, name: str, kind: Any) -> Any:
    """Return a query parameter as a member of the enumeration ``kind``, or ``None``. Raises ``Problem``."""
    text = req.params.get(name)
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        raise Problem(400, "InvalidRequest", f"{name} is one of {', '.join(kind)}") from None


def _token(after: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(after).encode()).decode()


def _position(req: func.HttpRequest) -> tuple[str, str] | None:
    text = req.params.get("after")
    if text is None:
        return None
    try:
        partition, key = json.loads(base64.urlsafe_b64decode(text))
    except (ValueError, TypeError, binascii.Error):
        raise Problem(400, "InvalidRequest", "after is what nextLink holds: follow nextLink") from None
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
