"""Looking, after a start whose answer was lost: did the source begin to copy?"""

from __future__ import annotations

from datetime import timedelta

from activities.envelope import fields
from activities.fence import save
from backup.claims import Claim
from backup.codes import Code
from backup.document_models import ModelState
from backup.messages import Failure, Message, Started, StepInput
from backup.states import ClaimState
from catalog.claims import HeldClaim
from form_recognizer import ModelNotFound, ModelService
from wiring.events import Event, emit
from wiring.services import Services

LOOK_EVERY_SECONDS = 5.0
LISTED_WITHIN_SECONDS = 120.0


def look_for_lost_start(services: Services, held: HeldClaim, step: StepInput) -> Message:
    """Find out what became of a start that was announced and has no outcome, without posting again.

    v3 and later list their operations: the one for our target id is ours. v2 has no such list, and a model that is ``creating`` looks the
    same whether it is being copied or only authorized: it is waited for as long as ``ambiguityWindowSeconds`` says, then given up.
    """
    claim = held.claim
    assert claim.target_model_id is not None, "a claim that was posted has a target id"
    now = services.now()
    since = claim.announced_at or now
    source = services.model_service(step.order.source, claim.source_api_version, step.order.kind)
    endpoint = services.configuration.resource(step.order.target).endpoint
    operation = source.find_copy(claim.target_model_id, since - timedelta(seconds=5), endpoint)
    if operation is not None:
        return _started(services, held, step, claim.move(ClaimState.COPYING, operation=operation, authorization=None))
    target = services.model_service(step.order.target, claim.source_api_version, step.order.kind)
    try:
        found = target.get_model(claim.target_model_id)
    except ModelNotFound:
        if target.generation.shows_placeholders:
            return _given_up(held, step, "its placeholder is gone")
    else:
        if found.summary.state is ModelState.READY:
            return _started(services, held, step, claim.move(ClaimState.VERIFYING, authorization=None))
        if found.summary.state is ModelState.INVALID:
            return _given_up(held, step, "its placeholder is invalid")
    window = timedelta(seconds=_window_seconds(services, target))
    if now < since + window:
        save(services, held, claim.renewed(now, step, LOOK_EVERY_SECONDS), step)
        return Failure.of(
            Code.LOOKING, "the answer to the start was lost; looking whether it started", retry_after=LOOK_EVERY_SECONDS
        )
    return _given_up(held, step, f"nothing came of it within {window.total_seconds():.0f} seconds")


def _window_seconds(services: Services, target: ModelService) -> float:
    configured = services.configuration.copies.ambiguity_window_seconds
    # a list of operations that does not show it after two minutes will not show it later
    return configured if target.generation.shows_placeholders else min(configured, LISTED_WITHIN_SECONDS)


def _started(services: Services, held: HeldClaim, step: StepInput, claim: Claim) -> Started:
    save(services, held, claim.renewed(services.now(), step), step)
    emit(Event.STARTED, targetModel=claim.target_model_id, operation=claim.operation, looked=True, **fields(step))
    return Started(attempt=claim.attempt, operation=claim.operation)


def _given_up(held: HeldClaim, step: StepInput, reason: str) -> Failure:
    emit(Event.SUPERSEDED, targetModel=held.claim.target_model_id, reason=reason, **fields(step))
    return Failure.of(Code.START_UNKNOWN, f"the answer to the start was lost, and {reason}")
