"""Step 2: ask the target for an authorization. It makes a placeholder there, so it is announced and never repeated blindly."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.codes import Code
from backup.messages import Message
from backup.messages.copy import Failure, StepInput
from backup.names import AUTHORIZE_COPY
from backup.states import ClaimState
from claims.authorization import authorize
from claims.chosen_ids import authorize_under_chosen_id
from claims.lost_answers import find_lost_placeholder
from claims.step import Refused, StepContext
from form_recognizer import CopyTarget
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, AUTHORIZE_COPY, StepInput)
def authorize_copy(services: Services, step: StepInput) -> Message:
    """Get the target's authorization, once; it stays sealed in the claim. ``StepInput`` in, ``StepDone`` out."""
    work = StepContext.open(services, step)
    if work.claim.state is ClaimState.AUTHORIZING:
        find_lost_placeholder(work)
        lost = Failure.of(Code.AUTHORIZATION_LOST, "the answer to an authorization was lost; a new one is requested")
        return lost.replace(attempt=work.claim.attempt)
    if work.claim.state is ClaimState.DISCARDING:
        return work.claim.stale_step_failure("nothing is authorized")
    if work.claim.state is not ClaimState.CLAIMED:
        return work.done()
    if work.is_cancelled() and not step.order.recreate:
        raise Refused(Code.CANCELLED, "the run was cancelled before this copy was authorized")
    if work.target().generation.shows_placeholders:
        # v2: the service chooses the id
        authorize(work, CopyTarget())
    else:
        authorize_under_chosen_id(work)
    return work.done()
