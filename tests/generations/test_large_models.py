"""Models as large as the service allows, and larger: copied whole, or refused in words before anything is made for them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from local.inprocess import SECOND_TARGET, TARGET
from local.simulator import StoredModel
from local.simulator.models import classifier, v3_model, v4_composed_model, v4_model

from .conftest import MakeScene, Scene

MOST_DOC_TYPES = 200
"""As the service composes models of v2.1 and v3 (service limits, 2026-09-08)."""

LONGEST_ID, LONGEST_DESCRIPTION = 64, 4096
TAGS = {f"{number:02d}".ljust(128, "k"): f"{number:02d}".ljust(256, "v") for number in range(50)}
"""As many, and as long, as Azure resources have them: the service names no limit."""

WRITES = {"authorizeCopy", "startCopy", "authorizeClassifierCopy", "startClassifierCopy", "deleteModel"}


def long_id(number: int) -> str:
    return f"part-{number:03d}-".ljust(LONGEST_ID, "x")


def large_model() -> StoredModel:
    """A v3 model with every part at its limit."""
    types = {long_id(number): {f"Field{n}": 0.9 for n in range(30)} for number in range(MOST_DOC_TYPES)}
    return v3_model("w" * LONGEST_ID, doc_types=types, tags=TAGS, description="d" * LONGEST_DESCRIPTION)


def writes(scene: Scene) -> set[str]:
    return {operation for operations in scene.operations().values() for operation in operations} & WRITES


def test_a_model_with_all_at_its_limits_is_copied(make_scene: MakeScene) -> None:
    whole = large_model()
    scene = make_scene(whole)
    copy = scene.copy_one(whole.model_id)
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", whole.model_id)
    (copied,) = scene.target.models()
    assert (copied.content, copied.tags, copied.description) == (whole.content, TAGS, whole.description)


def test_a_description_of_100_kilobytes_is_told(make_scene: MakeScene) -> None:
    """The catalog holds it; the service takes 4,096 characters, and says so before anything is made."""
    scene = make_scene(v4_model("invoices", description="d" * 100_000))
    copy = scene.copy_one("invoices")
    assert (copy["status"], copy["code"]) == ("Failed", "BadRequest")
    assert "description" in copy["message"]
    assert "4096 characters" in copy["message"]
    assert scene.target.models() == []


@pytest.mark.parametrize(
    ("part", "more"),
    [
        ("description", {"description": "d" * 400_000}),
        ("description", {"description": "文" * 130_000}),
        ("tags", {"tags": {f"{number}": "v" * 4000 for number in range(100)}}),
    ],
)
def test_a_model_too_large_for_the_catalog_is_refused(
    make_scene: MakeScene, part: str, more: dict[str, object]
) -> None:
    """Before anything is authorized, and with what to shorten."""
    scene = make_scene(v4_model("invoices", **more))  # type: ignore[arg-type]  # of many types, each test its own
    copy = scene.copy_one("invoices")
    assert (copy["status"], copy["code"]) == ("Failed", "ModelTooLarge")
    assert f"the longest part is its {part}" in copy["message"]
    assert not writes(scene)
    assert scene.services.catalog.claims.get(TARGET, copy["kind"], copy["source"], "invoices") is None


def test_a_whole_too_large_is_refused_before_its_parts(make_scene: MakeScene) -> None:
    whole = v4_composed_model(
        "mail", classifier_id="sorter", parts={"invoice": ("invoices", {"Total": 0.9})}, description="d" * 400_000
    )
    scene = make_scene(classifier("sorter", doc_types=("invoice",)), v4_model("invoices", fields={"Total": 0.9}), whole)
    copy = scene.copy_one("mail", target=SECOND_TARGET)
    assert (copy["status"], copy["code"]) == ("Failed", "ModelTooLarge")
    assert not writes(scene)


def test_a_difference_at_a_very_long_name_is_told(make_scene: MakeScene) -> None:
    """Its message is shortened: it stands in the claim, the history, a row, a finding and a notice."""
    scene = make_scene(v3_model("claims", fields={"F" * 500_000: 0.9}), copy_seconds=(60.0, 60.0))
    run = scene.start_run(["claims"])
    scene.host.run_until_idle(limit=timedelta(seconds=61))
    assert [model.state for model in scene.target.models()] == ["ready"]
    scene.target.put_model(v3_model("claims", fields={"F" * 500_000: 0.5}))
    scene.host.run_until_idle()
    (copy,) = scene.run(run)["copies"]
    assert (copy["status"], copy["code"]) == ("Failed", "ContentMismatch")
    assert len(copy["message"]) < 2200
