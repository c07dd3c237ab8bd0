"""Calling an activity until it succeeds, with durable timers between the calls, and never without an end."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df

from backup.bounds import is_noted, out_of_time, until_at_most, wake_after
from backup.codes import Code
from backup.messages import Message
from backup.messages.copy import Failure
from backup.messages.waiting import Waiting, WaitNote
from backup.names import NOTE_WAIT
from backup.pacing import next_wait
from backup.states import Step

Steps = Generator[Any, Any, Any]
"""A generator that yields durable tasks and is sent their results."""

WAITS_PER_HISTORY = 50
"""After so many waits an orchestration begins a new history: the cost of replays grows with the square of its length."""

BOOKKEEPING = timedelta(hours=24)
"""How long a run waits for a catalog that does not answer: rows that are not taken are not lost."""


class HistoryFull(Exception):
    """The history has grown long: carry the progress over into a new one."""


class Waits:
    """The waits of one orchestration: counted in each history, and noted in the catalog while they last."""

    def __init__(
        self, context: df.DurableOrchestrationContext, run_id: str, place: str, noted: str | None = None
    ) -> None:
        """Wait at ``place`` of a run. ``noted`` is the step whose wait an earlier history has noted."""
        self.noted = noted
        self._context, self._run_id, self._place = context, run_id, place
        self._count = 0

    def count(self) -> None:
        """Count one. Raises ``HistoryFull`` when the history is long enough."""
        if self._count >= WAITS_PER_HISTORY:
            raise HistoryFull
        self._count += 1

    def begin(self, step: str, what: str, failure: Failure, since: datetime, until: datetime) -> Steps:
        """Note that ``step`` waits for ``what``, once for each wait. A catalog that does not answer cannot be told."""
        if self.noted == step or failure.code == Code.CATALOG_UNAVAILABLE:
            return
        self.noted = step
        waiting = Waiting(what=what, code=failure.code, message=failure.message, since=since, until=until)
        note = WaitNote(run_id=self._run_id, place=self._place, waiting=waiting)
        yield from call_once(self._context, NOTE_WAIT, note)

    def end(self, step: str | None = None) -> Steps:
        """Note that the wait of ``step`` is over, or that of whichever step has one."""
        if self.noted is not None and step in {None, self.noted}:
            self.noted = None
            note = WaitNote(run_id=self._run_id, place=self._place, over_at=self._context.current_utc_datetime)
            yield from call_once(self._context, NOTE_WAIT, note)


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
    what: str,
    patience: float,
    until: datetime,
    waits: Waits,
    waiting: Callable[[Failure, datetime], None] | None = None,
    since: datetime | None = None,
) -> Steps:
    """Call the activity ``name`` until it succeeds or another call would be useless; return its last envelope.

    Parameters
    ----------
    message: makes the activity's input, anew for each call.
    step: the step of the copy, for the policy of :func:`backup.pacing.next_wait`.
    what: what is waited for, in words.
    patience: seconds to wait for an unreachable resource.
    until: no wait goes beyond this moment (UTC). A service that refuses for longer is not waited for at all.
    waits: the waits of this orchestration.
    waiting: is called before each wait with the failure and the moment of the next call.
    since: when the first call was made, if that was in an earlier history; by default the first failure counts.
    """
    tries = 0
    while True:
        envelope = yield from call_once(context, name, message())
        if envelope.get("ok"):
            break
        failure = Failure.parse(envelope)
        now = context.current_utc_datetime
        since = since or now
        tries += 1
        if not failure.retryable:
            break
        waited = (now - since).total_seconds()
        wait = next_wait(step, failure, tries=tries, waited=waited, patience=patience, instance_id=context.instance_id)
        if wait is None:
            break
        wake = now + timedelta(seconds=wait)
        if wake_after(failure, now, wake) >= until:
            envelope = out_of_time(failure, now, since, until).to_json()
            break
        waits.count()
        if waiting is not None:
            waiting(failure, wake)
        if is_noted(since, wake):
            yield from waits.begin(name, what, failure, since, until_at_most(step, failure, since, patience, until))
        yield context.create_timer(wake)
    if envelope.get("code") != Code.ID_BLOCKED:
        yield from waits.end(name)
    return envelope


def prepare(
    context: df.DurableOrchestrationContext, name: str, message: Message, waits: Waits, what: str, until: datetime
) -> Steps:
    """Call an activity that prepares a run: it waits for the catalog, and for no setting that is wrong; return its envelope."""
    return call(
        context, name, lambda: message, step=Step.INSPECT, what=what, patience=math.inf, until=until, waits=waits
    )


def record(
    context: df.DurableOrchestrationContext, name: str, message: Message, waits: Waits, what: str, since: datetime
) -> Steps:
    """Call an activity that only writes to the catalog, until the catalog answers, a day at most; return its envelope."""
    return call(
        context,
        name,
        lambda: message,
        step=Step.RECORD,
        what=what,
        patience=math.inf,
        until=since + BOOKKEEPING,
        waits=waits,
        since=since,
    )


def first_line(error: Exception) -> str:
    """Return the first line of an error that crossed the durable boundary: its text holds a whole traceback."""
    return str(error).partition("\n")[0][:500]
