"""When to poll, when to call again, and when to give up: pure functions that return seconds, or ``None`` to give up."""

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
LONGEST_CATALOG_WAIT_SECONDS = 600.0
LONGEST_RETRY_AFTER_SECONDS = 3600.0
"""A longer Retry-After is not waited for in one piece: the copy must notice a deadline or a cancellation before."""

ACCESS_TRIES = 3
DENIED_WAIT_SECONDS = 30.0
SEALING_KEY_PATIENCE_SECONDS = 600.0
CRASH_TRIES = 5

LEASE_SECONDS = 15 * 60.0
"""How long a claim outlives the next planned wake of its owner."""

TOKEN_RESERVE = timedelta(minutes=2)
"""An authorization that ends sooner than this is not used: the source needs some of that time."""

SLOT_SHARE = 0.9
"""The share of a configured rate that the app plans with; the rest absorbs clock skew and calls of other clients."""

UNDER_WAY = {Step.CHECK_COPY, Step.VERIFY, Step.RECORD}
"""Steps of a copy that the service has accepted: it is not given up because a resource cannot be reached."""

UNCLAIMED = {Step.INSPECT, Step.AUTHORIZE}
"""Steps before which nothing was written to the service: nothing is lost by ending at once where a setting is wrong."""

OPEN_ENDED = {Code.THROTTLED, Code.CONFIGURATION_INVALID, Code.SEALING_KEY_UNKNOWN, Code.RECONCILING}
"""Failures that no patience limits; only the deadline of the copy does."""

TRUSTED_TRIES = 5
"""A service that asks for one second for an hour is not called each second: after so many tries the app's own wait is the least."""


def poll_delay(checks: int) -> float:
    """Return the seconds to wait before the next status check, given how many were made already.

    The first comes after two seconds, in which most v3 and v4 copies have ended (recorded: one or two); later ones grow apart, because
    a v2 copy takes up to half a minute and each check costs a call and eight events of history.
    """
    return float(min(FIRST_POLL_SECONDS * POLL_GROWTH ** min(checks, 20), LONGEST_POLL_SECONDS))


def backoff(tries: int) -> float:
    """Return the seconds to wait after failure number ``tries`` (1 for the first) that names no time itself."""
    return float(min(FIRST_WAIT_SECONDS * WAIT_GROWTH ** min(tries - 1, 20), LONGEST_WAIT_SECONDS))


def jitter(seconds: float, instance_id: str, tries: int) -> float:
    """Stretch a wait by up to a tenth, differently for each instance: copies that were throttled together do not return together.

    Deterministic, because orchestrators replay it.
    """
    digest = hashlib.sha256(f"{instance_id}/{tries}".encode()).digest()
    return seconds * (1 + digest[0] / 2550)


def next_wait(
    step: Step, failure: Failure, *, tries: int, waited: float, patience: float, instance_id: str
) -> float | None:
    """Return the seconds to wait before the step is tried again, or ``None`` to give it up.

    Parameters
    ----------
    step: the step that failed.
    failure: its envelope, which is retryable.
    tries: how many times it failed in a row, this one included.
    waited: the seconds since its first failure in this row.
    patience: the seconds to wait for an unreachable resource while nothing has been started.
    instance_id: the orchestration's, for the jitter.

    The caller observes the copy's deadline.
    """
    if _is_given_up(step, failure, tries, waited, patience):
        return None
    retry_after = failure.retry_after
    if failure.code == Code.ACCESS_DENIED and step not in UNDER_WAY:
        wait = max(DENIED_WAIT_SECONDS, retry_after or 0.0)
    elif retry_after is None:
        wait = backoff(tries)
        if failure.code == Code.CATALOG_UNAVAILABLE:
            # it is waited for a whole day: the longer it is away, the less often it is asked
            wait = max(wait, min(waited / 20, LONGEST_CATALOG_WAIT_SECONDS))
    elif failure.code == Code.RECONCILING or tries <= TRUSTED_TRIES:
        # a step that reconciles knows when to check again
        wait = retry_after
    else:
        wait = max(retry_after, backoff(tries))
    return jitter(min(max(wait, 0.0), LONGEST_RETRY_AFTER_SECONDS), instance_id, tries)


def _is_given_up(step: Step, failure: Failure, tries: int, waited: float, patience: float) -> bool:
    if failure.code == Code.STEP_CRASHED and tries >= CRASH_TRIES:
        return True
    if failure.code == Code.SEALING_KEY_UNKNOWN and waited >= SEALING_KEY_PATIENCE_SECONDS:
        return True
    if step in UNDER_WAY:
        return False
    if failure.code == Code.CONFIGURATION_INVALID and step in UNCLAIMED:
        return True
    if failure.code == Code.ACCESS_DENIED:
        # Before anything is authorized, nothing is lost by ending at once with a clear message. A placeholder is worth a few tries: keys
        # get rotated, and roles take minutes to arrive.
        return tries >= (ACCESS_TRIES if step in {Step.START_COPY, Step.DISCARD} else 1)
    return failure.code not in OPEN_ENDED and waited >= patience


def lease_until(now: datetime, next_wake_seconds: float) -> datetime:
    """Return until when a claim is held: the next planned wake plus 15 minutes."""
    return now + timedelta(seconds=max(next_wake_seconds, 0.0) + LEASE_SECONDS)
