"""Step 2: ask the target for an authorization. It makes a placeholder there, so it is announced first and never repeated blindly."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.envelope import Refused, answer, fields
from activities.fence import held_claim, is_cancelled, save
from activities.lost_authorization import look_for_lost_placeholder
from activities.placeholders import remove_orphan
from backup.codes import Code
from backup.document_models import CopyAuthorization
from backup.messages import Authorized, Failure, Message, StepInput
from backup.names import AUTHORIZE_COPY
from backup.states import ClaimState
from catalog.claims import HeldClaim
from catalog.store import CatalogueUnavailable
from form_recognizer import CopyTarget, GiveUp, ModelService, RetryAfter, UntrustedAddress
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


@blueprint.function_name(AUTHORIZE_COPY)
@blueprint.activity_trigger(input_name="step")
def authorize_copy(step: dict) -> dict[str, Any]:  # type: ignore[type-arg]  # the worker refuses dict[str, Any] here
    """Get the target's authorization, once. ``StepInput`` in, ``Authorized`` out."""
    return answer(AUTHORIZE_COPY, StepInput, _authorize, step)


def sealing_purpose(step: StepInput, target_model_id: str) -> str:
    """Return what an authorization is sealed for: it opens for this copy only."""
    order = step.order
    return f"{order.source}|{order.target}|{order.kind}|{order.model_id}|{target_model_id}"


def _authorize(services: Services, step: StepInput) -> Message:
    held = held_claim(services, step)
    claim = held.claim
    if claim.state is ClaimState.AUTHORIZING:
        held = look_for_lost_placeholder(services, held, step)
        step = step.model_copy(update={"attempt": held.claim.attempt})
    elif claim.state is not ClaimState.CLAIMED:
        return _what_was_authorized(held)
    if is_cancelled(services, step.order):
        return Failure.of(Code.CANCELLED, "the run was cancelled before this copy was authorized")
    service = services.model_service(step.order.target, held.claim.source_api_version, step.order.kind)
    now = services.now()
    held = save(services, held, held.claim.move(ClaimState.AUTHORIZING, announced_at=now).renewed(now, step), step)
    authorization = _ask(services, service, held, step)
    try:
        held = _keep(services, held, authorization, step)
    except (Refused, CatalogueUnavailable):
        # Nobody but us knows this id now: the claim went on without us, or the catalogue is gone.
        remove_orphan(service, authorization.target_model_id)
        raise
    emit(Event.AUTHORIZED, targetModel=authorization.target_model_id, **fields(step))
    return _what_was_authorized(held)


def _ask(services: Services, service: ModelService, held: HeldClaim, step: StepInput) -> CopyAuthorization:
    claim = held.claim
    try:
        return service.authorize_copy(
            CopyTarget(step.order.target_model_id or claim.model_id, claim.description, claim.tags)
        )
    except UntrustedAddress as error:
        if error.target_model_id is not None:
            save(
                services,
                held,
                claim.move(ClaimState.DISCARDING, target_model_id=error.target_model_id),
                step,
            )
        raise
    except (RetryAfter, GiveUp):
        # a refusal proves that nothing was made
        save(services, held, claim.move(ClaimState.CLAIMED, announced_at=None), step)
        raise


def _keep(services: Services, held: HeldClaim, authorization: CopyAuthorization, step: StepInput) -> HeldClaim:
    target_model_id = authorization.target_model_id
    sealed = services.sealer.seal(authorization.document, sealing_purpose(step, target_model_id))
    claim = held.claim.move(
        ClaimState.AUTHORIZED,
        target_model_id=target_model_id,
        authorization=sealed,
        authorization_expires=authorization.expires,
        announced_at=None,
    )
    return save(services, held, claim.renewed(services.now(), step), step)


def _what_was_authorized(held: HeldClaim) -> Message:
    claim = held.claim
    if claim.target_model_id is None or claim.authorization_expires is None:
        return Failure.of(Code.CLAIM_MOVED, f"the claim is {claim.state}, and nothing is authorized")
    return Authorized(
        attempt=claim.attempt,
        target_model_id=claim.target_model_id,
        expires=claim.authorization_expires,
        authorization=claim.authorization,
    )
