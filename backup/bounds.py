"""Until when a step waits at the latest, and what is said when that moment has come: pure functions."""

from __future__ import annotations

from datetime import datetime, timedelta

from backup.codes import Code
from backup.messages.copy import Failure
from backup.moments import written
from backup.pacing import LONGEST_WAIT_SECONDS, OPEN_ENDED, UNDER_WAY
from backup.states import Step

NOTED_AFTER = timedelta(seconds=10)
"""A wait that is over sooner is not worth a row in the catalog."""


def is_noted(since: datetime, wake: datetime) -> bool:
    """Tell whether a wait since ``since``, whose next call is at ``wake``, is long enough to be shown."""
    return wake - since >= NOTED_AFTER


def wake_after(failure: Failure, now: datetime, wake: datetime) -> datetime:
    """Return when the next call can succeed at the earliest: at ``wake``, or later where the service refuses for longer."""
    return max(wake, refused_until(failure, now) or wake)


def refused_until(failure: Failure, now: datetime) -> datetime | None:
    """Return until when the service refuses, if it has said so. The app's own moment to check again is no refusal."""
    if failure.retry_after is None or failure.code == Code.RECONCILING:
        return None
    return now + timedelta(seconds=failure.retry_after)


def out_of_time(failure: Failure, now: datetime, since: datetime, until: datetime) -> Failure:
    """Return ``failure`` with why it is not waited for any longer: ``until`` has come, or the service refuses beyond it."""
    refused = refused_until(failure, now)
    stop = "" if failure.message.endswith((".", "…")) else "."
    waited = f" The app has waited since {written(since)}." if since < now else ""
    limit = f"the deadline is {written(until)}"
    if refused is not None and refused >= until:
        reason = f"The service refuses until {written(refused)}, and {limit}; ask again after that."
    else:
        reason = f"The next try comes too late: {limit}; remove the cause, then ask again."
    return failure.replace(message=f"{failure.message}{stop}{waited} {reason}")


def until_at_most(step: Step, failure: Failure, since: datetime, patience: float, until: datetime) -> datetime:
    """Return when a wait that began at ``since`` ends at the latest."""
    if step in UNDER_WAY or failure.code in OPEN_ENDED or patience >= (until - since).total_seconds():
        return until
    # the last call is made after the patience has ended: one wait later at most
    last_wait = max(LONGEST_WAIT_SECONDS, failure.retry_after or 0.0) * 1.1
    return min(until, since + timedelta(seconds=patience + last_wait))
