"""Step 4: ask the source how far the copy is. Where the operation is lost, the target model's own state answers."""

from __future__ import annotations

from datetime import timedelta

import azure.durable_functions as df

from activities.envelope import activity, fields
from activities.fence import held_claim, save
from backup.codes import MEANINGS, Code, Remedy, copy_failure_code, remedy
from backup.document_models import CopyOperation, CopyState, ModelState
from backup.messages import Checked, Failure, Message, StepInput
from backup.names import CHECK_COPY
from backup.states import ClaimState
from catalog.claims import HeldClaim
from form_recognizer import ModelNotFound, OperationNotFound
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, CHECK_COPY, StepInput)
def check_copy(services: Services, step: StepInput) -> Message:
    """Check on the copy, once. ``StepInput`` in, ``Checked`` out."""
    held = held_claim(services, step)
    claim = held.claim
    if claim.state is ClaimState.VERIFYING:
        return Checked(done=True)
    if claim.state is not ClaimState.COPYING:
        return claim.what_moved_it("no copy is under way")
    if claim.operation is None:
        return _ask_the_target(services, held, step)
    source = services.model_service(step.order.source, claim.source_api_version, step.order.kind)
    try:
        operation = source.get_copy(step.order.model_id, claim.operation)
    except OperationNotFound:
        lost = claim.model_copy(
            update={"operation": None, "operation_lost_at": claim.operation_lost_at or services.now()}
        )
        return _look_at_target(services, save(services, held, lost, step), step)
    return _told(services, held, step, operation)


def _told(services: Services, held: HeldClaim, step: StepInput, operation: CopyOperation) -> Message:
    claim, now = held.claim.model_copy(update={"operation_lost_at": None}), services.now()
    emit(Event.CHECKED, state=operation.state, percent=operation.percent, polls=step.polls, **fields(step))
    if operation.state is CopyState.FAILED:
        code = copy_failure_code(operation.error_code, operation.error_message)
        said = ": ".join(part for part in (operation.error_code, operation.error_message) if part)
        advice = f" To do: {MEANINGS[code].advice}." if remedy(code) is Remedy.END else ""
        failure = Failure.of(code, f'"{step.order.source}" failed the copy: {said or "no reason given"}{advice}')
        save(services, held, claim.discarding(failure).renewed(now, step), step)
        return failure
    if operation.state is CopyState.SUCCEEDED:
        save(services, held, claim.move(ClaimState.VERIFYING).renewed(now, step), step)
        return Checked(done=True, percent=operation.percent)
    save(services, held, claim.renewed(now, step), step)
    return Checked(done=False, percent=operation.percent)


def _ask_the_target(services: Services, held: HeldClaim, step: StepInput) -> Message:
    """Look for the operation in the source's list, where there is one; else go by the target."""
    claim, now = held.claim, services.now()
    assert claim.target_model_id is not None, "a copy under way has a target id"
    source = services.model_service(step.order.source, claim.source_api_version, step.order.kind)
    since = (claim.announced_at or claim.operation_lost_at or now) - timedelta(seconds=5)
    endpoint = services.configuration.resource(step.order.target).endpoint
    operation = source.find_copy(claim.target_model_id, since, endpoint)
    if operation is None:
        return _look_at_target(services, held, step)
    found_again = claim.model_copy(update={"operation": operation})
    save(services, held, found_again.renewed(now, step), step)
    return Checked(done=False)


def _look_at_target(services: Services, held: HeldClaim, step: StepInput) -> Message:
    """Go by the target model's own state, for as long as the configured window; then the copy counts as lost."""
    claim, now = held.claim, services.now()
    assert claim.target_model_id is not None, "a copy under way has a target id"
    since = claim.operation_lost_at or now
    target = services.model_service(step.order.target, claim.source_api_version, step.order.kind)
    try:
        model = target.get_model(claim.target_model_id)
    except ModelNotFound:
        state = None
    else:
        state = model.summary.state
    if state is ModelState.READY:
        save(services, held, claim.move(ClaimState.VERIFYING).renewed(now, step), step)
        return Checked(done=True)
    gone = state is None and target.generation.shows_placeholders
    window = timedelta(seconds=services.configuration.copies.ambiguity_window_seconds)
    if gone or state is ModelState.INVALID or now >= since + window:
        emit(Event.SUPERSEDED, targetModel=claim.target_model_id, **fields(step))
        return Failure.of(
            Code.COPY_FAILED, f"the source forgot the operation, and the target model is {state or 'not there'}"
        )
    save(services, held, claim.renewed(now, step), step)
    return Checked(done=False)
