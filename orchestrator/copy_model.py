"""One copy: inspect → authorize on the target → start on the source → check until done → verify → record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df

from backup.codes import Code, Remedy, remedy
from backup.messages import (
    Authorized,
    Checked,
    ComponentRef,
    CopyOutcome,
    CopyProgress,
    Discarded,
    DiscardInput,
    Failure,
    Inspected,
    Message,
    Origin,
    ParkInput,
    Recorded,
    Started,
    StepInput,
)
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
from backup.pacing import POLL_GROWTH, poll_delay
from backup.states import RESUME_AT, ClaimState, CopyStatus, Step
from orchestrator.attempts import BeginAnew, Steps, Waits, attempt, call

blueprint = df.Blueprint()

COMPONENT_ROUNDS = 2
COMPONENT_WAIT_SECONDS = 10.0
LONGEST_WAIT_SECONDS = 300.0
"""A longer wait is interrupted, to see whether the run was cancelled meanwhile, and to keep the claim."""

FRESH_STARTS = 2
"""How many more authorizations a copy may cost after one came to nothing."""

MOST_LOOKS_AGAIN = 8
"""How often a copy whose steps are overtaken goes back to its claim: that costs no authorization, but it must end."""

STATUS_OF_CODE = {
    Code.ALREADY_THERE: CopyStatus.SUCCEEDED,
    Code.COPY_IN_PROGRESS: CopyStatus.COPY_IN_PROGRESS,
    Code.STILL_COPYING: CopyStatus.STILL_COPYING,
    Code.CANCELLED: CopyStatus.CANCELLED,
}


@blueprint.function_name(COPY_MODEL)
@blueprint.orchestration_trigger(context_name="context")
def copy_model(context: df.DurableOrchestrationContext) -> Steps:
    """Bring one model over one route. ``CopyProgress`` (or a bare ``CopyOrder`` under ``order``) in, ``CopyOutcome`` out."""
    copy = Copy(context, CopyProgress.parse(context.get_input()))
    try:
        outcome = yield from copy.run()
    except BeginAnew:
        context.continue_as_new(copy.progress.to_json())
        return None
    return outcome.to_json()


class Copy:
    """One copy on its way through the steps. All that must survive a new history is in ``progress``."""

    def __init__(self, context: df.DurableOrchestrationContext, progress: CopyProgress) -> None:
        """Go on from ``progress``."""
        self._context = context
        started_at = progress.started_at or context.current_utc_datetime
        self.progress = progress.model_copy(update={"started_at": started_at})
        self._started_at = started_at
        self._deadline = started_at + timedelta(seconds=progress.order.deadline_seconds)
        self._waits = Waits()
        self._outcome: CopyOutcome | None = None

    def run(self) -> Steps:
        """Take the steps until the copy has ended; return its ``CopyOutcome``."""
        steps: dict[Step, Callable[[], Steps]] = {
            Step.INSPECT: self._inspect,
            Step.AUTHORIZE: self._authorize,
            Step.START_COPY: self._start_copy,
            Step.CHECK_COPY: self._check_copy,
            Step.VERIFY: self._verify,
            Step.RECORD: self._record,
            Step.DISCARD: self._discard,
        }
        while self._outcome is None:
            self._show()
            following = yield from steps[self.progress.step]()
            self._update(step=following)
        self._show()
        return self._outcome

    def _inspect(self) -> Steps:
        envelope = yield from self._attempt(INSPECT_MODELS)
        if not envelope["ok"]:
            return self._ended_with(Failure.parse(envelope))
        found = Inspected.parse(envelope)
        self._update(
            attempt=found.attempt,
            target_model_id=found.target_model_id,
            api_version=found.api_version,
            failure=found.failure,
        )
        if found.already_there:
            return self._ended(Code.ALREADY_THERE, "the target already holds a verified copy of this version")
        if found.missing_components:
            failed = yield from self._copy_components(found.missing_components)
            return self._ended_with(failed) if failed else Step.INSPECT
        assert found.state is not None, "a claim that was taken has a state"
        if found.not_before is not None and found.not_before > self._context.current_utc_datetime:
            elsewhere = yield from self._wait_for_slot(found.not_before)
            if elsewhere is not None:
                return elsewhere
        if self.progress.order.recreate and found.state is ClaimState.CLAIMED:
            envelope = yield from self._attempt(DELETE_REPLICA)
            if not envelope["ok"]:
                return self._failed(Failure.parse(envelope))
        return RESUME_AT[found.state]

    def _wait_for_slot(self, not_before: datetime) -> Steps:
        """Wait for the moment that the copy was given; return the step to take instead, or ``None`` when it has come."""
        if not_before >= self._deadline:
            said = f"the rate limits leave no room before {not_before.isoformat()}"
            return self._failed(Failure.of(Code.DEADLINE_EXCEEDED, said))
        self._show(not_before=not_before)
        longest = self._context.current_utc_datetime + timedelta(seconds=LONGEST_WAIT_SECONDS)
        if not_before <= longest:
            yield self._context.create_timer(not_before)
            return None
        self._waits.one_more()
        yield self._context.create_timer(longest)
        return Step.INSPECT

    def _copy_components(self, components: list[ComponentRef]) -> Steps:
        """Have what a composed model is made of copied first, under the same ids; return a ``Failure``, or ``None``."""
        if self.progress.component_rounds >= COMPONENT_ROUNDS:
            return Failure.of(
                Code.COMPONENT_FAILED, "its components were copied and are not in the target all the same"
            )
        self._update(component_rounds=self.progress.component_rounds + 1)
        for component in components:
            left = (self._deadline - self._context.current_utc_datetime).total_seconds()
            if left <= 0:
                return Failure.of(Code.DEADLINE_EXCEEDED, f"no time was left for {component.kind} {component.model_id}")
            order = self.progress.order.model_copy(
                update={
                    "kind": component.kind,
                    "model_id": component.source_id or component.model_id,
                    "target_model_id": component.model_id if component.source_id else None,
                    "own_id_only": True,
                    "origin": self._origin_of(component),
                    "recreate": False,
                    "subject_id": None,
                    "deadline_seconds": left,
                }
            )
            result = yield self._context.call_sub_orchestrator(COPY_MODEL, CopyProgress(order=order).to_json())
            outcome = CopyOutcome.parse(result)
            if outcome.status is CopyStatus.COPY_IN_PROGRESS and (yield from self._wait_for_others()):
                return None
            if outcome.status is not CopyStatus.SUCCEEDED:
                code = Code.CANCELLED if outcome.status is CopyStatus.CANCELLED else Code.COMPONENT_FAILED
                return Failure.of(code, f"{component.kind} {component.model_id}: {outcome.code}: {outcome.message}")
            if outcome.target_model_id != component.model_id:
                said = f"{component.kind} {component.model_id} could only be copied as {outcome.target_model_id}"
                return Failure.of(Code.COMPONENT_FAILED, said)
        return None

    def _origin_of(self, component: ComponentRef) -> Origin | None:
        """Return what a part of a restored model stands for: the part that the lost model had, under the same id."""
        origin = self.progress.order.origin
        return origin and Origin(source=origin.source, model_id=component.model_id)

    def _wait_for_others(self) -> Steps:
        """Wait for another run that copies a component of ours, longer each time; return false where no time is left.

        That does not count as a round.
        """
        waits = self.progress.component_waits or 0
        seconds = min(COMPONENT_WAIT_SECONDS * POLL_GROWTH ** min(waits, 20), LONGEST_WAIT_SECONDS)
        now, last_look = self._context.current_utc_datetime, self._deadline - timedelta(seconds=COMPONENT_WAIT_SECONDS)
        if now >= last_look:
            return False
        wake = min(now + timedelta(seconds=seconds), last_look)
        self._update(component_rounds=self.progress.component_rounds - 1, component_waits=waits + 1)
        self._waits.one_more()
        yield self._context.create_timer(wake)
        return True

    def _authorize(self) -> Steps:
        envelope = yield from self._attempt(AUTHORIZE_COPY)
        if not envelope["ok"]:
            failure = Failure.parse(envelope)
            if failure.attempt is not None:
                self._update(attempt=failure.attempt)
            if failure.code == Code.ID_BLOCKED:
                return (yield from self._wait_for_id(failure))
            return self._failed(failure)
        authorized = Authorized.parse(envelope)
        self._update(attempt=authorized.attempt, target_model_id=authorized.target_model_id)
        # without an authorization the target holds the copy already
        return Step.START_COPY if authorized.authorization is not None else Step.VERIFY

    def _wait_for_id(self, failure: Failure) -> Steps:
        """Wait until an id that the copy is of no use without can be had back, and go on from the claim; or give up before the deadline."""
        now = self._context.current_utc_datetime
        wake = now + timedelta(seconds=failure.retry_after or 0.0)
        if failure.retry_after is None or wake >= self._deadline:
            return self._failed(failure)
        self._waits.one_more()
        self._show(code=failure.code, next_attempt_at=wake)
        yield self._context.create_timer(min(wake, now + timedelta(seconds=LONGEST_WAIT_SECONDS)))
        return Step.INSPECT

    def _start_copy(self) -> Steps:
        envelope = yield from self._attempt(START_COPY)
        if not envelope["ok"]:
            failure = Failure.parse(envelope)
            if failure.code == Code.LOOKING:
                said = (
                    f"no time is left before the deadline to find out whether the copy has started: {failure.message}"
                )
                return (yield from self._park(Code.STILL_COPYING, said))
            return self._failed(failure)
        Started.parse(envelope)
        self._update(checks=0)
        return Step.CHECK_COPY

    def _check_copy(self) -> Steps:
        """Poll: wait, check, and wait a little longer each time."""
        while True:
            now = self._context.current_utc_datetime
            wake = now + timedelta(seconds=poll_delay(self.progress.checks))
            if wake >= self._deadline:
                return (
                    yield from self._park(Code.STILL_COPYING, "the deadline passed while the service was still copying")
                )
            self._waits.one_more()
            self._show(next_poll_at=wake)
            yield self._context.create_timer(wake)
            self._update(polls=self.progress.polls + 1, checks=self.progress.checks + 1)
            envelope = yield from self._attempt(CHECK_COPY)
            if not envelope["ok"]:
                return (yield from self._failed_under_way(Failure.parse(envelope)))
            checked = Checked.parse(envelope)
            if checked.done:
                return Step.VERIFY
            self._show(percent=checked.percent)

    def _verify(self) -> Steps:
        envelope = yield from self._attempt(VERIFY_COPY)
        if not envelope["ok"]:
            return (yield from self._failed_under_way(Failure.parse(envelope)))
        return Step.RECORD

    def _record(self) -> Steps:
        envelope = yield from self._attempt(RECORD_REPLICA)
        if not envelope["ok"]:
            return (yield from self._failed_under_way(Failure.parse(envelope)))
        recorded = Recorded.parse(envelope)
        self._finish(
            CopyStatus.SUCCEEDED,
            target_model_id=recorded.target_model_id,
            api_version=recorded.api_version,
            verified_at=recorded.verified_at,
        )
        return Step.DONE

    def _discard(self) -> Steps:
        """Clean up after a failure; then begin afresh, or end with it."""
        failure = self.progress.failure or Failure.of(
            Code.AUTHORIZATION_UNUSABLE, "an earlier run was clearing this placeholder away"
        )
        go_on = (
            remedy(failure.code) is Remedy.FRESH
            and self.progress.fresh_starts < FRESH_STARTS
            and self._context.current_utc_datetime < self._deadline
        )
        envelope = yield from self._attempt(DISCARD_TARGET, code=failure.code, message=failure.message, go_on=go_on)
        if not envelope["ok"]:
            trouble = Failure.parse(envelope)
            if trouble.code == Code.CLAIM_MOVED:
                return self._look_again(trouble)
            if trouble.code == Code.CLAIM_LOST:
                return self._ended_with(trouble)
            # the placeholder stays named in the claim, and whoever asks next removes it
            return (yield from self._park(failure.code, failure.message))
        discarded = Discarded.parse(envelope)
        self._update(failure=None, attempt=discarded.attempt)
        if discarded.ready_after_all:
            return Step.VERIFY
        if go_on:
            self._update(fresh_starts=self.progress.fresh_starts + 1)
            return Step.INSPECT
        return self._ended_with(failure)

    def _failed(self, failure: Failure) -> Step:
        """Decide what follows a failure before the copy was under way."""
        if failure.code == Code.CLAIM_MOVED:
            return self._look_again(failure)
        if failure.code == Code.CLAIM_LOST:
            return self._ended_with(failure)
        self._update(failure=failure)
        return Step.DISCARD

    def _failed_under_way(self, failure: Failure) -> Steps:
        """Decide what follows a failure while the service copies, or after: what can be resumed is kept."""
        if failure.retryable or failure.code in {Code.VERSION_RETIRED, Code.UNTRUSTED_ADDRESS, Code.BAD_REQUEST}:
            still_copying = failure.retryable and self.progress.step is Step.CHECK_COPY
            code = Code.STILL_COPYING if still_copying else failure.code
            return (yield from self._park(code, failure.message))
        return self._failed(failure)

    def _look_again(self, failure: Failure) -> Step:
        """Go back to the claim, which went on under a later attempt of ours: a step ran twice."""
        looks = (self.progress.looks_again or 0) + 1
        if looks > MOST_LOOKS_AGAIN:
            return self._ended_with(failure)
        self._update(looks_again=looks, attempt=0)
        return Step.INSPECT

    def _park(self, code: str, message: str) -> Steps:
        """End for now, and leave the claim to whoever asks next."""
        yield from call(self._context, PARK_CLAIM, self._input(ParkInput, code=code, message=message))
        return self._ended(code, message)

    def _ended_with(self, failure: Failure) -> Step:
        return self._ended(failure.code, failure.message)

    def _ended(self, code: str, message: str) -> Step:
        status = STATUS_OF_CODE.get(Code(code), CopyStatus.FAILED)
        self._finish(status, code=code, message=message, target_model_id=self.progress.target_model_id)
        return Step.DONE

    def _finish(self, status: CopyStatus, **facts: Any) -> None:
        self._outcome = CopyOutcome(
            status=status,
            polls=self.progress.polls,
            started_at=self._started_at,
            ended_at=self._context.current_utc_datetime,
            **{"api_version": self.progress.api_version, **facts},
        )

    def _attempt(self, name: str, **extra: Any) -> Steps:
        step = self.progress.step

        def waiting(failure: Failure, wake: datetime) -> None:
            self._show(code=failure.code, next_attempt_at=wake)

        # what was begun is cleaned up or recorded also after the deadline, but not for ever: what is left stays in the claim
        grace = timedelta(seconds=self.progress.order.patience_seconds if step in {Step.DISCARD, Step.RECORD} else 0)
        return attempt(
            self._context,
            name,
            lambda: self._input(DiscardInput if name == DISCARD_TARGET else StepInput, **extra),
            step=step,
            patience=self.progress.order.patience_seconds,
            deadline=self._deadline + grace,
            waits=self._waits,
            waiting=waiting,
        )

    def _input(self, kind: type[StepInput], **extra: Any) -> Message:
        return kind(
            order=self.progress.order,
            owner=self._context.instance_id,
            attempt=self.progress.attempt,
            polls=self.progress.polls,
            next_wake_seconds=60.0,
            **extra,
        )

    def _update(self, **changes: Any) -> None:
        self.progress = self.progress.model_copy(update=changes)

    def _show(self, **facts: Any) -> None:
        """Say in the custom status where the copy stands."""
        order = self.progress.order
        status: dict[str, Any] = {
            "step": self.progress.step,
            "source": order.source,
            "target": order.target,
            "kind": order.kind,
            "modelId": order.model_id,
            "targetModelId": self.progress.target_model_id,
            "polls": self.progress.polls,
            "nextPollAt": facts.get("next_poll_at"),
            "notBefore": facts.get("not_before"),
            "nextAttemptAt": facts.get("next_attempt_at"),
            "percent": facts.get("percent"),
            "code": facts.get("code"),
        }
        if self._outcome is not None:
            status.update(step=Step.DONE, status=self._outcome.status, code=self._outcome.code)
        shown = {
            name: value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, Step) else value
            for name, value in status.items()
            if value is not None
        }
        self._context.set_custom_status(shown)
