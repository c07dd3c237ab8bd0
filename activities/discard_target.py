"""After a failure: remove the placeholder in the target, and either begin again or give the claim back."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.claim import Claim
from backup.codes import Code, Remedy, remedy
from backup.messages import Message
from backup.messages.copy import DiscardInput, Failure, StepDone
from backup.names import DISCARD_TARGET
from backup.states import ClaimState
from claims.deletions import remove_placeholder, sweep
from claims.lost_answers import find_lost_placeholder, suspect_lost_id
from claims.step import StepContext, find_claim
from wiring.events import Event
from wiring.services import Services

blueprint = df.Blueprint()

UNANSWERED = {ClaimState.AUTHORIZING, ClaimState.POSTING}


@activity(blueprint, DISCARD_TARGET, DiscardInput)
def discard_target(services: Services, step: DiscardInput) -> Message:
    """Clean up after a failed attempt. ``DiscardInput`` in, ``StepDone`` out."""
    found = find_claim(services, step.order)
    if found is not None and _is_released(found.record, step):
        return StepDone(attempt=step.attempt, state=ClaimState.RELEASED, target_model_id=found.record.target_model_id)
    work = StepContext.under(services, step, found)
    if work.claim.state in UNANSWERED and not step.go_on and remedy(step.code) is Remedy.WAIT:
        # the call may have had its effect, and that could not be found out: the next owner looks again
        work.save(work.claim.parked(services.now()))
        return work.done()
    work.require_idle()
    if work.claim.state is ClaimState.AUTHORIZING:
        find_lost_placeholder(work)
    if work.claim.target_model_id is not None and not _cleared(work, step):
        work.renew(work.claim.move(ClaimState.VERIFYING, given_up=None))
        return work.done()
    if step.go_on:
        _begin_again(work)
    else:
        _release(work, step)
    return work.done()


def _cleared(work: StepContext, step: DiscardInput) -> bool:
    """Remove the placeholder, or keep a copy with other content for a person to see; return false where the copy is ready after all."""
    if step.code == Code.CONTENT_MISMATCH:
        work.save(work.claim.replace(superseded=work.claim.superseded_never_deleted(work.now())))
        return True
    _announce(work, step)
    if not remove_placeholder(work):
        return False
    work.emit(Event.DISCARDED, targetModel=work.claim.target_model_id, code=step.code, goOn=step.go_on)
    return True


def _announce(work: StepContext, step: DiscardInput) -> None:
    if work.claim.state is ClaimState.DISCARDING:
        return
    now = work.now()
    claim = work.claim.discarding(Failure.of(Code(step.code), step.message), announced_at=now, authorization=None)
    if work.claim.state in {ClaimState.POSTING, ClaimState.COPYING}:
        # a copy may still be running into it: it is swept when this copy has ended
        claim = claim.replace(superseded=work.claim.superseded_with_current(now))
    work.renew(claim)


def _begin_again(work: StepContext) -> None:
    """Put the claim under its next attempt. An id that a copy may still be running into is not asked for again."""
    claim = work.claim
    if claim.target_model_id is not None and claim.is_superseded(claim.target_model_id):
        # v3 and later; ids of v2 are never asked for
        work.services.catalog.target_ids.burn(claim.target, claim.kind, claim.target_model_id)
    if claim.state is not ClaimState.CLAIMED:
        work.renew(claim.next_attempt().move(ClaimState.CLAIMED))


def _release(work: StepContext, step: DiscardInput) -> None:
    """Give the claim back with the reason, after sweeping what it left behind."""
    if work.claim.state in {ClaimState.AUTHORIZED, ClaimState.POSTING, ClaimState.COPYING}:
        _announce(work, step)
    suspect_lost_id(work)
    sweep(work)
    work.save(work.claim.released(step.code))


def _is_released(claim: Claim, step: DiscardInput) -> bool:
    """Tell whether an earlier delivery of this step has ended the copy."""
    return (claim.owner, claim.state, claim.outcome_code) == (step.owner, ClaimState.RELEASED, step.code)
