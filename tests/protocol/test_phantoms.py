"""A step that runs again, however late, changes nothing: not in the target, not in the catalog.

On Azure Storage an activity may run again minutes after its result was used, even after the orchestration has ended.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from backup.claim import Claim
from backup.states import ClaimState, ReplicaState
from catalog.store import Stored
from local.host.records import ActivityJob

from .conftest import ProtocolStage, Rows

COPY_STEPS = (
    "inspect_models",
    "authorize_copy",
    "start_copy",
    "check_copy",
    "verify_copy",
    "record_replica",
)
FAILED_STEPS = (*COPY_STEPS[:4], "discard_target")


def state_of(stage: ProtocolStage) -> tuple[list[tuple[str, str]], Rows]:
    return sorted((model.model_id, model.state) for model in stage.held()), stage.rows()


def jobs(stage: ProtocolStage) -> list[ActivityJob]:
    return stage.host.phantoms.finished()


def rerun(stage: ProtocolStage, job: ActivityJob) -> dict[str, Any]:
    answer: dict[str, Any] = stage.host.rerun_activity(job.instance_id, job.task_id, job.execution_id)
    return answer


def haunt(stage: ProtocolStage) -> Counter[str]:
    """After every activity that ends, run it and all that ended before it once more; return how often each ran again."""
    seen: list[ActivityJob] = []
    again: Counter[str] = Counter()

    def recorded(job: ActivityJob) -> None:
        seen.append(job)
        for earlier in seen:
            again[earlier.name] += 1
            rerun(stage, earlier)

    stage.host._engine.on_recorded.append(recorded)
    return again


def test_a_phantom_after_the_end_changes_nothing(stage: ProtocolStage) -> None:
    model_id = stage.put()
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    before = state_of(stage)
    assert set(COPY_STEPS) < {job.name for job in jobs(stage)}
    for job in jobs(stage):
        rerun(stage, job)
        assert state_of(stage) == before, f"a phantom of {job.name} changed something"


def test_phantoms_at_every_later_step_change_nothing(stage: ProtocolStage) -> None:
    model_id = stage.put()
    again = haunt(stage)
    copy = stage.copy_one(model_id)
    assert copy["status"] == "Succeeded"
    assert all(again[name] >= 1 for name in COPY_STEPS)
    assert [model.model_id for model in stage.ready()] == [copy["targetModelId"]]
    assert stage.held() == stage.ready()
    assert stage.deleted_ids() == []
    assert (stage.asked("authorizeCopy"), stage.asked("startCopy")) == (1, 1)
    assert [(replica.target_model_id, replica.state) for replica in stage.replicas(model_id)] == [
        (copy["targetModelId"], ReplicaState.READY)
    ]
    assert stage.claim(model_id).state is ClaimState.RELEASED


def test_phantoms_of_a_copy_that_fails_change_nothing(stage: ProtocolStage) -> None:
    model_id = stage.put()
    stage.source.inject(stage.subject.operation("startCopy"), "status", status=400, count=None)
    again = haunt(stage)
    copy = stage.copy_one(model_id)
    assert copy["status"] == "Failed"
    assert again["discard_target"] >= 1
    before = state_of(stage)
    assert stage.held() == []
    for job in jobs(stage):
        rerun(stage, job)
        assert state_of(stage) == before, f"a phantom of {job.name} changed something"


def test_a_repeated_step_says_why_its_attempt_failed(stage: ProtocolStage) -> None:
    """Its first answer may have gone to a phantom: the copy still ends with the reason, and not with another authorization."""
    model_id = stage.put()
    stage.source.inject(stage.subject.operation("startCopy"), "status", status=400, count=None)
    stage.there.inject(stage.subject.operation("deleteModel"), "status", status=429, headers={"Retry-After": "600"})
    run_id = stage.begin(model_id)
    stage.let_pass(5)
    assert stage.claim(model_id).state is ClaimState.DISCARDING
    answers = {job.name: rerun(stage, job) for job in jobs(stage) if job.name in FAILED_STEPS}
    assert (answers["start_copy"]["code"], answers["authorize_copy"]["code"]) == ("BadRequest", "BadRequest")
    assert answers["inspect_models"]["failure"]["code"] == "BadRequest"
    stage.host.run_until_idle()
    assert stage.ended(run_id)["code"] == "BadRequest"
    assert stage.asked("authorizeCopy") == 1
    assert stage.held() == []


def test_phantoms_leave_the_next_owner_alone(stage: ProtocolStage) -> None:
    """The first copy failed; while the second one is under way, all the first one's steps run again."""
    model_id = stage.put()
    stage.source.inject(stage.subject.operation("startCopy"), "status", status=400, count=None)
    assert stage.copy_one(model_id)["status"] == "Failed"
    stage.source.clear_faults()
    old = jobs(stage)
    run_id = stage.begin(model_id)

    def recorded(job: ActivityJob) -> None:
        for phantom in old:
            if phantom.name in FAILED_STEPS:
                rerun(stage, phantom)

    stage.host._engine.on_recorded.append(recorded)
    stage.host.run_until_idle()
    copy = stage.ended(run_id)
    assert copy["status"] == "Succeeded"
    assert [model.model_id for model in stage.held()] == [copy["targetModelId"]]
    assert stage.unknown_placeholders() == set()


@pytest.mark.parametrize("name", [*COPY_STEPS, "open_run", "take_row"])
def test_a_phantom_a_minute_later_changes_nothing(stage: ProtocolStage, name: str) -> None:
    model_id = stage.put()
    stage.host.phantoms(delay=60, match=name)
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert stage.host.phantoms.count >= 1
    assert len(stage.held()) == 1
    assert stage.deleted_ids() == []
    assert stage.claim(model_id).state is ClaimState.RELEASED


def test_an_inspection_that_loses_a_race_is_repeated(stage: ProtocolStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that was overtaken sends its copy back to the claim; that look may be overtaken, too."""
    stage.source.set_durations((300.0, 300.0))
    model_id = stage.put()
    run_id = stage.begin(model_id)
    stage.let_pass(5)
    (inspected,) = [job for job in jobs(stage) if job.name == "inspect_models"]
    claims = stage.services.catalog.claims
    save = claims.save

    def overtaken(held: Stored[Claim], claim: Claim) -> Stored[Claim]:
        monkeypatch.setattr(claims, "save", save)
        save(held, held.record)
        return save(held, claim)

    monkeypatch.setattr(claims, "save", overtaken)
    again = rerun(stage, inspected)
    assert (again["code"], again["retryable"]) == ("Reconciling", True)
    assert rerun(stage, inspected)["state"] == "copying"
    stage.host.run_until_idle()
    assert stage.ended(run_id)["status"] == "Succeeded"
