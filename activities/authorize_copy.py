"""Step 2: request an authorization from the target. It makes a placeholder there: it is announced, and not repeated before reconciling."""

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
from claims.step import StepContext, require_not_cancelled
from form_recognizer import CopyTarget
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, AUTHORIZE_COPY, StepInput)
def authorize_copy(services: Services, step: StepInput) -> Message:
    """Request the authorization once; it stays sealed in the claim. ``StepInput`` in, ``StepDone`` out."""
    work = StepContext.open(services, step)
    work.require_idle()
    if work.claim.state is ClaimState.AUTHORIZING:
        find_lost_placeholder(work)
        lost = Failure.of(Code.AUTHORIZATION_LOST, "the answer to an authorization was lost; requesting a new one")
        return lost.replace(attempt=work.claim.attempt)
    if work.claim.state is ClaimState.DISCARDING:
        return work.claim.stale_step_failure("nothing is authorized")
    if work.claim.state is not ClaimState.CLAIMED:
        return work.done()
    if not step.order.recreate:
        require_not_cancelled(services, step.order, "this copy was authorized")
    if work.target().generation.shows_placeholders:
        # v2: the service chooses the id
        authorize(work, CopyTarget())
    else:
        authorize_under_chosen_id(work)
    return work.done()
