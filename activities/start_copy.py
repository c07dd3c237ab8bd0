"""Step 3: start the copy on the source, with the target's authorization. Announced, posted once, and reconciled if the answer is lost."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.codes import Code
from backup.document_models import CopyAuthorization, TargetAddress
from backup.messages import Message
from backup.messages.copy import Failure, StepInput
from backup.names import START_COPY
from backup.pacing import LONGEST_RETRY_AFTER_SECONDS, TOKEN_RESERVE
from backup.states import ClaimState
from claims.authorization import sealing_purpose
from claims.lost_answers import find_lost_start
from claims.step import RETRY_SECONDS, Refused, StepContext, failure_of
from form_recognizer import ModelNotFound, OperationUnknown, OutcomeUnknown, Permanent, RetryAfter
from wiring.events import Event
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, START_COPY, StepInput)
def start_copy(services: Services, step: StepInput) -> Message:
    """Start the copy once. ``StepInput`` in, ``StepDone`` out."""
    work = StepContext.open(services, step)
    state = work.claim.state
    if state is ClaimState.POSTING:
        return find_lost_start(work)
    if state in {ClaimState.CLAIMED, ClaimState.AUTHORIZING, ClaimState.DISCARDING}:
        return work.claim.stale_step_failure("there is no authorization to start with")
    if state is not ClaimState.AUTHORIZED:
        return work.done()
    authorization = _authorization(work)
    work.announce(ClaimState.POSTING)
    return _post(work, authorization)


def _authorization(work: StepContext) -> CopyAuthorization:
    """Return the authorization from the claim. Raises ``Refused`` if it ends too soon, ``SealingKeyUnknown`` if no key opens it."""
    expires, sealed = work.claim.authorization_expires, work.claim.authorization
    assert expires is not None, "an authorized claim holds its expiry"
    assert sealed is not None, "an authorized claim holds its authorization"
    # checked first: nothing waits for the key of an authorization that has ended
    if expires - work.now() < TOKEN_RESERVE:
        raise Refused(Code.AUTHORIZATION_EXPIRED, f"the authorization ends at {expires.isoformat()}")
    document = work.services.sealer.open(sealed, sealing_purpose(work.order, work.target_model_id))
    return CopyAuthorization(work.target_model_id, expires, document)


def _post(work: StepContext, authorization: CopyAuthorization) -> Message:
    order, configuration = work.order, work.services.configuration
    target = configuration.resource(order.target)
    degrade = configuration.allows_encryption_downgrade(order.source, order.target)
    operation: str | None = None
    try:
        operation = work.source().start_copy(
            order.model_id, authorization, TargetAddress(target.resource_id, target.region), degrade=degrade
        )
    except RetryAfter as error:
        # the copy did not start: the authorization is still good
        wait = min(error.retry_after or 0.0, LONGEST_RETRY_AFTER_SECONDS)
        work.settle(lambda claim: claim.move(ClaimState.AUTHORIZED, announced_at=None), wait)
        raise
    except OperationUnknown as error:
        work.emit(Event.UNTRUSTED_ADDRESS, message=error.message)
    except Permanent as error:
        # the source had the model at the inspection
        failure = failure_of(error, Code.SOURCE_MODEL_NOT_FOUND if isinstance(error, ModelNotFound) else None)
        work.settle(lambda claim: claim.discarding(failure))
        return failure
    except OutcomeUnknown as error:
        # it may have started: the next call reconciles
        work.note_call_ended()
        return Failure.of(Code.RECONCILING, error.message, retry_after=RETRY_SECONDS, request_id=error.request_id)
    lost_at = None if operation else work.now()
    work.settle(
        lambda claim: claim.move(ClaimState.COPYING, operation=operation, operation_lost_at=lost_at, authorization=None)
    )
    work.emit(Event.STARTED, targetModel=work.claim.target_model_id, operation=operation)
    return work.done()
