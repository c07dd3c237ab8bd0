"""What may be removed from a target, and how it is made sure that nothing else ever is.

The rule: an id that a claim of ours got from authorize, after a look in the same activity that does not find it ready. A model that
is ready is verified instead; whatever we did not get from authorize is somebody else's.
"""

from __future__ import annotations

from enum import StrEnum

from backup.document_models import ModelState
from form_recognizer import ModelNotFound, ModelService, ServiceError
from wiring.events import Event, emit


class Removal(StrEnum):
    """What became of an id that we got from authorize."""

    GONE = "gone"
    READY = "ready"


def remove_unless_ready(service: ModelService, target_model_id: str) -> Removal:
    """Delete the placeholder ``target_model_id`` of ours, unless it is a ready model by now. Two calls at most."""
    try:
        found = service.get_model(target_model_id)
    except ModelNotFound:
        if service.generation.shows_placeholders:
            return Removal.GONE
    else:
        if found.summary.state is ModelState.READY:
            return Removal.READY
    try:
        service.delete_model(target_model_id)
    except ModelNotFound:
        return Removal.GONE
    return Removal.GONE


def remove_orphan(service: ModelService, target_model_id: str) -> None:
    """Remove a placeholder that no claim will ever name. A failure is logged, for a person to clean up; it never hides the first one."""
    try:
        removal = remove_unless_ready(service, target_model_id)
    except ServiceError as error:
        emit(Event.SUSPECT_FOUND, target=service.resource, targetModel=target_model_id, code=error.code)
    else:
        emit(Event.DISCARDED, target=service.resource, targetModel=target_model_id, removal=removal)
