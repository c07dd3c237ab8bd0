"""v4.0 (2024-11-30) and later: below ``/documentintelligence``, with classifiers that can be copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from backup.document_models import Component, Generation, Kind, ModelDetails, ModelSummary
from backup.json_types import Json
from backup.names import MODEL_ID
from form_recognizer.dated import DatedService
from form_recognizer.fields import Fields

OWN_ID = "{modelId}"
"""Replaces a model's own id in its content, because a copy under another id has that id there."""

# Not the dates and modelId, which differ; not description and tags, which the app sends; not warnings and trainingHours,
# which describe the training.
_KEPT_BY_COPIES = ("apiVersion", "buildMode", "classifierId", "split")


class V4Service(DatedService):
    """Custom models of one resource, or its classifiers."""

    base = "/documentintelligence"
    generation = Generation.V4

    def _model_details(self, body: Fields, summary: ModelSummary) -> ModelDetails:
        # The docType with the model's own id gets the id of the copy (recorded).
        content: dict[str, Json] = {name: body.raw(name) for name in _KEPT_BY_COPIES if body.raw(name) is not None}
        doc_types, own_id = body.object("docTypes"), summary.model_id
        content["docTypes"] = {
            OWN_ID if name == own_id else name: _without_own_id(doc_types.raw(name), own_id) for name in doc_types.value
        }
        return ModelDetails(summary, content, _components(body, doc_types, own_id))

    def _summary(self, item: Fields) -> ModelSummary:
        """Return one line of the list; a composed model names its classifier there."""
        classifier_id = _reference(item, "classifierId") if self.kind is Kind.MODEL else None
        return replace(super()._summary(item), classifier_id=classifier_id)


def _components(body: Fields, doc_types: Fields, own_id: str) -> tuple[Component, ...]:
    """Return the components of a composed model: its classifier first, then its models in their order, each once."""
    components: dict[Component, None] = {}
    if classifier_id := _reference(body, "classifierId"):
        components[Component(Kind.CLASSIFIER, classifier_id)] = None
    for name in doc_types.value:
        doc_type = doc_types.optional_object(name)
        model_id = _reference(doc_type, "modelId") if doc_type else None
        if model_id and model_id != own_id:
            components[Component(Kind.MODEL, model_id)] = None
    return tuple(components)


def _reference(item: Fields, name: str) -> str | None:
    """Return the id of another model, or ``None`` if there is none."""
    model_id = item.optional_text(name) or None
    if model_id is not None and not MODEL_ID.fullmatch(model_id):
        raise item.wrong(name, "cannot be the id of a model")
    return model_id


def _without_own_id(doc_type: Json, own_id: str) -> Json:
    if isinstance(doc_type, Mapping) and doc_type.get("modelId") == own_id:
        return {**doc_type, "modelId": OWN_ID}
    return doc_type
