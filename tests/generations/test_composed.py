"""Composed models: up to v3 they are copied as a whole, from v4 on after their parts, under the same ids."""

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
    """Return the models whose copies were started, in that order."""
    entries = [*scene.journal(SOURCE, "startCopy"), *scene.journal(SOURCE, "startClassifierCopy")]
    return [str(entry.model_id) for entry in sorted(entries, key=lambda entry: entry.id)]


def ready(scene: Scene) -> list[str]:
    """Return the ready models of the target."""
    return sorted(model.model_id for model in scene.resource(SECOND_TARGET).models() if model.state == "ready")


def writes(scene: Scene) -> set[str]:
    return {operation for operations in scene.operations().values() for operation in operations} & WRITES


def test_a_composed_v2_model_is_copied_as_a_whole(make_scene: MakeScene) -> None:
    parts = {model_uuid("Invoices"): INVOICE, model_uuid("Orders"): ORDER}
    whole = v2_composed_model(model_uuid("All"), parts=parts, name="All incoming mail")
    scene = make_scene(whole, *(v2_model(part, fields=fields) for part, fields in parts.items()))
    copy = scene.copy_one(whole.model_id)
    assert copy["status"] == "Succeeded"
    assert started(scene) == [whole.model_id]
    (copied,) = scene.target.models()
    assert [part["modelId"] for part in copied.content["composedTrainResults"]] == list(parts)


@pytest.mark.parametrize("version", ["2022-08-31", "2023-07-31"])
def test_a_composed_v3_model_is_copied_as_a_whole(make_scene: MakeScene, version: str) -> None:
    whole = v3_model("mail", api_version=version, doc_types={"invoices": INVOICE, "receipts": RECEIPT})
    scene = make_scene(whole, v3_model("invoices", fields=INVOICE), v3_model("receipts", fields=RECEIPT))
    assert scene.copy_one("mail")["status"] == "Succeeded"
    assert started(scene) == ["mail"]
    (copied,) = scene.target.models()
    assert list(copied.content["docTypes"]) == ["invoices", "receipts"]


def test_a_composed_v4_model_is_copied_after_its_parts(make_scene: MakeScene) -> None:
    """After its classifier and its component models, under the same ids."""
    scene = make_scene(*ALL)
    copy = scene.copy_one("mail", target=SECOND_TARGET)
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", "mail")
    assert started(scene) == ["sorter", "invoices", "receipts", "mail"]
    assert ready(scene) == ["invoices", "mail", "receipts", "sorter"]
    copied = scene.resource(SECOND_TARGET).model("mail")
    assert copied is not None
    assert copied.content["classifierId"] == "sorter"
    assert [part["modelId"] for part in copied.content["docTypes"].values()] == ["invoices", "receipts"]
    for model_id, kind in (("mail", "model"), ("invoices", "model"), ("receipts", "model"), ("sorter", "classifier")):
        assert scene.places(model_id, kind)[SECOND_TARGET] == model_id


def test_a_composed_v4_model_can_get_another_id(make_scene: MakeScene) -> None:
    """Its parts keep their ids."""
    scene = make_scene(*ALL)
    copy = scene.copy_one("mail", target=SECOND_TARGET, target_model_id="mail-backup")
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", "mail-backup")
    assert ready(scene) == ["invoices", "mail-backup", "receipts", "sorter"]


def test_existing_parts_are_not_copied_again(make_scene: MakeScene) -> None:
    scene = make_scene(*ALL)
    for part in (INVOICES, SORTER):
        scene.resource(SECOND_TARGET).put_model(part)
    assert scene.copy_one("mail", target=SECOND_TARGET)["status"] == "Succeeded"
    assert started(scene) == ["receipts", "mail"]


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (v4_model("receipts", fields=CONTRACT), "another model under receipts"),
        (classifier("sorter", doc_types=("contract",)), "another classifier under sorter"),
    ],
)
def test_a_part_with_other_content_stops_the_copy(make_scene: MakeScene, other: StoredModel, difference: str) -> None:
    """Before anything is written."""
    scene = make_scene(*ALL)
    scene.resource(SECOND_TARGET).put_model(other)
    copy = scene.copy_one("mail", target=SECOND_TARGET)
    assert (copy["status"], copy["code"]) == ("Failed", "ComponentFailed")
    assert difference in copy["message"]
    assert not writes(scene)
    assert scene.resource(SECOND_TARGET).models() == [other]


def test_a_part_missing_in_the_source_is_named(make_scene: MakeScene) -> None:
    scene = make_scene(INVOICES, SORTER, MAIL)
    copy = scene.copy_one("mail", target=SECOND_TARGET)
    assert (copy["status"], copy["code"]) == ("Failed", "ComponentFailed")
    assert "model receipts" in copy["message"]
    assert "SourceModelNotFound" in copy["message"]
    assert "mail" not in ready(scene)


def test_a_part_that_only_the_target_has_is_named(make_scene: MakeScene) -> None:
    """The copy fails, and nothing is written."""
    scene = make_scene(INVOICES, SORTER, MAIL)
    scene.resource(SECOND_TARGET).put_model(RECEIPTS)
    copy = scene.copy_one("mail", target=SECOND_TARGET)
    assert (copy["status"], copy["code"]) == ("Failed", "ComponentFailed")
    assert "receipts" in copy["message"]
    assert not writes(scene)


def test_a_part_with_its_id_in_use_is_named(make_scene: MakeScene) -> None:
    """A placeholder of another user has the id."""
    scene = make_scene(*ALL)
    scene.foreign_placeholder("receipts", SECOND_TARGET)
    copy = scene.copy_one("mail", target=SECOND_TARGET)
    assert (copy["status"], copy["code"]) == ("Failed", "ComponentFailed")
    assert "model receipts: ModelExists" in copy["message"]
    assert "mail" not in ready(scene)
    assert not scene.journal(SECOND_TARGET, "deleteModel")


def test_an_unsupported_classifier_stops_the_copy(make_scene: MakeScene) -> None:
    scene = make_scene(*ALL)
    copy = scene.copy_one("mail", target=TARGET)
    assert (copy["status"], copy["code"]) == ("Failed", "ComponentFailed")
    assert "KindUnsupported" in copy["message"]
    assert not writes(scene)


def test_a_failure_of_the_service_keeps_its_message(make_scene: MakeScene) -> None:
    scene = make_scene(*ALL)
    for part in (INVOICES, RECEIPTS, SORTER):
        scene.resource(SECOND_TARGET).put_model(part)
    run = scene.start_run(["mail"], target=SECOND_TARGET)
    scene.host.run_until_idle(limit=timedelta(seconds=1.5))
    scene.resource(SECOND_TARGET).remove_model("receipts")
    scene.source.remove_model("receipts")
    scene.host.run_until_idle()
    (copy,) = scene.run(run)["copies"]
    assert (copy["status"], copy["code"]) == ("Failed", "CopyFailed")
    assert "The requested model was not found." in copy["message"]
    assert ready(scene) == ["invoices", "sorter"]


def test_a_part_copied_by_another_run_is_awaited(make_scene: MakeScene) -> None:
    scene = make_scene(*ALL, copy_seconds=(60.0, 60.0))
    other = scene.start_run(["receipts"], target=SECOND_TARGET)
    scene.host.run_until_idle(limit=timedelta(seconds=2))
    run = scene.start_run(["mail"], target=SECOND_TARGET)
    scene.host.run_until_idle()
    assert [scene.run(run_id)["status"] for run_id in (other, run)] == ["Succeeded", "Succeeded"]
    assert sorted(started(scene)) == ["invoices", "mail", "receipts", "sorter"]


def test_a_part_copied_just_before_the_deadline_counts(make_scene: MakeScene) -> None:
    """Another run copies it."""
    scene = make_scene(*ALL, copy_seconds=(840.0, 840.0))
    other = scene.start_run(["receipts"], target=SECOND_TARGET)
    scene.host.run_until_idle(limit=timedelta(seconds=4))
    scene.resource(SOURCE).set_durations((1.0, 1.0))
    run = scene.start_run(["mail"], target=SECOND_TARGET, deadline_minutes=15)
    scene.host.run_until_idle()
    assert [scene.run(run_id)["status"] for run_id in (other, run)] == ["Succeeded", "Succeeded"]


def test_a_part_is_awaited_until_the_deadline(
    make_scene: MakeScene,
) -> None:
    """Another run copies it, and needs longer."""
    scene = make_scene(*ALL, copy_seconds=(3600.0, 3600.0))
    other = scene.start_run(["receipts"], target=SECOND_TARGET)
    scene.host.run_until_idle(limit=timedelta(seconds=2))
    began = scene.clock.now()
    # the classifier and the other part are copied, too; each copy takes an hour
    run = scene.start_run(["mail"], target=SECOND_TARGET, deadline_minutes=300)
    short = scene.start_run(["receipts", "mail"], target=SECOND_TARGET, deadline_minutes=20)
    scene.host.run_until_idle(limit=timedelta(minutes=25))
    assert scene.run(short)["endedAt"]
    (mail,) = [copy for copy in scene.run(short)["copies"] if copy["modelId"] == "mail"]
    assert mail["code"] == "ComponentFailed"
    assert f"run {other} is copying" in mail["message"] or f"run {run} is copying" in mail["message"]
    scene.host.run_until_idle()
    assert [scene.run(run_id)["status"] for run_id in (other, run)] == ["Succeeded", "Succeeded"]
    assert scene.clock.now() - began < timedelta(hours=5)


@pytest.mark.parametrize("order", list(permutations(["mail", "invoices", "receipts"])))
@pytest.mark.parametrize("lanes", [1, 8])
def test_a_model_and_its_parts_cost_one_copy_each(make_scene: MakeScene, order: tuple[str, ...], lanes: int) -> None:
    """In any order of one request, with one lane or eight."""
    scene = make_scene(*ALL, copies={"concurrency": lanes})
    run = scene.copy(order, [SECOND_TARGET])
    assert run["status"] == "Succeeded"
    assert sorted(started(scene)) == ["invoices", "mail", "receipts", "sorter"]
    assert {copy["targetModelId"] for copy in run["copies"]} == set(order)


def test_shared_parts_are_copied_once(make_scene: MakeScene) -> None:
    """Two composed models have the same parts."""
    letters = v4_composed_model(
        "letters", classifier_id="sorter", parts={"a": ("receipts", RECEIPT), "b": ("invoices", INVOICE)}
    )
    scene = make_scene(*ALL, letters)
    run = scene.copy(["mail", "letters"], [SECOND_TARGET])
    assert run["status"] == "Succeeded"
    assert sorted(started(scene)) == ["invoices", "letters", "mail", "receipts", "sorter"]
