"""One run of a plan at a time, approved plans, cancelling."""

from __future__ import annotations

from backup.messages.plan import BackupRequest
from backup.names import BACKUP_RUN
from local.inprocess import SECOND_TARGET, TARGET
from local.simulator.models import v4_model
from tests.nights import PLAN, MakeNights, Nights, reasons, rows

WRITES = {"authorizeCopy", "startCopy", "deleteModel"}


def test_a_dry_run_says_what_it_would_do_and_does_nothing(stage: Nights) -> None:
    run = stage.backup(dryRun=True)
    assert (run["status"], run["dryRun"], run["copies"]) == ("Succeeded", True, [])
    assert {one[2] for one in reasons(run)} == {"new"}
    assert stage.operations() == {"listModels", "listClassifiers"}
    assert list(stage.services.catalog.replicas.all()) == []
    assert stage.services.catalog.plans.holder(PLAN, stage.clock.now()) is None


def test_a_dry_run_changes_no_replica(stage: Nights) -> None:
    stage.backup()
    stage.target.remove_model("invoices")
    before = list(stage.services.catalog.replicas.all())
    run = stage.backup(dryRun=True)
    assert (TARGET, "invoices", "missing") in reasons(run)
    assert list(stage.services.catalog.replicas.all()) == before


def test_a_dry_run_may_be_made_while_a_run_is_under_way(stage: Nights) -> None:
    stage.begin(seconds=0.5)
    assert stage.post_backup(dryRun=True).status == 202


def test_plan_is_carried_out_as_it_was_approved(stage: Nights) -> None:
    """A plan is carried out as it was approved or not at all."""
    approved = stage.backup(dryRun=True)["planHash"]
    stage.source.put_model(v4_model("surprise"))
    refused = stage.backup(planHash=approved)
    assert (refused["status"], refused["code"]) == ("Failed", "PlanChanged")
    assert not stage.operations() & WRITES
    stage.source.remove_model("surprise")
    carried_out = stage.backup(planHash=approved)
    assert (carried_out["status"], carried_out["planHash"]) == ("Succeeded", approved)


def test_second_run_is_refused_with_address_of_first(stage: Nights) -> None:
    """A second run is refused with the address of the first."""
    first = stage.begin(seconds=0.5)
    second = stage.post_backup()
    assert (second.status, second.body["code"]) == (409, "PlanAlreadyRunning")
    assert second.headers["location"].endswith(f"/api/runs/{first}")
    stage.host.run_until_idle()
    assert stage.run(first)["status"] == "Succeeded"
    assert stage.post_backup().status == 202


def test_of_two_runs_accepted_at_once_one_ends(stage: Nights) -> None:
    """Of two runs accepted at once one ends and names the other."""
    # past the door, which looks first: both were let in before either had taken the plan
    ids = [f"{PLAN}-20260101T0000-{letter}" for letter in "ab"]
    for run_id in ids:
        stage.host.start_new(BACKUP_RUN, BackupRequest(run_id=run_id, plan=PLAN).to_json(), run_id)
    stage.host.run_until_idle()
    runs = [stage.run(run_id) for run_id in ids]
    assert sorted(run["status"] for run in runs) == ["Failed", "Succeeded"]
    (winner,) = [run for run in runs if run["status"] == "Succeeded"]
    (loser,) = [run for run in runs if run["status"] == "Failed"]
    assert loser["code"] == "PlanAlreadyRunning"
    assert winner["runId"] in loser["message"]


def test_run_whose_orchestration_was_terminated(stage: Nights) -> None:
    """A run whose orchestration was terminated does not hold its plan."""
    dead = stage.begin(seconds=0.5)
    stage.host.terminate(dead, "by hand")
    stage.host.run_until_idle()
    assert stage.run(dead)["status"] == "Succeeded", "its lanes went on without it"
    assert stage.backup()["status"] == "Succeeded"
    assert len(stage.held()) == 3


def test_cancelled_run_finishes_what_is_under_way(make_stage: MakeNights) -> None:
    """A cancelled run finishes what is under way and begins nothing."""
    stage = make_stage(copies={"concurrency": 2})
    run_id = stage.begin(seconds=0.5)
    assert stage.http("POST", f"/api/runs/{run_id}/cancel").status == 202
    stage.host.run_until_idle()
    run = stage.run(run_id)
    assert run["status"] == "Cancelled"
    statuses = sorted(row[2] for row in rows(run))
    assert statuses == ["Cancelled"] * 4 + ["Succeeded"] * 2
    assert stage.backup()["status"] == "Succeeded"
    assert len(stage.held()) == len(stage.held(SECOND_TARGET)) == 3


def test_a_cancelled_run_deletes_nothing_more(make_stage: MakeNights) -> None:
    rules = {"retention": {"deleteRemoved": True, "graceDays": 0, "maxDeletePercent": 100}}
    stage = make_stage(plan=rules, copies={"concurrency": 1})
    stage.backup()
    stage.source.remove_model("invoices")
    stage.source.put_model(v4_model("new"))
    run_id = stage.begin(seconds=0.5)
    stage.http("POST", f"/api/runs/{run_id}/cancel")
    stage.host.run_until_idle()
    run = stage.run(run_id)
    assert {row["status"] for row in run["copies"] if row["action"] == "delete"} == {"Cancelled"}
    assert "invoices" in stage.held()


def test_copy_under_way_is_not_made_twice(stage: Nights) -> None:
    """A copy that somebody asked for is not made twice and the record names its run."""
    asked = stage.post_copies(["invoices"]).body["runId"]
    stage.let_pass(0.5)
    run = stage.backup()
    (loser,) = [row for row in run["copies"] if (row["target"], row["modelId"]) == (TARGET, "invoices")]
    assert loser["status"] == "CopyInProgress"
    assert asked in loser["message"]
    assert run["status"] == "PartiallyFailed"
    assert sorted(stage.held()) == sorted(set(stage.held()))
    assert stage.backup()["message"].startswith("nothing to do")
