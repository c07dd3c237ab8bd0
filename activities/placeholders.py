"""What may be removed from a target, and how it is made sure that nothing else ever is.

The rule: an id that a claim of ours got from authorize, after a look in the same activity that does not find it ready. A model that
is ready is verified instead; whatever we did not get from authorize is somebody else's. From v3 on an id is free again once it is
deleted, and somebody else may take it: so there each id is deleted once at most, and its deletion is announced first.
"""

from __future__ import annotations

from activities.fence import save
from activities.lost_authorization import suspect_lost_id
from backup.claims import Claim
from backup.document_models import ModelState
from backup.messages import StepInput
from catalog.claims import HeldClaim
from form_recognizer import ModelNotFound, ModelService, RetryAfter, ServiceError
from wiring.events import Event, emit
from wiring.services import Services


def remove_placeholder(services: Services, held: HeldClaim, service: ModelService, step: StepInput) -> HeldClaim | None:
    """Delete the claim's placeholder, where it is ours and its fate is known; return the claim, or ``None`` where it is ready by now.

    The claim is in ``discarding``. A copy may still be running into an id that was given up: that one is only looked at.
    """
    claim = held.claim
    assert claim.target_model_id is not None, "there is something to discard"
    state = state_of(service, claim.target_model_id)
    if state is ModelState.READY:
        return None
    if claim.owned_id is None or claim.is_superseded(claim.owned_id):
        return held
    if service.generation.shows_placeholders:
        if state is not None:
            delete_if_there(service, claim.owned_id)
        return held
    return _deleted_once(services, held, service, step)


def _deleted_once(services: Services, held: HeldClaim, service: ModelService, step: StepInput) -> HeldClaim:
    claim = held.claim
    assert claim.owned_id is not None, "only what is ours is deleted"
    # if this does not free the id, or we die before it, the next authorization under it is refused, and the id becomes a suspect
    suspect_lost_id(services, claim, step, unless=claim.owned_id)
    held = save(services, held, claim.model_copy(update={"owned_id": None, "lost_id": claim.owned_id}), step)
    try:
        delete_if_there(service, claim.owned_id)
    except RetryAfter:
        save(services, held, claim, step)
        raise
    return held


def state_of(service: ModelService, model_id: str) -> ModelState | None:
    """Return the state of what the target shows under an id; ``None`` for nothing: from v3 on a placeholder is not shown."""
    try:
        return service.get_model(model_id).summary.state
    except ModelNotFound:
        return None


def delete_if_there(service: ModelService, model_id: str) -> None:
    """Delete what is under an id of ours, if anything is."""
    try:
        service.delete_model(model_id)
    except ModelNotFound:
        return


def remove_orphan(services: Services, service: ModelService, claim: Claim, target_model_id: str) -> None:
    """Remove a placeholder that we got a moment ago and that no claim will ever name.

    A failure is logged, for a person to clean up; it never hides the one that led here.
    """
    try:
        if state_of(service, target_model_id) is ModelState.READY:
            return
        delete_if_there(service, target_model_id)
    except ServiceError as error:
        emit(Event.SUSPECT_FOUND, target=service.resource, targetModel=target_model_id, code=error.code)
        return
    emit(Event.DISCARDED, target=service.resource, targetModel=target_model_id)
    services.catalogue.suspects.forget(claim.target, target_model_id, claim.kind)
