"""After a failed attempt: remove the placeholder in the target; then begin again, or release the claim."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.claim import Claim
from backup.codes import Code, Remedy, remedy
from backup.messages import Message
from backup.messages.copy import DiscardInput, Failure
from backup.names import DISCARD_TARGET
from backup.states import ClaimState
from claims.deletions import remove_placeholder, sweep
from claims.lost_answers import find_lost_placeholder, suspect_lost_id
from claims.step import StepContext, find_claim
from wiring.events import Event
from wiring.services import Services

blueprint = df.Blueprint()

ANNOUNCED = {ClaimState.AUTHORIZING, ClaimState.POSTING}


@activity(blueprint, DISCARD_TARGET, DiscardInput)
def discard_target(services: Services, step: DiscardInput) -> Message:
    """Clean up after a failed attempt. ``DiscardInput`` in, ``StepDone`` out."""
    found = find_claim(services, step.order)
    if found is not None and _is_released(found.record, step):
        return StepContext(services, step, found).done()
    work = StepContext.open(services, step, found)
    if work.claim.state in ANNOUNCED and not step.go_on and remedy(step.code) is Remedy.WAIT:
        # what became of the call is not known: the next owner reconciles
        work.save(work.claim.parked(services.now()))
        return work.done()
    work.require_idle()
    if work.claim.state is ClaimState.AUTHORIZING:
        find_lost_placeholder(work)
    if work.claim.target_model_id is not None and not _clear(work, step):
        work.renew(work.claim.move(ClaimState.VERIFYING, failure=None))
        return work.done()
    if step.go_on:
        _begin_again(work)
    else:
        suspect_lost_id(work)
        sweep(work)
        work.save(work.claim.released(step.code))
    return work.done()


def _is_released(claim: Claim, step: DiscardInput) -> bool:
    """Tell whether another delivery of this step has released the claim."""
    return (claim.owner, claim.state, claim.outcome_code) == (step.owner, ClaimState.RELEASED, step.code)


def _clear(work: StepContext, step: DiscardInput) -> bool:
    """Remove the placeholder, or keep a copy with other content for a person to check; return false if the model is ready after all."""
    claim, now = work.claim, work.now()
    if step.code == Code.CONTENT_MISMATCH:
        work.save(claim.replace(superseded=claim.superseded_never_deleted(now)))
        return True
    if claim.state is not ClaimState.DISCARDING:
        failure = Failure.of(Code(step.code), step.message)
        # a copy may still arrive under the id: it is swept when this copy has ended
        may_arrive = claim.state in {ClaimState.POSTING, ClaimState.COPYING}
        superseded = claim.superseded_with_current(now) if may_arrive else claim.superseded
        work.renew(claim.discarding(failure, announced_at=now, authorization=None, superseded=superseded))
    if not remove_placeholder(work):
        return False
    work.emit(Event.DISCARDED, targetModel=claim.target_model_id, code=step.code, goOn=step.go_on)
    return True


def _begin_again(work: StepContext) -> None:
    """Put the claim under its next attempt. A superseded id is burned: it is not asked for again."""
    claim = work.claim
    if claim.target_model_id is not None and claim.is_superseded(claim.target_model_id):
        # v3 and later; ids of v2 are never asked for
        work.services.catalog.target_ids.burn(claim.target, claim.kind, claim.target_model_id)
    if claim.state is not ClaimState.CLAIMED:
        work.renew(claim.next_attempt().move(ClaimState.CLAIMED))
