"""The claim: our right to work on one copy, as a pure record with its legal moves.

Why it exists: the platform runs an activity at least once, and on Azure Storage even minutes after its result was used. So every
effect is announced in the claim before it happens, fenced by owner and attempt, and looked at before it is repeated.
docs/claims.md explains the protocol.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Self

from pydantic import Field

from backup.announced import Announcing
from backup.codes import Code
from backup.document_models import Kind
from backup.messages import Message
from backup.messages.copy import ComponentRef, CopyOrder, Failure, StepInput
from backup.pacing import lease_until
from backup.states import CLAIM_MOVES, ClaimState


class IllegalMove(RuntimeError):
    """A claim was asked to change into a state that does not follow from its present one: a defect of the app."""


class Superseded(Message):
    """A target id that we got from authorize and gave up before its fate was known."""

    target_model_id: str
    given_up_at: datetime
    digest: str = ""
    """Of the content that was being copied to it: what it would hold if it got ready late."""
    deleting: bool = False
    """Whether its deletion was announced: it is not deleted again where somebody else may have taken the id since."""


class Claim(Announcing):
    """One copy: who works on it, under which attempt, how far it is, and all that is needed to go on with it."""

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
    """Digest of the source's content as inspected: what the copy must equal."""
    source_api_version: str = ""
    """The version that the copy is made with; source and target use the same one."""
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    components: list[ComponentRef] = Field(default_factory=list)
    """What a composed model refers to (v4)."""
    expires_at: datetime | None = None
    """When the source model expires; its copy expires with it."""
    target_model_id: str | None = None
    announced_id: str | None = None
    """The id that the target is being asked to authorize (v3 and later, where we choose it)."""
    owned_id: str | None = None
    """The id that the target authorized for this copy, until its deletion is announced: nothing else may ever be deleted."""
    lost_id: str | None = None
    """An id that an authorization of ours may have taken, or a deletion of ours may have left: if it is in the way, nobody can tell
    whose it is."""
    taken_ids: list[str] = Field(default_factory=list)
    """Ids that the target refused to authorize: somebody else's models or placeholders."""
    authorization: str | None = None
    """The authorization, sealed."""
    authorization_expires: datetime | None = None
    operation: str | None = None
    announced_at: datetime | None = None
    """When the effect of the present state was announced."""
    operation_lost_at: datetime | None = None
    """Since when we have no operation to ask about and go by the target's own state."""
    missing_since: datetime | None = None
    """Since when the copy, which the service says is done, is not to be seen in the target."""
    look_page: str | None = None
    """Where a look through the target's list of models goes on."""
    superseded: list[Superseded] = Field(default_factory=list)
    verified_at: datetime | None = None
    polls: int = 0
    given_up: Failure | None = None
    """Why the present attempt is being discarded: a step that is delivered again answers with it again."""
    outcome_code: str | None = None

    def is_held_by(self, step: StepInput) -> bool:
        """Tell whether ``step`` may act on this claim: same owner, same attempt, not released."""
        return self.owner == step.owner and self.attempt == step.attempt and self.state is not ClaimState.RELEASED

    def same_announcement(self, announced: Claim) -> bool:
        """Tell whether what ``announced`` announced is still announced, by the same owner, and has no outcome yet."""
        mine, theirs = (
            (claim.owner, claim.attempt, claim.state, claim.announced_at, claim.announced_id, claim.target_model_id)
            for claim in (self, announced)
        )
        return mine == theirs

    def is_live(self, now: datetime) -> bool:
        """Tell whether somebody holds this claim at ``now``."""
        return self.state is not ClaimState.RELEASED and now < self.lease_until

    def refusal(self, step: StepInput) -> Failure:
        """Return the envelope for a step that this claim does not belong to."""
        if self.owner == step.owner and self.state is not ClaimState.RELEASED:
            return Failure.of(Code.CLAIM_MOVED, f"attempt {step.attempt} is over; attempt {self.attempt} is under way")
        if self.owner == step.owner:
            return Failure.of(Code.CLAIM_LOST, "this copy has ended already")
        return Failure.of(Code.CLAIM_LOST, f"run {self.run_id} has taken this copy over")

    def move(self, state: ClaimState, **changes: Any) -> Self:
        """Return this claim in ``state``, with other fields changed along and no call under way. Raises ``IllegalMove``."""
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
            owned_id=None,
            missing_since=None,
            announced_id=None,
            authorization=None,
            authorization_expires=None,
            operation=None,
            announced_at=None,
            call_ends_at=None,
            operation_lost_at=None,
            look_page=None,
            verified_at=None,
            given_up=None,
        )

    def discarding(self, failure: Failure, **changes: Any) -> Self:
        """Return this claim with its attempt given up because of ``failure``, and other fields changed along."""
        return self.move(ClaimState.DISCARDING, given_up=failure, **changes)

    def stale_step_failure(self, reason: str) -> Failure:
        """Return the envelope for a step that comes too late for this claim: why its attempt was given up, or ``ClaimMoved``."""
        if self.state is ClaimState.DISCARDING and self.given_up is not None:
            return self.given_up
        return Failure.of(Code.CLAIM_MOVED, f"the claim is {self.state}: {reason}")

    def superseded_with_current(self, now: datetime) -> list[Superseded]:
        """Return the list of superseded ids with the present one added, if it is ours."""
        if self.owned_id is None or self.is_superseded(self.owned_id):
            return self.superseded
        return [*self.superseded, Superseded(target_model_id=self.owned_id, given_up_at=now, digest=self.digest)]

    def superseded_never_deleted(self, now: datetime) -> list[Superseded]:
        """Return the list of superseded ids with the present one added as one that is never deleted while it is ready."""
        return [
            entry.replace(digest="") if entry.target_model_id == self.owned_id else entry
            for entry in self.superseded_with_current(now)
        ]

    def is_superseded(self, target_model_id: str | None) -> bool:
        """Tell whether an id was given up before its fate was known."""
        return any(entry.target_model_id == target_model_id for entry in self.superseded)

    def taken_over(self, order: CopyOrder, owner: str, now: datetime) -> Self:
        """Return this lapsed claim under a new owner, who goes on where the old one stopped."""
        return self.replace(
            owner=owner,
            run_id=order.run_id,
            row=order.row,
            attempt=self.attempt + 1,
            lease_until=lease_until(now, 0.0),
            # the new owner decides anew, and looks at the copy again
            given_up=None,
            state=ClaimState.VERIFYING if self.state is ClaimState.VERIFIED else self.state,
        )

    def without_superseded(self, entry: Superseded) -> Self:
        """Return this claim without one of its superseded ids, whose deletion has ended."""
        left = [other for other in self.superseded if other.target_model_id != entry.target_model_id]
        return self.replace(superseded=left, call_ends_at=None)

    def with_deleting(self, entry: Superseded) -> Self:
        """Return this claim with the deletion of one of its superseded ids announced."""
        marked = entry.replace(deleting=True)
        entries = [marked if other.target_model_id == entry.target_model_id else other for other in self.superseded]
        return self.replace(superseded=entries)

    def released(self, code: str | None = None) -> Self:
        """Return this claim given back, with the code of a failure. The sealed authorization is dropped."""
        return self.move(ClaimState.RELEASED, authorization=None, given_up=None, outcome_code=code)

    def parked(self, now: datetime) -> Self:
        """Return this claim with its lease ended: the next owner takes it over at once."""
        return self.replace(lease_until=now - timedelta(seconds=1))


def new_claim(
    order: CopyOrder, model_id: str, owner: str, now: datetime, previous: Claim | None, **facts: Any
) -> Claim:
    """Return a fresh claim for ``order``.

    ``previous`` is the released claim that it replaces, if there is one: attempts go on counting, and superseded ids are not
    forgotten.
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
