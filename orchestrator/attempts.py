"""Calling an activity until it succeeds, with durable timers between the calls."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df

from backup.codes import Code
from backup.messages import Message
from backup.messages.copy import Failure
from backup.pacing import next_wait
from backup.states import Step

Steps = Generator[Any, Any, Any]
"""A generator that yields durable tasks and is sent their results."""

WAITS_PER_HISTORY = 50
"""After so many waits an orchestration begins a new history: the cost of replays grows with the square of its length."""

CATALOG_PATIENCE_SECONDS = 24 * 3600.0
"""How long a run waits for a catalog that does not answer: rows that are not taken are not lost."""


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


def call_once(context: df.DurableOrchestrationContext, name: str, message: Message) -> Steps:
    """Call an activity and return its envelope as a dict. An exception in it becomes the failure ``StepCrashed``."""
    try:
        envelope = yield context.call_activity(name, message.to_json())
    except Exception as error:  # noqa: BLE001 - the SDK raises a bare Exception for whatever an activity raised
        text = f"activity {name} ended with an unexpected error, see the app's log: {first_line(error)}"
        return Failure.of(Code.STEP_CRASHED, text).to_json()
    return envelope


def call(
    context: df.DurableOrchestrationContext,
    name: str,
    message: Callable[[], Message],
    *,
    step: Step,
    patience: float,
    waits: Waits,
    deadline: datetime | None = None,
    waiting: Callable[[Failure, datetime], None] | None = None,
) -> Steps:
    """Call the activity ``name`` until it succeeds or another call would be useless; return its last envelope.

    Parameters
    ----------
    message: makes the activity's input, anew for each call.
    step: the step of the copy, for the policy of :func:`backup.pacing.next_wait`.
    patience: seconds to wait for an unreachable resource.
    waits: the count of this history.
    deadline: no wait goes beyond this moment (UTC); ``None`` for none.
    waiting: is called before each wait with the failure and the moment of the next call.
    """
    first_failure: datetime | None = None
    tries = 0
    while True:
        envelope = yield from call_once(context, name, message())
        if envelope.get("ok"):
            return envelope
        failure = Failure.parse(envelope)
        now = context.current_utc_datetime
        first_failure = first_failure or now
        tries += 1
        if not failure.retryable:
            return envelope
        waited = (now - first_failure).total_seconds()
        wait = next_wait(step, failure, tries=tries, waited=waited, patience=patience, instance_id=context.instance_id)
        if wait is None or (deadline is not None and now + timedelta(seconds=wait) >= deadline):
            return envelope
        waits.count()
        wake = now + timedelta(seconds=wait)
        if waiting is not None:
            waiting(failure, wake)
        yield context.create_timer(wake)


def record(context: df.DurableOrchestrationContext, name: str, message: Message, waits: Waits) -> Steps:
    """Call an activity that only writes to the catalog, until the catalog answers; return its envelope."""
    return call(context, name, lambda: message, step=Step.RECORD, patience=CATALOG_PATIENCE_SECONDS, waits=waits)


def first_line(error: Exception) -> str:
    """Return the first line of an error that crossed the durable boundary: its text holds a whole traceback."""
    return str(error).partition("\n")[0][:500]
