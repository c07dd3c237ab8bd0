"""A model's line in a list as JSON, for the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from backup.document_models import Kind, ModelState, ModelSummary


def summary_to_json(model: ModelSummary) -> dict[str, Any]:
    """Return what a plan needs of a model: not its description and tags, which can be long."""
    line = {
        "modelId": model.model_id,
        "kind": str(model.kind),
        "state": str(model.state),
        "apiVersion": model.api_version,
        "created": model.created,
        "modified": model.modified,
        "expires": model.expires.isoformat() if model.expires else None,
        "classifierId": model.classifier_id,
    }
    return {name: value for name, value in line.items() if value is not None}


def summary_from_json(line: Mapping[str, Any]) -> ModelSummary:
    """Return the model of a line that :func:`summary_to_json` wrote."""
    expires = line.get("expires")
    return ModelSummary(
        model_id=line["modelId"],
        kind=Kind(line["kind"]),
        state=ModelState(line["state"]),
        api_version=line.get("apiVersion"),
        created=line["created"],
        modified=line.get("modified"),
        expires=datetime.fromisoformat(expires) if expires else None,
        classifier_id=line.get("classifierId"),
    )
