"""Adopting a copy that the catalog does not know: a model of the target that equals its source is recorded instead of copied again."""

from __future__ import annotations

from backup.document_models import ModelDetails, ModelState
from backup.messages.copy import StepInput
from claims.source_model import SourceModel
from claims.step import step_fields
from form_recognizer import BadRequest, ModelService
from wiring.events import Event, emit
from wiring.services import Services


def find_adoptable(services: Services, step: StepInput, source: SourceModel) -> str | None:
    """Return the first candidate of the order that is the copy, reserved for it, or ``None``. Each is read whole and compared."""
    order = step.order
    service = services.model_service(order.target, source.api_version, order.kind)
    owner = (order.mapped_source, order.mapped_model_id)
    for model_id in order.candidates or []:
        found = _find(service, model_id)
        refusal = _difference(source.details, found)
        if refusal is None and not services.catalog.target_ids.reserve(
            order.target, order.kind, model_id, *owner, burned_too=True
        ):
            refusal = "it is the copy of another model"
        if refusal is None:
            return model_id
        emit(Event.ADOPTION_REFUSED, targetModel=model_id, reason=refusal, **step_fields(step))
    return None


def _find(service: ModelService, model_id: str) -> ModelDetails | None:
    try:
        return service.find_model(model_id)
    except BadRequest:
        # an id of another generation
        return None


def _difference(source: ModelDetails, found: ModelDetails | None) -> str | None:
    """Return why a model of the target is not the copy of ``source``, or ``None`` if it is."""
    if found is None:
        return "it is missing"
    if found.summary.state is not ModelState.READY:
        return f"it is {found.summary.state}"
    return None if found.digest() == source.digest() else "its content is not that of the source"
