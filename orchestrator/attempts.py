"""Calling an activity until it succeeds, with durable timers between the attempts."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df

from backup.codes import Code
from backup.messages import Failure, Message
from backup.pacing import next_wait
from backup.states import Step

Steps = Generator[Any, Any, Any]
"""What an orchestrator is made of: yields durable tasks, is sent their results."""

WAITS_PER_HISTORY = 50
"""After so many waits an orchestration begins a new history: replaying costs grow with the square of its length."""


class HistoryFull(Exception):
    """The history has grown long: carry the progress over into a new one."""


class Waits:
    """Counts the waits of one history."""

    def __init__(self) -> None:
        """Begin at none."""
        self._count = 0

    def count(self) -> None:
        """Count one. Raises ``HistoryFull`` when the history is long enough."""
        if self._count >= WAITS_PER_HISTORY:
            raise HistoryFull
        self._count += 1


def call(context: df.DurableOrchestrationContext, name: str, message: Message) -> Steps:
    """Call an activity once and return its envelope as a dict. An exception of it becomes the failure ``StepCrashed``."""
    try:
        envelope = yield context.call_activity(name, message.to_json())
    except Exception as error:  # noqa: BLE001 - the SDK raises a bare Exception for whatever an activity raised
        first_line = str(error).partition("\n")[0][:500]
        return Failure.of(Code.STEP_CRASHED, f"{name} ended with an error: {first_line}").to_json()
    return envelope


def attempt(
    context: df.DurableOrchestrationContext,
    name: str,
    message: Callable[[], Message],
    *,
    step: Step,
    patience: float,
    deadline: datetime | None,
    waits: Waits,
    waiting: Callable[[Failure, datetime], None] | None = None,
) -> Steps:
    """Call the activity ``name`` until it succeeds, or until trying again makes no sense; return its last envelope.

    Parameters
    ----------
    message: makes the activity's input, afresh for each attempt.
    step: what is being done, for the policy of :func:`backup.pacing.next_wait`.
    patience: seconds for which an unreachable resource is waited for.
    deadline: no wait goes beyond this moment (UTC); ``None`` for none.
    waits: the count of this history.
    waiting: told of a failure and of the moment of the next attempt, before the wait.
    """
    first_failure: datetime | None = None
    tries = 0
    while True:
        envelope = yield from call(context, name, message())
        if envelope.get("ok"):
            return envelope
        failure = Failure.parse(envelope)
        now = context.current_utc_datetime
        first_failure = first_failure or now
        tries += 1
        if not failure.retryable:
            return envelope
        waited = (now - first_failure).total_seconds()
        wait = next_wait(step, failure, tries=tries, waited=waited, patience=patience, who=context.instance_id)
        if wait is None or (deadline is not None and now + timedelta(seconds=wait) >= deadline):
            return envelope
        waits.count()
        wake = now + timedelta(seconds=wait)
        if waiting is not None:
            waiting(failure, wake)
        yield context.create_timer(wake)
