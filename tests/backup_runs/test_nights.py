"""Nights of a backup: what is new is copied, what is there costs nothing, what is lost comes back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from backup.document_models import Kind
from backup.messages.run import RunClosing
from backup.records import RunRecord
from backup.states import ReplicaState
from catalog.store import CatalogUnavailable
from local.host.records import ActivityJob
from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from local.simulator.models import v2_model, v4_model
from tests.nights import V2_ID, MakeNights, Nights, altered, events, mixed_models, reasons, rows

LISTS = {"listModels", "listClassifiers"}
ALL = (V2_ID, "claims", "invoices")
BOTH = (TARGET, SECOND_TARGET)


def test_the_first_night_copies_everything_everywhere(stage: Nights) -> None:
    run = stage.backup()
    assert (run["status"], run["progress"]) == ("Succeeded", {"done": 6, "total": 6})
    assert reasons(run) == sorted((target, model, "new") for target in BOTH for model in ALL)
    for model in ALL:
        places = stage.look_up(model)
        assert places[0]["resource"] == SOURCE
        assert {place["resource"] for place in places} == {SOURCE, *BOTH}
        for place in places:
            assert stage.held(place["resource"])[place["modelId"]] == "ready"


def test_second_run_right_after_it_makes_list_calls(stage: Nights) -> None:
    """A second run right after it makes list calls only and says nothing to do."""
    stage.backup()
    run = stage.backup()
    assert stage.operations() == LISTS
    assert (run["status"], run["copies"], run["counts"]["skip"]) == ("Succeeded", [], 6)
    assert run["message"] == "nothing to do: 6 copies are up to date"


def test_rotating_check_reads_its_share(make_stage: MakeNights) -> None:
    """A rotating check reads its share and copies nothing."""
    stage = make_stage(plan={"deepCheck": "all"})
    stage.backup()
    run = stage.backup()
    assert stage.operations() == LISTS | {"getModel"}
    assert {row["action"] for row in run["copies"]} == {"check"}
    assert (run["status"], run["message"]) == (
        "Succeeded",
        "nothing to do: 6 copies are up to date, 6 are compared in full",
    )


def test_what_cannot_go_somewhere_is_reported(make_stage: MakeNights) -> None:
    """What cannot go somewhere is reported and costs no calls."""
    stage = make_stage(mixed_models())
    first = stage.backup()
    assert (first["status"], first["notCovered"]) == ("Succeeded", 2)
    not_covered = [row for row in rows(first) if row[2] != "Succeeded"]
    assert not_covered == [
        (TARGET, "mail", "NotCovered", "KindUnsupported"),
        (TARGET, "sorter", "NotCovered", "KindUnsupported"),
    ]
    (composed,) = [row for row in first["copies"] if (row["modelId"], row["target"]) == ("mail", TARGET)]
    assert composed["message"].startswith("it is composed with classifier sorter, and the service does not copy")
    assert stage.look_up("sorter", "classifier")[1]["resource"] == SECOND_TARGET
    second = stage.backup()
    assert stage.operations() == LISTS
    assert second["message"] == "nothing to do: 8 copies are up to date, 2 cannot be made (see the decisions)"
    assert rows(second) == not_covered
    assert (second["status"], second["notCovered"]) == ("Succeeded", 2)


def test_a_failed_training_is_not_covered(make_stage: MakeNights) -> None:
    """A model whose training failed cannot be copied: it is listed, and the run succeeds."""
    stage = make_stage([v4_model("invoices"), v2_model(V2_ID, state="invalid")], targets=[TARGET])
    run = stage.backup()
    assert (run["status"], run["notCovered"]) == ("Succeeded", 1)
    assert (TARGET, V2_ID, "NotCovered", "SourceModelNotReady") in rows(run)


def test_a_new_failure_beside_what_is_not_covered(make_stage: MakeNights) -> None:
    """A copy that fails makes the run partly failed; a model that cannot be copied does not."""
    # one after the other: copies that look for room at the same moment all find it
    stage = make_stage(mixed_models(), targets=[TARGET], copies={"concurrency": 1})
    stage.target.set_limits(model_limit=1)
    run = stage.backup()
    assert (run["status"], run["notCovered"]) == ("PartiallyFailed", 2)
    assert {code for *_, status, code in rows(run) if status == "Failed"} == {"ModelLimitReached"}


def test_model_that_is_being_trained_is_decided(make_stage: MakeNights) -> None:
    """A model that is being trained is decided on and is no failure."""
    stage = make_stage([v4_model("invoices"), v2_model(V2_ID, state="creating")])
    run = stage.backup()
    assert run["status"] == "Succeeded"
    assert (TARGET, V2_ID, "notReady") in reasons(run)


@pytest.mark.writes("replicaDeleted")
def test_retrained_model_is_replaced_under_another_id(stage: Nights) -> None:
    """A retrained model is replaced under another id and the old copy goes a day later."""
    stage.backup()
    stage.days_pass(1)
    stage.retrain("invoices")
    run = stage.backup()
    assert reasons(run).count((TARGET, "invoices", "retrained")) == 1
    assert [(row["status"], row["targetModelId"]) for row in run["copies"]] == [("Succeeded", "invoices.2")] * 2
    old, new = stage.replicas("invoices")
    assert (old.target_model_id, old.state) == ("invoices", ReplicaState.RETIRING)
    assert (new.target_model_id, new.state) == ("invoices.2", ReplicaState.READY)
    named = [place["modelId"] for place in stage.look_up("invoices") if place["resource"] == TARGET]
    assert named == ["invoices.2", "invoices"]
    stage.days_pass(0.9)
    assert stage.backup()["copies"] == []
    stage.days_pass(0.2)
    last = stage.backup()
    assert [(row["action"], row["targetModelId"], row["status"]) for row in last["copies"]] == [
        ("delete", "invoices", "Succeeded")
    ] * 2
    assert set(stage.held()) & {"invoices", "invoices.2"} == {"invoices.2"}
    assert [place["modelId"] for place in stage.look_up("invoices")] == ["invoices", "invoices.2", "invoices.2"]
    assert stage.backup()["message"].startswith("nothing to do")


def test_replaced_again_and_again_model_goes_back(stage: Nights) -> None:
    """Replaced again and again a model goes back to ids that became free."""
    stage.backup()
    used = []
    for night in range(3):
        stage.days_pass(2)
        stage.retrain("claims", Field=0.1 * (night + 1))
        stage.backup()
        stage.days_pass(2)
        stage.backup()
        used.append(stage.look_up("claims")[1]["modelId"])
    assert used == ["claims.2", "claims", "claims.2"]
    assert len(stage.held()) == 3


def test_recreate_keeps_the_id(make_stage: MakeNights) -> None:
    stage = make_stage(plan={"onChange": "recreate"})
    stage.backup()
    stage.retrain("invoices")
    run = stage.backup()
    assert [(row["status"], row["targetModelId"]) for row in run["copies"]] == [("Succeeded", "invoices")] * 2
    assert set(stage.held()) & {"invoices", "invoices.2"} == {"invoices"}
    assert [one.state for one in stage.replicas("invoices")] == [ReplicaState.READY]
    assert stage.backup()["message"].startswith("nothing to do")


def test_a_deleted_source_model_keeps_its_replica(stage: Nights) -> None:
    stage.backup()
    stage.source.remove_model("invoices")
    for _ in range(3):
        stage.days_pass(40)
        run = stage.backup()
        assert (run["status"], run["copies"]) == ("Succeeded", [])
    assert reasons(run).count((TARGET, "invoices", "kept")) == 1
    assert {place["resource"] for place in stage.look_up("invoices")} == set(BOTH)


def removing(percent: int, grace: int = 30) -> dict[str, Any]:
    return {"retention": {"deleteRemoved": True, "graceDays": grace, "maxDeletePercent": percent}}


def test_with_deletion_on_a_replica_goes_after_its_grace(make_stage: MakeNights) -> None:
    stage = make_stage(plan=removing(50))
    stage.backup()
    stage.source.remove_model("invoices")
    stage.backup()
    stage.days_pass(29)
    stage.backup()
    assert "invoices" in stage.held()
    stage.days_pass(2)
    run = stage.backup()
    assert [(row["action"], row["modelId"], row["status"]) for row in run["copies"]] == [
        ("delete", "invoices", "Succeeded")
    ] * 2
    assert "invoices" not in stage.held()
    assert stage.http("GET", f"/api/models/{SOURCE}/invoices").status == 404


@pytest.mark.writes("deletionGuarded")
def test_too_many_deletions_at_once_are_withheld(make_stage: MakeNights, caplog: pytest.LogCaptureFixture) -> None:
    """Too many deletions at once are withheld and the copies of that night go on."""
    models = [v4_model(f"model-{number}") for number in range(10)]
    stage = make_stage(models, plan=removing(29, grace=0))
    stage.backup()
    for number in range(3):
        stage.source.remove_model(f"model-{number}")
    stage.source.put_model(v4_model("new"))
    with caplog.at_level("INFO"):
        run = stage.backup()
    assert [(row["action"], row["modelId"], row["status"]) for row in run["copies"]] == [
        ("copy", "new", "Succeeded")
    ] * 2
    assert sum(one[2] == "deletionGuarded" for one in reasons(run)) == 6
    assert "deleteModel" not in stage.operations()
    guards = events(caplog.messages, "deletionGuarded")
    assert {(event["target"], event["withheld"]) for event in guards} == {(TARGET, 3), (SECOND_TARGET, 3)}


def test_a_replica_that_somebody_changed_is_not_deleted(make_stage: MakeNights) -> None:
    stage = make_stage(plan=removing(100, grace=0))
    stage.backup()
    stage.source.remove_model("invoices")
    held = stage.target.model("invoices")
    assert held is not None
    stage.target.put_model(altered(held))
    run = stage.backup()
    assert (TARGET, "invoices", "Failed", "NotOurs") in rows(run)
    assert "invoices" in stage.held(TARGET)
    assert "invoices" not in stage.held(SECOND_TARGET)


def test_an_empty_source_list_stops_the_run(make_stage: MakeNights) -> None:
    stage = make_stage(plan=removing(100, grace=0))
    stage.backup()
    for model in ALL:
        stage.source.remove_model(model)
    run = stage.backup()
    assert (run["status"], run["code"], run["copies"]) == ("Failed", "SourceListEmpty", [])
    assert stage.operations() == LISTS
    assert len(stage.held()) == 3


@pytest.mark.writes("finding")
def test_replica_deleted_by_hand_is_found_missing(stage: Nights) -> None:
    """A replica deleted by hand is found missing and healed."""
    stage.backup()
    stage.target.remove_model("invoices")
    run = stage.backup()
    assert [(row["target"], row["modelId"], row["status"]) for row in run["copies"]] == [
        (TARGET, "invoices", "Succeeded")
    ]
    assert [(one["finding"], one["target"], one["modelId"]) for one in run["findings"]] == [
        ("missing", TARGET, "invoices")
    ]
    assert stage.held()["invoices"] == "ready"


def test_deep_check_finds_what_was_altered(make_stage: MakeNights) -> None:
    """A deep check finds what was altered and the next run heals it."""
    stage = make_stage(plan={"deepCheck": "all"})
    stage.backup()
    held = stage.target.model("invoices")
    assert held is not None
    stage.target.put_model(altered(held))
    run = stage.backup()
    assert [row for row in rows(run) if row[2] == "Failed"] == [(TARGET, "invoices", "Failed", "Drifted")]
    assert TARGET not in {place["resource"] for place in stage.look_up("invoices")}
    healed = stage.backup()
    assert (TARGET, "invoices", "Succeeded", None) in rows(healed)
    (place,) = [place for place in stage.look_up("invoices") if place["resource"] == TARGET]
    assert stage.held()[place["modelId"]] == "ready"
    assert stage.backup()["status"] == "Succeeded"


def test_late_and_expiring_models_are_reported(make_stage: MakeNights) -> None:
    model = v4_model("invoices")
    stage = make_stage([model], plan={"rpoHours": 24, "expiryWarningDays": 700})
    stage.days_pass((model.trained - stage.clock.now()).days + 2)
    late = stage.backup()
    assert {one["finding"] for one in late["findings"]} == {"rpoBreached"}
    stage.days_pass(100)
    soon = stage.backup()
    assert {one["finding"] for one in soon["findings"]} == {"expiresSoon"}
    assert soon["findingCount"] == 2


def test_a_target_that_is_down_blocks_its_own_rows_only(make_stage: MakeNights) -> None:
    stage = make_stage(copies={"patienceSeconds": 30})
    stage.target.down()
    run = stage.backup()
    assert run["status"] == "PartiallyFailed"
    assert {(row[0], row[2], row[3]) for row in rows(run)} == {
        (TARGET, "Failed", "TargetListFailed"),
        (SECOND_TARGET, "Succeeded", None),
    }
    assert all("Unreachable" in row["message"] for row in run["copies"] if row["target"] == TARGET)
    stage.target.down(False)
    assert stage.backup()["status"] == "Succeeded"
    assert len(stage.held()) == 3


def test_source_that_is_down_ends_run(make_stage: MakeNights) -> None:
    """A source that is down ends the run and changes nothing."""
    stage = make_stage(copies={"patienceSeconds": 30})
    stage.backup()
    before = [one.record for one in stage.services.catalog.replicas.of_source(SOURCE)]
    stage.source.down()
    run = stage.backup()
    assert (run["status"], run["code"]) == ("Failed", "SourceListFailed")
    assert SOURCE in run["message"]
    assert [one.record for one in stage.services.catalog.replicas.of_source(SOURCE)] == before
    for model in ALL:
        places = stage.look_up(model)
        assert [place["resource"] for place in places][-1] == SOURCE
        assert places[0]["role"] == "replica"


def test_lists_of_many_pages_are_read_whole(make_stage: MakeNights) -> None:
    stage = make_stage([v4_model(f"model-{number:03}") for number in range(70)], targets=[TARGET])
    for name in (SOURCE, TARGET):
        stage.resource(name).set_limits(page_size=7)
    run = stage.backup()
    assert (run["status"], run["progress"]["total"]) == ("Succeeded", 70)
    assert stage.backup()["message"] == "nothing to do: 70 copies are up to date"


def test_globs_and_kinds_narrow_a_plan(make_stage: MakeNights) -> None:
    stage = make_stage(mixed_models(), plan={"include": ["*s"], "exclude": ["c*"], "kinds": ["model"]})
    run = stage.backup()
    assert {row["modelId"] for row in run["copies"]} == {"invoices"}
    assert "listClassifiers" not in stage.operations()


def test_composed_models_and_their_parts_arrive_together(make_stage: MakeNights) -> None:
    stage = make_stage(mixed_models(), targets=[SECOND_TARGET])
    run = stage.backup()
    assert run["status"] == "Succeeded"
    for model, kind in (("mail", Kind.MODEL), ("invoices", Kind.MODEL), ("sorter", Kind.CLASSIFIER)):
        (one,) = stage.replicas(model, SECOND_TARGET, kind)
        assert (one.target_model_id, one.state) == (model, ReplicaState.READY)


def test_run_cancelled_after_a_deletion_makes_the_copy(make_stage: MakeNights) -> None:
    """A run that is cancelled after it deleted what it makes anew makes it."""
    stage = make_stage([v4_model("invoices")], targets=[TARGET], plan={"onChange": "recreate"})
    stage.backup()
    stage.days_pass(1)
    stage.retrain("invoices")
    run_id = stage.begin()

    def recorded(job: ActivityJob) -> None:
        if job.name == "delete_replica":
            stage.services.catalog.runs.cancel(run_id, stage.clock.now())

    stage.host._engine.on_recorded.append(recorded)
    stage.host.run_until_idle()
    assert stage.run(run_id)["cancelRequested"]
    assert stage.held() == {"invoices": "ready"}


def test_end_of_run_is_told_also_where_answer(
    stage: Nights, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The end of a run is told also where the answer to writing it was lost."""
    runs = stage.services.catalog.runs
    close = runs.close

    def written_and_lost(closing: RunClosing, now: datetime) -> RunRecord:
        monkeypatch.setattr(runs, "close", close)
        close(closing, now)
        raise CatalogUnavailable("no answer")

    monkeypatch.setattr(runs, "close", written_and_lost)
    with caplog.at_level("INFO"):
        assert stage.backup()["status"] == "Succeeded"
    assert [event["status"] for event in events(caplog.messages, "runEnded")] == ["Succeeded"]


def test_replaced_copy_goes_while_next_one_is_made(make_stage: MakeNights) -> None:
    """A model that is retrained every day: the copy before the last goes in the same run, also while the service copies the new one."""
    stage = make_stage([v4_model("invoices")], targets=[TARGET])
    stage.backup()
    stage.days_pass(1.1)
    stage.retrain("invoices", Field=0.5)
    stage.backup()
    stage.days_pass(1.1)
    stage.retrain("invoices", Field=0.7)
    stage.source.set_durations((60, 60))
    stage.resource(TARGET).inject("deleteModel", "status", status=429, headers={"Retry-After": "5"}, count=1)
    run = stage.backup()
    assert [(row["action"], row["status"]) for row in run["copies"]] == [("copy", "Succeeded"), ("delete", "Succeeded")]
    assert run["status"] == "Succeeded"
