"""An entry of a list that cannot be read costs itself: it is told, the other models are copied, and nothing is deleted meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from local.simulator.models import v4_model
from tests.nights import PLAN, V2_ID, MakeNights, Nights, few_models, mixed_models, reasons

DELETE = {"retention": {"deleteRemoved": True, "graceDays": 0, "maxDeletePercent": 100}}
ODD: list[tuple[Any, str]] = [
    (None, "is null and not an object"),
    ("invoices", "is a text and not an object"),
    ([], "is a list and not an object"),
    (3, "is a number and not an object"),
    ({}, "Id is missing"),
    ({"modelId": 7, "classifierId": 7}, "Id is not a string"),
    (
        {"modelId": "../x", "classifierId": "../x", "createdDateTime": "2026-01-01T00:00:00Z", "status": "ready"},
        "cannot be the id",
    ),
    ({"modelId": "odd-one", "classifierId": "odd-one"}, "is missing"),
    (
        {"modelId": "odd-one", "classifierId": "odd-one", "createdDateTime": "x" * 100_000, "status": "ready"},
        "longer than",
    ),
    (
        {"modelId": "odd-one", "classifierId": "odd-one", "createdDateTime": "x", "status": "\ud83e", "tags": "\ud83e"},
        "surrogate",
    ),
]


def health(stage: Nights) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.http("GET", "/api/health").body["findings"]
    return found


@pytest.mark.parametrize(("entry", "flaw"), ODD, ids=range(len(ODD)))
def test_one_odd_entry_costs_that_entry(make_stage: MakeNights, entry: Any, flaw: str) -> None:
    """In lists of models and of classifiers, of v2 and of later versions."""
    stage = make_stage(mixed_models(), targets=[TARGET])
    stage.source.set_behaviour(odd_entries=[entry])
    run = stage.backup()
    assert {row["status"] for row in run["copies"]} <= {"Succeeded", "NotCovered"}
    assert V2_ID in {row["modelId"] for row in run["copies"] if row["status"] == "Succeeded"}
    found = [one for one in run["findings"] if one["finding"] == "unreadable"]
    assert [(one["target"], one["kind"]) for one in found] == [
        (SOURCE, kind) for kind in ("model", "model", "classifier")
    ]
    assert all("entry 2 on page 1" in one["detail"] and flaw in one["detail"] for one in found)
    assert {one.get("modelId") for one in found} == {"odd-one" if "odd-one" in str(entry) else None}
    (told,) = [one for one in health(stage) if one["code"] == "EntryUnreadable"]
    assert told["subject"] == f"{PLAN} {SOURCE}"
    assert flaw in told["message"]
    stage.source.set_behaviour(odd_entries=[])
    stage.days_pass(1)
    assert stage.backup()["findings"] == []
    assert [one for one in health(stage) if one["code"] == "EntryUnreadable"] == []


@pytest.mark.parametrize(("place", "kept"), [(SOURCE, {TARGET, SECOND_TARGET}), (TARGET, {TARGET})])
def test_it_withholds_deletions(make_stage: MakeNights, place: str, kept: set[str]) -> None:
    """An entry of the source does so in every target, one of a target there alone."""
    stage = make_stage(plan=DELETE)
    stage.backup()
    stage.source.remove_model("invoices")
    stage.resource(place).set_behaviour(odd_entries=[None])
    for _ in range(2):
        stage.days_pass(1)
        run = stage.backup()
    assert {name for name in (TARGET, SECOND_TARGET) if "invoices" in stage.held(name)} == kept
    withheld = {target for target, model, reason in reasons(run) if (model, reason) == ("invoices", "listIncomplete")}
    # while the entry may be the model, it does not count as gone: its days of grace have not begun
    assert withheld == kept
    assert {one["code"] for one in health(stage)} >= {"EntryUnreadable", "DeletionWithheld"}
    stage.resource(place).set_behaviour(odd_entries=[])
    stage.days_pass(1)
    stage.backup()
    assert not {name for name in (TARGET, SECOND_TARGET) if "invoices" in stage.held(name)}


def test_a_copy_whose_entry_is_odd_stays(make_stage: MakeNights) -> None:
    """It is not copied again, and its record stays."""
    stage = make_stage(few_models(), targets=[TARGET])
    stage.backup()
    before = stage.replicas("invoices")
    hidden = stage.target.model("invoices")
    assert hidden is not None
    stage.target.remove_model("invoices")
    stage.target.set_behaviour(odd_entries=[{"modelId": "invoices"}])
    stage.days_pass(1)
    run = stage.backup()
    assert (TARGET, "invoices", "unchanged") in reasons(run)
    assert "startCopy" not in stage.operations()
    assert stage.replicas("invoices") == before
    assert [one["finding"] for one in run["findings"]] == ["unreadable"] * 3


def test_another_model_is_missing_all_the_same(make_stage: MakeNights) -> None:
    """The odd entry has an id, so it stands for that model only."""
    stage = make_stage(few_models(), targets=[TARGET])
    stage.backup()
    stage.target.remove_model("invoices")
    stage.target.set_behaviour(odd_entries=[{"modelId": "claims-2"}])
    stage.days_pass(1)
    run = stage.backup()
    assert (TARGET, "invoices", "missing") in reasons(run)
    assert "invoices" in stage.held()


def test_a_list_of_odd_entries_alone(make_stage: MakeNights) -> None:
    stage = make_stage([])
    stage.source.set_behaviour(odd_entries=[None] * 30)
    run = stage.backup()
    assert (run["status"], run["code"]) == ("Failed", "SourceListEmpty")
    assert "entry 1 on page 1" in run["message"]


def test_very_many_odd_entries(make_stage: MakeNights) -> None:
    """The first twenty of a page are reported one by one; a page of more than 500 is no list of models."""
    stage = make_stage([v4_model("invoices")], targets=[TARGET], plan={"kinds": ["model"]})
    stage.source.set_behaviour(odd_entries=[None] * 500)
    run = stage.backup()
    assert run["status"] == "Succeeded"
    assert len([one for one in run["findings"] if "page 1 of the list" in one["detail"]]) == 40
    assert sum("(and 480 more on this page)" in one["detail"] for one in run["findings"]) == 2
    stage.source.set_behaviour(odd_entries=[None] * 501)
    assert stage.backup()["code"] == "SourceListFailed"


USUAL = {
    "createdDateTime": "2026-09-14T08:30:12Z",
    "lastUpdatedDateTime": "2026-09-14T08:30:12Z",
    "status": "ready",
    "apiVersion": "2024-11-30",
}
"""An entry that every list can hold."""

STRANGE: list[dict[str, Any]] = [
    {"createdDateTime": "0001-01-01T00:00:00+14:00"},
    {"createdDateTime": "9999-12-31T23:59:59-14:00"},
    {"createdDateTime": "2026-01-01T00:00:00"},
    {"createdDateTime": "yesterday"},
    {"modifiedDateTime": "2001-01-01T00:00:00Z"},
    {"expirationDateTime": "0001-01-01T00:00:00+14:00"},
    {"expirationDateTime": "9999-12-31T23:59:59-14:00"},
    {"expirationDateTime": 17},
    {"status": "creating"},
    {"status": "FAILED"},
    {"status": 3},
    {"apiVersion": 3},
    {"apiVersion": ""},
    {"apiVersion": "2999-99-99"},
    {"apiVersion": "2031-01-01"},
    {"tags": [1]},
    {"tags": {"a": 1, "b": None, "c": {"d": [1]}}},
    {"description": 5},
    {"classifierId": 5},
    {"modelId": "a" * 64},
    {"modelId": "a" * 65},
    {"modelId": "INVOICES"},
    {"modelId": "in voices"},
    {"modelId": "\u0131nvoices"},
    {"modelId": "invoices"},
    {"modelId": "invoices", "createdDateTime": "2020-01-01T00:00:00Z"},
]
"""Dates without a day, states and versions of no kind, ids that nearly are another's, the same model twice."""


def test_many_strange_entries_cost_no_other(make_stage: MakeNights) -> None:
    """All at once, in three nights: no step ends with an exception, nothing is deleted, and all that the app answers can be read."""
    stage = make_stage(few_models(), targets=[TARGET], plan={**DELETE, "rpoHours": 1})
    entries = [{**USUAL, "modelId": f"odd-{number:02d}", **odd} for number, odd in enumerate(STRANGE)]
    stage.source.set_behaviour(odd_entries=entries)
    for night in range(3):
        run = stage.backup()
        assert {row["code"] for row in run["copies"]} & {"StepCrashed", "ChildLost"} == set()
        assert set(stage.held()) >= {"invoices", "claims"}
        assert "deleteModel" not in stage.operations()
        if night:
            assert "invoices" not in {row["modelId"] for row in run["copies"]}
        for path in ("health", "plans", "plans/nightly", "models", "replicas", "runs"):
            answer = stage.http("GET", f"/api/{path}")
            assert answer.status == 200, answer.body
        stage.days_pass(1)
    assert len(stage.held()) == 3


@pytest.mark.parametrize("place", [SOURCE, TARGET])
@pytest.mark.parametrize(
    "body",
    [
        {"value": None, "modelList": None},
        {},
        {"value": {}, "modelList": {}},
        {"value": [], "modelList": [], "nextLink": 5},
        {"value": [], "modelList": [], "nextLink": "https://elsewhere.invalid/" + "y" * 100_000},
    ],
    ids=["null", "missing", "object", "number", "elsewhere"],
)
def test_a_page_that_is_none_deletes_and_doubles_none(make_stage: MakeNights, place: str, body: Any) -> None:
    """A source without a list ends the run, in words; a target without one costs that target only."""
    stage = make_stage(plan={**DELETE, "rpoHours": 1})
    stage.backup()
    held = {name: stage.held(name) for name in (TARGET, SECOND_TARGET)}
    stage.source.put_model(v4_model("newest"))
    stage.resource(place).inject("listModels", "status", status=200, body=body, count=None)
    stage.days_pass(1)
    run = stage.backup()
    assert "deleteModel" not in stage.operations()
    if place == SOURCE:
        assert (run["status"], run["code"]) == ("Failed", "SourceListFailed")
        assert {name: stage.held(name) for name in (TARGET, SECOND_TARGET)} == held
    else:
        assert {(row["target"], row["code"]) for row in run["copies"] if row["status"] == "Failed"} == {
            (TARGET, "TargetListFailed")
        }
        assert (stage.held(), set(stage.held(SECOND_TARGET))) == (held[TARGET], {*held[SECOND_TARGET], "newest"})
    assert "StepCrashed" not in str(run["copies"])
