"""From a request line to its operation, before any check: faults and the journal need its name."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from local.simulator.versions import RETIRED_VERSIONS, V2_VERSIONS, Generation, Kind

UNKNOWN = "unknown"


@dataclass(slots=True)
class Route:
    """The operation of a request. ``version`` is the caller's text, which may be an unknown version."""

    operation: str
    generation: Generation
    version: str
    kind: Kind = "model"
    model_id: str | None = None
    result_id: str | None = None


def parse_query(query: str) -> dict[str, str]:
    """Return the parameters of a query string; the last value of a repeated name counts."""
    return dict(parse_qsl(query, keep_blank_values=True)) if query else {}


def route(method: str, path: str, query: dict[str, str]) -> Route | None:
    """Return the route of a request, or ``None`` if the service has no such path."""
    parts = [unquote(part) for part in path.split("/")[1:]]
    if len(parts) < 2:
        return None
    base, head = parts[0].lower(), parts[1]
    if base == "formrecognizer":
        if head.lower().startswith("v2."):
            return _v2(method, head, parts[2:], query)
        return _v3(method, "v3", parts[1:], query)
    if base == "documentintelligence":
        return _v3(method, "v4", parts[1:], query)
    return None


def _v2(method: str, version: str, parts: list[str], query: dict[str, str]) -> Route | None:
    lowered = version.lower()
    if lowered not in (*V2_VERSIONS, *RETIRED_VERSIONS) or [part.lower() for part in parts[:2]] != ["custom", "models"]:
        return None
    rest = parts[2:]
    if not rest:
        operation = {"GET": "getInfo" if query.get("op") == "summary" else "listModels"}.get(method)
        return Route(operation, "v2", lowered) if operation else None
    if len(rest) == 1:
        if method == "POST":
            operation = {"copyauthorization": "authorizeCopy", "compose": "composeModel"}.get(rest[0].lower())
            return Route(operation, "v2", lowered) if operation else None
        operation = {"GET": "getModel", "DELETE": "deleteModel"}.get(method)
        return Route(operation, "v2", lowered, model_id=rest[0].lower()) if operation and _is_uuid(rest[0]) else None
    if not _is_uuid(rest[0]):
        return None
    # The service writes copyresults, its description and the article copyResults: both spellings work.
    action = rest[1].lower()
    if len(rest) == 2 and action == "copy" and method == "POST":
        return Route("startCopy", "v2", lowered, model_id=rest[0].lower())
    if len(rest) == 2 and action == "analyze" and method == "POST":
        return Route("analyzeModel", "v2", lowered, model_id=rest[0].lower())
    results = {"copyresults": "getCopyResult", "analyzeresults": "getAnalyzeResult"}
    if len(rest) == 3 and action in results and method == "GET":
        return Route(results[action], "v2", lowered, model_id=rest[0].lower(), result_id=rest[2].lower())
    return None


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


_COLLECTIONS: dict[str, Kind] = {"documentmodels": "model", "documentclassifiers": "classifier"}
_NAMES = {
    ("model", "list"): "listModels",
    ("model", "get"): "getModel",
    ("model", "delete"): "deleteModel",
    ("model", "authorizecopy"): "authorizeCopy",
    ("model", "compose"): "composeModel",
    ("model", "copyto"): "startCopy",
    ("model", "analyze"): "analyzeModel",
    ("classifier", "list"): "listClassifiers",
    ("classifier", "get"): "getClassifier",
    ("classifier", "delete"): "deleteClassifier",
    ("classifier", "authorizecopy"): "authorizeClassifierCopy",
    ("classifier", "copyto"): "startClassifierCopy",
}

_OF_ONE_MODEL = ("copyto", "analyze")
"""Actions on a model and not on the collection."""

OPERATIONS = frozenset(_NAMES.values()) | {
    "getAnalyzeResult",
    "getCopyResult",
    "getInfo",
    "getOperation",
    "listOperations",
    UNKNOWN,
}
"""The names of operations in the journal and in faults."""


def _v3(method: str, generation: Generation, parts: list[str], query: dict[str, str]) -> Route | None:
    version = query.get("api-version", "")
    if parts[0].lower() == "info" and len(parts) == 1 and method == "GET":
        return Route("getInfo", generation, version)
    if parts[0].lower() == "operations" and method == "GET":
        if len(parts) == 1:
            return Route("listOperations", generation, version)
        return Route("getOperation", generation, version, result_id=parts[1]) if len(parts) == 2 and parts[1] else None
    collection, _, action = parts[0].partition(":")
    kind = _COLLECTIONS.get(collection.lower())
    if kind is None:
        return None
    if len(parts) == 1:
        verb = {"POST": action.lower()}.get(method) if action else {"GET": "list"}.get(method)
        name = _NAMES.get((kind, verb or "")) if verb not in _OF_ONE_MODEL else None
        return Route(name, generation, version, kind) if name else None
    if len(parts) == 4 and kind == "model" and parts[2].lower() == "analyzeresults" and method == "GET":
        return Route("getAnalyzeResult", generation, version, model_id=parts[1], result_id=parts[3])
    if len(parts) != 2:
        return None
    model_id, _, action = parts[1].partition(":")
    verb = {"POST": action.lower()}.get(method) if action else {"GET": "get", "DELETE": "delete"}.get(method)
    name = _NAMES.get((kind, verb)) if verb in ("get", "delete", *_OF_ONE_MODEL) else None
    return Route(name, generation, version, kind, model_id=model_id) if model_id and name else None
