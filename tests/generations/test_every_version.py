"""Every model goes by the generation that it was built with, and arrives with what belongs to it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from local.simulator import StoredModel
from local.simulator.models import DEFAULT_TRAINED, classifier, v2_model, v3_model, v4_model
from local.simulator.seeds import model_uuid

from .conftest import MakeScene, Scene

V2_ID = model_uuid("Supplier invoices")
LABELS: dict[str, Any] = {"description": "Invoices of all suppliers", "tags": {"owner": "finance", "stage": "live"}}


def model_of(version: str) -> StoredModel:
    if version.startswith("v2"):
        name = "Supplier invoices" if version == "v2.1" else None
        return v2_model(model_uuid(f"{version} invoices"), api_version=version, name=name)
    make = v4_model if version == "2024-11-30" else v3_model
    return make(f"invoices-{version}", api_version=version, **LABELS)


V2, V3, V4 = ("v2.0-preview", "v2.0", "v2.1"), ("2022-08-31", "2023-07-31"), ("2024-11-30",)
VERSIONS = V2 + V3 + V4
COPY_PATHS = {
    **dict.fromkeys(V2, r"/formrecognizer/v2\.1/custom/models/{id}/copy"),
    **dict.fromkeys(V3, r"/formrecognizer/documentModels/{id}:copyTo\?api-version=2023-07-31"),
    **dict.fromkeys(V4, r"/documentintelligence/documentModels/{id}:copyTo\?api-version=2024-11-30"),
}
NEWEST = {**dict.fromkeys(V2, "v2.1"), **dict.fromkeys(V3, "2023-07-31"), **dict.fromkeys(V4, "2024-11-30")}


def spoilt(content: dict[str, Any]) -> dict[str, Any]:
    """Return a model's content with one number changed."""
    text = json.dumps(content)
    assert text.count("0.93") == 1
    return dict(json.loads(text.replace("0.93", "0.94")))


def copied_by(scene: Scene, model_id: str) -> str:
    (entry,) = scene.asked(SOURCE, "startCopy", model_id)
    return f"{entry.path}?{entry.query}" if entry.query else str(entry.path)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_model_is_copied_by_its_own_generation(make_scene: MakeScene, version: str) -> None:
    model = model_of(version)
    scene = make_scene(model)
    copy = scene.one(model.model_id)
    assert (copy["status"], copy["apiVersion"]) == ("Succeeded", NEWEST[version])
    assert re.fullmatch(COPY_PATHS[version].format(id=model.model_id), copied_by(scene, model.model_id))
    asked = scene.operations()[SOURCE]
    assert "getModel" not in asked[asked.index("startCopy") :], "both sides were read by one version, so they compare"
    made = scene.target.model(copy["targetModelId"])
    assert made is not None
    assert (made.state, made.copy_of, made.api_version) == ("ready", f"{SOURCE}/{model.model_id}", version)
    assert scene.places(model.model_id)[TARGET] == copy["targetModelId"]


@pytest.mark.parametrize("version", VERSIONS)
def test_version_that_stands_alone_is_enough(make_scene: MakeScene, version: str) -> None:
    """A version that stands alone is enough for its models."""
    model = model_of(version)
    scene = make_scene(model, versions=[version])
    copy = scene.one(model.model_id)
    assert (copy["status"], copy["apiVersion"]) == ("Succeeded", version)


@pytest.mark.parametrize(
    ("built_with", "source", "target"),
    [
        ("v2.0", ["v2.0", "v2.1"], ["v2.0"]),
        ("v2.0", ["v2.0"], ["v2.1", "v2.0"]),
        ("2022-08-31", ["2022-08-31", "2023-07-31", "2024-11-30"], ["2022-08-31"]),
        ("2023-07-31", ["2023-07-31", "2024-11-30"], ["2022-08-31", "2023-07-31"]),
    ],
)
def test_both_sides_go_by_newest_version(
    make_scene: MakeScene, built_with: str, source: list[str], target: list[str]
) -> None:
    """Both sides go by the newest version that both speak."""
    model = model_of(built_with)
    scene = make_scene(model, settings={SOURCE: {"apiVersions": source}, TARGET: {"apiVersions": target}})
    copy = scene.one(model.model_id)
    assert (copy["status"], copy["apiVersion"]) == ("Succeeded", built_with)
    versions = {entry.api_version for entry in scene.target.requests()}
    assert versions == {built_with}


def test_models_of_all_versions_go_in_one_request(make_scene: MakeScene) -> None:
    models = [model_of(version) for version in VERSIONS]
    scene = make_scene(*models, classifier("sorter"))
    run = scene.copy([model.model_id for model in models], [TARGET, SECOND_TARGET])
    assert (run["status"], run["progress"]) == ("Succeeded", {"done": 12, "total": 12})
    for version, model in zip(VERSIONS, models, strict=True):
        versions = {copy["apiVersion"] for copy in run["copies"] if copy["modelId"] == model.model_id}
        assert versions == {NEWEST[version]}
        assert len(scene.asked(SOURCE, "startCopy", model.model_id)) == 2
    for resource in (TARGET, SECOND_TARGET):
        arrived = scene.resource(resource).models()
        assert sorted(made.api_version for made in arrived) == sorted(VERSIONS)
        assert {made.state for made in arrived} == {"ready"}


def test_a_classifier_goes_by_v4(make_scene: MakeScene) -> None:
    scene = make_scene(classifier("sorter", description="Tells mail apart"))
    copy = scene.one("sorter", target=SECOND_TARGET, kind="classifier")
    assert (copy["status"], copy["kind"], copy["targetModelId"]) == ("Succeeded", "classifier", "sorter")
    (entry,) = scene.asked(SOURCE, "startClassifierCopy")
    assert entry.path == "/documentintelligence/documentClassifiers/sorter:copyTo"
    made = scene.resource(SECOND_TARGET).model("sorter", "classifier")
    assert made is not None
    assert (made.state, made.description) == ("ready", "Tells mail apart")
    assert scene.places("sorter", kind="classifier")[SECOND_TARGET] == "sorter"


@pytest.mark.parametrize("version", V3 + V4)
def test_description_and_tags_come_along(make_scene: MakeScene, version: str) -> None:
    model = model_of(version)
    scene = make_scene(model)
    assert scene.one(model.model_id)["status"] == "Succeeded"
    made = scene.target.model(model.model_id)
    assert made is not None
    assert {"description": made.description, "tags": made.tags} == LABELS


def test_the_name_of_a_v2_model_comes_along(make_scene: MakeScene) -> None:
    scene = make_scene(v2_model(V2_ID, name="Supplier invoices"))
    made = scene.target.model(scene.one(V2_ID)["targetModelId"])
    assert made is not None
    assert made.content["modelName"] == "Supplier invoices"


def test_v4_copy_under_another_id_is_known(make_scene: MakeScene) -> None:
    """A v4 copy under another id is known by its renamed doc type."""
    scene = make_scene(v4_model("invoices", build_mode="neural"))
    assert scene.one("invoices", targetModelId="backup")["status"] == "Succeeded"
    made = scene.target.model("backup")
    assert made is not None
    assert list(made.content["docTypes"]) == ["backup"]


def test_v3_copy_under_another_id_keeps_name(make_scene: MakeScene) -> None:
    """A v3 copy under another id keeps the name of its doc type."""
    scene = make_scene(v3_model("invoices"))
    assert scene.one("invoices", targetModelId="backup")["status"] == "Succeeded"
    made = scene.target.model("backup")
    assert made is not None
    assert list(made.content["docTypes"]) == ["invoices"]


@pytest.mark.parametrize("version", ["2023-07-31", "2024-11-30"])
def test_a_copy_is_known_to_expire_with_its_source(make_scene: MakeScene, version: str) -> None:
    model = model_of(version)
    scene = make_scene(model)
    scene.one(model.model_id)
    (replica,) = scene.replicas(model.model_id)
    assert replica.expires_at == model.expires == DEFAULT_TRAINED.replace(year=2028)


@pytest.mark.parametrize("version", ["v2.1", "2022-08-31"])
def test_a_copy_of_an_old_version_never_expires(make_scene: MakeScene, version: str) -> None:
    model = model_of(version)
    scene = make_scene(model)
    scene.one(model.model_id)
    (replica,) = scene.replicas(model.model_id)
    assert replica.expires_at is None


def test_model_that_was_there_is_known_to_expire(make_scene: MakeScene) -> None:
    """A model that was there is known to expire when it does."""
    scene = make_scene(v4_model("invoices"))
    scene.target.put_model(v4_model("invoices", trained=DEFAULT_TRAINED - timedelta(days=365)))
    assert scene.one("invoices")["status"] == "Succeeded"
    (replica,) = scene.replicas("invoices")
    assert replica.expires_at == DEFAULT_TRAINED.replace(year=2027), "it was not copied: it has a life of its own"


@pytest.mark.parametrize(
    ("version", "named"),
    [
        ("v2.1", r"trainResult\.fields\[2\]\.accuracy is 0\.94 instead of 0\.93"),
        ("2022-08-31", r"docTypes\.invoices-2022-08-31\.fieldConfidence\.VendorName is 0\.94 instead of 0\.93"),
        ("2023-07-31", r"docTypes\.invoices-2023-07-31\.fieldConfidence\.VendorName is 0\.94 instead of 0\.93"),
        ("2024-11-30", r"docTypes\.\{modelId\}\.fieldConfidence\.VendorName is 0\.94 instead of 0\.93"),
    ],
)
def test_copy_that_is_not_its_source_is_reported(make_scene: MakeScene, version: str, named: str) -> None:
    """A copy that is not its source is reported with the first difference."""
    model = model_of(version)
    scene = make_scene(model, copy_seconds=(6.0, 6.0))
    run = scene.ask(source=SOURCE, targets=[TARGET], models=[model.model_id])
    scene.host.run_until_idle(limit=timedelta(seconds=7))
    (made,) = scene.target.models()
    assert made.state == "ready"
    other = replace(made, content=spoilt(made.content))
    scene.target.put_model(other)
    scene.host.run_until_idle()
    (copy,) = scene.run(run)["copies"]
    assert (copy["status"], copy["code"]) == ("Failed", "ContentMismatch")
    assert re.search(named, copy["message"]), copy["message"]
    assert not scene.replicas(model.model_id)
    assert not scene.asked(TARGET, "deleteModel"), "it is left for a person to see"


def test_model_that_is_called_like_v2_one_is_found(make_scene: MakeScene) -> None:
    """A model that is called like a v2 one is found where it is."""
    scene = make_scene(v4_model(V2_ID))
    copy = scene.one(V2_ID)
    assert (copy["status"], copy["apiVersion"], copy["targetModelId"]) == ("Succeeded", "2024-11-30", V2_ID)


def test_model_that_is_called_like_v2_one_is_copied(make_scene: MakeScene) -> None:
    """A model that is called like a v2 one is copied after v2 has gone."""
    gone = {name: {"api_versions": V3 + V4} for name in (SOURCE, TARGET)}
    scene = make_scene(v4_model(V2_ID), specs=gone)
    copy = scene.one(V2_ID)
    assert (copy["status"], copy["apiVersion"]) == ("Succeeded", "2024-11-30")
