"""The result of a copy: what the target holds after it."""

from __future__ import annotations

from datetime import datetime

from local.simulator.models import StoredModel, two_years_after
from local.simulator.resource import ResourceState
from local.simulator.versions import Kind


def has_parts(target: ResourceState, model: StoredModel) -> bool:
    """Return whether all parts of a composed v4 model are ready in the target; other models have no parts."""
    ids: list[tuple[Kind, str]] = []
    if "classifierId" in model.content:
        ids.append(("classifier", model.content["classifierId"]))
        ids += [("model", item["modelId"]) for item in model.content["docTypes"].values() if "modelId" in item]
    parts = [target.table(kind).get(model_id) for kind, model_id in ids]
    return all(part is not None and part.state == "ready" for part in parts)


def as_copied(source: StoredModel, place: StoredModel, finished: datetime) -> StoredModel:
    """Return the model that the target holds after a copy. What each generation keeps and renames is recorded.

    v2 keeps everything, dates included. v3 keeps the source's createdDateTime and docTypes; description and tags are
    those of the authorization. v4 is created now, keeps the time of the source's training in modifiedDateTime, and names
    a single docType by the target's id; its classifiers keep the source's description if none was sent, and lose their
    tags. No copy expires later than its source.
    """
    copied = source.snapshot()
    copied.model_id = place.model_id
    copied.state = "ready"
    if source.generation == "v2":
        return copied
    copied.description = place.description
    copied.tags = place.tags
    if source.expires is None and source.api_version != "2022-08-31":
        copied.expires = two_years_after(source.trained)
    if source.generation == "v4":
        copied.created = finished
        if source.kind == "classifier":
            copied.description = place.description or source.description
        else:
            types = copied.content.get("docTypes", {})
            if source.model_id in types:
                copied.content["docTypes"] = {
                    (place.model_id if name == source.model_id else name): value for name, value in types.items()
                }
    return copied
