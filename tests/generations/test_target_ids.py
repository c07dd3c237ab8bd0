"""Under which id a copy arrives, and whose ids are left alone."""

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
    assert scene.one("invoices")["targetModelId"] == "invoices"
    assert scene.places("invoices") == {SOURCE: "invoices", TARGET: "invoices"}
    assert not log.events("fallbackIdUsed")


@pytest.mark.parametrize("model", DATED)
def test_a_copy_gets_the_id_that_was_asked_for(make_scene: MakeScene, log: Log, model: StoredModel) -> None:
    scene = make_scene(model)
    copy = scene.one("invoices", targetModelId="invoices-backup")
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", "invoices-backup")
    assert [made.model_id for made in scene.target.models()] == ["invoices-backup"]
    assert scene.places("invoices")[TARGET] == "invoices-backup"
    assert not log.events("fallbackIdUsed")


@pytest.mark.parametrize("model", DATED)
def test_a_target_that_has_the_very_model_is_not_copied_to(make_scene: MakeScene, model: StoredModel) -> None:
    scene = make_scene(model)
    scene.target.put_model(model)
    copy = scene.one("invoices")
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", "invoices")
    assert not scene.asked(SOURCE, "startCopy")
    assert not scene.asked(TARGET, "deleteModel")
    (replica,) = scene.replicas("invoices")
    assert (replica.target_model_id, replica.state) == ("invoices", "ready")
    assert scene.places("invoices")[TARGET] == "invoices"


@pytest.mark.parametrize("model", DATED)
def test_another_model_under_the_id_is_left_alone(make_scene: MakeScene, log: Log, model: StoredModel) -> None:
    scene = make_scene(model)
    theirs = (v4_model if model.generation == "v4" else v3_model)("invoices", fields=OTHER_RESULT)
    scene.target.put_model(theirs)
    copy = scene.one("invoices")
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", "invoices.2")
    assert scene.target.model("invoices") == theirs
    assert not scene.asked(TARGET, "deleteModel")
    (event,) = log.warnings("fallbackIdUsed")
    assert (event["wanted"], event["targetModel"], event["model"]) == ("invoices", "invoices.2", "invoices")
    assert scene.places("invoices") == {SOURCE: "invoices", TARGET: "invoices.2"}


@pytest.mark.parametrize("model", DATED)
def test_a_placeholder_of_somebody_else_is_left_alone(make_scene: MakeScene, log: Log, model: StoredModel) -> None:
    scene = make_scene(model)
    scene.foreign_placeholder("invoices")
    copy = scene.one("invoices")
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", "invoices.2")
    placeholder = scene.target.model("invoices")
    assert placeholder is not None
    assert placeholder.state == "placeholder"
    assert not scene.asked(TARGET, "deleteModel")
    assert log.warnings("fallbackIdUsed")
    assert scene.places("invoices")[TARGET] == "invoices.2"


def test_copy_under_fallback_id_is_as_good(make_scene: MakeScene) -> None:
    """A copy under a fallback id is as good as any other."""
    scene = make_scene(v4_model("invoices"))
    scene.target.put_model(v4_model("invoices", fields=OTHER_RESULT))
    assert scene.one("invoices")["status"] == "Succeeded"
    made = scene.target.model("invoices.2")
    assert made is not None
    assert list(made.content["docTypes"]) == ["invoices.2"], "v4 names a docType by the id of its model"
    again = scene.one("invoices")
    assert (again["status"], again["code"], again["targetModelId"]) == ("Succeeded", "AlreadyThere", "invoices.2")


def test_a_fallback_id_that_is_taken_leads_to_the_next(make_scene: MakeScene) -> None:
    scene = make_scene(v4_model("invoices"))
    scene.target.put_model(v4_model("invoices", fields=OTHER_RESULT))
    scene.foreign_placeholder("invoices.2")
    assert scene.one("invoices")["targetModelId"] == "invoices.3"


def test_target_in_which_every_id_is_taken_fails(make_scene: MakeScene) -> None:
    """A target in which every id is taken fails in words."""
    scene = make_scene(v4_model("invoices"))
    for name in ("invoices", *(f"invoices.{number}" for number in range(2, 10))):
        scene.target.put_model(v4_model(name, fields=OTHER_RESULT))
    copy = scene.one("invoices")
    assert (copy["status"], copy["code"]) == ("Failed", "ModelExists")
    assert "invoices" in copy["message"]
    assert not scene.asked(TARGET, "deleteModel")


def test_an_id_of_64_characters_is_kept(make_scene: MakeScene) -> None:
    scene = make_scene(v4_model(LONG))
    assert scene.one(LONG)["targetModelId"] == LONG


def test_the_fallback_of_an_id_of_64_characters_has_64_too(make_scene: MakeScene) -> None:
    scene = make_scene(v4_model(LONG), v4_model("a" * 62 + "bb"))
    scene.target.put_model(v4_model(LONG, fields=OTHER_RESULT))
    scene.target.put_model(v4_model("a" * 62 + "bb", fields=OTHER_RESULT))
    fallbacks = [scene.one(LONG)["targetModelId"], scene.one("a" * 62 + "bb")["targetModelId"]]
    assert fallbacks == ["a" * 62 + ".2", "a" * 62 + ".3"], "two ids that begin alike get different fallbacks"
    assert scene.places(LONG)[TARGET] == "a" * 62 + ".2"


def test_model_that_is_called_like_fallback_gets(make_scene: MakeScene) -> None:
    """A model that is called like a fallback gets another id."""
    scene = make_scene(v4_model("invoices"), v4_model("invoices.2", fields=OTHER_RESULT))
    scene.foreign_placeholder("invoices")
    first = scene.one("invoices")["targetModelId"]
    second = scene.one("invoices.2")["targetModelId"]
    assert (first, second) == ("invoices.2", "invoices.2.2")
    assert scene.places("invoices")[TARGET] == "invoices.2"
    assert scene.places("invoices.2")[TARGET] == "invoices.2.2"
    made = scene.target.model("invoices.2.2")
    assert made is not None
    assert made.copy_of == f"{SOURCE}/invoices.2"


def test_a_model_and_a_classifier_may_share_an_id(make_scene: MakeScene) -> None:
    scene = make_scene(v4_model("mail"), classifier("mail"))
    assert scene.one("mail", target=SECOND_TARGET)["targetModelId"] == "mail"
    assert scene.one("mail", target=SECOND_TARGET, kind="classifier")["targetModelId"] == "mail"
    assert [made.kind for made in scene.resource(SECOND_TARGET).models()] == ["model", "classifier"]
    assert scene.places("mail") == scene.places("mail", kind="classifier")


def test_two_sources_that_want_one_id_get_two(make_scene: MakeScene, log: Log) -> None:
    scene = make_scene(v4_model("invoices"))
    scene.resource(SECOND_TARGET).put_model(v4_model("invoices", fields=OTHER_RESULT))
    runs = [scene.ask(source=source, targets=[TARGET], models=["invoices"]) for source in (SOURCE, SECOND_TARGET)]
    scene.host.run_until_idle()
    copies = [scene.run(run)["copies"][0] for run in runs]
    assert [copy["status"] for copy in copies] == ["Succeeded", "Succeeded"]
    assert sorted(copy["targetModelId"] for copy in copies) == ["invoices", "invoices.2"]
    for source, copy in zip((SOURCE, SECOND_TARGET), copies, strict=True):
        assert scene.places("invoices", source=source)[TARGET] == copy["targetModelId"]
        made = scene.target.model(copy["targetModelId"])
        assert made is not None
        assert made.copy_of == f"{source}/invoices"
    assert len(log.warnings("fallbackIdUsed")) == 1


def test_a_v2_target_chooses_the_id_itself(make_scene: MakeScene) -> None:
    model_id = model_uuid("Supplier invoices")
    scene = make_scene(v2_model(model_id))
    copy = scene.one(model_id)
    assert copy["targetModelId"] != model_id
    assert scene.places(model_id)[TARGET] == copy["targetModelId"]


def test_id_that_v2_cannot_give_is_refused(make_scene: MakeScene) -> None:
    """An id that v2 cannot give is refused before anything is written."""
    model_id = model_uuid("Supplier invoices")
    scene = make_scene(v2_model(model_id))
    copy = scene.one(model_id, targetModelId="my-invoices")
    assert (copy["status"], copy["code"]) == ("Failed", "TargetIdUnsupported")
    assert "leave targetModelId out" in copy["message"]
    assert not scene.asked(TARGET, "authorizeCopy")


def test_a_retrained_model_is_copied_beside_its_old_copy(make_scene: MakeScene) -> None:
    scene = make_scene(v4_model("invoices"))
    scene.one("invoices")
    scene.source.put_model(v4_model("invoices", fields=OTHER_RESULT))
    assert scene.one("invoices")["targetModelId"] == "invoices.2"
    assert sorted((one.target_model_id, one.state) for one in scene.replicas("invoices")) == [
        ("invoices", "retiring"),
        ("invoices.2", "ready"),
    ]


@pytest.mark.parametrize("model", DATED)
def test_copy_that_is_there(make_scene: MakeScene, model: StoredModel) -> None:
    """A copy that is there under another id than the one asked for does not count."""
    scene = make_scene(model)
    scene.one("invoices")
    copy = scene.one("invoices", targetModelId="invoices-backup")
    assert (copy["status"], copy["code"], copy["targetModelId"]) == ("Succeeded", None, "invoices-backup")
    again = scene.one("invoices", targetModelId="invoices-backup")
    assert (again["code"], again["targetModelId"]) == ("AlreadyThere", "invoices-backup")
    assert len(scene.target.models()) == 2
    assert {one.target_model_id: one.state for one in scene.replicas("invoices")} == {
        "invoices": "retiring",
        "invoices-backup": "ready",
    }


@pytest.mark.parametrize("model", DATED)
def test_id_that_was_asked(make_scene: MakeScene, model: StoredModel) -> None:
    """An id that was asked for and fell back is not tried again with each request."""
    scene = make_scene(model)
    scene.foreign_placeholder("wanted")
    assert scene.one("invoices", targetModelId="wanted")["targetModelId"] == "wanted.2"
    again = scene.one("invoices", targetModelId="wanted")
    assert (again["code"], again["targetModelId"]) == ("AlreadyThere", "wanted.2")


def test_id_for_v2_copy_is_refused(make_scene: MakeScene) -> None:
    """An id for a v2 copy is refused also where the copy is there."""
    model = v2_model(model_uuid("Invoices"))
    scene = make_scene(model)
    scene.one(model.model_id)
    assert scene.one(model.model_id, targetModelId="wanted")["code"] == "TargetIdUnsupported"
