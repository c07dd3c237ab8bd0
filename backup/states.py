"""The states of claims, replicas, copies and runs, with their legal moves in one place."""

from __future__ import annotations

from enum import StrEnum


class ClaimState(StrEnum):
    """How far one copy is. The state is written before the effect that it announces; docs/claims.md draws the moves."""

    CLAIMED = "claimed"
    """The copy is ours to make; nothing has been written to the service."""
    AUTHORIZING = "authorizing"
    """The target is about to be asked, or was asked and the answer is lost."""
    AUTHORIZED = "authorized"
    """The target has a placeholder under ``target_model_id``, and the sealed authorization is in the row."""
    POSTING = "posting"
    """The source is about to be told to copy, or was told and the answer is lost."""
    COPYING = "copying"
    """The source has accepted the copy; ``operation`` names it, unless the answer did not."""
    VERIFYING = "verifying"
    """The service says that the copy is done."""
    VERIFIED = "verified"
    """The copy equals its source; it is to be recorded."""
    DISCARDING = "discarding"
    """The copy failed; its placeholder is being removed."""
    RELEASED = "released"
    """Nobody works on it; ``outcome`` says how it ended. Kept for a while, then purged."""


CLAIM_MOVES: dict[ClaimState, frozenset[ClaimState]] = {
    # a proof that nothing was written leads back; so does a lost answer once it was looked for, under the next attempt
    ClaimState.CLAIMED: frozenset({ClaimState.AUTHORIZING, ClaimState.VERIFYING, ClaimState.RELEASED}),
    ClaimState.AUTHORIZING: frozenset({ClaimState.CLAIMED, ClaimState.AUTHORIZED, ClaimState.DISCARDING}),
    ClaimState.AUTHORIZED: frozenset({ClaimState.POSTING, ClaimState.DISCARDING}),
    ClaimState.POSTING: frozenset(
        {ClaimState.AUTHORIZED, ClaimState.COPYING, ClaimState.VERIFYING, ClaimState.DISCARDING}
    ),
    ClaimState.COPYING: frozenset({ClaimState.VERIFYING, ClaimState.DISCARDING}),
    ClaimState.VERIFYING: frozenset({ClaimState.VERIFIED, ClaimState.DISCARDING, ClaimState.RELEASED}),
    # a new owner looks at the copy again before it records it
    ClaimState.VERIFIED: frozenset({ClaimState.VERIFYING, ClaimState.DISCARDING, ClaimState.RELEASED}),
    # a placeholder that turns out to be ready is verified instead of deleted
    ClaimState.DISCARDING: frozenset({ClaimState.CLAIMED, ClaimState.VERIFYING, ClaimState.RELEASED}),
    ClaimState.RELEASED: frozenset({ClaimState.CLAIMED}),
}


class CopyStatus(StrEnum):
    """How one copy of a run stands, as users see it. All but the first two are final."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    COPY_IN_PROGRESS = "CopyInProgress"
    STILL_COPYING = "StillCopying"
    CANCELLED = "Cancelled"


class RunStatus(StrEnum):
    """How a run stands. ``Failed`` is a run of which nothing succeeded."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    PARTIALLY_FAILED = "PartiallyFailed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class ReplicaState(StrEnum):
    """Whether a replica may be used."""

    READY = "ready"
    """In the target, verified, and the one to use."""
    RETIRING = "retiring"
    """Replaced by a newer copy; still there for applications that looked it up before."""
    DELETING = "deleting"
    """About to be deleted: not to be used any more."""
    MISSING = "missing"
    """Was there, and is not any more, or is not what was verified."""


class Step(StrEnum):
    """The steps of one copy, as users see them in the custom status and in ``GET /api/runs/{id}``."""

    INSPECT = "inspect"
    AUTHORIZE = "authorize"
    START_COPY = "startCopy"
    CHECK_COPY = "checkCopy"
    VERIFY = "verify"
    RECORD = "record"
    DISCARD = "discard"
    DONE = "done"


RESUME_AT: dict[ClaimState, Step] = {
    ClaimState.CLAIMED: Step.AUTHORIZE,
    ClaimState.AUTHORIZING: Step.AUTHORIZE,
    ClaimState.AUTHORIZED: Step.START_COPY,
    ClaimState.POSTING: Step.START_COPY,
    ClaimState.COPYING: Step.CHECK_COPY,
    ClaimState.VERIFYING: Step.VERIFY,
    ClaimState.VERIFIED: Step.RECORD,
    ClaimState.DISCARDING: Step.DISCARD,
    ClaimState.RELEASED: Step.DONE,
}
"""The next step of a copy, given the state of its claim: there is no other state machine."""


def run_status(statuses: dict[CopyStatus, int], *, cancelled: bool, unchanged: int = 0) -> RunStatus:
    """Return what a finished run amounts to.

    ``statuses`` counts its copies by status, ``unchanged`` the models of a plan that needed no copy. One bad copy among good ones is
    ``PartiallyFailed``; nothing to do is a success.
    """
    total = sum(statuses.values())
    succeeded = statuses.get(CopyStatus.SUCCEEDED, 0)
    if succeeded == total:
        return RunStatus.SUCCEEDED
    if cancelled and statuses.get(CopyStatus.CANCELLED, 0):
        return RunStatus.CANCELLED
    if succeeded or unchanged or statuses.get(CopyStatus.STILL_COPYING, 0):
        return RunStatus.PARTIALLY_FAILED
    return RunStatus.FAILED
