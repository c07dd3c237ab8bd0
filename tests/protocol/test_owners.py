"""Two owners of one copy at the same moment, again and again: one makes it, the other says so, and the target holds it once.

The two meet at the claim: both have read it, neither has written it yet. So every pair is a race, not only those that happen to be one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest import mock

from backup.claim import Claim
from backup.states import ReplicaState
from catalog.claims import ClaimTable
from catalog.store import Stored
from local.inprocess import SOURCE

from .conftest import ProtocolStage

PAIRS = 13
"""For each of the four subjects: more than fifty altogether."""


class Meeting:
    """Holds the first writer of a claim back until a second one is there: both go by what they read before."""

    def __init__(self) -> None:
        self._both = threading.Barrier(2)
        self._taking_part = threading.Semaphore(2)
        self.took_place = False

    def attend(self) -> None:
        if self._taking_part.acquire(blocking=False):
            self._both.wait(timeout=20)
            self.took_place = True


@contextmanager
def meeting_at_the_claim() -> Iterator[Meeting]:
    """Let the first two writes of claims happen at the same moment."""
    meeting = Meeting()
    insert, save = ClaimTable.insert, ClaimTable.save

    def inserted(table: ClaimTable, claim: Claim) -> Stored[Claim]:
        meeting.attend()
        return insert(table, claim)

    def saved(table: ClaimTable, held: Stored[Claim], claim: Claim) -> Stored[Claim]:
        meeting.attend()
        return save(table, held, claim)

    with mock.patch.object(ClaimTable, "insert", inserted), mock.patch.object(ClaimTable, "save", saved):
        yield meeting


def ask_twice(stage: ProtocolStage, model_id: str) -> list[dict[str, Any]]:
    """Have two runs ask for the same copy at the same moment; return how the two ended."""
    with meeting_at_the_claim() as meeting, ThreadPoolExecutor(2) as people:
        runs = list(people.map(stage.begin, [model_id, model_id]))
        stage.host.run_until_idle()
    assert meeting.took_place, "the two never were at the claim at the same moment"
    return [stage.ended(run_id) for run_id in runs]


def winner_of(copies: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the copy that was made, having seen that the other one was not."""
    made = [copy for copy in copies if copy["status"] == "Succeeded" and copy.get("code") is None]
    assert len(made) == 1, copies
    (other,) = [copy for copy in copies if copy is not made[0]]
    assert (other["status"], other["code"]) in {
        ("CopyInProgress", "CopyInProgress"),
        ("Succeeded", "AlreadyThere"),
    }, other
    return made[0]


def assert_copied_once(stage: ProtocolStage, model_id: str, target_model_id: str) -> None:
    """See one ready copy of a model, under the id that the mapping tells."""
    copies = [model.model_id for model in stage.held() if model.copy_of == f"{SOURCE}/{model_id}"]
    assert copies == [target_model_id]
    assert [(replica.target_model_id, replica.state) for replica in stage.replicas(model_id)] == [
        (target_model_id, ReplicaState.READY)
    ]


def test_one_of_two_owners_makes_the_copy(stage: ProtocolStage) -> None:
    """They begin at the same moment, and the other one names the first."""
    for number in range(PAIRS):
        model_id = stage.put(number)
        winner = winner_of(ask_twice(stage, model_id))
        assert_copied_once(stage, model_id, winner["targetModelId"])
    assert (stage.asked("authorizeCopy"), stage.asked("startCopy")) == (PAIRS, PAIRS)
    assert stage.held() == stage.ready()
    assert stage.deleted_ids() == []


def test_one_of_two_owners_takes_a_released_claim(stage: ProtocolStage) -> None:
    model_id = stage.put()
    stage.source.inject(stage.subject.operation("startCopy"), "status", status=400)
    assert stage.copy_one(model_id)["status"] == "Failed"
    winner = winner_of(ask_twice(stage, model_id))
    assert_copied_once(stage, model_id, winner["targetModelId"])
    assert stage.asked("startCopy") == 2
    assert stage.held() == stage.ready()


def test_one_of_two_owners_resumes_a_parked_copy(stage: ProtocolStage) -> None:
    stage.source.set_durations((1000.0, 1000.0))
    model_id = stage.put()
    assert stage.copy_one(model_id)["status"] == "StillCopying"
    winner = winner_of(ask_twice(stage, model_id))
    assert_copied_once(stage, model_id, winner["targetModelId"])
    assert (stage.asked("authorizeCopy"), stage.asked("startCopy")) == (1, 1)


def test_one_of_two_owners_replaces_an_older_copy(stage: ProtocolStage) -> None:
    model_id = stage.put()
    first = stage.copy_one(model_id)["targetModelId"]
    stage.source.put_model(stage.subject.other(model_id))
    winner = winner_of(ask_twice(stage, model_id))
    assert winner["targetModelId"] != first
    assert {replica.target_model_id: replica.state for replica in stage.replicas(model_id)} == {
        first: ReplicaState.RETIRING,
        winner["targetModelId"]: ReplicaState.READY,
    }
    assert len(stage.ready()) == 2
    assert stage.deleted_ids() == []
