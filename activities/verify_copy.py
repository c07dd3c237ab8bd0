"""Step 5: look at the copy in the target, and prove that it equals its source. Only a verified copy counts."""

from __future__ import annotations

from datetime import timedelta

import azure.durable_functions as df

from activities.envelope import activity, fields
from activities.fence import held_claim, save
from backup.api_versions import generation_of
from backup.codes import Code
from backup.document_models import ModelDetails, ModelState, first_difference
from backup.messages import ComponentRef, Failure, Message, StepInput, Verified
from backup.names import VERIFY_COPY
from backup.states import ClaimState
from catalog.claims import HeldClaim
from form_recognizer import ModelNotFound
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, VERIFY_COPY, StepInput)
def verify_copy(services: Services, step: StepInput) -> Message:
    """Compare the copy with its source. ``StepInput`` in, ``Verified`` out."""
    held = held_claim(services, step)
    claim, order = held.claim, step.order
    if claim.state is not ClaimState.VERIFYING or claim.target_model_id is None:
        return claim.what_moved_it("there is nothing to verify")
    target = services.model_service(order.target, claim.source_api_version, order.kind)
    try:
        copy = target.get_model(claim.target_model_id)
    except ModelNotFound:
        copy = None
    if copy is None or copy.summary.state is ModelState.CREATING:
        return _missing(services, held, step, is_gone=copy is None)
    if copy.summary.state is ModelState.INVALID:
        return Failure.of(Code.COPY_FAILED, f'{order.kind} {claim.target_model_id} in "{order.target}" is invalid')
    if copy.digest() != claim.digest:
        return _compare_with_source(services, held, step, copy)
    return _verified(services, held, step, copy)


def _missing(services: Services, held: HeldClaim, step: StepInput, *, is_gone: bool) -> Message:
    """Wait for a copy that is not to be seen: the service may say that it succeeded before the target shows it. Not for ever, though."""
    claim, order, now = held.claim, step.order, services.now()
    since = claim.missing_since or now
    what = f'{order.kind} {claim.target_model_id} in "{order.target}"'
    window = timedelta(seconds=services.configuration.copies.ambiguity_window_seconds)
    if claim.missing_since is None or now < since + window:
        save(services, held, claim.model_copy(update={"missing_since": since}).renewed(now, step), step)
        return Failure.of(Code.TARGET_NOT_READY, f"{what} is not there to be verified yet")
    if is_gone and not generation_of(claim.source_api_version).shows_placeholders:
        # whoever took it away may have let somebody else have the id
        save(services, held, claim.model_copy(update={"owned_id": None}).renewed(now, step), step)
    return Failure.of(Code.TARGET_LOST, f"{what} is not there {window.total_seconds():.0f} seconds after it was copied")


def _compare_with_source(services: Services, held: HeldClaim, step: StepInput, copy: ModelDetails) -> Message:
    """Look at the source once more: it may have been retrained between our look and the copy."""
    order, claim = step.order, held.claim
    try:
        source = services.model_service(order.source, claim.source_api_version, order.kind).get_model(order.model_id)
    except ModelNotFound:
        return Failure.of(
            Code.CONTENT_MISMATCH,
            f'{claim.target_model_id} in "{order.target}" is not what was inspected, and the source model is gone since',
        )
    now_of = [ComponentRef(kind=one.kind, model_id=one.model_id) for one in source.components]
    if source.digest() == copy.digest():
        retrained = claim.model_copy(
            update={
                "digest": source.digest(),
                "components": now_of,
                "fingerprint": (order.origin and order.origin.fingerprint) or source.summary.fingerprint(),
                "expires_at": source.summary.expires,
            }
        )
        return _verified(services, save(services, held, retrained, step), step, copy)
    difference = first_difference(source.content, copy.content)
    return Failure.of(
        Code.CONTENT_MISMATCH,
        f'{claim.target_model_id} in "{order.target}" does not equal its source: {difference or "its content changes as we look"}',
    )


def _verified(services: Services, held: HeldClaim, step: StepInput, copy: ModelDetails) -> Verified:
    claim, now = held.claim, services.now()
    assert claim.target_model_id is not None, "what was verified has an id"
    verified_at = claim.verified_at or now
    # a copy expires with its source; a model that was there before us, and is the same, has a life of its own
    expires_at = copy.summary.expires or claim.expires_at
    update = {"verified_at": verified_at, "expires_at": expires_at}
    save(services, held, claim.model_copy(update=update).renewed(now, step), step)
    emit(Event.VERIFIED, targetModel=claim.target_model_id, **fields(step))
    return Verified(target_model_id=claim.target_model_id, verified_at=verified_at)
