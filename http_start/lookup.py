"""``/api/models`` and ``/api/replicas``: where models can be used. The catalog alone answers, unless the caller asks for a probe."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import re
from collections import abc
from collections.abc import Callable, Iterable
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, cast
from urllib.parse import urlencode

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field
from pydantic.alias_generators import to_camel

from backup.configuration.fields import NAME_PATTERN
from backup.configuration.problems import unknown_name
from backup.document_models import Kind
from backup.lookup import Place, places, versions
from backup.moments import written
from backup.names import MODEL_ID, V2_MODEL_ID
from backup.records import Replica
from backup.states import ReplicaState
from http_start.answers import base_address, endpoint, json_response
from http_start.copy_request import MODEL_ID_RULE, ModelId
from http_start.lookup_types import Mapping, ModelPlaces, ModelWithPlaces, ReplicaPage, ReplicaRow
from http_start.operations import Operation, Parameter, Reply
from http_start.problems import Problem, wrong_input
from http_start.query import OF_THE_PLATFORM, VersionText, choice, flag, full_version, whole_number, wrong_token
from wiring.probing import ProbeResult, probe_all
from wiring.services import Services

blueprint = df.Blueprint()

_NAME = re.compile(NAME_PATTERN)
PAGE = 200
MOST_ROWS = 1000
CACHE = {"Cache-Control": "private, max-age=60"}
NOT_CACHED = {"Cache-Control": "no-store"}
_MOMENTS = {name: to_camel(name) for name, field in Replica.model_fields.items() if "datetime" in str(field.annotation)}
"""The moments of a replica, and what they are called in answers."""
PROBE_TIMEOUT = 1.8
"""Seconds that all probes of a lookup may take together: with its queries, a lookup takes two seconds at most."""


NAMED = Annotated[str, Field(pattern=NAME_PATTERN)]
PROBE = Parameter(
    "probe", bool, "Whether to ask all places first, side by side; takes two seconds at most.", default=False
)
IF_NONE_MATCH = Parameter("If-None-Match", str, "The ``ETag`` of an earlier answer.", place="header")
NOT_MODIFIED = Reply(
    "The places and their order are as in the answer with this ``ETag``.", headers=("ETag", "Cache-Control")
)


@endpoint(
    blueprint,
    "get_model",
    "GET",
    "models/{source}/{modelId}",
    Operation(
        "findModel",
        "models",
        "Where a model can be used now, best place first",
        {200: Reply("Its places.", ModelPlaces, ("Cache-Control",), ("ETag",)), 304: NOT_MODIFIED},
        {404: ("UnknownModel", "UnknownVersion")},
        parameters=(
            Parameter("source", NAMED, "The resource whose model it is.", place="path"),
            Parameter("modelId", ModelId, "The id of the model in this resource.", place="path"),
            Parameter("kind", Kind, "What it is.", Kind.MODEL),
            PROBE,
            Parameter("version", VersionText, "Places of this version only: its fingerprint, or its first characters."),
            IF_NONE_MATCH,
        ),
    ),
)
async def get_model(req: func.HttpRequest, app: Services) -> func.HttpResponse:
    """Return every place where a model can be used now, best first.

    ``?kind=classifier`` for a classifier. ``?probe=true`` asks all places first, side by side, and sorts them by what was found.
    ``?version=`` names the places of one version only, by the beginning of its fingerprint.
    """
    source, model_id = req.route_params.get("source", ""), req.route_params.get("modelId", "")
    kind, probe = choice(req, "kind", Kind) or Kind.MODEL, flag(req, "probe")
    if MODEL_ID.fullmatch(model_id) is None:
        raise Problem(404, "UnknownModel", MODEL_ID_RULE)
    if _NAME.fullmatch(source) is None:
        raise Problem(404, "UnknownModel", _no_resource(app, source))
    model_id, replicas, seen = await asyncio.to_thread(_known, app, source, kind, model_id)
    known = versions(replicas, app.configuration.resources, app.now())
    wanted = req.params.get("version")
    version = None if wanted is None else full_version("version", wanted, known)
    usable = _places(app, source, model_id, replicas, seen, version)
    if probe:
        found = await probe_all(app, {place["resource"] for place in usable}, PROBE_TIMEOUT)
        usable = _places(app, source, model_id, replicas, _updated(seen, found, app.now()), version)
    body: ModelPlaces = {"source": source, "modelId": model_id, "kind": kind, "places": usable, "versions": known}
    return json_response(body, headers=NOT_CACHED) if probe else _cacheable(req, body, _without_age(body))


@endpoint(
    blueprint,
    "get_models",
    "GET",
    "models",
    Operation(
        "exportModels",
        "models",
        "The whole mapping, as a file to keep elsewhere",
        {200: Reply("The mapping.", Mapping, ("Cache-Control",), ("ETag",)), 304: NOT_MODIFIED},
        {400: ("UnknownResource",)},
        parameters=(Parameter("source", NAMED, "Only models of this resource."), PROBE, IF_NONE_MATCH),
    ),
)
async def get_models(req: func.HttpRequest, app: Services) -> func.HttpResponse:
    """Return the whole mapping, as a file to keep elsewhere.

    ``?source=`` for the models of one resource. ``?probe=true`` asks all configured resources first, side by side.
    """
    probe = flag(req, "probe")
    found = await probe_all(app, app.configuration.resources, PROBE_TIMEOUT) if probe else {}
    body = await asyncio.to_thread(_mapping, app, req, found)
    if probe:
        return json_response(body, headers=NOT_CACHED)
    return _cacheable(req, body, [_without_age(model) for model in body["models"]])


def _mapping(app: Services, req: func.HttpRequest, found: abc.Mapping[str, ProbeResult]) -> Mapping:
    source = _resource(app, req, "source", _is_source)
    table, now = app.catalog.replicas, app.now()
    seen = _updated(app.reachability(), found, now)
    replicas = table.all() if source is None else (stored.record for stored in table.of_source(source))
    models: list[ModelWithPlaces] = []
    for (owner, kind, model_id), group in itertools.groupby(replicas, attrgetter("source", "kind", "model_id")):
        # older versions as well: a catalog that reads this back must know whose they are
        usable = places(owner, model_id, group, app.configuration.resources, seen, now, older_too=True)
        if usable:
            models.append({"source": owner, "modelId": model_id, "kind": kind, "places": usable})
    return {"generatedAt": written(now), "models": models}


@endpoint(
    blueprint,
    "get_replicas",
    "GET",
    "replicas",
    Operation(
        "listReplicas",
        "models",
        "The table of models and targets, with age and state",
        {200: Reply("A page of replicas.", ReplicaPage)},
        {400: ("UnknownResource",)},
        parameters=(
            Parameter("source", NAMED, "Only models of this resource."),
            Parameter("target", NAMED, "Only copies in this resource."),
            Parameter("kind", Kind, "Only models, or only classifiers."),
            Parameter("state", ReplicaState, "Only replicas in this state."),
            Parameter(
                "limit", Annotated[int, Field(ge=0, le=MOST_ROWS)], "How many replicas a page has; 0 is 200.", PAGE
            ),
            Parameter("after", str, "Where the page begins; ``nextLink`` has it."),
        ),
    ),
)
def get_replicas(req: func.HttpRequest, app: Services) -> func.HttpResponse:
    """Return the matrix of models and targets, page by page. ``?source=``, ``?target=``, ``?kind=``, ``?state=`` narrow it."""
    source, target = _resource(app, req, "source", _is_source), _resource(app, req, "target", _is_target)
    kind, state = choice(req, "kind", Kind), choice(req, "state", ReplicaState)
    limit = whole_number(req, "limit", PAGE, MOST_ROWS) or PAGE
    replicas, after = app.catalog.replicas.page(_position(req), limit, source)
    now = app.now()
    rows = [
        _row(replica, now)
        for replica in replicas
        if target in {None, replica.target} and kind in {None, replica.kind} and state in {None, replica.state}
    ]
    body: ReplicaPage = {"replicas": rows}
    if after is not None:
        filters = {name: value for name, value in req.params.items() if name.lower() not in {*OF_THE_PLATFORM, "after"}}
        body["nextLink"] = f"{base_address(req)}/replicas?{urlencode({**filters, 'after': _token(after)})}"
    return json_response(body)


def _known(
    app: Services, source: str, kind: Kind, model_id: str
) -> tuple[str, list[Replica], dict[str, dict[str, Any]]]:
    """Return the id that the catalog has the model under, its replicas, and what is known of the resources. Raises ``Problem``."""
    its_id, replicas = _find(app, source, kind, model_id)
    if not replicas:
        raise Problem(404, "UnknownModel", _why_unknown(app, source, kind, model_id))
    return its_id, replicas, app.reachability()


def _find(app: Services, source: str, kind: Kind, model_id: str) -> tuple[str, list[Replica]]:
    """Return the id that the catalog has the model under, and its replicas; no replicas if it can be used nowhere."""
    # v2 writes its ids, which are UUIDs, in lower case
    spellings = [model_id, model_id.lower()] if V2_MODEL_ID.fullmatch(model_id) else [model_id]
    for spelling in dict.fromkeys(spellings):
        replicas = [stored.record for stored in app.catalog.replicas.of_model(source, kind, spelling)]
        if _places(app, source, spelling, replicas, {}):
            return spelling, replicas
    return model_id, []


def _places(
    app: Services,
    source: str,
    model_id: str,
    replicas: Iterable[Replica],
    seen: abc.Mapping[str, abc.Mapping[str, Any]],
    version: str | None = None,
) -> list[Place]:
    return places(source, model_id, replicas, app.configuration.resources, seen, app.now(), version=version)


def _updated(
    seen: abc.Mapping[str, abc.Mapping[str, Any]], found: abc.Mapping[str, ProbeResult], now: datetime
) -> dict[str, abc.Mapping[str, Any]]:
    """Return what is known of the resources, ``seen`` before and ``found`` now."""
    moment, answer = written(now), dict(seen)
    for name, result in found.items():
        last = seen.get(name, {})
        since = last["since"] if last.get("state") == result.state else moment
        facts = {"message": result.message, "skewSeconds": result.skew_seconds}
        known = {fact: value for fact, value in facts.items() if value is not None}
        answer[name] = {"state": result.state, "at": moment, "since": since, **known}
    return answer


def _why_unknown(app: Services, source: str, kind: Kind, model_id: str) -> str:
    if not _is_source(app, source):
        return _no_resource(app, source)
    other = Kind.CLASSIFIER if kind is Kind.MODEL else Kind.MODEL
    its_id, replicas = _find(app, source, other, model_id)
    if replicas:
        return f"{its_id} is a {other} and not a {kind}; ask with ?kind={other}"
    return f'the catalog has no usable copy of {kind} {model_id} of "{source}"; copy it with POST /api/copies'


def _is_source(app: Services, name: str) -> bool:
    """Tell whether ``name`` is configured, or was and has left replicas of its models."""
    return name in app.configuration.resources or next(app.catalog.replicas.of_source(name), None) is not None


def _is_target(app: Services, name: str) -> bool:
    """Tell whether ``name`` is configured, or was and holds replicas."""
    return name in app.configuration.resources or any(name == replica.target for replica in app.catalog.replicas.all())


def _no_resource(app: Services, name: str) -> str:
    return unknown_name("resource", name, app.configuration.resources)


def _resource(
    app: Services, req: func.HttpRequest, parameter: str, exists: Callable[[Services, str], bool]
) -> str | None:
    """Return the resource that a query parameter names, or ``None``. Raises ``Problem`` if no resource ever had this name."""
    name: str | None = req.params.get(parameter)
    if name is None or (_NAME.fullmatch(name) and exists(app, name)):
        return name
    raise wrong_input("UnknownResource", [(parameter, _no_resource(app, name))])


def _row(replica: Replica, now: datetime) -> ReplicaRow:
    row = replica.to_json()
    for name, key in _MOMENTS.items():
        moment = getattr(replica, name)
        if moment is not None:
            row[key] = written(moment)
    return cast("ReplicaRow", {**row, "ageSeconds": max(0, round((now - replica.verified_at).total_seconds()))})


def _token(after: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(after).encode()).decode()


def _position(req: func.HttpRequest) -> tuple[str, str] | None:
    text = req.params.get("after")
    if text is None:
        return None
    try:
        match json.loads(base64.urlsafe_b64decode(text)):
            case [str(partition), str(key)] if _is_text(partition + key):
                return partition, key
    except (ValueError, RecursionError):
        pass
    raise wrong_token()


def _is_text(text: str) -> bool:
    """Tell whether a database can look for this text: it has no half characters (lone surrogates)."""
    return text.isascii() or text.encode(errors="replace").decode() == text


def _without_age(body: ModelWithPlaces) -> Any:
    """Return what decides whether two answers are equal: not the ages, which change every second."""
    volatile = {"ageSeconds", "lastSeen"}
    lasting = [[value for name, value in place.items() if name not in volatile] for place in body["places"]]
    return [lasting, body.get("versions")]


def _cacheable(req: func.HttpRequest, body: Any, essence: Any) -> func.HttpResponse:
    """Return ``body`` with an entity tag of its ``essence``, or 304 if the caller has it already."""
    text = json.dumps([req.url.partition("?")[0], essence], sort_keys=True)
    etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    tags = [tag.strip().removeprefix("W/") for tag in req.headers.get("If-None-Match", "").split(",")]
    if etag in tags or "*" in tags:
        return func.HttpResponse(status_code=304, headers={"ETag": etag, **CACHE})
    return json_response(body, headers={"ETag": etag, **CACHE})
