"""v4.0 (2024-11-30) and later: below ``/documentintelligence``, with classifiers that can be copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from backup.document_models import Component, Generation, Kind, ModelDetails, ModelSummary
from backup.json_types import Json
from form_recognizer.classifiers import classifier_details
from form_recognizer.dated import DatedService
from form_recognizer.fields import Fields
from form_recognizer.transport import ResourceConnection

OWN_ID = "{modelId}"
"""Stands in a model's content for the model's own id: a copy under another id has that one there."""

# Left out: dates and modelId differ by design, description and tags are sent by the app, warnings and trainingHours tell
# about the training.
_KEPT_BY_COPIES = ("apiVersion", "buildMode", "classifierId", "split")


class V4Service(DatedService):
    """Custom models of one resource, or its classifiers."""

    base = "/documentintelligence"

    def __init__(self, connection: ResourceConnection, api_version: str, kind: Kind) -> None:
        super().__init__(connection, api_version, Generation.V4, kind)

    def _details(self, body: Fields, summary: ModelSummary) -> ModelDetails:
        """Return what a copy keeps, with the model's own id taken out of it: v4 renames the docType to the target's id (recorded)."""
        if self.kind is Kind.CLASSIFIER:
            return classifier_details(body, summary)
        content: dict[str, Json] = {name: body.raw(name) for name in _KEPT_BY_COPIES if body.raw(name) is not None}
        doc_types = body.object("docTypes")
        own = summary.model_id
        content["docTypes"] = {_anonymous(name, own): _without(doc_types.raw(name), own) for name in doc_types.value}
        components = _components(body, doc_types, own)
        return ModelDetails(summary, content, components)

    def _summary(self, item: Fields) -> ModelSummary:
        """Return one line of the list; a composed model shows its classifier there."""
        summary = super()._summary(item)
        classifier_id = item.optional_text("classifierId") if self.kind is Kind.MODEL else None
        return replace(summary, classifier_id=classifier_id or None)


def _components(body: Fields, doc_types: Fields, own_id: str) -> tuple[Component, ...]:
    """Return what a composed model refers to by id: its classifier first, then its models in their order, each once."""
    found: dict[Component, None] = {}
    if classifier_id := body.optional_text("classifierId"):
        found[Component(Kind.CLASSIFIER, classifier_id)] = None
    for name in doc_types.value:
        part = doc_types.optional_object(name)
        model_id = part.optional_text("modelId") if part else None
        if model_id and model_id != own_id:
            found[Component(Kind.MODEL, model_id)] = None
    return tuple(found)


def _anonymous(text: str, own_id: str) -> str:
    return OWN_ID if text == own_id else text


def _without(doc_type: Json, own_id: str) -> Json:
    if isinstance(doc_type, Mapping) and doc_type.get("modelId") == own_id:
        return {**doc_type, "modelId": OWN_ID}
    return doc_type
