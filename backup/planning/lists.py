"""The lists that a run reads, and a model's line in them as the catalog keeps it: JSON without description and tags, which can be long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from backup.api_versions import generation_of, generation_of_model, has_kind, newest
from backup.configuration.sections import Plan, Resource
from backup.document_models import Generation, Kind, ModelState, ModelSummary
from backup.messages.plan import ListingRef


def lists_of(name: str, resource: Resource, plan: Plan, *, is_source: bool) -> Iterator[ListingRef]:
    """Give the lists that show all models a plan may copy: v2 models by v2, later ones by the newest later version."""
    versions = resource.api_versions
    newest_v2 = newest(versions, Generation.V2)
    newest_dated = newest(versions, Generation.V4) or newest(versions, Generation.V3)
    if Kind.MODEL in plan.kinds:
        for version in filter(None, (newest_v2, newest_dated)):
            yield ListingRef(resource=name, kind=Kind.MODEL, api_version=version, is_source=is_source)
    if Kind.CLASSIFIER in plan.kinds and newest_dated is not None and has_kind(newest_dated, Kind.CLASSIFIER):
        yield ListingRef(resource=name, kind=Kind.CLASSIFIER, api_version=newest_dated, is_source=is_source)


def list_name(listing: ListingRef) -> str:
    """Return the name under which a list is kept with its run."""
    return f"list|{listing.resource}|{listing.kind}|{listing.api_version}|"


def belongs_to(listing: ListingRef, model: ModelSummary) -> bool:
    """Tell whether a list is read for this model: lists of v3 and v4 show v2 models as well, which the v2 list is read for."""
    if generation_of(listing.api_version) is Generation.V2 or model.api_version is None:
        return True
    return generation_of_model(model.api_version) is not Generation.V2


def line_of(model: ModelSummary) -> dict[str, Any]:
    """Return what a plan needs of a model as a JSON object."""
    expires = model.expires and model.expires.isoformat()
    line = {**asdict(model), "expires": expires, "description": None, "tags": None}
    return {name: value for name, value in line.items() if value is not None}


def model_of(line: Mapping[str, Any]) -> ModelSummary:
    """Return the model of a line that :func:`line_of` wrote."""
    expires = datetime.fromisoformat(line["expires"]) if "expires" in line else None
    facts = {**line, "kind": Kind(line["kind"]), "state": ModelState(line["state"]), "expires": expires}
    return ModelSummary(**{"api_version": None, **facts})
