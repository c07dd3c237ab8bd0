"""Step 4: ask the source for the state of the copy; if the operation is lost, follow the target model's own state."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.codes import MEANINGS, Remedy, copy_failure_code, remedy
from backup.document_models import CopyOperation, CopyState
from backup.messages import Message
from backup.messages.copy import Failure, StepInput
from backup.names import CHECK_COPY
from backup.states import ClaimState
from claims.lost_answers import follow_target, follow_without_operation
from claims.step import StepContext
from form_recognizer import OperationNotFound
from wiring.events import Event
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, CHECK_COPY, StepInput)
def check_copy(services: Services, step: StepInput) -> Message:
    """Check the copy once. ``StepInput`` in, ``StepDone`` out."""
    work = StepContext.open(services, step)
    claim = work.claim
    if claim.state in {ClaimState.VERIFYING, ClaimState.VERIFIED}:
        return work.done()
    if claim.state is not ClaimState.COPYING:
        return claim.stale_step_failure("no copy is under way")
    if claim.operation is None:
        return follow_without_operation(work)
    try:
        operation = work.source().get_copy(work.order.model_id, claim.operation)
    except OperationNotFound:
        work.save(claim.replace(operation=None, operation_lost_at=claim.operation_lost_at or work.now()))
        return follow_target(work)
    work.emit(Event.CHECKED, state=operation.state, percent=operation.percent, polls=step.polls)
    return _apply_status(work, operation)


def _apply_status(work: StepContext, operation: CopyOperation) -> Message:
    claim = work.claim.replace(operation_lost_at=None)
    if operation.state is CopyState.FAILED:
        failure = _failed(work, operation)
        work.renew(claim.discarding(failure))
        return failure
    work.renew(claim.move(ClaimState.VERIFYING) if operation.state is CopyState.SUCCEEDED else claim)
    return work.done(percent=operation.percent)


def _failed(work: StepContext, operation: CopyOperation) -> Failure:
    code = copy_failure_code(operation.error_code, operation.error_message)
    reason = ": ".join(part for part in (operation.error_code, operation.error_message) if part)
    advice = f" To do: {MEANINGS[code].advice}." if remedy(code) is Remedy.END else ""
    return Failure.of(code, f'"{work.order.source}" failed the copy: {reason or "no reason given"}{advice}')
