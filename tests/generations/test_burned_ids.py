"""Burned ids: after a lost authorization or a failed copy the app copies again, under the same id or a fallback id."""

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


def copy_of(scene: Scene, model: StoredModel) -> dict[str, Any]:
    return scene.copy_one(model.model_id, target=SECOND_TARGET, kind=model.kind)


def succeeded(scene: Scene, copy: dict[str, Any], model: StoredModel) -> str:
    """Check that the copy is ready, of this model, and in the lookup; return its id."""
    assert (copy["status"], copy["code"]) == ("Succeeded", None), copy["message"]
    target_model_id: str = copy["targetModelId"]
    stored = scene.resource(SECOND_TARGET).model(target_model_id, model.kind)
    assert stored is not None
    assert (stored.state, stored.copy_of) == ("ready", f"{SOURCE}/{model.model_id}")
    assert scene.places(model.model_id, model.kind)[SECOND_TARGET] == target_model_id
    return target_model_id


@BOTH
@pytest.mark.parametrize("fault", ["lostAnswer", "malformed", "truncated"])
@pytest.mark.parametrize("model", DATED)
def test_a_lost_authorization_is_replaced(
    make_scene: MakeScene, log: Log, model: StoredModel, fault: str, placeholder_delete: str
) -> None:
    """Lost, malformed or cut off: the copy succeeds, under another id if the first cannot be freed."""
    scene = make_scene(model)
    scene.resource(SECOND_TARGET).set_behaviour(placeholder_delete=placeholder_delete)
    scene.resource(SECOND_TARGET).inject(operation(model, "authorize"), fault)
    target_model_id = succeeded(scene, copy_of(scene, model), model)
    assert len(scene.journal(SECOND_TARGET, operation(model, "authorize"))) <= MOST_AUTHORIZATIONS
    assert (target_model_id != model.model_id) == bool(log.warnings("fallbackIdUsed"))


@BOTH
@pytest.mark.parametrize("model", DATED)
def test_a_refused_start_burns_at_most_one_id(
    make_scene: MakeScene, model: StoredModel, placeholder_delete: str
) -> None:
    scene = make_scene(model)
    scene.resource(SECOND_TARGET).set_behaviour(placeholder_delete=placeholder_delete)
    scene.source.inject(operation(model, "start"), "status", status=409)
    target_model_id = succeeded(scene, copy_of(scene, model), model)
    assert target_model_id == model.model_id + ("" if placeholder_delete == "frees" else ".2")
    assert len(scene.journal(SECOND_TARGET, operation(model, "authorize"))) <= MOST_AUTHORIZATIONS


@BOTH
@pytest.mark.parametrize("model", DATED)
def test_a_failed_copy_begins_again(make_scene: MakeScene, model: StoredModel, placeholder_delete: str) -> None:
    scene = make_scene(model, copy_seconds=(30.0, 30.0))
    scene.resource(SECOND_TARGET).set_behaviour(placeholder_delete=placeholder_delete)
    scene.source.inject("getOperation", "status", status=200, body=FAILED)
    target_model_id = succeeded(scene, copy_of(scene, model), model)
    assert target_model_id == model.model_id + ("" if placeholder_delete == "frees" else ".2")
    assert len(scene.journal(SECOND_TARGET, operation(model, "authorize"))) <= MOST_AUTHORIZATIONS


@pytest.mark.parametrize("model", DATED)
def test_a_deleted_placeholder_is_made_again(make_scene: MakeScene, model: StoredModel) -> None:
    """Another user deletes it during the copy."""
    scene = make_scene(model)
    run = scene.start_run([model.model_id], target=SECOND_TARGET, kind=model.kind)
    scene.host.run_until_idle(limit=timedelta(seconds=1.5))
    scene.resource(SECOND_TARGET).remove_model(model.model_id, model.kind)
    scene.host.run_until_idle()
    assert succeeded(scene, scene.run(run)["copies"][0], model) == model.model_id
    assert len(scene.journal(SECOND_TARGET, operation(model, "authorize"))) == 2


@BOTH
@pytest.mark.parametrize("model", DATED)
def test_a_copy_that_always_fails_ends(make_scene: MakeScene, model: StoredModel, placeholder_delete: str) -> None:
    """After three authorizations; the next run succeeds."""
    scene = make_scene(model)
    target = scene.resource(SECOND_TARGET)
    target.set_behaviour(placeholder_delete=placeholder_delete)
    scene.source.inject(operation(model, "start"), "status", status=409, count=None)
    copy = copy_of(scene, model)
    assert (copy["status"], copy["code"]) == ("Failed", "CopyRefused")
    granted = [entry for entry in scene.journal(SECOND_TARGET, operation(model, "authorize")) if entry.status == 200]
    assert len(granted) == MOST_AUTHORIZATIONS
    assert len(target.models()) == (0 if placeholder_delete == "frees" else MOST_AUTHORIZATIONS)
    scene.source.clear_faults()
    target_model_id = succeeded(scene, copy_of(scene, model), model)
    assert (target_model_id == model.model_id) == (placeholder_delete == "frees")


def test_a_lost_v2_authorization_is_reported(make_scene: MakeScene, log: Log) -> None:
    """As a suspect, and the copy succeeds under another id."""
    model = v2_model(V2_ID)
    scene = make_scene(model)
    scene.resource(SECOND_TARGET).inject("authorizeCopy", "lostAnswer")
    target_model_id = succeeded(scene, copy_of(scene, model), model)
    assert len(scene.journal(SECOND_TARGET, "authorizeCopy")) == 2
    (suspect,) = log.warnings("suspectFound")
    (placeholder,) = [other for other in scene.resource(SECOND_TARGET).models() if other.model_id != target_model_id]
    assert suspect["targetModel"] == placeholder.model_id
    assert not scene.journal(SECOND_TARGET, "deleteModel"), "it may be a training of another user"


def test_a_failed_v2_copy_begins_again(make_scene: MakeScene) -> None:
    """And its first placeholder is removed."""
    model = v2_model(V2_ID)
    scene = make_scene(model, copy_seconds=(30.0, 30.0))
    scene.source.inject("getCopyResult", "status", status=200, body=FAILED_V2)
    target_model_id = succeeded(scene, copy_of(scene, model), model)
    assert [stored.model_id for stored in scene.resource(SECOND_TARGET).models()] == [target_model_id]
