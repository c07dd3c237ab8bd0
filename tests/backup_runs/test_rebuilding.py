"""``POST /api/catalog/rebuild``: a lost catalog is filled from what the targets hold, and nothing is copied."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.inprocess import SECOND_TARGET, TARGET
from local.simulator.models import v3_model
from tests.nights import MakeNights, Nights, mixed_models, rows

from .test_adopting import WRITES, codes, lose_catalog, mapping


def rebuild(stage: Nights, **body: Any) -> list[dict[str, Any]]:
    """Rebuild the catalog and return the runs when they have ended."""
    answer = stage.http("POST", "/api/catalog/rebuild", body or None)
    assert answer.status == 202, answer.body
    assert {name.lower(): text for name, text in answer.headers.items()}["location"] == answer.body["runs"][0][
        "statusUrl"
    ]
    stage.host.run_until_idle()
    return [stage.run(run["runId"]) for run in answer.body["runs"]]


def test_a_rebuild_only_adopts(make_stage: MakeNights) -> None:
    """What is in the targets is recorded; what is lacking is left to the next night."""
    stage = make_stage(mixed_models())
    stage.backup()
    before = mapping(stage)
    lose_catalog(stage)
    stage.source.put_model(v3_model("new"))
    stage.forget_calls()
    (run,) = rebuild(stage, plan="nightly")
    assert (run["kind"], run["plan"], run["status"], run["notCovered"]) == ("rebuild", "nightly", "Succeeded", 0)
    assert codes(run) == {"Adopted": 8}
    assert {row["action"] for row in run["copies"]} == {"adopt"}
    assert {decision["action"] for decision in run["decisions"]} == {"adopt"}
    assert not stage.operations() & WRITES
    assert mapping(stage) == before
    plan = stage.http("GET", "/api/plans/nightly").body
    assert (plan["lastRun"], plan["coverage"]) == (None, None)
    (again,) = rebuild(stage, plan="nightly")
    assert (again["status"], again["message"], again["copies"]) == (
        "Succeeded",
        "nothing to adopt: no target holds a copy that the catalog does not know",
        [],
    )
    assert codes(stage.backup()) == {"Succeeded": 2, "KindUnsupported": 2}


def test_a_rebuild_leaves_what_differs(make_stage: MakeNights) -> None:
    """Another model under the id is named, and nothing is made, deleted or recorded."""
    stage = make_stage([v3_model("claims")], targets=[TARGET])
    stage.target.put_model(v3_model("claims", fields={"Theirs": 0.5}))
    (run,) = rebuild(stage)
    assert (run["status"], rows(run)) == ("Failed", [(TARGET, "claims", "Failed", "NotAdopted")])
    assert not stage.operations() & WRITES
    assert mapping(stage) == set()
    assert stage.http("GET", "/api/plans/nightly").body["status"] == "ok"


def test_a_rebuild_copies_no_component(make_stage: MakeNights) -> None:
    """A composed copy whose component is gone is not adopted."""
    stage = make_stage(mixed_models(), targets=[SECOND_TARGET], plan={"include": ["mail"]})
    stage.backup()
    lose_catalog(stage)
    stage.resource(SECOND_TARGET).remove_model("invoices")
    stage.forget_calls()
    (run,) = rebuild(stage)
    assert codes(run) == {"ComponentFailed": 1}
    assert not stage.operations() & WRITES


def test_an_unread_target_is_told(make_stage: MakeNights) -> None:
    """A rebuild says of which target it knows nothing."""
    stage = make_stage([v3_model("claims")], copies={"patienceSeconds": 5})
    stage.backup()
    lose_catalog(stage)
    stage.target.inject("listModels", "status", status=401, count=None)
    (run,) = rebuild(stage)
    assert rows(run) == [
        (SECOND_TARGET, "claims", "Succeeded", "Adopted"),
        (TARGET, "claims", "Failed", "TargetListFailed"),
    ]


def test_a_rebuild_of_all_plans(make_stage: MakeNights) -> None:
    """Each plan that is free gets a run, and none is started while every plan has one."""
    plans = {"one": {"targets": [TARGET]}, "two": {"targets": [SECOND_TARGET]}}
    stage = make_stage([v3_model("claims")], plans=plans)
    for plan in plans:
        stage.http("POST", "/api/backups", {"plan": plan})
    stage.host.run_until_idle()
    before = mapping(stage)
    lose_catalog(stage)
    assert [(run["plan"], codes(run)) for run in rebuild(stage)] == [("one", {"Adopted": 1}), ("two", {"Adopted": 1})]
    assert mapping(stage) == before
    stage.retrain("claims")
    for plan in plans:
        stage.http("POST", "/api/backups", {"plan": plan})
    stage.let_pass(0.5)
    refused = stage.http("POST", "/api/catalog/rebuild")
    assert (refused.status, refused.body["code"], len(refused.body["runs"])) == (409, "PlanAlreadyRunning", 2)


def test_a_dry_rebuild_records_nothing(make_stage: MakeNights) -> None:
    stage = make_stage(targets=[TARGET])
    stage.backup()
    lose_catalog(stage)
    (run,) = rebuild(stage, dryRun=True)
    assert (run["dryRun"], run["counts"]["adopt"], run["copies"]) == (True, 3, [])
    assert mapping(stage) == set()


@pytest.mark.parametrize(
    ("body", "code"), [({"plan": "weekly"}, "UnknownPlan"), ({"plans": []}, "UnknownField"), ([], "InvalidRequest")]
)
def test_a_wrong_rebuild_is_refused(stage: Nights, body: Any, code: str) -> None:
    answer = stage.http("POST", "/api/catalog/rebuild", body)
    assert (answer.status, answer.body["code"]) == (400, code)


def test_without_plans_there_is_nothing_to_rebuild(make_stage: MakeNights) -> None:
    """Plans say what to look for and where."""
    answer = make_stage(plans={}).http("POST", "/api/catalog/rebuild", {})
    assert (answer.status, answer.body["code"]) == (409, "NoPlans")


def test_rebuilds_at_once_adopt_once(make_stage: MakeNights) -> None:
    """Of four requests at the same time one run adopts; the others are refused, or end as PlanAlreadyRunning."""
    stage = make_stage(targets=[TARGET])
    stage.backup()
    before, held = mapping(stage), stage.held()
    lose_catalog(stage)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: stage.http("POST", "/api/catalog/rebuild"), range(4)))
    stage.host.run_until_idle()
    runs = [stage.run(run["runId"]) for answer in answers if answer.status == 202 for run in answer.body["runs"]]
    assert {answer.status for answer in answers} <= {202, 409}
    assert {run.get("code") for run in runs if run["status"] == "Failed"} <= {"PlanAlreadyRunning"}
    assert sum(codes(run)["Adopted"] for run in runs) == 3
    assert (mapping(stage), stage.held()) == (before, held)
