"""Step 3: tell the source to copy, with the target's authorization. Announced first, posted once, and never posted again blindly."""

from __future__ import annotations

import azure.durable_functions as df

from activities.authorizing import sealing_purpose
from activities.envelope import activity, failure_of, fields
from activities.fence import held_claim, save, settle
from activities.lost_start import look_for_lost_start
from backup.claims import Claim
from backup.codes import Code
from backup.document_models import CopyAuthorization, TargetAddress
from backup.messages import Failure, Message, Started, StepInput
from backup.names import START_COPY
from backup.pacing import TOKEN_RESERVE
from backup.states import ClaimState
from catalog.claims import HeldClaim
from form_recognizer import GiveUp, Look, ModelNotFound, OperationUnknown, RetryAfter
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, START_COPY, StepInput)
def start_copy(services: Services, step: StepInput) -> Message:
    """Start the copy, once. ``StepInput`` in, ``Started`` out."""
    held = held_claim(services, step)
    claim = held.claim
    if claim.state is ClaimState.POSTING:
        return look_for_lost_start(services, held, step)
    if claim.state in {ClaimState.CLAIMED, ClaimState.AUTHORIZING, ClaimState.DISCARDING}:
        return claim.what_moved_it("there is no authorization to start with")
    if claim.state is not ClaimState.AUTHORIZED:
        return Started(attempt=claim.attempt, operation=claim.operation)
    assert claim.authorization_expires is not None, "an authorized claim holds its expiry"
    now = services.now()
    if claim.authorization_expires - now < TOKEN_RESERVE:
        # asked before it is opened: nobody needs to wait for the key of a seal that holds nothing of use any more
        ends = claim.authorization_expires.isoformat()
        return Failure.of(Code.AUTHORIZATION_EXPIRED, f"the authorization ends at {ends}")
    authorization = _unsealed(services, claim, step)
    held = save(services, held, claim.move(ClaimState.POSTING, announced_at=now).renewed(now, step), step)
    return _post(services, held, authorization, step)


def _unsealed(services: Services, claim: Claim, step: StepInput) -> CopyAuthorization:
    assert claim.authorization is not None, "an authorized claim holds its authorization"
    assert claim.target_model_id is not None, "an authorized claim holds its target id"
    assert claim.authorization_expires is not None, "an authorized claim holds its expiry"
    document = services.sealer.open(claim.authorization, sealing_purpose(step, claim.target_model_id))
    return CopyAuthorization(claim.target_model_id, claim.authorization_expires, document)


def _post(services: Services, held: HeldClaim, authorization: CopyAuthorization, step: StepInput) -> Message:
    order, claim = step.order, held.claim
    service = services.model_service(order.source, claim.source_api_version, order.kind)
    target = services.configuration.resource(order.target)
    degrade = services.configuration.allows_encryption_downgrade(order.source, order.target)
    try:
        operation: str | None = service.start_copy(
            order.model_id, authorization, TargetAddress(target.resource_id, target.region), degrade=degrade
        )
    except RetryAfter as error:
        # the copy did not start: the authorization is still good
        wait = error.retry_after or 0.0
        settle(
            services,
            held,
            lambda claim: claim.move(ClaimState.AUTHORIZED, announced_at=None).renewed(services.now(), step, wait),
            step,
        )
        raise
    except OperationUnknown as error:
        emit(Event.UNTRUSTED_ADDRESS, message=error.message, **fields(step))
        operation = None
    except GiveUp as error:
        # the source was there when it was inspected: what it does not find now was deleted since
        failure = failure_of(error, Code.SOURCE_MODEL_NOT_FOUND if isinstance(error, ModelNotFound) else None)
        settle(services, held, lambda claim: claim.discarding(failure), step)
        return failure
    except Look as error:
        # it may have started: the next call finds the announcement and looks
        return Failure.of(Code.LOOKING, error.message, retry_after=2.0, request_id=error.request_id)
    now = services.now()
    settle(
        services,
        held,
        lambda claim: claim.move(
            ClaimState.COPYING,
            operation=operation,
            operation_lost_at=None if operation else now,
            authorization=None,
        ).renewed(now, step),
        step,
    )
    emit(Event.STARTED, targetModel=claim.target_model_id, operation=operation, **fields(step))
    return Started(attempt=claim.attempt, operation=operation)
