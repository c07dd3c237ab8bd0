"""Every model is copied with its own generation, and with its description, tags and expiry."""

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
DESCRIPTION, TAGS = "Invoices of all suppliers", {"owner": "finance", "stage": "live"}


def model_of(version: str) -> StoredModel:
    if version.startswith("v2"):
        name = "Supplier invoices" if version == "v2.1" else None
        return v2_model(model_uuid(f"{version} invoices"), api_version=version, name=name)
    make = v4_model if version == "2024-11-30" else v3_model
    return make(f"invoices-{version}", api_version=version, description=DESCRIPTION, tags=TAGS)


V2, V3, V4 = ("v2.0-preview", "v2.0", "v2.1"), ("2022-08-31", "2023-07-31"), ("2024-11-30",)
VERSIONS = V2 + V3 + V4
COPY_PATHS = {
    **dict.fromkeys(V2, r"/formrecognizer/v2\.1/custom/models/{id}/copy"),
    **dict.fromkeys(V3, r"/formrecognizer/documentModels/{id}:copyTo\?api-version=2023-07-31"),
    **dict.fromkeys(V4, r"/documentintelligence/documentModels/{id}:copyTo\?api-version=2024-11-30"),
}
NEWEST = {**dict.fromkeys(V2, "v2.1"), **dict.fromkeys(V3, "2023-07-31"), **dict.fromkeys(V4, "2024-11-30")}


def changed(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a model with one changed number."""
    text = json.dumps(content)
    assert text.count("0.93") == 1
    return dict(json.loads(text.replace("0.93", "0.94")))


def copy_path(scene: Scene, model_id: str) -> str:
    (entry,) = scene.journal(SOURCE, "startCopy", model_id)
    return f"{entry.path}?{entry.query}" if entry.query else str(entry.path)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_model_is_copied_by_its_own_generation(make_scene: MakeScene, version: str) -> None:
    model = model_of(version)
    scene = make_scene(model)
    copy = scene.copy_one(model.model_id)
    assert (copy["status"], copy["apiVersion"]) == ("Succeeded", NEWEST[version])
    assert re.fullmatch(COPY_PATHS[version].format(id=model.model_id), copy_path(scene, model.model_id))
    operations = scene.operations()[SOURCE]
    after_start = operations[operations.index("startCopy") :]
    assert "getModel" not in after_start, "both sides were read with one version, so they can be compared"
    copied = scene.target.model(copy["targetModelId"])
    assert copied is not None
    assert (copied.state, copied.copy_of, copied.api_version) == ("ready", f"{SOURCE}/{model.model_id}", version)
    assert scene.places(model.model_id)[TARGET] == copy["targetModelId"]


@pytest.mark.parametrize("version", VERSIONS)
def test_one_version_is_enough_for_its_models(make_scene: MakeScene, version: str) -> None:
    """A version that stands alone is enough for its models."""
    model = model_of(version)
    scene = make_scene(model, versions=[version])
    copy = scene.copy_one(model.model_id)
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
def test_both_sides_use_the_newest_common_version(
    make_scene: MakeScene, built_with: str, source: list[str], target: list[str]
) -> None:
    """Both sides go by the newest version that both speak."""
    model = model_of(built_with)
    scene = make_scene(model, settings={SOURCE: {"apiVersions": source}, TARGET: {"apiVersions": target}})
    copy = scene.copy_one(model.model_id)
    assert (copy["status"], copy["apiVersion"]) == ("Succeeded", built_with)
    versions = {entry.api_version for entry in scene.target.requests()}
    assert versions == {built_with}


def test_one_request_copies_models_of_all_versions(make_scene: MakeScene) -> None:
    models = [model_of(version) for version in VERSIONS]
    scene = make_scene(*models, classifier("sorter"))
    run = scene.copy([model.model_id for model in models], [TARGET, SECOND_TARGET])
    assert (run["status"], run["progress"]) == ("Succeeded", {"done": 12, "total": 12})
    for version, model in zip(VERSIONS, models, strict=True):
        versions = {copy["apiVersion"] for copy in run["copies"] if copy["modelId"] == model.model_id}
        assert versions == {NEWEST[version]}
        assert len(scene.journal(SOURCE, "startCopy", model.model_id)) == 2
    for resource in (TARGET, SECOND_TARGET):
        copies = scene.resource(resource).models()
        assert sorted(model.api_version for model in copies) == sorted(VERSIONS)
        assert {model.state for model in copies} == {"ready"}


def test_a_classifier_is_copied_with_v4(make_scene: MakeScene) -> None:
    scene = make_scene(classifier("sorter", description="Sorts mail"))
    copy = scene.copy_one("sorter", target=SECOND_TARGET, kind="classifier")
    assert (copy["status"], copy["kind"], copy["targetModelId"]) == ("Succeeded", "classifier", "sorter")
    (entry,) = scene.journal(SOURCE, "startClassifierCopy")
    assert entry.path == "/documentintelligence/documentClassifiers/sorter:copyTo"
    copied = scene.resource(SECOND_TARGET).model("sorter", "classifier")
    assert copied is not None
    assert (copied.state, copied.description) == ("ready", "Sorts mail")
    assert scene.places("sorter", kind="classifier")[SECOND_TARGET] == "sorter"


@pytest.mark.parametrize("version", V3 + V4)
def test_description_and_tags_are_copied(make_scene: MakeScene, version: str) -> None:
    model = model_of(version)
    scene = make_scene(model)
    assert scene.copy_one(model.model_id)["status"] == "Succeeded"
    copied = scene.target.model(model.model_id)
    assert copied is not None
    assert (copied.description, copied.tags) == (DESCRIPTION, TAGS)


def test_the_name_of_a_v2_model_is_copied(make_scene: MakeScene) -> None:
    scene = make_scene(v2_model(V2_ID, name="Supplier invoices"))
    copied = scene.target.model(scene.copy_one(V2_ID)["targetModelId"])
    assert copied is not None
    assert copied.content["modelName"] == "Supplier invoices"


def test_a_v4_copy_may_have_a_renamed_doc_type(make_scene: MakeScene) -> None:
    """Under another id, its docType has that id as its name."""
    scene = make_scene(v4_model("invoices", build_mode="neural"))
    assert scene.copy_one("invoices", target_model_id="backup")["status"] == "Succeeded"
    copied = scene.target.model("backup")
    assert copied is not None
    assert list(copied.content["docTypes"]) == ["backup"]


def test_a_v3_copy_keeps_the_name_of_its_doc_type(make_scene: MakeScene) -> None:
    """Also under another id."""
    scene = make_scene(v3_model("invoices"))
    assert scene.copy_one("invoices", target_model_id="backup")["status"] == "Succeeded"
    copied = scene.target.model("backup")
    assert copied is not None
    assert list(copied.content["docTypes"]) == ["invoices"]


@pytest.mark.parametrize("version", ["2023-07-31", "2024-11-30"])
def test_a_copy_expires_with_its_source(make_scene: MakeScene, version: str) -> None:
    model = model_of(version)
    scene = make_scene(model)
    scene.copy_one(model.model_id)
    (replica,) = scene.replicas(model.model_id)
    assert replica.expires_at == model.expires == DEFAULT_TRAINED.replace(year=2028)


@pytest.mark.parametrize("version", ["v2.1", "2022-08-31"])
def test_a_copy_of_an_old_version_never_expires(make_scene: MakeScene, version: str) -> None:
    model = model_of(version)
    scene = make_scene(model)
    scene.copy_one(model.model_id)
    (replica,) = scene.replicas(model.model_id)
    assert replica.expires_at is None


def test_an_existing_model_keeps_its_own_expiry(make_scene: MakeScene) -> None:
    """A model that was there is known to expire when it does."""
    scene = make_scene(v4_model("invoices"))
    scene.target.put_model(v4_model("invoices", trained=DEFAULT_TRAINED - timedelta(days=365)))
    assert scene.copy_one("invoices")["status"] == "Succeeded"
    (replica,) = scene.replicas("invoices")
    assert replica.expires_at == DEFAULT_TRAINED.replace(year=2027), "it was not copied, so it keeps its own expiry"


@pytest.mark.parametrize(
    ("version", "difference"),
    [
        ("v2.1", r"trainResult\.fields\[2\]\.accuracy is 0\.94 instead of 0\.93"),
        ("2022-08-31", r"docTypes\.invoices-2022-08-31\.fieldConfidence\.VendorName is 0\.94 instead of 0\.93"),
        ("2023-07-31", r"docTypes\.invoices-2023-07-31\.fieldConfidence\.VendorName is 0\.94 instead of 0\.93"),
        ("2024-11-30", r"docTypes\.\{modelId\}\.fieldConfidence\.VendorName is 0\.94 instead of 0\.93"),
    ],
)
def test_a_copy_with_other_content_is_reported(make_scene: MakeScene, version: str, difference: str) -> None:
    """With the first difference; it is not deleted."""
    model = model_of(version)
    scene = make_scene(model, copy_seconds=(6.0, 6.0))
    run = scene.start_run([model.model_id])
    scene.host.run_until_idle(limit=timedelta(seconds=7))
    (copied,) = scene.target.models()
    assert copied.state == "ready"
    scene.target.put_model(replace(copied, content=changed(copied.content)))
    scene.host.run_until_idle()
    (copy,) = scene.run(run)["copies"]
    assert (copy["status"], copy["code"]) == ("Failed", "ContentMismatch")
    assert re.search(difference, copy["message"]), copy["message"]
    assert not scene.replicas(model.model_id)
    assert not scene.journal(TARGET, "deleteModel"), "a person must check it"


def test_a_v4_model_with_a_uuid_as_id_is_found(make_scene: MakeScene) -> None:
    """A model that is called like a v2 one is found where it is."""
    scene = make_scene(v4_model(V2_ID))
    copy = scene.copy_one(V2_ID)
    assert (copy["status"], copy["apiVersion"], copy["targetModelId"]) == ("Succeeded", "2024-11-30", V2_ID)


def test_a_v4_model_with_a_uuid_is_copied_without_v2(make_scene: MakeScene) -> None:
    """The versions of v2 are retired."""
    without_v2 = {name: {"api_versions": V3 + V4} for name in (SOURCE, TARGET)}
    scene = make_scene(v4_model(V2_ID), specs=without_v2)
    copy = scene.copy_one(V2_ID)
    assert (copy["status"], copy["apiVersion"]) == ("Succeeded", "2024-11-30")
