"""An id that is authorized and lost, or whose copy failed: the copy gets through, or under another id, without anybody's help."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from local.inprocess import SECOND_TARGET, SOURCE
from local.simulator import StoredModel
from local.simulator.models import classifier, v2_model, v3_model, v4_model
from local.simulator.seeds import model_uuid

from .conftest import Log, MakeScene, Scene

MOST_AUTHORIZATIONS = 3
V2_ID = model_uuid("Supplier invoices")
FAILED = {
    "operationId": "31466498613_b0a4b2c1",
    "kind": "documentModelCopyTo",
    "status": "failed",
    "percentCompleted": 100,
    "createdDateTime": "2026-01-01T00:00:00Z",
    "lastUpdatedDateTime": "2026-01-01T00:00:01Z",
    "resourceLocation": "https://forms.invalid/documentintelligence/documentModels/invoices",
    "error": {"code": "InternalServerError", "message": "An unexpected error occurred."},
}
FAILED_V2 = {
    "status": "failed",
    "createdDateTime": "2026-01-01T00:00:00Z",
    "lastUpdatedDateTime": "2026-01-01T00:00:01Z",
    "copyResult": {"modelId": V2_ID, "errors": [{"code": "2000", "message": "An unexpected error occurred."}]},
}
DATED = [
    pytest.param(v3_model("invoices", api_version="2022-08-31"), id="2022-08-31"),
    pytest.param(v3_model("invoices"), id="2023-07-31"),
    pytest.param(v4_model("invoices"), id="2024-11-30"),
    pytest.param(classifier("sorter"), id="classifier"),
]
BOTH = pytest.mark.parametrize("placeholder_delete", ["frees", "notFound"])


def operation(model: StoredModel, verb: str) -> str:
    return f"{verb}{'Classifier' if model.kind == 'classifier' else ''}Copy"


def copied(scene: Scene, model: StoredModel) -> dict[str, Any]:
    return scene.one(model.model_id, target=SECOND_TARGET, kind=model.kind)


def settled(scene: Scene, copy: dict[str, Any], model: StoredModel) -> str:
    """Check that the copy is there, verified, and resolved by the mapping; return its id."""
    assert (copy["status"], copy["code"]) == ("Succeeded", None), copy["message"]
    target_model_id: str = copy["targetModelId"]
    made = scene.resource(SECOND_TARGET).model(target_model_id, model.kind)
    assert made is not None
    assert (made.state, made.copy_of) == ("ready", f"{SOURCE}/{model.model_id}")
    assert scene.places(model.model_id, model.kind)[SECOND_TARGET] == target_model_id
    return target_model_id


@BOTH
@pytest.mark.parametrize("fault", ["lostAnswer", "malformed", "truncated"])
@pytest.mark.parametrize("model", DATED)
def test_authorization_whose_answer_was_lost_is_got(
    make_scene: MakeScene, log: Log, model: StoredModel, fault: str, placeholder_delete: str
) -> None:
    """An authorization whose answer was lost is got over."""
    scene = make_scene(model)
    scene.resource(SECOND_TARGET).set_behaviour(placeholder_delete=placeholder_delete)
    scene.resource(SECOND_TARGET).inject(operation(model, "authorize"), fault)
    target_model_id = settled(scene, copied(scene, model), model)
    assert len(scene.asked(SECOND_TARGET, operation(model, "authorize"))) <= MOST_AUTHORIZATIONS
    assert (target_model_id != model.model_id) == bool(log.warnings("fallbackIdUsed"))


@BOTH
@pytest.mark.parametrize("model", DATED)
def test_a_start_that_was_refused_burns_at_most_an_id(
    make_scene: MakeScene, model: StoredModel, placeholder_delete: str
) -> None:
    scene = make_scene(model)
    scene.resource(SECOND_TARGET).set_behaviour(placeholder_delete=placeholder_delete)
    scene.source.inject(operation(model, "start"), "status", status=409)
    target_model_id = settled(scene, copied(scene, model), model)
    assert target_model_id == model.model_id + ("" if placeholder_delete == "frees" else ".2")
    assert len(scene.asked(SECOND_TARGET, operation(model, "authorize"))) <= MOST_AUTHORIZATIONS


@BOTH
@pytest.mark.parametrize("model", DATED)
def test_a_copy_that_failed_is_made_anew(make_scene: MakeScene, model: StoredModel, placeholder_delete: str) -> None:
    scene = make_scene(model, copy_seconds=(30.0, 30.0))
    scene.resource(SECOND_TARGET).set_behaviour(placeholder_delete=placeholder_delete)
    scene.source.inject("getOperation", "status", status=200, body=FAILED)
    target_model_id = settled(scene, copied(scene, model), model)
    assert target_model_id == model.model_id + ("" if placeholder_delete == "frees" else ".2")
    assert len(scene.asked(SECOND_TARGET, operation(model, "authorize"))) <= MOST_AUTHORIZATIONS


@pytest.mark.parametrize("model", DATED)
def test_placeholder_that_somebody_deletes(make_scene: MakeScene, model: StoredModel) -> None:
    """A placeholder that somebody deletes under way is made anew."""
    scene = make_scene(model)
    run = scene.ask(source=SOURCE, targets=[SECOND_TARGET], models=[model.model_id], kind=model.kind)
    scene.host.run_until_idle(limit=timedelta(seconds=1.5))
    scene.resource(SECOND_TARGET).remove_model(model.model_id, model.kind)
    scene.host.run_until_idle()
    assert settled(scene, scene.run(run)["copies"][0], model) == model.model_id
    assert len(scene.asked(SECOND_TARGET, operation(model, "authorize"))) == 2


@BOTH
@pytest.mark.parametrize("model", DATED)
def test_copy_that_fails_again_and_again_ends(
    make_scene: MakeScene, model: StoredModel, placeholder_delete: str
) -> None:
    """A copy that fails again and again ends and the next run gets through."""
    scene = make_scene(model)
    target = scene.resource(SECOND_TARGET)
    target.set_behaviour(placeholder_delete=placeholder_delete)
    scene.source.inject(operation(model, "start"), "status", status=409, count=None)
    copy = copied(scene, model)
    assert (copy["status"], copy["code"]) == ("Failed", "CopyRefused")
    granted = [entry for entry in scene.asked(SECOND_TARGET, operation(model, "authorize")) if entry.status == 200]
    assert len(granted) == MOST_AUTHORIZATIONS
    assert len(target.models()) == (0 if placeholder_delete == "frees" else MOST_AUTHORIZATIONS)
    scene.source.clear_faults()
    target_model_id = settled(scene, copied(scene, model), model)
    assert (target_model_id == model.model_id) == (placeholder_delete == "frees")


def test_a_lost_v2_authorization_is_reported_and_got_over(make_scene: MakeScene, log: Log) -> None:
    model = v2_model(V2_ID)
    scene = make_scene(model)
    scene.resource(SECOND_TARGET).inject("authorizeCopy", "lostAnswer")
    target_model_id = settled(scene, copied(scene, model), model)
    assert len(scene.asked(SECOND_TARGET, "authorizeCopy")) == 2
    (suspect,) = log.warnings("suspectFound")
    (left,) = [made for made in scene.resource(SECOND_TARGET).models() if made.model_id != target_model_id]
    assert suspect["targetModel"] == left.model_id
    assert not scene.asked(SECOND_TARGET, "deleteModel"), "it may be somebody's training"


def test_v2_copy_that_failed_is_made_anew(make_scene: MakeScene) -> None:
    """A v2 copy that failed is made anew and leaves nothing."""
    model = v2_model(V2_ID)
    scene = make_scene(model, copy_seconds=(30.0, 30.0))
    scene.source.inject("getCopyResult", "status", status=200, body=FAILED_V2)
    target_model_id = settled(scene, copied(scene, model), model)
    assert [made.model_id for made in scene.resource(SECOND_TARGET).models()] == [target_model_id]
