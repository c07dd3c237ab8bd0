"""The id of a copy in its target, and ids of other users, which are not changed."""

from __future__ import annotations

import pytest

from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from local.simulator import StoredModel
from local.simulator.models import classifier, v2_model, v3_model, v4_model
from local.simulator.seeds import RECEIPT, model_uuid

from .conftest import Log, MakeScene

LONG = "a" * 64
OTHER_RESULT = RECEIPT
DATED = [
    pytest.param(v3_model("invoices", api_version="2022-08-31"), id="2022-08-31"),
    pytest.param(v3_model("invoices"), id="2023-07-31"),
    pytest.param(v4_model("invoices"), id="2024-11-30"),
]


@pytest.mark.parametrize("model", DATED)
def test_a_copy_keeps_the_id_of_its_source(make_scene: MakeScene, log: Log, model: StoredModel) -> None:
    scene = make_scene(model)
    assert scene.copy_one("invoices")["targetModelId"] == "invoices"
    assert scene.places("invoices") == {SOURCE: "invoices", TARGET: "invoices"}
    assert not log.events("fallbackIdUsed")


@pytest.mark.parametrize("model", DATED)
def test_a_copy_gets_the_requested_id(make_scene: MakeScene, log: Log, model: StoredModel) -> None:
    scene = make_scene(model)
    copy = scene.copy_one("invoices", target_model_id="invoices-backup")
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", "invoices-backup")
    assert [model.model_id for model in scene.target.models()] == ["invoices-backup"]
    assert scene.places("invoices")[TARGET] == "invoices-backup"
    assert not log.events("fallbackIdUsed")


@pytest.mark.parametrize("model", DATED)
def test_an_identical_model_in_the_target_is_recorded(make_scene: MakeScene, model: StoredModel) -> None:
    """It is not copied again."""
    scene = make_scene(model)
    scene.target.put_model(model)
    copy = scene.copy_one("invoices")
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", "invoices")
    assert not scene.journal(SOURCE, "startCopy")
    assert not scene.journal(TARGET, "deleteModel")
    (replica,) = scene.replicas("invoices")
    assert (replica.target_model_id, replica.state) == ("invoices", "ready")
    assert scene.places("invoices")[TARGET] == "invoices"


@pytest.mark.parametrize("model", DATED)
def test_another_model_under_the_id_is_not_changed(make_scene: MakeScene, log: Log, model: StoredModel) -> None:
    scene = make_scene(model)
    other = (v4_model if model.generation == "v4" else v3_model)("invoices", fields=OTHER_RESULT)
    scene.target.put_model(other)
    copy = scene.copy_one("invoices")
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", "invoices.2")
    assert scene.target.model("invoices") == other
    assert not scene.journal(TARGET, "deleteModel")
    (event,) = log.warnings("fallbackIdUsed")
    assert (event["wanted"], event["targetModel"], event["model"]) == ("invoices", "invoices.2", "invoices")
    assert scene.places("invoices") == {SOURCE: "invoices", TARGET: "invoices.2"}


@pytest.mark.parametrize("model", DATED)
def test_a_placeholder_of_another_user_is_not_changed(make_scene: MakeScene, log: Log, model: StoredModel) -> None:
    scene = make_scene(model)
    scene.foreign_placeholder("invoices")
    copy = scene.copy_one("invoices")
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", "invoices.2")
    placeholder = scene.target.model("invoices")
    assert placeholder is not None
    assert placeholder.state == "placeholder"
    assert not scene.journal(TARGET, "deleteModel")
    assert log.warnings("fallbackIdUsed")
    assert scene.places("invoices")[TARGET] == "invoices.2"


def test_a_copy_under_a_fallback_id_is_up_to_date(make_scene: MakeScene) -> None:
    """A copy under a fallback id is as good as any other."""
    scene = make_scene(v4_model("invoices"))
    scene.target.put_model(v4_model("invoices", fields=OTHER_RESULT))
    assert scene.copy_one("invoices")["status"] == "Succeeded"
    copied = scene.target.model("invoices.2")
    assert copied is not None
    assert list(copied.content["docTypes"]) == ["invoices.2"], "in v4 the docType has the id of its model as its name"
    second = scene.copy_one("invoices")
    assert (second["status"], second["code"], second["targetModelId"]) == ("Succeeded", "AlreadyThere", "invoices.2")


def test_a_fallback_id_in_use_leads_to_the_next(make_scene: MakeScene) -> None:
    scene = make_scene(v4_model("invoices"))
    scene.target.put_model(v4_model("invoices", fields=OTHER_RESULT))
    scene.foreign_placeholder("invoices.2")
    assert scene.copy_one("invoices")["targetModelId"] == "invoices.3"


def test_a_target_with_every_id_in_use_fails(make_scene: MakeScene) -> None:
    """A target in which every id is taken fails in words."""
    scene = make_scene(v4_model("invoices"))
    for name in ("invoices", *(f"invoices.{number}" for number in range(2, 10))):
        scene.target.put_model(v4_model(name, fields=OTHER_RESULT))
    copy = scene.copy_one("invoices")
    assert (copy["status"], copy["code"]) == ("Failed", "ModelExists")
    assert "invoices" in copy["message"]
    assert not scene.journal(TARGET, "deleteModel")


def test_an_id_of_64_characters_is_kept(make_scene: MakeScene) -> None:
    scene = make_scene(v4_model(LONG))
    assert scene.copy_one(LONG)["targetModelId"] == LONG


def test_a_fallback_id_has_at_most_64_characters(make_scene: MakeScene) -> None:
    scene = make_scene(v4_model(LONG), v4_model("a" * 62 + "bb"))
    scene.target.put_model(v4_model(LONG, fields=OTHER_RESULT))
    scene.target.put_model(v4_model("a" * 62 + "bb", fields=OTHER_RESULT))
    fallbacks = [scene.copy_one(LONG)["targetModelId"], scene.copy_one("a" * 62 + "bb")["targetModelId"]]
    assert fallbacks == ["a" * 62 + ".2", "a" * 62 + ".3"], "two ids with the same beginning get different fallback ids"
    assert scene.places(LONG)[TARGET] == "a" * 62 + ".2"


def test_a_model_named_like_a_fallback_id_is_copied(make_scene: MakeScene) -> None:
    """Under a fallback id of its own."""
    scene = make_scene(v4_model("invoices"), v4_model("invoices.2", fields=OTHER_RESULT))
    scene.foreign_placeholder("invoices")
    first = scene.copy_one("invoices")["targetModelId"]
    second = scene.copy_one("invoices.2")["targetModelId"]
    assert (first, second) == ("invoices.2", "invoices.2.2")
    assert scene.places("invoices")[TARGET] == "invoices.2"
    assert scene.places("invoices.2")[TARGET] == "invoices.2.2"
    copied = scene.target.model("invoices.2.2")
    assert copied is not None
    assert copied.copy_of == f"{SOURCE}/invoices.2"


def test_a_model_and_a_classifier_may_share_an_id(make_scene: MakeScene) -> None:
    scene = make_scene(v4_model("mail"), classifier("mail"))
    assert scene.copy_one("mail", target=SECOND_TARGET)["targetModelId"] == "mail"
    assert scene.copy_one("mail", target=SECOND_TARGET, kind="classifier")["targetModelId"] == "mail"
    assert [model.kind for model in scene.resource(SECOND_TARGET).models()] == ["model", "classifier"]
    assert scene.places("mail") == scene.places("mail", kind="classifier")


def test_two_sources_with_one_id_get_two_target_ids(make_scene: MakeScene, log: Log) -> None:
    scene = make_scene(v4_model("invoices"))
    scene.resource(SECOND_TARGET).put_model(v4_model("invoices", fields=OTHER_RESULT))
    runs = [scene.start_run(["invoices"], source=source) for source in (SOURCE, SECOND_TARGET)]
    scene.host.run_until_idle()
    copies = [scene.run(run)["copies"][0] for run in runs]
    assert [copy["status"] for copy in copies] == ["Succeeded", "Succeeded"]
    assert sorted(copy["targetModelId"] for copy in copies) == ["invoices", "invoices.2"]
    for source, copy in zip((SOURCE, SECOND_TARGET), copies, strict=True):
        assert scene.places("invoices", source=source)[TARGET] == copy["targetModelId"]
        copied = scene.target.model(copy["targetModelId"])
        assert copied is not None
        assert copied.copy_of == f"{source}/invoices"
    assert len(log.warnings("fallbackIdUsed")) == 1


def test_a_v2_target_chooses_the_id_itself(make_scene: MakeScene) -> None:
    model_id = model_uuid("Supplier invoices")
    scene = make_scene(v2_model(model_id))
    copy = scene.copy_one(model_id)
    assert copy["targetModelId"] != model_id
    assert scene.places(model_id)[TARGET] == copy["targetModelId"]


def test_a_requested_id_is_refused_for_v2(make_scene: MakeScene) -> None:
    """Before anything is written."""
    model_id = model_uuid("Supplier invoices")
    scene = make_scene(v2_model(model_id))
    copy = scene.copy_one(model_id, target_model_id="my-invoices")
    assert (copy["status"], copy["code"]) == ("Failed", "TargetIdUnsupported")
    assert "leave targetModelId out" in copy["message"]
    assert not scene.journal(TARGET, "authorizeCopy")


def test_a_retrained_model_gets_a_second_copy(make_scene: MakeScene) -> None:
    scene = make_scene(v4_model("invoices"))
    scene.copy_one("invoices")
    scene.source.put_model(v4_model("invoices", fields=OTHER_RESULT))
    assert scene.copy_one("invoices")["targetModelId"] == "invoices.2"
    assert sorted((replica.target_model_id, replica.state) for replica in scene.replicas("invoices")) == [
        ("invoices", "retiring"),
        ("invoices.2", "ready"),
    ]


@pytest.mark.parametrize("model", DATED)
def test_a_copy_under_another_id_does_not_count(make_scene: MakeScene, model: StoredModel) -> None:
    """Another target id was requested."""
    scene = make_scene(model)
    scene.copy_one("invoices")
    copy = scene.copy_one("invoices", target_model_id="invoices-backup")
    assert (copy["status"], copy["code"], copy["targetModelId"]) == ("Succeeded", None, "invoices-backup")
    second = scene.copy_one("invoices", target_model_id="invoices-backup")
    assert (second["code"], second["targetModelId"]) == ("AlreadyThere", "invoices-backup")
    assert len(scene.target.models()) == 2
    assert {replica.target_model_id: replica.state for replica in scene.replicas("invoices")} == {
        "invoices": "retiring",
        "invoices-backup": "ready",
    }


@pytest.mark.parametrize("model", DATED)
def test_a_fallback_id_of_a_requested_id_counts(make_scene: MakeScene, model: StoredModel) -> None:
    """It is not copied again at the next request."""
    scene = make_scene(model)
    scene.foreign_placeholder("requested")
    assert scene.copy_one("invoices", target_model_id="requested")["targetModelId"] == "requested.2"
    second = scene.copy_one("invoices", target_model_id="requested")
    assert (second["code"], second["targetModelId"]) == ("AlreadyThere", "requested.2")


def test_a_requested_id_is_refused_for_a_v2_copy(make_scene: MakeScene) -> None:
    """Also if the copy exists."""
    model = v2_model(model_uuid("Invoices"))
    scene = make_scene(model)
    scene.copy_one(model.model_id)
    assert scene.copy_one(model.model_id, target_model_id="requested")["code"] == "TargetIdUnsupported"
