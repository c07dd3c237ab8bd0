"""Models as JSON of the admin routes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

from local.simulator.models import (
    DEFAULT_FIELDS,
    DEFAULT_TRAINED,
    ModelState,
    StoredModel,
    classifier,
    v2_composed_model,
    v2_model,
    v3_model,
    v4_composed_model,
    v4_model,
)
from local.simulator.versions import ALL_VERSIONS, Kind, generation_of

_MEMBERS = {
    "apiVersion",
    "kind",
    "state",
    "name",
    "fields",
    "documents",
    "buildMode",
    "docTypes",
    "parts",
    "classifierId",
    "description",
    "tags",
    "createdDateTime",
    "trainedDateTime",
    "expirationDateTime",
    "content",
}


def model_to_json(model: StoredModel) -> dict[str, Any]:
    """Return all properties of a model as JSON."""
    body: dict[str, Any] = {
        "modelId": model.model_id,
        "kind": model.kind,
        "apiVersion": model.api_version,
        "state": model.state,
        "createdDateTime": _written(model.created),
        "trainedDateTime": _written(model.trained),
        "content": model.content,
    }
    optional = {
        "expirationDateTime": _written(model.expires) if model.expires else None,
        "description": model.description,
        "tags": model.tags,
        "copyOf": model.copy_of,
    }
    return body | {name: value for name, value in optional.items() if value is not None}


def model_from_json(model_id: str, body: Mapping[str, Any], kind: Kind | None = None) -> StoredModel:
    """Return the model of ``PUT /_sim/models/{id}``; raises ``ValueError`` with the reason if the body is wrong.

    ``fields`` maps names to accuracies; ``parts`` makes a composed model (v2.1: id → fields; v4: docType →
    {"modelId", "fields"}, with ``classifierId``); ``content`` replaces members of the built content.
    """
    unknown = set(body) - _MEMBERS
    if unknown:
        raise ValueError(f"unknown member {sorted(unknown)[0]!r}; use {', '.join(sorted(_MEMBERS))}")
    version = body.get("apiVersion", "v2.1")
    if version not in ALL_VERSIONS:
        raise ValueError(f"apiVersion must be one of {', '.join(ALL_VERSIONS)}, not {version!r}")
    state = body.get("state", "ready")
    if state not in get_args(ModelState):
        raise ValueError(f"state must be one of {', '.join(get_args(ModelState))}, not {state!r}")
    trained = _read(body, "trainedDateTime") or DEFAULT_TRAINED
    model = _build(model_id, version, kind or body.get("kind", "model"), body, trained)
    model.state = state
    model.created = _read(body, "createdDateTime") or model.created
    model.expires = _read(body, "expirationDateTime") or model.expires
    model.content.update(body.get("content", {}))
    return model


def _build(model_id: str, version: str, kind: Any, body: Mapping[str, Any], trained: datetime) -> StoredModel:
    fields = body.get("fields", DEFAULT_FIELDS)
    texts: dict[str, Any] = {"description": body.get("description"), "trained": trained}
    if kind == "classifier":
        doc_types = tuple(body.get("docTypes", ("invoice", "receipt", "order")))
        model = classifier(model_id, api_version=version, doc_types=doc_types, **texts)
        model.tags = body.get("tags")
        return model
    if kind != "model":
        raise ValueError("kind must be model or classifier")
    generation = generation_of(version)
    if generation == "v2":
        if "parts" in body:
            return v2_composed_model(model_id, parts=body["parts"], name=body.get("name"), trained=trained)
        documents = body.get("documents", ("Form_1.pdf", "Form_2.pdf"))
        return v2_model(
            model_id,
            api_version=version,
            name=body.get("name"),
            fields=fields,
            documents=documents,
            trained=trained,
            state=body.get("state", "ready"),
        )
    texts["tags"] = body.get("tags")
    mode = body.get("buildMode", "template")
    if generation == "v3":
        return v3_model(
            model_id, api_version=version, fields=fields, build_mode=mode, doc_types=body.get("docTypes"), **texts
        )
    if "parts" in body:
        parts = {name: (part["modelId"], part.get("fields", DEFAULT_FIELDS)) for name, part in body["parts"].items()}
        texts.pop("tags")
        model = v4_composed_model(model_id, classifier_id=str(body.get("classifierId", "")), parts=parts, **texts)
        model.tags = body.get("tags")
        return model
    return v4_model(model_id, api_version=version, fields=fields, build_mode=mode, **texts)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _read(body: Mapping[str, Any], name: str) -> datetime | None:
    if name not in body or body[name] is None:
        return None
    moment = datetime.fromisoformat(str(body[name]))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
