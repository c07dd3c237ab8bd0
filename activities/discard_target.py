"""After a failure: remove the placeholder in the target, and either begin afresh or give the claim back."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.envelope import answer, fields
from activities.fence import held_claim, save
from activities.placeholders import Removal, remove_unless_ready
from activities.record_replica import release
from backup.api_versions import generation_of
from backup.claims import Claim
from backup.codes import Code
from backup.document_models import ModelState
from backup.messages import Discarded, DiscardInput, Message
from backup.names import DISCARD_TARGET
from backup.states import ClaimState
from catalog.claims import HeldClaim
from form_recognizer import ModelNotFound, ModelService
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


@blueprint.function_name(DISCARD_TARGET)
@blueprint.activity_trigger(input_name="step")
def discard_target(step: dict) -> dict[str, Any]:  # type: ignore[type-arg]  # the worker refuses dict[str, Any] here
    """Clean up after a failed attempt. ``DiscardInput`` in, ``Discarded`` out."""
    return answer(DISCARD_TARGET, DiscardInput, _discard, step)


def _discard(services: Services, step: DiscardInput) -> Message:
    held = held_claim(services, step)
    if held.claim.target_model_id is not None and step.code != Code.CONTENT_MISMATCH:
        target = services.model_service(step.order.target, held.claim.source_api_version, step.order.kind)
        held = _announced(services, held, step)
        # in the same breath as the announcement, such an id was put among the superseded ones
        fate_unknown = any(entry.target_model_id == held.claim.target_model_id for entry in held.claim.superseded)
        if fate_unknown:
            ready = _is_ready(target, held.claim.target_model_id)
        else:
            ready = remove_unless_ready(target, held.claim.target_model_id or "") is Removal.READY
        if ready:
            save(services, held, held.claim.move(ClaimState.VERIFYING).renewed(services.now(), step), step)
            return Discarded(attempt=held.claim.attempt, ready_after_all=True)
        emit(Event.DISCARDED, targetModel=held.claim.target_model_id, code=step.code, goOn=step.go_on, **fields(step))
    if not step.go_on:
        held = release(services, _releasable(services, held, step), step, step.code, step.message)
        return Discarded(attempt=held.claim.attempt)
    fresh = _fresh(services, held)
    if fresh.state is not ClaimState.CLAIMED:
        fresh = fresh.move(ClaimState.CLAIMED)
    save(services, held, fresh.renewed(services.now(), step), step.model_copy(update={"attempt": fresh.attempt}))
    return Discarded(attempt=fresh.attempt)


def _fresh(services: Services, held: HeldClaim) -> Claim:
    """Return the claim under its next attempt. An id that we chose is asked for again only where its fate is known."""
    claim = held.claim
    fresh = claim.next_attempt()
    target_model_id = claim.target_model_id
    if target_model_id is None or generation_of(claim.source_api_version).shows_placeholders:
        return fresh
    if any(entry.target_model_id == target_model_id for entry in claim.superseded):
        services.catalogue.target_ids.burn(claim.target, claim.kind, target_model_id)
        return fresh
    # whether deleting a placeholder frees its id is documented nowhere: if it is still in the way, it is ours
    return fresh.model_copy(update={"lost_id": target_model_id})


def _announced(services: Services, held: HeldClaim, step: DiscardInput) -> HeldClaim:
    if held.claim.state is ClaimState.DISCARDING:
        return held
    now = services.now()
    claim = held.claim.move(ClaimState.DISCARDING, announced_at=now, authorization=None)
    if held.claim.state in {ClaimState.POSTING, ClaimState.COPYING}:
        # a copy may still be running into it: it is swept when this copy has ended
        claim = claim.model_copy(update={"superseded": held.claim.giving_up(now)})
    return save(services, held, claim.renewed(now, step), step)


def _releasable(services: Services, held: HeldClaim, step: DiscardInput) -> HeldClaim:
    if held.claim.state in {ClaimState.CLAIMED, ClaimState.AUTHORIZING, ClaimState.DISCARDING, ClaimState.VERIFYING}:
        return held
    return _announced(services, held, step)


def _is_ready(target: ModelService, target_model_id: str | None) -> bool:
    try:
        found = target.get_model(target_model_id or "")
    except ModelNotFound:
        return False
    return found.summary.state is ModelState.READY
