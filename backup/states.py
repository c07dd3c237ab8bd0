"""The states of claims, replicas, copies and runs, with their legal moves."""

from __future__ import annotations

from enum import StrEnum


class ClaimState(StrEnum):
    """How far one copy is. The state is written before the call that it announces (docs/claims.md draws it)."""

    CLAIMED = "claimed"
    """An owner holds the claim; nothing was written to the service."""
    AUTHORIZING = "authorizing"
    """The authorization is announced: the call is under way, or its answer is lost."""
    AUTHORIZED = "authorized"
    """The target has a placeholder under ``target_model_id``; the sealed authorization is in the claim."""
    POSTING = "posting"
    """The start is announced: the call is under way, or its answer is lost."""
    COPYING = "copying"
    """The source has accepted the copy; ``operation`` names it, unless the answer did not."""
    VERIFYING = "verifying"
    """The service says that the copy is done."""
    VERIFIED = "verified"
    """The copy equals its source; it is to be recorded."""
    DISCARDING = "discarding"
    """The attempt failed; its placeholder is being removed."""
    RELEASED = "released"
    """The copy has ended; ``outcome_code`` says how."""


CLAIM_MOVES: dict[ClaimState, frozenset[ClaimState]] = {
    # back when the target refused, or when a lost answer was reconciled: under the next attempt
    ClaimState.CLAIMED: frozenset({ClaimState.AUTHORIZING, ClaimState.VERIFYING, ClaimState.RELEASED}),
    ClaimState.AUTHORIZING: frozenset({ClaimState.CLAIMED, ClaimState.AUTHORIZED, ClaimState.DISCARDING}),
    ClaimState.AUTHORIZED: frozenset({ClaimState.POSTING, ClaimState.DISCARDING}),
    ClaimState.POSTING: frozenset(
        {ClaimState.AUTHORIZED, ClaimState.COPYING, ClaimState.VERIFYING, ClaimState.DISCARDING}
    ),
    ClaimState.COPYING: frozenset({ClaimState.VERIFYING, ClaimState.DISCARDING}),
    ClaimState.VERIFYING: frozenset({ClaimState.VERIFIED, ClaimState.DISCARDING, ClaimState.RELEASED}),
    # a new owner verifies the copy again before it records it
    ClaimState.VERIFIED: frozenset({ClaimState.VERIFYING, ClaimState.DISCARDING, ClaimState.RELEASED}),
    # a model that is ready is verified instead of deleted
    ClaimState.DISCARDING: frozenset({ClaimState.CLAIMED, ClaimState.VERIFYING, ClaimState.RELEASED}),
    ClaimState.RELEASED: frozenset({ClaimState.CLAIMED}),
}


class CopyStatus(StrEnum):
    """The status of one copy, as users see it. All but the first two are final."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    COPY_IN_PROGRESS = "CopyInProgress"
    STILL_COPYING = "StillCopying"
    CANCELLED = "Cancelled"
    NOT_COVERED = "NotCovered"
    """The service cannot copy this model to this target, so a plan cannot cover it. No failure of the run."""


class RunStatus(StrEnum):
    """The status of a run. ``Failed``: none of its copies succeeded."""

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
    """Replaced by a newer copy; kept for applications that looked it up before."""
    DELETING = "deleting"
    """Its deletion is announced: not to be used any more."""
    MISSING = "missing"
    """Gone from the target, or not what was verified any more."""


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
    """Return the status of a run that has ended.

    ``statuses`` counts its copies by status, ``unchanged`` the models that needed no copy. A run with some successes is
    ``PartiallyFailed``; a run without any work has succeeded. Models that the service cannot copy count for nothing.
    """
    total = sum(statuses.values()) - statuses.get(CopyStatus.NOT_COVERED, 0)
    succeeded = statuses.get(CopyStatus.SUCCEEDED, 0)
    if succeeded == total:
        return RunStatus.SUCCEEDED
    if cancelled and statuses.get(CopyStatus.CANCELLED, 0):
        return RunStatus.CANCELLED
    if succeeded or unchanged or statuses.get(CopyStatus.STILL_COPYING, 0):
        return RunStatus.PARTIALLY_FAILED
    return RunStatus.FAILED
