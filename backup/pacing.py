"""When to try again: pure functions from what happened to a number of seconds, or to giving up."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from backup.codes import Code
from backup.messages.copy import Failure
from backup.states import Step

FIRST_POLL_SECONDS = 2.0
POLL_GROWTH = 1.5
LONGEST_POLL_SECONDS = 30.0

FIRST_WAIT_SECONDS = 2.0
WAIT_GROWTH = 2.0
LONGEST_WAIT_SECONDS = 60.0
LONGEST_TOLD_WAIT_SECONDS = 3600.0
"""A Retry-After beyond an hour is not waited for in one piece: a deadline or a cancellation should be noticed before."""

ACCESS_TRIES = 3
SEALING_KEY_PATIENCE_SECONDS = 600.0
CRASH_TRIES = 5

LEASE_SECONDS = 15 * 60.0
"""How long a claim outlives the next moment at which its owner means to wake (design: 15 minutes)."""

TOKEN_RESERVE = timedelta(minutes=2)
"""An authorization with less life than this is not used any more: the source must get to use it, too."""

SLOT_SHARE = 0.9
"""The share of a configured rate that is planned with; the rest absorbs clock skew and calls of others."""


def poll_delay(checks: int) -> float:
    """Return the seconds to wait before the next status check, given how many were made already.

    The first comes after two seconds, in which most v3 and v4 copies have ended (recorded: one or two); later ones grow apart, because
    a v2 copy takes up to half a minute and each check costs a call and eight events of history.
    """
    return float(min(FIRST_POLL_SECONDS * POLL_GROWTH ** min(checks, 20), LONGEST_POLL_SECONDS))


def backoff(tries: int) -> float:
    """Return the seconds to wait after failure number ``tries`` (1 for the first) when nobody said how long."""
    return float(min(FIRST_WAIT_SECONDS * WAIT_GROWTH ** min(tries - 1, 20), LONGEST_WAIT_SECONDS))


def jitter(seconds: float, who: str, tries: int) -> float:
    """Stretch a wait by up to a tenth, differently for each ``who``: copies that were throttled together do not return together.

    Deterministic, because orchestrators replay it.
    """
    digest = hashlib.sha256(f"{who}/{tries}".encode()).digest()
    return seconds * (1 + digest[0] / 2550)


def next_wait(step: Step, failure: Failure, *, tries: int, waited: float, patience: float, who: str) -> float | None:
    """Return the seconds to wait before the step is tried again, or ``None`` where it should be given up.

    Parameters
    ----------
    step: the step that failed.
    failure: its envelope, which is retryable.
    tries: how many times it failed in a row, this one included.
    waited: the seconds since its first failure in this row.
    patience: the seconds for which an unreachable resource is waited for while nothing has been started.
    who: the instance id.

    The copy's deadline is not looked at here.
    """
    under_way = step in {Step.CHECK_COPY, Step.VERIFY, Step.RECORD}
    if failure.code == Code.ACCESS_DENIED and not under_way:
        # Before anything is authorized nothing is lost by ending at once with a clear message. What we hold in the target
        # already is worth a few tries: keys get rotated, and roles take minutes to arrive.
        limit = ACCESS_TRIES if step in {Step.START_COPY, Step.DISCARD} else 1
        if tries >= limit:
            return None
        return jitter(max(30.0, failure.retry_after or 0.0), who, tries)
    if failure.code == Code.STEP_CRASHED and tries >= CRASH_TRIES:
        return None
    if failure.code == Code.SEALING_KEY_UNKNOWN and waited >= SEALING_KEY_PATIENCE_SECONDS:
        return None
    told = failure.retry_after
    open_ended = {Code.THROTTLED, Code.CONFIGURATION_INVALID, Code.SEALING_KEY_UNKNOWN, Code.RECONCILING}
    if not under_way and failure.code not in open_ended and waited >= patience:
        return None
    wait = backoff(tries)
    if told is not None:
        # Our own steps know when to look again. What the service says wins over our own pace as well, but a service that says "1" for
        # an hour is not asked each second.
        wait = max(told, 0.0) if tries <= 5 or failure.code == Code.RECONCILING else max(told, wait)
    return jitter(min(wait, LONGEST_TOLD_WAIT_SECONDS), who, tries)


def lease_until(now: datetime, next_wake_seconds: float) -> datetime:
    """Return until when a claim is held: the next planned wake plus 15 minutes."""
    return now + timedelta(seconds=max(next_wake_seconds, 0.0) + LEASE_SECONDS)
