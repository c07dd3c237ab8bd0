"""Composed models: as one unit up to v3, and from v4 on after what they are made of, under the same ids."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from local.simulator import StoredModel
from local.simulator.models import classifier, v2_composed_model, v2_model, v3_model, v4_composed_model, v4_model
from local.simulator.seeds import CONTRACT, INVOICE, ORDER, RECEIPT, model_uuid

from .conftest import MakeScene, Scene

INVOICES = v4_model("invoices", fields=INVOICE)
RECEIPTS = v4_model("receipts", fields=RECEIPT)
SORTER = classifier("sorter", doc_types=("invoice", "receipt"))
MAIL = v4_composed_model(
    "mail", classifier_id="sorter", parts={"invoice": ("invoices", INVOICE), "receipt": ("receipts", RECEIPT)}
)
ALL = (INVOICES, RECEIPTS, SORTER, MAIL)
WRITES = {"authorizeCopy", "startCopy", "authorizeClassifierCopy", "startClassifierCopy", "deleteModel"}


def started(scene: Scene) -> list[str]:
    """Return what the source was told to copy, in that order."""
    entries = [*scene.asked(SOURCE, "startCopy"), *scene.asked(SOURCE, "startClassifierCopy")]
    return [entry.model_id for entry in sorted(entries, key=lambda entry: entry.id)]


def there(scene: Scene) -> list[str]:
    """Return what the target holds."""
    return sorted(model.model_id for model in scene.resource(SECOND_TARGET).models() if model.state == "ready")


def writes(scene: Scene) -> set[str]:
    return {operation for asked in scene.operations().values() for operation in asked} & WRITES


def test_a_composed_v2_model_is_one_unit(make_scene: MakeScene) -> None:
    parts = {model_uuid("Invoices"): INVOICE, model_uuid("Orders"): ORDER}
    whole = v2_composed_model(model_uuid("All"), parts=parts, name="All incoming mail")
    scene = make_scene(whole, *(v2_model(part, fields=fields) for part, fields in parts.items()))
    copy = scene.one(whole.model_id)
    assert copy["status"] == "Succeeded"
    assert started(scene) == [whole.model_id]
    (made,) = scene.target.models()
    assert [part["modelId"] for part in made.content["composedTrainResults"]] == list(parts)


@pytest.mark.parametrize("version", ["2022-08-31", "2023-07-31"])
def test_a_composed_v3_model_is_one_unit(make_scene: MakeScene, version: str) -> None:
    whole = v3_model("mail", api_version=version, doc_types={"invoices": INVOICE, "receipts": RECEIPT})
    scene = make_scene(whole, v3_model("invoices", fields=INVOICE), v3_model("receipts", fields=RECEIPT))
    assert scene.one("mail")["status"] == "Succeeded"
    assert started(scene) == ["mail"]
    (made,) = scene.target.models()
    assert list(made.content["docTypes"]) == ["invoices", "receipts"]


def test_composed_v4_model_comes_after_its_classifier(make_scene: MakeScene) -> None:
    """A composed v4 model comes after its classifier and parts."""
    scene = make_scene(*ALL)
    copy = scene.one("mail", target=SECOND_TARGET)
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", "mail")
    assert started(scene) == ["sorter", "invoices", "receipts", "mail"]
    assert there(scene) == ["invoices", "mail", "receipts", "sorter"]
    made = scene.resource(SECOND_TARGET).model("mail")
    assert made is not None
    assert made.content["classifierId"] == "sorter"
    assert [part["modelId"] for part in made.content["docTypes"].values()] == ["invoices", "receipts"]
    for model_id, kind in (("mail", "model"), ("invoices", "model"), ("receipts", "model"), ("sorter", "classifier")):
        assert scene.places(model_id, kind)[SECOND_TARGET] == model_id


def test_composed_v4_model_goes_to_another_id(make_scene: MakeScene) -> None:
    """A composed v4 model goes to another id with its parts under theirs."""
    scene = make_scene(*ALL)
    copy = scene.one("mail", target=SECOND_TARGET, targetModelId="mail-backup")
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", "mail-backup")
    assert there(scene) == ["invoices", "mail-backup", "receipts", "sorter"]


def test_parts_that_are_there_already_are_not_copied_again(make_scene: MakeScene) -> None:
    scene = make_scene(*ALL)
    for part in (INVOICES, SORTER):
        scene.resource(SECOND_TARGET).put_model(part)
    assert scene.one("mail", target=SECOND_TARGET)["status"] == "Succeeded"
    assert started(scene) == ["receipts", "mail"]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (v4_model("receipts", fields=CONTRACT), "another model under receipts"),
        (classifier("sorter", doc_types=("contract",)), "another classifier under sorter"),
    ],
)
def test_part_with_other_content_stops_copy(make_scene: MakeScene, other: StoredModel, named: str) -> None:
    """A part with other content stops the copy before anything is touched."""
    scene = make_scene(*ALL)
    scene.resource(SECOND_TARGET).put_model(other)
    copy = scene.one("mail", target=SECOND_TARGET)
    assert (copy["status"], copy["code"]) == ("Failed", "ComponentFailed")
    assert named in copy["message"]
    assert not writes(scene)
    assert scene.resource(SECOND_TARGET).models() == [other]


def test_a_part_that_the_source_has_lost_is_named(make_scene: MakeScene) -> None:
    scene = make_scene(INVOICES, SORTER, MAIL)
    copy = scene.one("mail", target=SECOND_TARGET)
    assert (copy["status"], copy["code"]) == ("Failed", "ComponentFailed")
    assert "model receipts" in copy["message"]
    assert "SourceModelNotFound" in copy["message"]
    assert "mail" not in there(scene)


def test_part_that_only_target_has_is_named(make_scene: MakeScene) -> None:
    """A part that only the target has is named and left alone."""
    scene = make_scene(INVOICES, SORTER, MAIL)
    scene.resource(SECOND_TARGET).put_model(RECEIPTS)
    copy = scene.one("mail", target=SECOND_TARGET)
    assert (copy["status"], copy["code"]) == ("Failed", "ComponentFailed")
    assert "receipts" in copy["message"]
    assert not writes(scene)


def test_part_whose_id_is_taken_by_a_placeholder(make_scene: MakeScene) -> None:
    """A part whose id is taken by a placeholder is named."""
    scene = make_scene(*ALL)
    scene.foreign_placeholder("receipts", SECOND_TARGET)
    copy = scene.one("mail", target=SECOND_TARGET)
    assert (copy["status"], copy["code"]) == ("Failed", "ComponentFailed")
    assert "model receipts: ModelExists" in copy["message"]
    assert "mail" not in there(scene)
    assert not scene.asked(SECOND_TARGET, "deleteModel")


def test_a_classifier_that_cannot_go_there_stops_the_whole(make_scene: MakeScene) -> None:
    scene = make_scene(*ALL)
    copy = scene.one("mail", target=TARGET)
    assert (copy["status"], copy["code"]) == ("Failed", "ComponentFailed")
    assert "KindUnsupported" in copy["message"]
    assert not writes(scene)


def test_what_the_service_refuses_is_told_in_its_words(make_scene: MakeScene) -> None:
    scene = make_scene(*ALL)
    for part in (INVOICES, RECEIPTS, SORTER):
        scene.resource(SECOND_TARGET).put_model(part)
    run = scene.ask(source=SOURCE, targets=[SECOND_TARGET], models=["mail"])
    scene.host.run_until_idle(limit=timedelta(seconds=1.5))
    scene.resource(SECOND_TARGET).remove_model("receipts")
    scene.source.remove_model("receipts")
    scene.host.run_until_idle()
    (copy,) = scene.run(run)["copies"]
    assert (copy["status"], copy["code"]) == ("Failed", "CopyFailed")
    assert "The requested model was not found." in copy["message"]
    assert there(scene) == ["invoices", "sorter"]


def test_a_part_that_another_run_is_copying_is_waited_for(make_scene: MakeScene) -> None:
    scene = make_scene(*ALL, copy_seconds=(60.0, 60.0))
    other = scene.ask(source=SOURCE, targets=[SECOND_TARGET], models=["receipts"])
    scene.host.run_until_idle(limit=timedelta(seconds=2))
    run = scene.ask(source=SOURCE, targets=[SECOND_TARGET], models=["mail"])
    scene.host.run_until_idle()
    assert [scene.run(each)["status"] for each in (other, run)] == ["Succeeded", "Succeeded"]
    assert sorted(started(scene)) == ["invoices", "mail", "receipts", "sorter"]


def test_part_that_another_run_ends_shortly(make_scene: MakeScene) -> None:
    """A part that another run ends shortly before the deadline is still seen."""
    scene = make_scene(*ALL, copy_seconds=(840.0, 840.0))
    other = scene.ask(source=SOURCE, targets=[SECOND_TARGET], models=["receipts"])
    scene.host.run_until_idle(limit=timedelta(seconds=4))
    scene.resource(SOURCE).set_durations((1.0, 1.0))
    run = scene.ask(source=SOURCE, targets=[SECOND_TARGET], models=["mail"], deadlineMinutes=15)
    scene.host.run_until_idle()
    assert [scene.run(each)["status"] for each in (other, run)] == ["Succeeded", "Succeeded"]


def test_part_that_another_run_is_copying_is_waited(
    make_scene: MakeScene,
) -> None:
    """A part that another run is copying is waited for until the deadline and no longer."""
    scene = make_scene(*ALL, copy_seconds=(3600.0, 3600.0))
    other = scene.ask(source=SOURCE, targets=[SECOND_TARGET], models=["receipts"])
    scene.host.run_until_idle(limit=timedelta(seconds=2))
    began = scene.clock.now()
    # the classifier and the other part are copied, too: the source takes an hour for everything
    run = scene.ask(source=SOURCE, targets=[SECOND_TARGET], models=["mail"], deadlineMinutes=300)
    short = scene.ask(source=SOURCE, targets=[SECOND_TARGET], models=["receipts", "mail"], deadlineMinutes=20)
    scene.host.run_until_idle(limit=timedelta(minutes=25))
    assert scene.run(short)["endedAt"]
    (mail,) = [copy for copy in scene.run(short)["copies"] if copy["modelId"] == "mail"]
    assert mail["code"] == "ComponentFailed"
    assert f"run {other} is copying" in mail["message"] or f"run {run} is copying" in mail["message"]
    scene.host.run_until_idle()
    assert [scene.run(each)["status"] for each in (other, run)] == ["Succeeded", "Succeeded"]
    assert scene.clock.now() - began < timedelta(hours=5)


@pytest.mark.parametrize("order", list(permutations(["mail", "invoices", "receipts"])))
@pytest.mark.parametrize("lanes", [1, 8])
def test_composed_model_and_parts_cost_one_copy_each(make_scene: MakeScene, order: tuple[str, ...], lanes: int) -> None:
    """A composed model and its parts in one run cost one copy each."""
    scene = make_scene(*ALL, copies={"concurrency": lanes})
    run = scene.copy(order, [SECOND_TARGET])
    assert run["status"] == "Succeeded"
    assert sorted(started(scene)) == ["invoices", "mail", "receipts", "sorter"]
    assert {copy["targetModelId"] for copy in run["copies"]} == set(order)


def test_two_composed_models_share_a_part(make_scene: MakeScene) -> None:
    """Two composed models that share parts cost one copy of each part."""
    letters = v4_composed_model(
        "letters", classifier_id="sorter", parts={"a": ("receipts", RECEIPT), "b": ("invoices", INVOICE)}
    )
    scene = make_scene(*ALL, letters)
    run = scene.copy(["mail", "letters"], [SECOND_TARGET])
    assert run["status"] == "Succeeded"
    assert sorted(started(scene)) == ["invoices", "letters", "mail", "receipts", "sorter"]
