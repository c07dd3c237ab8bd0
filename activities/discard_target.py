"""After a failure: remove the placeholder in the target, and either begin afresh or give the claim back."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity, fields
from activities.fence import find_claim, held_claim, save
from activities.lost_authorization import look_for_lost_placeholder
from activities.placeholders import remove_placeholder
from activities.record_replica import release
from backup.claims import Claim
from backup.codes import Code, Remedy, remedy
from backup.messages import Discarded, DiscardInput, Failure, Message
from backup.names import DISCARD_TARGET
from backup.states import ClaimState
from catalog.claims import HeldClaim
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, DISCARD_TARGET, DiscardInput)
def discard_target(services: Services, step: DiscardInput) -> Message:
    """Clean up after a failed attempt. ``DiscardInput`` in, ``Discarded`` out."""
    if _was_released(services, step):
        return Discarded(attempt=step.attempt)
    held = held_claim(services, step)
    unknown = held.claim.state in {ClaimState.AUTHORIZING, ClaimState.POSTING}
    if unknown and not step.go_on and remedy(step.code) is Remedy.WAIT:
        # the call may have had its effect, and we could not find out: whoever asks next looks again
        save(services, held, held.claim.parked(services.now()), step)
        return Discarded(attempt=held.claim.attempt)
    if held.claim.state is ClaimState.AUTHORIZING:
        held = look_for_lost_placeholder(services, held, step)
    if held.claim.target_model_id is not None:
        if step.code == Code.CONTENT_MISMATCH:
            # it is left for a person to see, and not forgotten
            held = save(
                services, held, held.claim.model_copy(update={"superseded": held.claim.keeping(services.now())}), step
            )
        else:
            held = _announced(services, held, step)
            target = services.model_service(step.order.target, held.claim.source_api_version, step.order.kind)
            removed = remove_placeholder(services, held, target, step)
            if removed is None:
                save(
                    services,
                    held,
                    held.claim.move(ClaimState.VERIFYING, given_up=None).renewed(services.now(), step),
                    step,
                )
                return Discarded(attempt=held.claim.attempt, ready_after_all=True)
            held = removed
            discarded = held.claim.target_model_id
            emit(Event.DISCARDED, targetModel=discarded, code=step.code, goOn=step.go_on, **fields(step))
    if not step.go_on:
        held = release(services, _releasable(services, held, step), step, step.code, step.message)
        return Discarded(attempt=held.claim.attempt)
    fresh = _fresh(services, held)
    if fresh.state is not ClaimState.CLAIMED:
        fresh = fresh.move(ClaimState.CLAIMED)
    # where another delivery only renewed the lease, this step is still the one to move on: then it is tried again
    save(services, held, fresh.renewed(services.now(), step), step)
    return Discarded(attempt=fresh.attempt)


def _fresh(services: Services, held: HeldClaim) -> Claim:
    """Return the claim under its next attempt. An id that a copy may still be running into is not asked for again."""
    claim = held.claim
    target_model_id = claim.target_model_id
    if target_model_id is not None and claim.is_superseded(target_model_id):
        # v3 and later; ids of v2 are never asked for
        services.catalogue.target_ids.burn(claim.target, claim.kind, target_model_id)
    return claim.next_attempt()


def _announced(services: Services, held: HeldClaim, step: DiscardInput) -> HeldClaim:
    if held.claim.state is ClaimState.DISCARDING:
        return held
    now = services.now()
    claim = held.claim.discarding(Failure.of(Code(step.code), step.message), announced_at=now, authorization=None)
    if held.claim.state in {ClaimState.POSTING, ClaimState.COPYING}:
        # a copy may still be running into it: it is swept when this copy has ended
        claim = claim.model_copy(update={"superseded": held.claim.giving_up(now)})
    return save(services, held, claim.renewed(now, step), step)


def _releasable(services: Services, held: HeldClaim, step: DiscardInput) -> HeldClaim:
    if held.claim.state in {ClaimState.CLAIMED, ClaimState.AUTHORIZING, ClaimState.DISCARDING, ClaimState.VERIFYING}:
        return held
    return _announced(services, held, step)


def _was_released(services: Services, step: DiscardInput) -> bool:
    """Tell whether this very step has ended the copy already, and its answer was lost."""
    found = find_claim(services, step.order)
    if found is None or found.claim.state is not ClaimState.RELEASED or found.claim.owner != step.owner:
        return False
    return found.claim.outcome_code == step.code
