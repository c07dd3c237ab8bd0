"""v2 placeholders that a lost answer may have left: reported for as long as they are there, and deleted only where that was asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backup.planning.backup_plan import plan_backup
from backup.planning.decisions import BackupPlan
from backup.planning.facts import PlanFacts
from local.host.records import ActivityJob
from local.inprocess import TARGET
from local.simulator.models import v2_model, v4_model
from tests.nights import V2_ID, MakeNights, Nights, events


def lost_night(make_stage: MakeNights, **copies: object) -> tuple[Nights, str]:
    """Open a stage, lose the answer to an authorization in its first night, and return the id that nobody heard."""
    stage = make_stage([v2_model(V2_ID, name="Orders")], targets=[TARGET], copies=copies)
    stage.target.inject("authorizeCopy", "lostAnswer")
    stage.backup()
    (left,) = [model_id for model_id, state in stage.held().items() if state != "ready"]
    assert suspects(stage) == [left]
    return stage, left


def suspects(stage: Nights) -> list[str]:
    return [one.model_id for one in stage.services.catalog.suspects.of_target(TARGET)]


def deleted(stage: Nights) -> list[str | None]:
    return [entry.model_id for entry in stage.target.requests("deleteModel")]


def test_without_being_asked_for_nothing_is_deleted(make_stage: MakeNights) -> None:
    """Without being asked for nothing is deleted however long it is there."""
    stage, left = lost_night(make_stage)
    for _ in range(3):
        stage.days_pass(30)
        assert stage.backup()["message"].startswith("nothing to do")
    assert left in stage.held()
    assert suspects(stage) == [left]


@pytest.mark.writes("suspectDeleted")
def test_suspect_is_deleted_when_its_time_is_up(make_stage: MakeNights, caplog: pytest.LogCaptureFixture) -> None:
    """Where it is asked for a suspect goes after its time and not before."""
    stage, left = lost_night(make_stage, deleteSuspectsAfterHours=72)
    stage.days_pass(2)
    stage.backup()
    assert left in stage.held()
    stage.days_pass(1.1)
    (row,) = stage.backup()["copies"]
    assert (row["action"], row["status"], row["targetModelId"]) == ("clear", "Succeeded", left)
    assert set(stage.held().values()) == {"ready"}
    assert suspects(stage) == []
    assert [one["targetModel"] for one in events(caplog.messages, "suspectDeleted")] == [left]
    stage.days_pass(1)
    assert stage.backup()["message"].startswith("nothing to do")


def test_a_dry_run_deletes_and_forgets_nothing(make_stage: MakeNights) -> None:
    stage, left = lost_night(make_stage, deleteSuspectsAfterHours=48)
    stage.days_pass(9)
    stage.backup(dryRun=True)
    assert suspects(stage) == [left]
    assert deleted(stage) == []


def test_training_that_was_taken_for_suspect(make_stage: MakeNights) -> None:
    """A training that was taken for a suspect and ended is no suspect any more."""
    stage, left = lost_night(make_stage, deleteSuspectsAfterHours=48)
    trained = stage.target.put_model(v2_model(left, name="Theirs"))
    stage.days_pass(9)
    assert stage.backup()["message"].startswith("nothing to do")
    assert suspects(stage) == []
    assert stage.target.model(left) == trained
    assert deleted(stage) == []


def test_training_that_ends_after_list_was_read_stays(make_stage: MakeNights) -> None:
    """A training that ends after the list was read stays."""
    stage, left = lost_night(make_stage, deleteSuspectsAfterHours=48)
    stage.days_pass(9)
    listed = stage.target.model(left)
    assert listed is not None

    def recorded(job: ActivityJob) -> None:
        if job.name == "make_plan":
            stage.target.put_model(replace(listed, state="ready"))

    stage.host._engine.on_recorded.append(recorded)
    assert stage.backup()["status"] == "Succeeded"
    assert stage.held()[left] == "ready"
    assert deleted(stage) == []


def test_a_suspect_that_somebody_removed_is_forgotten(make_stage: MakeNights) -> None:
    stage, left = lost_night(make_stage)
    stage.target.remove_model(left)
    stage.days_pass(1)
    stage.backup()
    assert suspects(stage) == []


def test_deleting_that_runs_again_changes_nothing(make_stage: MakeNights) -> None:
    stage, _ = lost_night(make_stage, deleteSuspectsAfterHours=48)
    stage.days_pass(3)
    stage.backup()
    before = stage.held()
    for job in stage.host.phantoms.finished():
        if job.name == "clear_suspect":
            stage.host.rerun_activity(job.instance_id, job.task_id, job.execution_id)
    assert stage.held() == before
    assert len(deleted(stage)) == 1


def test_suspect_that_is_younger_than_lists(make_stage: MakeNights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another copy lost its answer while the run made its plan: the placeholder is in the target, and not in the list."""
    stage, left = lost_night(make_stage)
    listed = stage.target.model(left)
    assert listed is not None
    stage.target.remove_model(left)

    def meanwhile(facts: PlanFacts) -> BackupPlan:
        table = stage.services.catalog.suspects
        (suspect,) = table.of_target(TARGET)
        table.forget(TARGET, left)
        table.add(suspect.replace(seen_at=stage.services.now()))
        stage.target.put_model(listed)
        return plan_backup(facts)

    monkeypatch.setattr("activities.planning.plan_backup", meanwhile)
    stage.days_pass(1)
    stage.backup()
    assert suspects(stage) == [left]


def test_visible_model_is_no_suspect(
    make_stage: MakeNights,
) -> None:
    """What stands visibly under a suspected id of a later version is no suspect any more."""
    stage = make_stage([v4_model("invoices")], targets=[TARGET])
    stage.target.inject("authorizeCopy", "lostAnswer", count=1)
    stage.backup()
    assert suspects(stage) == ["invoices"]
    stage.target.put_model(v4_model("invoices", fields={"Iban": 0.7}))
    stage.days_pass(1)
    stage.backup()
    assert suspects(stage) == []
