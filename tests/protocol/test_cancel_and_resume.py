"""Copies that are cancelled at each step, out of time, left by their owner, or requested twice."""

from __future__ import annotations

from datetime import timedelta
from queue import Queue

import pytest

from backup.states import ClaimState, ReplicaState
from local.host import ManualClock
from local.inprocess import SOURCE, Answer

from .another_user import Once, kind_of
from .conftest import Open, ProtocolStage

IMPATIENT = {"deadlineMinutes": 1}


def cancel(stage: ProtocolStage, run_id: str) -> None:
    answer: Answer = stage.http("POST", f"/api/runs/{run_id}/cancel")
    assert answer.status == 202, answer.body


def cancel_at(stage: ProtocolStage, where: str, moment: str) -> tuple[str, str]:
    """Begin a copy that is cancelled around a call; return the model and the run."""
    model_id = stage.put()
    runs: Queue[str] = Queue()
    cancelled = Once(stage, where, moment, lambda: cancel(stage, runs.get(timeout=10)))
    run_id = stage.begin(model_id)
    runs.put(run_id)
    stage.host.run_until_idle()
    assert cancelled.happened, f"{where} was never called"
    return model_id, run_id


def owner_dies(stage: ProtocolStage, model_id: str) -> None:
    """Terminate the orchestration that holds a claim."""
    stage.host.terminate(stage.claim(model_id).owner, "it died")


def out_of_time(stage: ProtocolStage, number: int = 1) -> str:
    """Let a copy run out of time while the service is copying; return the model."""
    stage.source.set_durations((3600.0, 3600.0))
    model_id = stage.put(number)
    copy = stage.copy_one(model_id)
    assert (copy["status"], copy["code"]) == ("StillCopying", "StillCopying")
    return model_id


def hour_passes(stage: ProtocolStage) -> None:
    assert isinstance(stage.clock, ManualClock)
    stage.clock.advance(3600)


# -- cancelled -----------------------------------------------------------------------------------------------------------

BEFORE_AUTHORIZED = [("source:get_model", "before"), ("source:get_model", "after")]
UNDER_WAY = [
    ("target:authorize_copy", "before"),
    ("target:authorize_copy", "after"),
    ("source:start_copy", "before"),
    ("source:start_copy", "after"),
    ("source:get_copy", "before"),
    ("source:get_copy", "after"),
    ("target:get_model", "before"),
    ("target:get_model", "after"),
]


def place(stage: ProtocolStage, where: str) -> str:
    resource, _, method = where.partition(":")
    return f"{SOURCE if resource == 'source' else stage.subject.target}:{method}"


@pytest.mark.parametrize(("where", "moment"), BEFORE_AUTHORIZED)
def test_a_copy_that_is_not_authorized_yet_is_stopped(stage: ProtocolStage, where: str, moment: str) -> None:
    model_id, run_id = cancel_at(stage, place(stage, where), moment)
    copy = stage.ended(run_id)
    assert (copy["status"], copy["code"]) == ("Cancelled", "Cancelled")
    assert stage.run(run_id)["status"] == "Cancelled"
    assert (stage.asked("authorizeCopy"), stage.asked("startCopy")) == (0, 0)
    assert stage.held() == []
    assert stage.claim(model_id).state is ClaimState.RELEASED
    assert stage.copy_one(model_id)["status"] == "Succeeded"


@pytest.mark.parametrize(("where", "moment"), UNDER_WAY)
def test_a_copy_that_is_under_way_is_finished(stage: ProtocolStage, where: str, moment: str) -> None:
    model_id, run_id = cancel_at(stage, place(stage, where), moment)
    copy = stage.ended(run_id)
    assert (copy["status"], copy["code"]) == ("Succeeded", None)
    assert stage.run(run_id)["status"] == "Succeeded"
    assert (stage.asked("authorizeCopy"), stage.asked("startCopy")) == (1, 1)
    assert [replica.state for replica in stage.replicas(model_id)] == [ReplicaState.READY]
    assert stage.deleted_ids() == []
    assert stage.held() == stage.ready()


def test_a_cancelled_authorized_copy_is_finished(stage: ProtocolStage) -> None:
    """It waits for its start, throttled, when the run is cancelled."""
    model_id = stage.put()
    busy = {"Retry-After": "100"}
    stage.source.inject(stage.subject.operation("startCopy"), "status", status=429, headers=busy)
    run_id = stage.begin(model_id)
    stage.let_pass(30)
    assert stage.claim(model_id).state is ClaimState.AUTHORIZED
    cancel(stage, run_id)
    stage.host.run_until_idle()
    assert stage.ended(run_id)["status"] == "Succeeded"
    assert (stage.asked("authorizeCopy"), stage.asked("startCopy")) == (1, 2)


def test_a_cancelled_copy_does_not_begin_again(stage: ProtocolStage) -> None:
    """Its placeholder is removed, and no new authorization is requested."""
    stage.source.inject(stage.subject.operation("startCopy"), "status", status=409)
    model_id, run_id = cancel_at(stage, f"{stage.subject.target}:delete_model", "before")
    assert stage.ended(run_id)["status"] == "Cancelled"
    assert (stage.asked("authorizeCopy"), stage.asked("startCopy")) == (1, 1)
    assert stage.held() == []
    assert stage.claim(model_id).state is ClaimState.RELEASED


def test_a_cancelled_copy_reconciles_a_lost_start(stage: ProtocolStage) -> None:
    stage.source.inject(stage.subject.operation("startCopy"), "lostAnswer")
    _, run_id = cancel_at(stage, f"{SOURCE}:find_copy", "before")
    assert stage.ended(run_id)["status"] == "Succeeded"
    assert (stage.asked("authorizeCopy"), stage.asked("startCopy")) == (1, 1)


def test_copies_that_wait_for_a_lane_are_stopped(open_stage: Open) -> None:
    stage = open_stage(copies={"concurrency": 1})
    models = [stage.put(number) for number in range(3)]
    runs: Queue[str] = Queue()
    Once(stage, f"{SOURCE}:start_copy", "before", lambda: cancel(stage, runs.get(timeout=10)))
    answer = stage.post_copies(models, [stage.subject.target], kind=str(stage.subject.kind))
    runs.put(answer.body["runId"])
    stage.host.run_until_idle()
    run = stage.run(answer.body["runId"])
    assert run["status"] == "Cancelled"
    assert sorted(copy["status"] for copy in run["copies"]) == ["Cancelled", "Cancelled", "Succeeded"]
    assert stage.asked("authorizeCopy") == 1
    assert len(stage.held()) == 1


# -- out of time ---------------------------------------------------------------------------------------------------------


def test_a_copy_out_of_time_keeps_what_it_needs(open_stage: Open) -> None:
    """The claim is parked with its operation; nothing is deleted."""
    stage = open_stage(copies=IMPATIENT)
    model_id = out_of_time(stage)
    claim = stage.claim(model_id)
    assert claim.state is ClaimState.COPYING
    assert claim.operation is not None
    assert not claim.is_live(stage.clock.now()), "the next owner need not wait for the lease to end"
    assert stage.deleted_ids() == []
    assert len(stage.held()) == 1
    assert stage.replicas(model_id) == []


def test_the_next_request_resumes_a_copy_out_of_time(open_stage: Open) -> None:
    stage = open_stage(copies=IMPATIENT)
    model_id = out_of_time(stage)
    operation, target_model_id = stage.claim(model_id).operation, stage.claim(model_id).target_model_id
    assert stage.copy_one(model_id)["status"] == "StillCopying", "an hour is not over yet"
    assert stage.claim(model_id).operation == operation
    hour_passes(stage)
    copy = stage.copy_one(model_id)
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", target_model_id)
    assert (stage.asked("authorizeCopy"), stage.asked("startCopy")) == (1, 1)
    assert stage.deleted_ids() == []
    assert [model.model_id for model in stage.held()] == [target_model_id]


def test_a_copy_that_failed_while_parked_is_made_anew(open_stage: Open) -> None:
    stage = open_stage(copies=IMPATIENT)
    model_id = out_of_time(stage)
    placeholder = stage.claim(model_id).target_model_id
    assert placeholder is not None
    stage.there.remove_model(placeholder, kind_of(stage))
    hour_passes(stage)
    stage.source.set_durations((2.0, 2.0))
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert (stage.asked("authorizeCopy"), stage.asked("startCopy")) == (2, 2)
    assert len(stage.held()) == 1


def test_the_next_request_reconciles_a_lost_start(open_stage: Open) -> None:
    """The first copy ran out of time before it was known whether the start had worked."""
    stage = open_stage(copies={**IMPATIENT, "ambiguityWindowSeconds": 86400})
    model_id = stage.put()
    stage.source.set_durations((600.0, 600.0))
    stage.source.inject(stage.subject.operation("startCopy"), "lostAnswer")
    # v3 and later would find it in the list of operations, so that list fails
    stage.source.inject("listOperations", "status", status=503, count=None)
    copy = stage.copy_one(model_id)
    assert copy["code"] == ("StillCopying" if stage.subject.is_v2 else "ServerError")
    assert stage.claim(model_id).state is ClaimState.POSTING
    assert not stage.claim(model_id).is_live(stage.clock.now())
    stage.source.clear_faults()
    hour_passes(stage)
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert (stage.asked("authorizeCopy"), stage.asked("startCopy")) == (1, 1)
    assert stage.deleted_ids() == []


# -- left by its owner ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "state"), [("startCopy", ClaimState.AUTHORIZED), ("checkCopy", ClaimState.COPYING)]
)
def test_a_copy_of_a_dead_owner_is_taken_over(stage: ProtocolStage, operation: str, state: ClaimState) -> None:
    """When its lease has ended, and not before."""
    model_id = stage.put()
    stage.source.inject(
        stage.subject.operation(operation), "status", status=429, headers={"Retry-After": "60"}, count=None
    )
    stage.begin(model_id)
    stage.let_pass(20)
    assert stage.claim(model_id).state is state
    owner_dies(stage, model_id)
    stage.host.run_until_idle()
    stage.source.clear_faults()
    started = stage.asked("startCopy")
    early = stage.post_copies([model_id], [stage.subject.target], kind=str(stage.subject.kind))
    assert (early.status, early.body["code"]) == (409, "CopyInProgress")
    left = stage.claim(model_id).lease_until - stage.clock.now()
    assert left <= timedelta(minutes=17), "the next wake and fifteen minutes"
    assert isinstance(stage.clock, ManualClock)
    stage.clock.advance(left.total_seconds() + 1)
    copy = stage.copy_one(model_id)
    assert copy["status"] == "Succeeded"
    assert stage.asked("authorizeCopy") == 1
    assert stage.asked("startCopy") - started == (1 if state is ClaimState.AUTHORIZED else 0)
    assert stage.held() == stage.ready()


# -- asked for twice -----------------------------------------------------------------------------------------------------


def test_a_second_request_names_the_run_under_way(stage: ProtocolStage) -> None:
    model_id = stage.put()
    stage.source.set_durations((60.0, 60.0))
    run_id = stage.begin(model_id)
    stage.let_pass(10)
    answer = stage.post_copies([model_id], [stage.subject.target], kind=str(stage.subject.kind))
    assert (answer.status, answer.body["code"]) == (409, "CopyInProgress")
    assert answer.headers["location"].endswith(f"/api/runs/{run_id}")
    stage.host.run_until_idle()
    assert stage.ended(run_id)["status"] == "Succeeded"
    assert stage.asked("startCopy") == 1


def test_a_request_makes_the_copies_not_under_way(stage: ProtocolStage) -> None:
    busy, free = stage.put(1), stage.put(2)
    stage.source.set_durations((60.0, 60.0))
    first = stage.begin(busy)
    stage.let_pass(10)
    answer = stage.post_copies([busy, free], [stage.subject.target], kind=str(stage.subject.kind))
    assert answer.status == 202
    stage.host.run_until_idle()
    run = stage.run(answer.body["runId"])
    ended = {copy["modelId"]: (copy["status"], copy["code"]) for copy in run["copies"]}
    assert ended == {busy: ("CopyInProgress", "CopyInProgress"), free: ("Succeeded", None)}
    (refused,) = [copy for copy in run["copies"] if copy["modelId"] == busy]
    assert first in refused["message"]
    assert run["status"] == "PartiallyFailed"
    assert stage.asked("startCopy") == 2
    assert len(stage.ready()) == 2
