"""One copy: inspect → authorize on the target → start on the source → check until done → verify → record."""

from __future__ import annotations

from datetime import datetime, timedelta

import azure.durable_functions as df

from backup.codes import Code, Remedy, remedy
from backup.messages.copy import CopyProgress, DiscardInput, Failure, Inspected, InspectInput, ParkInput, StepDone
from backup.names import (
    AUTHORIZE_COPY,
    CHECK_COPY,
    COPY_MODEL,
    DELETE_REPLICA,
    DISCARD_TARGET,
    INSPECT_MODELS,
    PARK_CLAIM,
    RECORD_REPLICA,
    START_COPY,
    VERIFY_COPY,
)
from backup.pacing import poll_delay
from backup.recovery import Recovery, recovery
from backup.states import RESUME_AT, ClaimState, CopyStatus, Step
from orchestrator.attempts import HistoryFull, Steps
from orchestrator.components import copy_components, go_on_with_components
from orchestrator.copy_state import LONGEST_WAIT_SECONDS, Copy, StepFailed

blueprint = df.Blueprint()

FRESH_STARTS = 2
"""How many more authorizations a copy may use after one came to nothing."""

STILL_COPYING = (
    "the deadline passed while the service was still copying; ask again later, and the next run resumes the copy"
)

MOST_RESYNCS = 8
"""How often a copy may read its claim again because a later attempt of it has changed it."""


@blueprint.function_name(COPY_MODEL)
@blueprint.orchestration_trigger(context_name="context")
def copy_model(context: df.DurableOrchestrationContext) -> Steps:
    """Bring one model over one route. ``CopyProgress`` (or a bare ``CopyOrder`` under ``order``) in, ``CopyOutcome`` out."""
    copy = Copy(context, CopyProgress.parse(context.get_input()))
    try:
        outcome = yield from until_ended(copy)
    except HistoryFull:
        context.continue_as_new(copy.progress.replace(noted=copy.waits.noted).to_json())
        return None
    copy.show()
    return outcome.to_json()


def until_ended(copy: Copy) -> Steps:
    """Take the steps, and recover from those that fail, until the copy has an outcome; return it."""
    while copy.outcome is None:
        try:
            yield from six_steps(copy)
        except StepFailed as failed:
            yield from recover(copy, failed.failure)
    yield from copy.waits.end()
    return copy.outcome


def six_steps(copy: Copy) -> Steps:
    """Take the steps in order, from where the copy stands. Each sets the next one, or raises ``StepFailed``."""
    while copy.is_at(Step.INSPECT):
        yield from inspect(copy)
    if copy.is_at(Step.AUTHORIZE):
        yield from authorize(copy)
    if copy.is_at(Step.START_COPY):
        yield from start(copy)
    if copy.is_at(Step.CHECK_COPY):
        yield from check_until_done(copy)
    if copy.is_at(Step.VERIFY):
        yield from verify(copy)
    if copy.is_at(Step.RECORD):
        yield from record(copy)
    if copy.is_at(Step.DISCARD):
        # resumed in the middle of cleaning up
        yield from clean_up(copy, copy.progress.failure or INTERRUPTED_CLEAN_UP)


INTERRUPTED_CLEAN_UP = Failure.of(Code.AUTHORIZATION_UNUSABLE, "an earlier run was clearing this placeholder away")


def inspect(copy: Copy) -> Steps:
    """Step 1: check source and target, take the claim, and wait for the slot that was reserved."""
    copy.show()
    try:
        first = copy.progress.next_component
        found = Inspected.parse((yield from copy.run(INSPECT_MODELS, InspectInput, first_component=first)))
    except StepFailed as failed:
        # no claim is held, so there is nothing to recover
        return copy.end(failed.failure.code, failed.failure.message)
    if found.next_component is not None:
        return (yield from go_on_with_components(copy, found.next_component, found.not_before))
    copy.update(
        attempt=found.attempt,
        target_model_id=found.target_model_id,
        api_version=found.api_version,
        failure=found.failure,
    )
    if found.already_there:
        return copy.end(Code.ALREADY_THERE, "the target already holds a verified copy of this version")
    if found.missing_components:
        failure = yield from copy_components(copy, found.missing_components)
        return copy.end(failure.code, failure.message) if failure else None
    if found.not_before is not None and found.not_before > copy.now:
        has_come = yield from wait_for_slot(copy, found.not_before)
        if not has_come:
            return None
    assert found.state is not None, "a claim that was taken has a state"
    copy.update(next_component=None)
    if copy.progress.order.recreate and found.state is ClaimState.CLAIMED:
        yield from copy.run(DELETE_REPLICA)
    copy.update(step=RESUME_AT[found.state])


def wait_for_slot(copy: Copy, not_before: datetime) -> Steps:
    """Wait for the reserved moment; return false where the wait was interrupted, to inspect again."""
    if not_before >= copy.deadline:
        message = f"the rate limits allow this copy at {not_before.isoformat()}, after its deadline"
        raise StepFailed(Failure.of(Code.DEADLINE_EXCEEDED, message))
    longest = copy.now + timedelta(seconds=LONGEST_WAIT_SECONDS)
    is_short = not_before <= longest
    yield from copy.sleep_until(min(not_before, longest), counted=not is_short, not_before=not_before)
    return is_short


def authorize(copy: Copy) -> Steps:
    """Step 2: get the target's authorization, or find the copy in the target."""
    copy.show()
    copy.advance(StepDone.parse((yield from copy.run(AUTHORIZE_COPY))))


def start(copy: Copy) -> Steps:
    """Step 3: start the copy on the source."""
    copy.show()
    copy.advance(StepDone.parse((yield from copy.run(START_COPY))))
    copy.update(checks=0)


def check_until_done(copy: Copy) -> Steps:
    """Step 4: poll the source, a little less often each time."""
    copy.show()
    while copy.is_at(Step.CHECK_COPY):
        wake = copy.now + timedelta(seconds=poll_delay(copy.progress.checks))
        if wake >= copy.deadline:
            return (yield from park(copy, Code.STILL_COPYING, STILL_COPYING))
        yield from copy.sleep_until(wake, next_poll_at=wake)
        copy.update(polls=copy.progress.polls + 1, checks=copy.progress.checks + 1)
        done = StepDone.parse((yield from copy.run(CHECK_COPY)))
        copy.advance(done)
        copy.show(percent=done.percent)
    return None


def verify(copy: Copy) -> Steps:
    """Step 5: prove that the copy equals its source."""
    copy.show()
    copy.advance(StepDone.parse((yield from copy.run(VERIFY_COPY))))


def record(copy: Copy) -> Steps:
    """Step 6: record the replica and release the claim."""
    copy.show()
    done = StepDone.parse((yield from copy.run(RECORD_REPLICA)))
    copy.finish(
        CopyStatus.SUCCEEDED,
        code=Code.ADOPTED if done.adopted else None,
        message="the target held this copy already; it was verified and recorded" if done.adopted else None,
        target_model_id=done.target_model_id,
        api_version=done.api_version,
        verified_at=done.verified_at,
    )


def recover(copy: Copy, failure: Failure) -> Steps:
    """Do what ``backup.recovery`` says follows a failed step."""
    step = copy.progress.step
    if failure.attempt is not None:
        copy.update(attempt=failure.attempt)
    match recovery(step, failure):
        case Recovery.RESYNC:
            resync(copy, failure)
        case Recovery.WAIT_FOR_ID:
            yield from wait_for_id(copy, failure)
        case Recovery.PARK:
            yield from park(copy, *parked_as(copy, failure))
        case Recovery.CLEAN_UP:
            yield from clean_up(copy, failure)
        case Recovery.END:
            copy.end(failure.code, failure.message)


def resync(copy: Copy, failure: Failure) -> None:
    """Go back to the claim, which a later attempt of this copy has changed."""
    resyncs = (copy.progress.resyncs or 0) + 1
    if resyncs > MOST_RESYNCS:
        copy.end(failure.code, failure.message)
    else:
        copy.update(resyncs=resyncs, attempt=0, step=Step.INSPECT)


def wait_for_id(copy: Copy, failure: Failure) -> Steps:
    """Wait for a blocked target id, then go back to the claim; clean up where the deadline comes first."""
    wake = copy.now + timedelta(seconds=failure.retry_after or 0.0)
    if failure.retry_after is None or wake >= copy.deadline:
        return (yield from clean_up(copy, failure))
    yield from copy.waits.begin(AUTHORIZE_COPY, copy.what(), failure, copy.now, wake)
    longest = copy.now + timedelta(seconds=LONGEST_WAIT_SECONDS)
    yield from copy.sleep_until(min(wake, longest), code=failure.code, next_attempt_at=wake)
    copy.update(step=Step.INSPECT)


def park(copy: Copy, code: str, message: str) -> Steps:
    """End for now, and leave the claim resumable."""
    yield from copy.run_once(PARK_CLAIM, ParkInput, code=code, message=message)
    copy.end(code, message)


def parked_as(copy: Copy, failure: Failure) -> tuple[str, str]:
    """Return code and message of a copy that is parked because of ``failure``."""
    step, given_up = copy.progress.step, copy.progress.failure
    if step is Step.START_COPY:
        message = f"the deadline passed before it was known whether the copy has started: {failure.message}"
        return Code.STILL_COPYING, message
    if step is Step.DISCARD and given_up is not None:
        # why the copy failed matters more than why it could not be cleaned up
        return given_up.code, given_up.message
    still_copying = failure.retryable and step is Step.CHECK_COPY
    return (Code.STILL_COPYING if still_copying else failure.code), failure.message


def clean_up(copy: Copy, failure: Failure) -> Steps:
    """Remove the placeholder; then begin again with a new authorization, or end with ``failure``."""
    copy.update(step=Step.DISCARD, failure=failure)
    copy.show()
    go_on = (
        remedy(failure.code) is Remedy.FRESH and copy.progress.fresh_starts < FRESH_STARTS and copy.now < copy.deadline
    )
    try:
        envelope = yield from copy.run(
            DISCARD_TARGET, DiscardInput, code=failure.code, message=failure.message, go_on=go_on
        )
    except StepFailed as failed:
        return (yield from recover(copy, failed.failure))
    copy.advance(StepDone.parse(envelope))
    copy.update(failure=None)
    if copy.is_at(Step.VERIFY):
        # it is ready after all
        return None
    if go_on:
        # the next attempt needs a slot of its own
        return copy.update(fresh_starts=copy.progress.fresh_starts + 1, step=Step.INSPECT)
    copy.end(failure.code, failure.message)
