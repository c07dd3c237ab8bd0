"""The claim as a record: its legal moves, its fence, its lease."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.claim import Claim, IllegalMove, new_claim
from backup.codes import Code
from backup.document_models import Kind
from backup.messages.copy import CopyOrder, StepInput
from backup.states import CLAIM_MOVES, RESUME_AT, ClaimState, Step

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ORDER = CopyOrder(
    run_id="run-1",
    row=3,
    source="west",
    target="north",
    kind=Kind.MODEL,
    model_id="invoices",
    deadline_seconds=7200,
    patience_seconds=300,
)


def claim(state: ClaimState = ClaimState.CLAIMED) -> Claim:
    return new_claim(ORDER, "invoices", "owner-1", NOW, None).replace(state=state)


def step(owner: str = "owner-1", attempt: int = 1, **more: float) -> StepInput:
    return StepInput(order=ORDER, owner=owner, attempt=attempt, **more)


@pytest.mark.parametrize("state", list(ClaimState))
@pytest.mark.parametrize("following", list(ClaimState))
def test_a_claim_makes_legal_moves_only(state: ClaimState, following: ClaimState) -> None:
    if following in CLAIM_MOVES[state]:
        assert claim(state).move(following).state is following
    else:
        with pytest.raises(IllegalMove, match=f"{state} to {following}"):
            claim(state).move(following)


def test_no_state_with_a_placeholder_is_released() -> None:
    """What the service was asked for is discarded first."""
    may_hold_a_placeholder = {ClaimState.AUTHORIZING, ClaimState.AUTHORIZED, ClaimState.POSTING, ClaimState.COPYING}
    assert {state for state, moves in CLAIM_MOVES.items() if ClaimState.RELEASED in moves}.isdisjoint(
        may_hold_a_placeholder
    )


def test_every_state_has_a_next_step_and_an_end() -> None:
    assert set(RESUME_AT) == set(ClaimState)
    assert [state for state, step in RESUME_AT.items() if step is Step.DONE] == [ClaimState.RELEASED]
    for state in ClaimState:
        reached, frontier = {state}, {state}
        while frontier:
            frontier = {following for one in frontier for following in CLAIM_MOVES[one]} - reached
            reached |= frontier
        assert ClaimState.RELEASED in reached


@pytest.mark.parametrize(
    ("owner", "attempt", "state", "held"),
    [
        ("owner-1", 1, ClaimState.COPYING, True),
        ("owner-2", 1, ClaimState.COPYING, False),
        ("owner-1", 2, ClaimState.COPYING, False),
        ("owner-1", 0, ClaimState.COPYING, False),
        ("owner-1", 1, ClaimState.RELEASED, False),
    ],
)
def test_only_its_owner_and_attempt_may_act(owner: str, attempt: int, state: ClaimState, held: bool) -> None:
    assert claim(state).is_held_by(step(owner, attempt)) is held


@pytest.mark.parametrize(
    ("owner", "state", "code"),
    [
        ("owner-1", ClaimState.COPYING, Code.CLAIM_MOVED),
        ("owner-1", ClaimState.RELEASED, Code.CLAIM_LOST),
        ("owner-2", ClaimState.COPYING, Code.CLAIM_LOST),
        ("owner-2", ClaimState.RELEASED, Code.CLAIM_LOST),
    ],
)
def test_a_refusal_says_who_holds_the_claim(owner: str, state: ClaimState, code: Code) -> None:
    """A later attempt of the same copy, or another run."""
    assert claim(state).refusal(step(owner, 7))[0] is code


def test_a_claim_is_live_until_its_lease_ends() -> None:
    held = claim()
    assert held.is_live(held.lease_until - timedelta(microseconds=1))
    assert not held.is_live(held.lease_until)
    assert not claim(ClaimState.RELEASED).is_live(NOW)


def test_a_renewed_lease_covers_the_longer_wait() -> None:
    """And the highest number of polls is kept."""
    renewed = claim().renewed(NOW, step(next_wake_seconds=60.0, polls=4), wait=600.0)
    assert renewed.lease_until == NOW + timedelta(minutes=25)
    assert renewed.renewed(NOW, step(polls=2)).polls == 4


def test_a_parked_claim_may_be_taken_over_at_once() -> None:
    assert not claim(ClaimState.COPYING).parked(NOW).is_live(NOW)


def test_a_new_owner_gets_the_next_attempt() -> None:
    """And keeps what is under way."""
    copying = claim(ClaimState.COPYING).replace(target_model_id="t-1", operation="op-1")
    later = NOW + timedelta(hours=1)
    taken = copying.taken_over(ORDER.replace(run_id="run-2", row=0), "owner-2", later)
    assert (taken.owner, taken.run_id, taken.row, taken.attempt) == ("owner-2", "run-2", 0, 2)
    assert (taken.state, taken.target_model_id, taken.operation) == (ClaimState.COPYING, "t-1", "op-1")
    assert taken.is_live(later)
    assert not taken.is_held_by(step("owner-1", 1))


def test_a_new_attempt_forgets_the_placeholder_only() -> None:
    used = claim(ClaimState.DISCARDING).replace(
        target_model_id="t-1", authorization="sealed", operation="op-1", digest="d", polls=5
    )
    fresh = used.next_attempt()
    assert (fresh.attempt, fresh.target_model_id, fresh.authorization, fresh.operation) == (2, None, None, None)
    assert (fresh.digest, fresh.polls, fresh.owner) == ("d", 5, "owner-1")


def test_a_released_claim_keeps_no_authorization() -> None:
    used = claim(ClaimState.VERIFYING).replace(authorization="sealed")
    released = used.released("Failed")
    assert released.authorization is None
    assert released.outcome_code == "Failed"


def test_an_id_is_superseded_once() -> None:
    used = claim(ClaimState.POSTING).replace(target_model_id="t-1", owned_id="t-1")
    once = used.replace(superseded=used.superseded_with_current(NOW))
    assert [entry.target_model_id for entry in once.superseded_with_current(NOW + timedelta(hours=1))] == ["t-1"]
    assert claim().superseded_with_current(NOW) == []


def test_an_id_that_is_not_owned_is_not_superseded() -> None:
    adopted = claim(ClaimState.VERIFYING).replace(target_model_id="t-1", owned_id=None)
    assert adopted.superseded_with_current(NOW) == []
    assert adopted.superseded_never_deleted(NOW) == []


def test_a_copy_for_a_person_to_check_is_not_swept() -> None:
    """It is superseded without the digest that would let a ready model be deleted."""
    wrong = claim(ClaimState.VERIFYING).replace(target_model_id="t-1", owned_id="t-1", digest="what was expected")
    assert [(entry.target_model_id, entry.digest) for entry in wrong.superseded_never_deleted(NOW)] == [("t-1", "")]


def test_a_later_claim_continues_the_attempts() -> None:
    """And keeps the superseded ids."""
    used = claim(ClaimState.POSTING).replace(target_model_id="t-1", owned_id="t-1", attempt=4)
    previous = used.replace(superseded=used.superseded_with_current(NOW), state=ClaimState.RELEASED)
    fresh = new_claim(ORDER, "invoices", "owner-9", NOW, previous, digest="d")
    assert (fresh.attempt, fresh.digest, fresh.target_model_id) == (5, "d", None)
    assert [entry.target_model_id for entry in fresh.superseded] == ["t-1"]


@given(st.lists(st.sampled_from(list(ClaimState)), max_size=12), st.integers(0, 10**6))
def test_a_claim_is_read_as_it_was_written(wanted: list[ClaimState], seconds: int) -> None:
    held = claim()
    for state in wanted:
        if state in CLAIM_MOVES[held.state]:
            held = held.move(state, announced_at=NOW + timedelta(seconds=seconds)).renewed(NOW, step(polls=seconds))
    assert Claim.parse(held.to_json()) == held
