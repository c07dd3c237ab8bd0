"""Steps that come late, at moments when there is something to spoil: a newer version, a fresh attempt, a new owner."""

from __future__ import annotations

import pytest

from catalog.store import Table
from local.host.records import ActivityJob

from .conftest import SUBJECTS, Open, ProtocolStage, Subject


def writes(stage: ProtocolStage) -> tuple[int, int, int]:
    """Return how often the service was asked to authorize, to start and to delete."""
    return stage.asked("authorizeCopy"), stage.asked("startCopy"), stage.asked("deleteModel")


def test_old_steps_do_not_disturb_the_next_run(
    stage: ProtocolStage,
) -> None:
    """All of them run again, many times, while the next run copies the retrained model."""
    model_id = stage.put()
    stage.copy_one(model_id)
    old = list(stage.host.phantoms.finished())
    stage.source.put_model(stage.subject.other(model_id))
    run_id = stage.begin(model_id)
    for _ in range(8):
        stage.let_pass(0.4)
        for job in old:
            stage.host.rerun_activity(job.instance_id, job.task_id, job.execution_id)
    stage.host.run_until_idle()
    copy = stage.ended(run_id)
    assert copy["status"] == "Succeeded"
    assert writes(stage) == (2, 2, 0)
    states = {replica.target_model_id: replica.state for replica in stage.replicas(model_id)}
    assert states[copy["targetModelId"]] == "ready"
    assert sorted(states.values()) == ["ready", "retiring"]


@pytest.mark.parametrize("subject", [SUBJECTS["v2"], SUBJECTS["v4"]], ids=["v2", "v4"])
def test_a_late_discard_deletes_nothing_newer(open_stage: Open, subject: Subject) -> None:
    stage = open_stage()
    stage.source.inject(subject.operation("startCopy"), "status", status=409)
    stage.host.phantoms(delay=0.0, match="discard_target")
    stage.host.phantoms(delay=0.9, match="discard_target")
    stage.host.phantoms(delay=60.0, match="discard_target")
    model_id = stage.put()
    copy = stage.copy_one(model_id)
    stage.let_pass(120)
    assert copy["status"] == "Succeeded"
    assert stage.host.phantoms.count == 3
    assert writes(stage) == (2, 2, 1), "the placeholder of the refused start is deleted once"
    assert [model.model_id for model in stage.ready()] == [copy["targetModelId"]]


def test_a_late_park_leaves_the_new_owner_its_claim(stage: ProtocolStage) -> None:
    stage.source.set_durations((300.0, 300.0))
    model_id = stage.put()
    first = stage.copy_one(model_id, deadlineMinutes=1)
    assert first["status"] == "StillCopying"
    (parked,) = [job for job in stage.host.phantoms.finished() if job.name == "park_claim"]
    run_id = stage.begin(model_id)
    stage.let_pass(30)
    owner = stage.claim(model_id).owner
    _rerun(stage, parked)
    assert (stage.claim(model_id).owner, stage.claim(model_id).is_live(stage.clock.now())) == (owner, True)
    stage.host.run_until_idle()
    assert stage.ended(run_id)["status"] == "Succeeded"
    assert writes(stage) == (1, 1, 0)


def test_a_late_record_does_not_retire_a_newer_copy(stage: ProtocolStage) -> None:
    """Two versions were copied; the first one's recording, delivered again, finds its claim gone and the mapping as it should be."""
    model_id = stage.put()
    stage.copy_one(model_id)
    recorded = [job for job in stage.host.phantoms.finished() if job.name == "record_replica"]
    stage.source.put_model(stage.subject.other(model_id))
    newer = stage.copy_one(model_id)["targetModelId"]
    before = stage.rows(Table.REPLICAS)
    for job in recorded:
        _rerun(stage, job)
    assert stage.rows(Table.REPLICAS) == before
    assert {replica.target_model_id: replica.state for replica in stage.replicas(model_id)}[newer] == "ready"


def _rerun(stage: ProtocolStage, job: ActivityJob) -> None:
    stage.host.rerun_activity(job.instance_id, job.task_id, job.execution_id)
