"""``PUT /api/models``: an exported mapping is read back into a lost catalog, as far as the targets hold what it says."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from backup.states import ReplicaState
from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from local.simulator.models import v3_model
from local.simulator.seeds import night
from tests.nights import V2_ID, MakeNights, Nights, mixed_models, rows

from .test_adopting import WRITES, codes, lose_catalog, mapping


def export(stage: Nights) -> dict[str, Any]:
    body: dict[str, Any] = stage.http("GET", "/api/models").body
    return body


def read_back(stage: Nights, document: Any) -> dict[str, Any]:
    """Read a mapping back and return the run when it has ended."""
    stage.forget_calls()
    answer = stage.http("PUT", "/api/models", document)
    assert answer.status == 202, answer.body
    stage.host.run_until_idle()
    return stage.run(answer.body["runId"])


def test_a_mapping_is_read_back_without_its_source(make_stage: MakeNights) -> None:
    """The source is down and the catalog lost: the lookup answers as before, and the next night has nothing to do."""
    stage = make_stage(night())
    stage.backup()
    document, before = export(stage), mapping(stage)
    lose_catalog(stage)
    stage.source.down()
    run = read_back(stage, document)
    assert (run["kind"], run["status"], codes(run)) == ("mapping", "Succeeded", {"Succeeded": 45})
    assert {row["action"] for row in run["copies"]} == {"confirm"}
    assert stage.operations() <= {"getModel", "getClassifier"}
    assert mapping(stage) == before
    stage.source.down(is_down=False)
    assert stage.backup()["message"].startswith("nothing to do: 45 copies are up to date")


def test_an_older_copy_is_read_back_as_one_that_retires(make_stage: MakeNights) -> None:
    stage = make_stage([v3_model("claims")], targets=[TARGET])
    stage.backup()
    stage.days_pass(1)
    stage.retrain("claims")
    stage.backup()
    document = export(stage)
    lose_catalog(stage)
    assert codes(read_back(stage, document)) == {"Succeeded": 2}
    states = {one.target_model_id: one.state for one in stage.replicas("claims")}
    assert states == {"claims": ReplicaState.RETIRING, "claims.2": ReplicaState.READY}


def test_what_a_target_does_not_confirm_is_refused(make_stage: MakeNights) -> None:
    """A copy that is gone, one that differs, and a resource that is not configured: none is recorded."""
    stage = make_stage(targets=[TARGET])
    stage.backup()
    document = export(stage)
    lose_catalog(stage)
    stage.target.put_model(v3_model("claims", fields={"Theirs": 0.5}))
    stage.target.remove_model("invoices")
    (v2,) = [model for model in document["models"] if model["modelId"] == V2_ID]
    v2["places"].append({**v2["places"][1], "resource": "forms-elsewhere"})
    run = read_back(stage, document)
    assert run["status"] == "PartiallyFailed"
    assert rows(run) == [
        ("forms-elsewhere", V2_ID, "Failed", "NotConfirmed"),
        (TARGET, V2_ID, "Succeeded", None),
        (TARGET, "claims", "Failed", "NotConfirmed"),
        (TARGET, "invoices", "Failed", "NotConfirmed"),
    ]
    assert [one.model_id for one in stage.services.catalog.replicas.all()] == [V2_ID]
    assert not stage.operations() & WRITES


def test_what_the_catalog_knows_better_stays(make_stage: MakeNights) -> None:
    """Reading back twice changes nothing, nor does an export of before a retraining; nor may two models share a copy."""
    stage = make_stage([v3_model("claims")], targets=[TARGET], plan={"onChange": "recreate"})
    stage.backup()
    old = export(stage)
    before = list(stage.services.catalog.replicas.all())
    assert codes(read_back(stage, old)) == {"Succeeded": 1}
    assert list(stage.services.catalog.replicas.all()) == before
    other = copy.deepcopy(old)
    other["models"][0]["modelId"] = "other"
    assert codes(read_back(stage, other)) == {"NotConfirmed": 1}
    stage.days_pass(1)
    stage.retrain("claims")
    stage.backup()
    known = list(stage.services.catalog.replicas.all())
    assert codes(read_back(stage, old)) == {"NotConfirmed": 1}
    assert list(stage.services.catalog.replicas.all()) == known


def test_steps_of_it_that_run_again_change_nothing(make_stage: MakeNights) -> None:
    stage = make_stage(mixed_models(), targets=[SECOND_TARGET])
    stage.backup()
    document, before = export(stage), mapping(stage)
    lose_catalog(stage)
    stage.host.phantoms(1.0)
    assert codes(read_back(stage, document)) == {"Succeeded": 5}
    assert mapping(stage) == before


MODEL = {"source": SOURCE, "modelId": "claims", "kind": "model"}
PLACE = {"role": "replica", "resource": TARGET, "modelId": "claims", "apiVersion": "2023-07-31"}
PROOF = {"digest": "0" * 64, "fingerprint": "0" * 24}


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({}, "#/models"),
        ({"models": [{**MODEL, "places": [PLACE]}]}, "#/models/0/places/0"),
        ({"models": [{**MODEL, "places": [{**PLACE, **PROOF, "digest": "x"}]}]}, "#/models/0/places/0/digest"),
        ({"models": [{**MODEL, "places": [{**PLACE, **PROOF, "modelId": "../x"}]}]}, "#/models/0/places/0/modelId"),
        ({"models": [{**MODEL, "modelId": "a/b", "places": []}]}, "#/models/0/modelId"),
        ({"models": [{**MODEL, "source": "A|B", "places": []}]}, "#/models/0/source"),
    ],
)
def test_a_wrong_mapping_is_refused_as_a_whole(stage: Nights, document: Any, place: str) -> None:
    answer = stage.http("PUT", "/api/models", document)
    assert (answer.status, [error["pointer"] for error in answer.body["errors"]]) == (400, [place])


def test_a_mapping_that_is_too_large_is_refused(stage: Nights) -> None:
    answer = stage.http("PUT", "/api/models", {"models": [], "padding": "x" * 2 * 1024 * 1024})
    assert (answer.status, answer.body["code"]) == (413, "BodyTooLarge")


def test_a_second_copy_in_use_is_refused(make_stage: MakeNights) -> None:
    """A mapping that was edited wrongly: the app would take the other copies for replaced ones, and delete them a day later."""
    stage = make_stage(targets=[TARGET])
    stage.backup()
    document = export(stage)
    lose_catalog(stage)
    claims, invoices = (
        next(one for one in document["models"] if one["modelId"] == name) for name in ("claims", "invoices")
    )
    both = {**claims, "places": [*claims["places"], *[one for one in invoices["places"] if one["role"] == "replica"]]}
    answer = stage.http("PUT", "/api/models", {"models": [both]})
    assert answer.status == 400, answer.body
    assert "a second copy in use beside claims" in str(answer.body)
    assert codes(read_back(stage, {"models": [claims]})) == {"Succeeded": 1}
    run = read_back(stage, {"models": [{**invoices, "modelId": "claims"}]})
    assert codes(run) == {"NotConfirmed": 1}
    assert "the catalog knows claims as the copy in use" in run["copies"][0]["message"]
    for _ in range(3):
        stage.days_pass(1)
        stage.backup()
        assert "deleteModel" not in stage.operations()
    assert len(stage.held()) == 3


def test_a_source_that_is_not_configured_is_refused(make_stage: MakeNights) -> None:
    """It would keep the copies from the resource that they belong to: these are adopted in the next night."""
    stage = make_stage(targets=[TARGET])
    stage.backup()
    document, before = export(stage), mapping(stage)
    lose_catalog(stage)
    for model in document["models"]:
        model["source"] = "forms-elsewhere"
    assert codes(read_back(stage, document)) == {"NotConfirmed": 3}
    assert codes(stage.backup()) == {"Adopted": 3}
    assert mapping(stage) == before
