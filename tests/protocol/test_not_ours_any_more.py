"""What somebody else has in the target is never deleted and never overwritten: under ids that were ours, or that the catalog says are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from backup.states import ClaimState, ReplicaState
from local.host import ManualClock
from local.host.records import ActivityJob
from local.inprocess import SOURCE

from .conftest import Open, ProtocolStage, Subject
from .somebody import CHOSEN, EITHER, Once, Somebody, kind_of, no_answer, refuse_to_start, void

PLAN = {
    "source": SOURCE,
    "deepCheck": "off",
    "retention": {"deleteRemoved": True, "graceDays": 0, "maxDeletePercent": 100},
}
"""Deletes whatever it may."""


@pytest.fixture
def somebody(stage: ProtocolStage) -> Somebody:
    return Somebody(stage)


# -- an id that was ours -----------------------------------------------------------------------------------------------


@CHOSEN
def test_somebody_trains_under_our_id_before_a_failed_copy_is_cleaned_up(
    stage: ProtocolStage, somebody: Somebody
) -> None:
    model_id = stage.put()
    refuse_to_start(stage, count=1)
    Once(stage, f"{SOURCE}:start_copy", "before", lambda: void(somebody.takes_the_place_of(model_id)))
    copy = stage.copy_one(model_id)
    assert (copy["status"], copy["code"]) == ("Failed", "ContentMismatch")
    somebody.assert_untouched()
    again = stage.copy_one(model_id)
    assert (again["status"], again["targetModelId"]) == ("Succeeded", f"{model_id}.2")
    assert stage.deleted_ids() == []
    somebody.assert_untouched()


@CHOSEN
def test_somebody_trains_under_our_id_while_the_service_copies(stage: ProtocolStage, somebody: Somebody) -> None:
    model_id = stage.put()
    Once(stage, f"{SOURCE}:get_copy", "before", lambda: void(somebody.takes_the_place_of(model_id)))
    copy = stage.copy_one(model_id)
    assert (copy["status"], copy["code"]) == ("Failed", "ContentMismatch")
    somebody.assert_untouched()
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert stage.deleted_ids() == []
    somebody.assert_untouched()


@CHOSEN
@EITHER
def test_somebody_takes_our_id_as_soon_as_we_have_freed_it(stage: ProtocolStage, somebody: Somebody, what: str) -> None:
    """The same copy tries again: the id is not its own any more, and it was deleted once already."""
    model_id = stage.put()
    stage.source.inject(stage.subject.operation("startCopy"), "status", status=409)
    place = f"{stage.subject.target}:delete_model"
    freed = Once(stage, place, "after", lambda: void(somebody.has(what, model_id)))
    copy = stage.copy_one(model_id)
    assert freed.happened
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", f"{model_id}.2")
    somebody.assert_untouched()


@CHOSEN
@EITHER
def test_the_answer_to_our_deletion_is_lost_and_somebody_takes_the_id(
    stage: ProtocolStage, somebody: Somebody, what: str
) -> None:
    model_id = stage.put()
    refuse_to_start(stage, count=1)

    def lost() -> None:
        somebody.has(what, model_id)
        no_answer()

    freed = Once(stage, f"{stage.subject.target}:delete_model", "after", lost)
    assert stage.copy_one(model_id)["status"] == "Failed"
    assert freed.happened
    somebody.assert_untouched()
    again = stage.copy_one(model_id)
    assert (again["status"], again["targetModelId"]) == ("Succeeded", f"{model_id}.2")
    somebody.assert_untouched()


@CHOSEN
@EITHER
def test_every_step_of_a_failed_copy_runs_again_when_the_id_is_theirs(
    stage: ProtocolStage, somebody: Somebody, what: str
) -> None:
    model_id = stage.put()
    refuse_to_start(stage)
    assert stage.copy_one(model_id)["status"] == "Failed"
    assert stage.deleted_ids() == [model_id]
    somebody.has(what, model_id)
    jobs = stage.host.phantoms.finished()
    assert "discard_target" in {job.name for job in jobs}
    for job in jobs:
        stage.host.rerun_activity(job.instance_id, job.task_id, job.execution_id)
        somebody.assert_untouched()


@CHOSEN
@EITHER
def test_a_cleaning_up_runs_again_in_the_middle_when_the_id_is_theirs(
    stage: ProtocolStage, somebody: Somebody, what: str
) -> None:
    """A second delivery of the very step that deletes, while the first one still waits for the answer."""
    model_id = stage.put()
    refuse_to_start(stage, count=1)
    again: list[Any] = []

    def taken() -> None:
        somebody.has(what, model_id)
        (job,) = deliveries
        again.append(stage.host.phantoms._run(job))

    with deliveries_of(stage, "discard_target") as deliveries:
        Once(stage, f"{stage.subject.target}:delete_model", "after", taken)
        assert stage.copy_one(model_id)["status"] == "Failed"
    assert len(again) == 1
    somebody.assert_untouched()


# -- an id that was given up before its fate was known -----------------------------------------------------------------


@CHOSEN
def test_somebody_trains_under_an_id_that_was_given_up(stage: ProtocolStage, somebody: Somebody) -> None:
    """A start was lost and nothing came of it: the next one goes to another id, and what is under the first is not swept."""
    model_id = stage.put()
    stage.source.inject(stage.subject.operation("startCopy"), "timeoutBefore", seconds=0.0)
    start = f"{SOURCE}:start_copy"
    given_up = Once(stage, start, "before", lambda: void(somebody.takes_the_place_of(model_id)), number=2)
    copy = stage.copy_one(model_id)
    assert given_up.happened
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", f"{model_id}.2")
    assert [entry.target_model_id for entry in stage.claim(model_id).superseded] == [model_id]
    somebody.assert_untouched()
    stage.source.put_model(stage.subject.other(model_id))
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert stage.deleted_ids() == []
    somebody.assert_untouched()


@CHOSEN
@EITHER
def test_the_sweeping_of_an_id_is_lost_and_somebody_takes_it(
    stage: ProtocolStage, somebody: Somebody, what: str
) -> None:
    """An id that was given up is deleted once; whether that worked is not known, so it is not deleted again."""
    model_id = stage.put()
    stage.source.inject(stage.subject.operation("startCopy"), "timeoutBefore", seconds=0.0)

    def lost() -> None:
        somebody.has(what, model_id)
        no_answer()

    swept = Once(stage, f"{stage.subject.target}:delete_model", "after", lost)
    assert stage.copy_one(model_id)["targetModelId"] == f"{model_id}.2"
    assert swept.happened
    somebody.assert_untouched()
    stage.source.put_model(stage.subject.other(model_id))
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert stage.deleted_ids() == [model_id]
    somebody.assert_untouched()


def test_what_got_ready_while_it_was_being_cleared_away_is_verified_and_kept(stage: ProtocolStage) -> None:
    """The start was lost and given up, and its copy arrives just before the placeholder is looked at for the last time."""
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


# -- a catalog that says the wrong thing -----------------------------------------------------------------------------


def test_a_replica_was_edited_to_name_a_model_of_theirs(open_stage: Open, subject: Subject) -> None:
    stage = nights(open_stage, subject)
    somebody = Somebody(stage)
    model_id, keeper = stage.put(), stage.put(2)
    backup(stage)
    (replica,) = stage.replicas(model_id)
    theirs = somebody.trains(stage.subject.model(9).model_id)
    stage.services.catalog.replicas.put(replica.model_copy(update={"target_model_id": theirs.model_id}), None)
    source_model_goes(stage, model_id)
    runs = [backup(stage), backup(stage)]
    assert "NotOurs" in {copy["code"] for run in runs for copy in run["copies"]}
    assert stage.deleted_ids() == [replica.target_model_id]
    assert [one.state for one in stage.replicas(keeper)] == [ReplicaState.READY]
    somebody.assert_untouched()


def test_somebody_trained_his_own_model_under_the_id_of_our_replica(open_stage: Open, subject: Subject) -> None:
    stage = nights(open_stage, subject)
    somebody = Somebody(stage)
    model_id = stage.put()
    stage.put(2)
    backup(stage)
    (replica,) = stage.replicas(model_id)
    somebody.takes_the_place_of(replica.target_model_id)
    source_model_goes(stage, model_id)
    for _ in range(2):
        backup(stage)
    assert stage.deleted_ids() == []
    assert [one.state for one in stage.replicas(model_id)] == [ReplicaState.MISSING]
    somebody.assert_untouched()


def test_a_model_of_theirs_is_not_taken_for_a_replica_that_is_gone(stage: ProtocolStage, somebody: Somebody) -> None:
    """The lookup stops naming it, the model is copied anew, and theirs stays."""
    model_id = stage.put()
    first = stage.copy_one(model_id)["targetModelId"]
    somebody.takes_the_place_of(first)
    copy = stage.copy_one(model_id)
    assert copy["status"] == "Succeeded"
    assert copy["targetModelId"] != first
    assert {one.target_model_id: one.state for one in stage.replicas(model_id)} == {
        first: ReplicaState.MISSING,
        copy["targetModelId"]: ReplicaState.READY,
    }
    assert stage.deleted_ids() == []
    somebody.assert_untouched()


@pytest.mark.parametrize("state", [ClaimState.VERIFYING, ClaimState.DISCARDING])
def test_a_claim_was_edited_to_name_a_model_of_theirs(
    stage: ProtocolStage, somebody: Somebody, state: ClaimState
) -> None:
    stage.source.set_durations((1000.0, 1000.0))
    model_id = stage.put()
    assert stage.copy_one(model_id)["status"] == "StillCopying"
    theirs = somebody.trains(stage.subject.model(9).model_id)
    claims = stage.services.catalog.claims
    held = claims.get(stage.subject.target, stage.subject.kind, SOURCE, model_id)
    assert held is not None
    edited = {"state": state, "target_model_id": theirs.model_id, "owned_id": theirs.model_id}
    claims.save(held, held.claim.model_copy(update=edited))
    assert stage.copy_one(model_id)["code"] == "ContentMismatch"
    assert stage.deleted_ids() == []
    somebody.assert_untouched()


# -- what these tests are made of --------------------------------------------------------------------------------------


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
    """Let the source model be deleted by its owner."""
    stage.source.remove_model(model_id, kind_of(stage))
