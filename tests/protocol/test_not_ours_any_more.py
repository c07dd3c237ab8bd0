"""Models and placeholders of another user in the target are never deleted or overwritten: here under ids that the app had before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from backup.json_types import JsonObject
from backup.states import ClaimState, ReplicaState
from local.host import ManualClock
from local.host.records import ActivityJob
from local.inprocess import SOURCE

from .another_user import CHOSEN, EITHER, AnotherUser, Once, kind_of, no_answer, refuse_to_start, void
from .conftest import Open, ProtocolStage, Subject

PLAN: JsonObject = {
    "source": SOURCE,
    "deepCheck": "off",
    "retention": {"deleteRemoved": True, "graceDays": 0, "maxDeletePercent": 100},
}
"""Deletes everything that a plan may delete."""


@pytest.fixture
def another_user(stage: ProtocolStage) -> AnotherUser:
    return AnotherUser(stage)


# -- an id that was authorized for a copy ------------------------------------------------------------------------------


@CHOSEN
def test_the_id_is_taken_before_the_discard(stage: ProtocolStage, another_user: AnotherUser) -> None:
    """By a model that another user trains."""
    model_id = stage.put()
    refuse_to_start(stage, count=1)
    Once(stage, f"{SOURCE}:start_copy", "before", lambda: void(another_user.takes_the_place_of(model_id)))
    copy = stage.copy_one(model_id)
    assert (copy["status"], copy["code"]) == ("Failed", "ContentMismatch")
    another_user.assert_untouched()
    again = stage.copy_one(model_id)
    assert (again["status"], again["targetModelId"]) == ("Succeeded", f"{model_id}.2")
    assert stage.deleted_ids() == []
    another_user.assert_untouched()


@CHOSEN
def test_the_id_is_taken_while_the_service_copies(stage: ProtocolStage, another_user: AnotherUser) -> None:
    """By a model that another user trains."""
    model_id = stage.put()
    Once(stage, f"{SOURCE}:get_copy", "before", lambda: void(another_user.takes_the_place_of(model_id)))
    copy = stage.copy_one(model_id)
    assert (copy["status"], copy["code"]) == ("Failed", "ContentMismatch")
    another_user.assert_untouched()
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert stage.deleted_ids() == []
    another_user.assert_untouched()


@CHOSEN
@EITHER
def test_the_id_is_taken_as_soon_as_it_is_free(stage: ProtocolStage, another_user: AnotherUser, what: str) -> None:
    """The same copy tries again: the id was deleted once, and is not deleted again."""
    model_id = stage.put()
    stage.source.inject(stage.subject.operation("startCopy"), "status", status=409)
    place = f"{stage.subject.target}:delete_model"
    freed = Once(stage, place, "after", lambda: void(another_user.has(what, model_id)))
    copy = stage.copy_one(model_id)
    assert freed.happened
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", f"{model_id}.2")
    another_user.assert_untouched()


@CHOSEN
@EITHER
def test_a_deletion_is_lost_and_the_id_is_taken(stage: ProtocolStage, another_user: AnotherUser, what: str) -> None:
    model_id = stage.put()
    refuse_to_start(stage, count=1)

    def lost() -> None:
        another_user.has(what, model_id)
        no_answer()

    freed = Once(stage, f"{stage.subject.target}:delete_model", "after", lost)
    assert stage.copy_one(model_id)["status"] == "Failed"
    assert freed.happened
    another_user.assert_untouched()
    again = stage.copy_one(model_id)
    assert (again["status"], again["targetModelId"]) == ("Succeeded", f"{model_id}.2")
    another_user.assert_untouched()


@CHOSEN
@EITHER
def test_late_steps_leave_a_taken_id_alone(stage: ProtocolStage, another_user: AnotherUser, what: str) -> None:
    """Every step of a failed copy runs again."""
    model_id = stage.put()
    refuse_to_start(stage)
    assert stage.copy_one(model_id)["status"] == "Failed"
    assert stage.deleted_ids() == [model_id]
    another_user.has(what, model_id)
    jobs = stage.host.phantoms.finished()
    assert "discard_target" in {job.name for job in jobs}
    for job in jobs:
        stage.host.rerun_activity(job.instance_id, job.task_id, job.execution_id)
        another_user.assert_untouched()


@CHOSEN
@EITHER
def test_an_overlapping_discard_leaves_taken_ids_alone(
    stage: ProtocolStage, another_user: AnotherUser, what: str
) -> None:
    """The second delivery of the discard runs while the first one waits for the answer to its deletion."""
    model_id = stage.put()
    refuse_to_start(stage, count=1)
    again: list[str] = []

    def taken() -> None:
        another_user.has(what, model_id)
        (job,) = deliveries
        again.append(stage.host.phantoms._run(job))

    with deliveries_of(stage, "discard_target") as deliveries:
        Once(stage, f"{stage.subject.target}:delete_model", "after", taken)
        assert stage.copy_one(model_id)["status"] == "Failed"
    assert len(again) == 1
    another_user.assert_untouched()


# -- a superseded id ---------------------------------------------------------------------------------------------------


@CHOSEN
def test_a_superseded_id_is_taken(stage: ProtocolStage, another_user: AnotherUser) -> None:
    """A start was lost and no copy appeared: the next one has another id, and the model under the first is not swept."""
    model_id = stage.put()
    stage.source.inject(stage.subject.operation("startCopy"), "timeoutBefore", seconds=0.0)
    start = f"{SOURCE}:start_copy"
    given_up = Once(stage, start, "before", lambda: void(another_user.takes_the_place_of(model_id)), number=2)
    copy = stage.copy_one(model_id)
    assert given_up.happened
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", f"{model_id}.2")
    assert [entry.target_model_id for entry in stage.claim(model_id).superseded] == [model_id]
    another_user.assert_untouched()
    stage.source.put_model(stage.subject.other(model_id))
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert stage.deleted_ids() == []
    another_user.assert_untouched()


@CHOSEN
@EITHER
def test_a_sweep_is_lost_and_the_id_is_taken(stage: ProtocolStage, another_user: AnotherUser, what: str) -> None:
    """A superseded id is deleted once; whether that worked is not known, so it is not deleted again."""
    model_id = stage.put()
    stage.source.inject(stage.subject.operation("startCopy"), "timeoutBefore", seconds=0.0)

    def lost() -> None:
        another_user.has(what, model_id)
        no_answer()

    swept = Once(stage, f"{stage.subject.target}:delete_model", "after", lost)
    assert stage.copy_one(model_id)["targetModelId"] == f"{model_id}.2"
    assert swept.happened
    another_user.assert_untouched()
    stage.source.put_model(stage.subject.other(model_id))
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert stage.deleted_ids() == [model_id]
    another_user.assert_untouched()


def test_a_copy_that_gets_ready_in_a_discard_is_kept(stage: ProtocolStage) -> None:
    """The start was lost and given up, and its copy arrives just before the placeholder would be deleted."""
    model_id = stage.put()
    stage.source.inject(stage.subject.operation("startCopy"), "timeoutBefore", seconds=0.0)
    arrived: list[str] = []

    def arrive() -> None:
        claim = stage.claim(model_id)
        if claim.state is ClaimState.DISCARDING and not arrived:
            arrived.append(str(claim.target_model_id))
            stage.there.put_model(replace(stage.subject.model(), model_id=arrived[0], copy_of=f"{SOURCE}/{model_id}"))

    watch(stage, f"{stage.subject.target}:get_model", arrive)
    copy = stage.copy_one(model_id)
    assert copy["status"] == "Succeeded"
    assert [copy["targetModelId"]] == arrived
    assert stage.deleted_ids() == []
    assert [model.model_id for model in stage.held()] == arrived


# -- a wrong catalog ---------------------------------------------------------------------------------------------------


def test_a_replica_was_edited_to_name_another_model(open_stage: Open, subject: Subject) -> None:
    stage = nights(open_stage, subject)
    another_user = AnotherUser(stage)
    model_id, keeper = stage.put(), stage.put(2)
    backup(stage)
    (replica,) = stage.replicas(model_id)
    trained = another_user.trains(stage.subject.model(9).model_id)
    stage.services.catalog.replicas.put(replica.replace(target_model_id=trained.model_id), None)
    source_model_goes(stage, model_id)
    runs = [backup(stage), backup(stage)]
    assert "NotOurs" in {copy["code"] for run in runs for copy in run["copies"]}
    assert stage.deleted_ids() == [replica.target_model_id]
    assert [replica.state for replica in stage.replicas(keeper)] == [ReplicaState.READY]
    another_user.assert_untouched()


def test_another_model_is_under_the_id_of_a_replica(open_stage: Open, subject: Subject) -> None:
    stage = nights(open_stage, subject)
    another_user = AnotherUser(stage)
    model_id = stage.put()
    stage.put(2)
    backup(stage)
    (replica,) = stage.replicas(model_id)
    another_user.takes_the_place_of(replica.target_model_id)
    source_model_goes(stage, model_id)
    for _ in range(2):
        backup(stage)
    assert stage.deleted_ids() == []
    assert [replica.state for replica in stage.replicas(model_id)] == [ReplicaState.MISSING]
    another_user.assert_untouched()


def test_another_model_is_not_taken_for_a_replica(stage: ProtocolStage, another_user: AnotherUser) -> None:
    """The lookup stops naming the replica, the model is copied anew, and the other model stays."""
    model_id = stage.put()
    first = stage.copy_one(model_id)["targetModelId"]
    another_user.takes_the_place_of(first)
    copy = stage.copy_one(model_id)
    assert copy["status"] == "Succeeded"
    assert copy["targetModelId"] != first
    assert {replica.target_model_id: replica.state for replica in stage.replicas(model_id)} == {
        first: ReplicaState.MISSING,
        copy["targetModelId"]: ReplicaState.READY,
    }
    assert stage.deleted_ids() == []
    another_user.assert_untouched()


@pytest.mark.parametrize("state", [ClaimState.VERIFYING, ClaimState.DISCARDING])
def test_a_claim_was_edited_to_name_another_model(
    stage: ProtocolStage, another_user: AnotherUser, state: ClaimState
) -> None:
    stage.source.set_durations((1000.0, 1000.0))
    model_id = stage.put()
    assert stage.copy_one(model_id)["status"] == "StillCopying"
    trained = another_user.trains(stage.subject.model(9).model_id)
    claims = stage.services.catalog.claims
    held = claims.get(stage.subject.target, stage.subject.kind, SOURCE, model_id)
    assert held is not None
    edited = held.record.replace(state=state, target_model_id=trained.model_id, owned_id=trained.model_id)
    claims.save(held, edited)
    assert stage.copy_one(model_id)["code"] == "ContentMismatch"
    assert stage.deleted_ids() == []
    another_user.assert_untouched()


# -- helpers -----------------------------------------------------------------------------------------------------------


@contextmanager
def deliveries_of(stage: ProtocolStage, name: str) -> Iterator[list[ActivityJob]]:
    """Note each delivery of an activity as it begins."""
    begun: list[ActivityJob] = []
    engine = stage.host._engine
    perform = engine._perform

    def noted(job: ActivityJob) -> None:
        if job.name == name:
            begun.append(job)
        perform(job)

    with mock.patch.object(engine, "_perform", noted):
        yield begun


def watch(stage: ProtocolStage, where: str, act: Callable[[], None]) -> None:
    """Call ``act`` before each call to one method."""

    def interruption(place: str, moment: str) -> None:
        if (place, moment) == (where, "before"):
            act()

    stage.services.interruption = interruption


def nights(open_stage: Open, subject: Subject) -> ProtocolStage:
    """Open a stage with a plan that deletes replicas whose source model is gone."""
    return open_stage(plans={"nightly": {**PLAN, "targets": [subject.target]}})


def backup(stage: ProtocolStage) -> dict[str, Any]:
    """Run the plan on the next night; return the run when it has ended."""
    assert isinstance(stage.clock, ManualClock)
    stage.clock.advance(86400)
    answer = stage.http("POST", "/api/backups", {"plan": "nightly"})
    assert answer.status == 202, answer.body
    stage.host.run_until_idle()
    run = stage.run(answer.body["runId"])
    assert run["status"] not in {"Pending", "Running"}, run
    return run


def source_model_goes(stage: ProtocolStage, model_id: str) -> None:
    """Delete the source model."""
    stage.source.remove_model(model_id, kind_of(stage))
