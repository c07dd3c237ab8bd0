"""Sweeping: ids that we got from authorize and gave up before their fate was known."""

from __future__ import annotations

from backup.claims import Claim, Superseded
from backup.document_models import ModelState
from form_recognizer import ModelNotFound, ModelService, ServiceError
from wiring.events import Event, emit
from wiring.services import Services


def sweep(services: Services, claim: Claim) -> Claim:
    """Return ``claim`` without the superseded ids that are gone from the target now.

    A placeholder that never got ready is deleted. One that got ready late is a second copy of ours: it is deleted if it still equals
    what we verified, and kept otherwise. What cannot be looked at now stays in the claim, for the next time.
    """
    if not claim.superseded:
        return claim
    service = services.model_service(claim.target, claim.source_api_version, claim.kind)
    left = [entry for entry in claim.superseded if not _is_swept(service, claim, entry)]
    return claim.model_copy(update={"superseded": left})


def _is_swept(service: ModelService, claim: Claim, entry: Superseded) -> bool:
    if entry.target_model_id == claim.target_model_id:
        return True
    try:
        try:
            found = service.get_model(entry.target_model_id)
        except ModelNotFound:
            if service.generation.shows_placeholders:
                return True
        else:
            if found.summary.state is ModelState.READY and (
                claim.verified_at is None or found.digest() != claim.digest
            ):
                return False
        service.delete_model(entry.target_model_id)
    except ModelNotFound:
        return True
    except ServiceError as error:
        emit(Event.STEP_FAILED, step="sweep", code=error.code, target=claim.target, targetModel=entry.target_model_id)
        return False
    emit(Event.SWEPT, target=claim.target, targetModel=entry.target_model_id)
    return True
