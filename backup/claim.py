"""The claim: the right of one orchestration to work on one copy, as a pure record with its legal moves (docs/claims.md)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Self

from pydantic import Field

from backup.codes import Code
from backup.document_models import Kind
from backup.messages import Message
from backup.messages.copy import ComponentRef, CopyOrder, Failure, StepInput
from backup.pacing import lease_until
from backup.records import Announcing
from backup.states import CLAIM_MOVES, ClaimState


class IllegalMove(RuntimeError):
    """A claim was asked to change into a state that does not follow from its present one: a defect of the app."""


class Superseded(Message):
    """A target id that a claim gave up before its fate was known: a copy may still arrive under it."""

    target_model_id: str
    given_up_at: datetime
    digest: str = ""
    """Of the content that was being copied to it; empty for an id whose ready model is never deleted."""
    deleting: bool = False
    """Whether its deletion was announced. It is not deleted again: from v3 on another user may have taken the id since."""


class Claim(Announcing):
    """One copy: its owner and attempt, its state, and what the next step needs."""

    target: str
    kind: Kind
    source: str
    model_id: str
    owner: str
    run_id: str
    row: int
    attempt: int
    state: ClaimState
    lease_until: datetime
    not_before: datetime | None = None
    fingerprint: str = ""
    digest: str = ""
    """Of the source's content as it was inspected: the copy must equal it."""
    trained: datetime | None = None
    """When this version of the source model was trained (UTC), by the service's clock."""
    source_api_version: str = ""
    """The version that the copy is made with, on source and target."""
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    components: list[ComponentRef] = Field(default_factory=list)
    """What a composed model refers to (v4)."""
    expires_at: datetime | None = None
    """When the source model expires; its copy expires with it."""
    target_model_id: str | None = None
    adopted: bool | None = None
    """Whether ``target_model_id`` was in the target already: the app did not make it, and removes it under no failure."""
    announced_id: str | None = None
    """The id that the target is asked to authorize (v3 and later, where the app chooses it)."""
    owned_id: str | None = None
    """The id that the target authorized for this copy, until its deletion is announced. No other id is ever deleted."""
    lost_id: str | None = None
    """An id that a lost authorization may have taken, or a lost deletion may have left. If it is refused, its owner is unknown."""
    taken_ids: list[str] = Field(default_factory=list)
    """Ids that the target refused to authorize: models or placeholders of other users."""
    authorization: str | None = None
    """Sealed."""
    authorization_expires: datetime | None = None
    operation: str | None = None
    announced_at: datetime | None = None
    """When the call of the present state was announced."""
    operation_lost_at: datetime | None = None
    """Since when the operation is unknown and the target's own state is followed."""
    missing_since: datetime | None = None
    """Since when the target does not show the copy, although the service says that it is done."""
    search_page: str | None = None
    """Where a search through the target's list of models continues."""
    superseded: list[Superseded] = Field(default_factory=list)
    verified_at: datetime | None = None
    polls: int = 0
    failure: Failure | None = None
    """Why the present attempt is being discarded: a step that is delivered again answers with it."""
    outcome_code: str | None = None

    def is_held_by(self, step: StepInput) -> bool:
        """Tell whether ``step`` may act on this claim: same owner, same attempt, not released."""
        return self.owner == step.owner and self.attempt == step.attempt and self.state is not ClaimState.RELEASED

    def same_announcement(self, announced: Claim) -> bool:
        """Tell whether the call that ``announced`` announced has no outcome yet."""
        mine, theirs = (
            (claim.owner, claim.attempt, claim.state, claim.announced_at, claim.announced_id, claim.target_model_id)
            for claim in (self, announced)
        )
        return mine == theirs

    def is_live(self, now: datetime) -> bool:
        """Tell whether an owner holds this claim at ``now``."""
        return self.state is not ClaimState.RELEASED and now < self.lease_until

    def refusal(self, step: StepInput) -> tuple[Code, str]:
        """Return code and message for a step that does not hold this claim."""
        if self.owner != step.owner:
            return Code.CLAIM_LOST, f"run {self.run_id} has taken this copy over"
        if self.state is ClaimState.RELEASED:
            return Code.CLAIM_LOST, "this copy has ended already"
        return Code.CLAIM_MOVED, f"attempt {step.attempt} is over; attempt {self.attempt} is under way"

    def move(self, state: ClaimState, **changes: Any) -> Self:
        """Return this claim in ``state``, with no call under way, and other fields changed. Raises ``IllegalMove``."""
        if state not in CLAIM_MOVES[self.state]:
            raise IllegalMove(f"a claim does not go from {self.state} to {state}")
        return self.replace(state=state, **{"call_ends_at": None, **changes})

    def renewed(self, now: datetime, step: StepInput, wait: float = 0.0) -> Self:
        """Return this claim with a lease that outlives the orchestrator's next wake."""
        until = lease_until(now, max(step.next_wake_seconds, wait))
        return self.replace(lease_until=until, polls=max(self.polls, step.polls))

    def next_attempt(self) -> Self:
        """Return this claim under a new attempt, without what belonged to the old one."""
        return self.replace(
            attempt=self.attempt + 1,
            not_before=None,
            target_model_id=None,
            adopted=None,
            owned_id=None,
            announced_id=None,
            announced_at=None,
            call_ends_at=None,
            missing_since=None,
            authorization=None,
            authorization_expires=None,
            operation=None,
            operation_lost_at=None,
            search_page=None,
            verified_at=None,
            failure=None,
        )

    def discarding(self, failure: Failure, **changes: Any) -> Self:
        """Return this claim with its attempt given up because of ``failure``, and other fields changed."""
        return self.move(ClaimState.DISCARDING, failure=failure, **changes)

    def stale_step_failure(self, reason: str) -> Failure:
        """Return the envelope for a step that comes too late: why its attempt is being discarded, or ``ClaimMoved``."""
        if self.state is ClaimState.DISCARDING and self.failure is not None:
            return self.failure
        return Failure.of(Code.CLAIM_MOVED, f"the claim is {self.state}: {reason}")

    def superseded_with_current(self, now: datetime) -> list[Superseded]:
        """Return the superseded ids, with the present one if the target authorized it for this copy."""
        if self.owned_id is None or self.is_superseded(self.owned_id):
            return self.superseded
        return [*self.superseded, Superseded(target_model_id=self.owned_id, given_up_at=now, digest=self.digest)]

    def superseded_never_deleted(self, now: datetime) -> list[Superseded]:
        """Return these ids, with the present one as one whose ready model is never deleted."""
        entries = self.superseded_with_current(now)
        return [entry.replace(digest="") if entry.target_model_id == self.owned_id else entry for entry in entries]

    def ids(self) -> set[str]:
        """Return every id in the target that this claim uses or has superseded."""
        ids = {entry.target_model_id for entry in self.superseded}
        return ids if self.target_model_id is None else {*ids, self.target_model_id}

    def is_superseded(self, target_model_id: str | None) -> bool:
        """Tell whether an id is superseded."""
        return any(entry.target_model_id == target_model_id for entry in self.superseded)

    def without_superseded(self, entry: Superseded) -> Self:
        """Return this claim without one of its superseded ids, whose deletion has ended."""
        left = [other for other in self.superseded if other.target_model_id != entry.target_model_id]
        return self.replace(superseded=left, call_ends_at=None)

    def with_deleting(self, entry: Superseded) -> Self:
        """Return this claim with the deletion of one of its superseded ids announced."""
        others = self.without_superseded(entry).superseded
        return self.replace(superseded=[*others, entry.replace(deleting=True)])

    def taken_over(self, order: CopyOrder, owner: str, now: datetime) -> Self:
        """Return this claim, whose lease has ended, under a new owner that resumes the copy."""
        return self.replace(
            owner=owner,
            run_id=order.run_id,
            row=order.row,
            attempt=self.attempt + 1,
            lease_until=lease_until(now, 0.0),
            failure=None,
            # the new owner verifies the copy again
            state=ClaimState.VERIFYING if self.state is ClaimState.VERIFIED else self.state,
        )

    def released(self, code: str | None = None) -> Self:
        """Return this claim released, with the code of a failure, and without what only its steps need: it is kept for a week."""
        needless: dict[str, Any] = {
            "authorization": None,
            "failure": None,
            "description": None,
            "tags": {},
            "components": [],
        }
        return self.move(ClaimState.RELEASED, outcome_code=code, search_page=None, **needless)

    def parked(self, now: datetime) -> Self:
        """Return this claim with its lease ended: the next owner may take it over at once."""
        return self.replace(lease_until=now - timedelta(seconds=1))


def new_claim(
    order: CopyOrder, model_id: str, owner: str, now: datetime, previous: Claim | None, **facts: Any
) -> Claim:
    """Return a new claim for ``order``.

    ``previous`` is the released claim that it replaces, if there is one: attempts continue to count, superseded ids are kept.
    """
    return Claim(
        target=order.target,
        kind=order.kind,
        source=order.source,
        model_id=model_id,
        owner=owner,
        run_id=order.run_id,
        row=order.row,
        attempt=previous.attempt + 1 if previous else 1,
        state=ClaimState.CLAIMED,
        lease_until=lease_until(now, 0.0),
        superseded=previous.superseded if previous else [],
        **facts,
    )
