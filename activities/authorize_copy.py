"""Step 2: ask the target for an authorization. It makes a placeholder there, so it is announced and never repeated blindly."""

from __future__ import annotations

import azure.durable_functions as df

from activities.authorizing import Attempted, what_was_authorized
from activities.chosen_ids import authorize_under_chosen_id
from activities.envelope import activity
from activities.fence import held_claim, is_cancelled
from activities.lost_authorization import look_for_lost_placeholder
from backup.codes import Code
from backup.messages import Failure, Message, StepInput
from backup.names import AUTHORIZE_COPY
from backup.states import ClaimState
from form_recognizer import CopyTarget
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, AUTHORIZE_COPY, StepInput)
def authorize_copy(services: Services, step: StepInput) -> Message:
    """Get the target's authorization, once. ``StepInput`` in, ``Authorized`` out."""
    held = held_claim(services, step)
    if held.claim.state is ClaimState.AUTHORIZING:
        held = look_for_lost_placeholder(services, held, step)
        lost = Failure.of(Code.AUTHORIZATION_LOST, "the answer to an authorization was lost: it is asked for anew")
        return lost.model_copy(update={"attempt": held.claim.attempt})
    if held.claim.state is not ClaimState.CLAIMED:
        return what_was_authorized(held)
    if is_cancelled(services, step.order) and not step.order.recreate:
        return Failure.of(Code.CANCELLED, "the run was cancelled before this copy was authorized")
    service = services.model_service(step.order.target, held.claim.source_api_version, step.order.kind)
    attempted = Attempted(services, step, service)
    if service.generation.shows_placeholders:
        # v2: the service picks the id
        return what_was_authorized(attempted.authorize(held, CopyTarget()))
    return authorize_under_chosen_id(attempted, held)
