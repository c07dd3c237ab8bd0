"""Sweeping: ids that we got from authorize and gave up before their fate was known."""

from __future__ import annotations

from activities.fence import save
from activities.lost_authorization import suspect
from activities.placeholders import delete_if_there
from backup.claims import Claim, Superseded
from backup.document_models import ModelState
from backup.messages import StepInput
from catalog.claims import HeldClaim
from form_recognizer import ModelNotFound, ModelService, RetryAfter, ServiceError
from wiring.events import Event, emit
from wiring.services import Services


def sweep(services: Services, held: HeldClaim, step: StepInput, only: str | None = None) -> HeldClaim:
    """Return the claim without the superseded ids that are gone from the target now: all of them, or ``only`` one.

    A placeholder that never got ready is deleted. One that got ready late is a second copy of ours: it is deleted if there is a
    verified one and it still holds what was being copied to it, and kept otherwise. What cannot be looked at or deleted now stays in
    the claim, for the next time. From v3 on an id can be somebody else's once it was deleted: there each is deleted once at most.
    """
    if not held.claim.superseded:
        return held
    service = services.model_service(held.claim.target, held.claim.source_api_version, held.claim.kind)
    for entry in held.claim.superseded:
        if only not in {None, entry.target_model_id}:
            continue
        try:
            held = _swept(services, held, service, entry, step)
        except ServiceError as error:
            _report(held.claim, entry, error)
    return held


def _swept(services: Services, held: HeldClaim, service: ModelService, entry: Superseded, step: StepInput) -> HeldClaim:
    claim = held.claim
    if entry.target_model_id == claim.target_model_id and claim.verified_at is not None:
        # it got ready after all, and is the copy
        return save(services, held, _without(claim, entry), step)
    try:
        found = service.get_model(entry.target_model_id)
    except ModelNotFound:
        if service.generation.shows_placeholders:
            return save(services, held, _without(claim, entry), step)
        if entry.deleting:
            # nobody can say whether its deletion had its effect: it is not deleted again, and not forgotten
            suspect(services, step, claim, entry.target_model_id)
            return save(services, held, _without(claim, entry), step)
    else:
        is_ready = found.summary.state is ModelState.READY
        if is_ready and (entry.deleting or claim.verified_at is None or found.digest() != entry.digest):
            return held
    if not service.generation.shows_placeholders:
        held = save(services, held, _with_deleting(claim, entry, deleting=True), step)
    try:
        delete_if_there(service, entry.target_model_id)
    except ServiceError as error:
        _report(claim, entry, error)
        if isinstance(error, RetryAfter):
            return save(services, held, _with_deleting(held.claim, entry, deleting=False), step)
        return held
    emit(Event.SWEPT, target=claim.target, targetModel=entry.target_model_id)
    return save(services, held, _without(held.claim, entry), step)


def _report(claim: Claim, entry: Superseded, error: ServiceError) -> None:
    emit(Event.STEP_FAILED, step="sweep", code=error.code, target=claim.target, targetModel=entry.target_model_id)


def _without(claim: Claim, entry: Superseded) -> Claim:
    left = [other for other in claim.superseded if other.target_model_id != entry.target_model_id]
    return claim.model_copy(update={"superseded": left})


def _with_deleting(claim: Claim, entry: Superseded, *, deleting: bool) -> Claim:
    marked = entry.model_copy(update={"deleting": deleting})
    entries = [marked if other.target_model_id == entry.target_model_id else other for other in claim.superseded]
    return claim.model_copy(update={"superseded": entries})
