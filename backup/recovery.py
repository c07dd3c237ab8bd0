"""What follows a step of a copy that failed: a pure function of the step and its failure."""

from __future__ import annotations

from enum import StrEnum

from backup.codes import Code
from backup.messages.copy import Failure
from backup.pacing import UNDER_WAY
from backup.states import Step

KEPT = {Code.VERSION_RETIRED, Code.UNTRUSTED_ADDRESS, Code.BAD_REQUEST}
"""Failures of the app's own calls that say nothing about the copy: the service may still be copying, so it is kept."""


class Recovery(StrEnum):
    """What to do after a failed step."""

    RESYNC = "resync"
    """Read the claim again: a later attempt of this copy has changed it."""
    WAIT_FOR_ID = "waitForId"
    """Wait until a blocked target id can be used again, then read the claim."""
    PARK = "park"
    """End for now and leave the claim resumable."""
    CLEAN_UP = "cleanUp"
    """Remove the placeholder, then retry with a new authorization or end."""
    END = "end"


def recovery(step: Step, failure: Failure) -> Recovery:
    """Return what follows ``failure`` of ``step``."""
    if failure.code == Code.CLAIM_MOVED:
        return Recovery.RESYNC
    if failure.code == Code.CLAIM_LOST:
        return Recovery.END
    if step is Step.AUTHORIZE and failure.code == Code.ID_BLOCKED:
        return Recovery.WAIT_FOR_ID
    if step is Step.START_COPY and failure.code == Code.RECONCILING:
        return Recovery.PARK
    if step in UNDER_WAY and (failure.retryable or failure.code in KEPT):
        return Recovery.PARK
    if step is Step.DISCARD:
        return Recovery.PARK
    return Recovery.CLEAN_UP
