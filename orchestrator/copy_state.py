"""A copy under way: its progress, deadline and custom status, and how its steps call activities and wait."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df
from pydantic.alias_generators import to_camel

from backup.codes import Code
from backup.messages.copy import CopyOutcome, CopyProgress, Failure, StepDone, StepInput
from backup.states import RESUME_AT, CopyStatus, Step
from orchestrator.attempts import Steps, Waits, call, call_once

LONGEST_WAIT_SECONDS = 300.0
"""A longer wait is interrupted, to notice a cancellation and to renew the claim's lease."""

STATUS_OF_CODE = {
    Code.ALREADY_THERE: CopyStatus.SUCCEEDED,
    Code.ADOPTED: CopyStatus.SUCCEEDED,
    Code.COPY_IN_PROGRESS: CopyStatus.COPY_IN_PROGRESS,
    Code.STILL_COPYING: CopyStatus.STILL_COPYING,
    Code.CANCELLED: CopyStatus.CANCELLED,
}


class StepFailed(Exception):
    """A step failed for good: ``failure`` says how."""

    def __init__(self, failure: Failure) -> None:
        """Carry ``failure`` to ``copy_model``."""
        super().__init__(failure.code)
        self.failure = failure


class Copy:
    """One copy. All that must survive continue-as-new is in ``progress``."""

    def __init__(self, context: df.DurableOrchestrationContext, progress: CopyProgress) -> None:
        """Go on from ``progress``."""
        self.context = context
        self.started_at = progress.started_at or context.current_utc_datetime
        self.progress = progress.replace(started_at=self.started_at)
        self.deadline = self.started_at + timedelta(seconds=progress.order.deadline_seconds)
        self.outcome: CopyOutcome | None = None
        self.children = 0
        """How many components were copied in this history."""
        order = progress.order
        self.waits = Waits(context, order.run_id, f"row-{order.row:06d}", progress.noted)

    @property
    def now(self) -> datetime:
        """The orchestration's clock."""
        now: datetime = self.context.current_utc_datetime
        return now

    def is_at(self, step: Step) -> bool:
        """Tell whether ``step`` comes next."""
        return self.outcome is None and self.progress.step is step

    def update(self, **changes: Any) -> None:
        """Change the progress."""
        self.progress = self.progress.replace(**changes)

    def advance(self, done: StepDone) -> None:
        """Go to the step that the claim's state names."""
        self.update(attempt=done.attempt, target_model_id=done.target_model_id, step=RESUME_AT[done.state])

    def run(self, activity: str, kind: type[StepInput] = StepInput, **extra: Any) -> Steps:
        """Call an activity, again and again as its failures allow; return its envelope. Raises ``StepFailed``."""
        step = self.progress.step
        patience = self.progress.order.patience_seconds
        # cleaning up and recording are allowed some time beyond the deadline
        grace = timedelta(seconds=patience if step in {Step.DISCARD, Step.RECORD} else 0)
        envelope = yield from call(
            self.context,
            activity,
            lambda: self._input(kind, **extra),
            step=step,
            what=self.what(),
            patience=patience,
            until=self.deadline + grace,
            waits=self.waits,
            waiting=lambda failure, wake: self.show(code=failure.code, next_attempt_at=wake),
        )
        if not envelope["ok"]:
            raise StepFailed(Failure.parse(envelope))
        return envelope

    def what(self) -> str:
        """Say what the copy is at: for those who see it waiting."""
        order = self.progress.order
        return f'{self.progress.step} of {order.kind} {order.model_id} from "{order.source}" to "{order.target}"'

    def run_once(self, activity: str, kind: type[StepInput], **extra: Any) -> Steps:
        """Call an activity once, and ignore how it ends."""
        return call_once(self.context, activity, self._input(kind, **extra))

    def sleep_until(self, wake: datetime, *, counted: bool = True, **shown: Any) -> Steps:
        """Wait on a durable timer, and say so in the custom status. Raises ``HistoryFull`` when the history is long."""
        if counted:
            self.waits.count()
        if shown:
            self.show(**shown)
        yield self.context.create_timer(wake)

    def end(self, code: str, message: str) -> None:
        """End with ``code``."""
        status = STATUS_OF_CODE.get(Code(code), CopyStatus.FAILED)
        self.finish(status, code=code, message=message, target_model_id=self.progress.target_model_id)

    def finish(self, status: CopyStatus, **facts: Any) -> None:
        """Set the outcome."""
        self.update(step=Step.DONE)
        self.outcome = CopyOutcome(
            status=status,
            polls=self.progress.polls,
            started_at=self.started_at,
            ended_at=self.now,
            **{"api_version": self.progress.api_version, **facts},
        )

    def show(self, **facts: Any) -> None:
        """Write the custom status."""
        progress, order = self.progress, self.progress.order
        status: dict[str, Any] = {
            "step": str(progress.step),
            "source": order.source,
            "target": order.target,
            "kind": order.kind,
            "modelId": order.model_id,
            "targetModelId": progress.target_model_id,
            "polls": progress.polls,
            **{to_camel(name): fact for name, fact in facts.items()},
        }
        if self.outcome is not None:
            status.update(step=str(Step.DONE), status=self.outcome.status, code=self.outcome.code)
        shown = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in status.items()
            if value is not None
        }
        self.context.set_custom_status(shown)

    def _input(self, kind: type[StepInput], **extra: Any) -> StepInput:
        return kind(
            order=self.progress.order,
            owner=self.context.instance_id,
            attempt=self.progress.attempt,
            polls=self.progress.polls,
            next_wake_seconds=60.0,
            **extra,
        )
