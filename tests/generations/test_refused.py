"""What the service does not do is said in words before anything is written to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from local.simulator import StoredModel
from local.simulator.models import classifier, v2_model, v3_model, v4_model
from local.simulator.seeds import model_uuid

from .conftest import Log, MakeScene, Scene

NOW = datetime(2026, 1, 1, tzinfo=UTC)
V2_ID = model_uuid("Supplier invoices")
WRITES = ("authorizeCopy", "startCopy", "authorizeClassifierCopy", "startClassifierCopy", "deleteModel")
ONE_OF_EACH = [
    pytest.param(v2_model(V2_ID), id="v2.1"),
    pytest.param(v3_model("invoices", api_version="2022-08-31"), id="2022-08-31"),
    pytest.param(v3_model("invoices"), id="2023-07-31"),
    pytest.param(v4_model("invoices"), id="2024-11-30"),
]


def expiring(moment: datetime) -> StoredModel:
    model = v4_model("invoices", trained=moment.replace(year=moment.year - 2))
    assert model.expires == moment
    return model


def refused(scene: Scene, model_id: str, **more: Any) -> tuple[str, str]:
    """Ask for a copy that must not be begun; return its code and message."""
    copy = scene.one(model_id, **more)
    assert copy["status"] == "Failed"
    assert not {operation for asked in scene.operations().values() for operation in asked} & set(WRITES)
    return copy["code"], copy["message"]


def test_model_that_no_common_version_reaches(make_scene: MakeScene) -> None:
    """A model that no common version reaches is reported with both lists."""
    scene = make_scene(v4_model("invoices"), settings={TARGET: {"apiVersions": ["v2.1", "2023-07-31"]}})
    code, message = refused(scene, "invoices")
    assert code == "NoCommonVersion"
    assert "built with 2024-11-30" in message
    assert f'"{SOURCE}" speaks v2.0-preview, v2.0, v2.1, 2022-08-31, 2023-07-31, 2024-11-30' in message
    assert f'"{TARGET}" speaks v2.1, 2023-07-31' in message


def test_a_version_older_than_the_model_does_not_do(make_scene: MakeScene) -> None:
    scene = make_scene(v3_model("invoices"), settings={TARGET: {"apiVersions": ["2022-08-31", "2024-11-30"]}})
    code, message = refused(scene, "invoices")
    assert (code, "built with 2023-07-31" in message) == ("NoCommonVersion", True)


def test_model_that_configured_versions(make_scene: MakeScene) -> None:
    """A model that the configured versions do not show is reported with them."""
    versions = ["v2.1", "2022-08-31"]
    scene = make_scene(v4_model("invoices"), versions=versions)
    code, message = refused(scene, "invoices")
    assert code == "SourceModelNotFound"
    assert "2022-08-31" in message
    assert "later" in message


def test_an_expired_model_is_not_copied(make_scene: MakeScene) -> None:
    scene = make_scene(expiring(NOW - timedelta(seconds=1)))
    code, message = refused(scene, "invoices")
    assert code == "SourceModelExpired"
    assert "2025-12-31T23:59:59" in message
    assert "train it again" in message


def test_model_that_expires_soon_is_copied(make_scene: MakeScene, log: Log) -> None:
    """A model that expires soon is copied with a warning."""
    scene = make_scene(expiring(NOW + timedelta(days=20)))
    assert scene.one("invoices")["status"] == "Succeeded"
    (event,) = log.warnings("sourceExpiresSoon")
    assert (event["model"], event["expiresAt"]) == ("invoices", "2026-01-21T00:00:00+00:00")


def test_a_model_that_lives_for_long_gives_no_warning(make_scene: MakeScene, log: Log) -> None:
    scene = make_scene(v4_model("invoices"))
    assert scene.one("invoices")["status"] == "Succeeded"
    assert not log.events("sourceExpiresSoon")


@pytest.mark.parametrize(
    ("version", "model"),
    [("v2.0", v2_model(V2_ID, api_version="v2.0")), ("2022-08-31", v3_model("old", api_version="2022-08-31"))],
)
@pytest.mark.parametrize("where", [SOURCE, TARGET])
def test_a_retired_version_ends_the_copy_at_once(
    make_scene: MakeScene, version: str, model: StoredModel, where: str
) -> None:
    scene = make_scene(model, versions=[version], specs={where: {"api_versions": ("2024-11-30",)}})
    began = scene.clock.now()
    code, message = refused(scene, model.model_id)
    assert code == "VersionRetired"
    assert where in message
    assert "retired" in message
    assert scene.clock.now() == began, "no repetition brings it back"


def test_classifier_is_not_sent_to_a_wrong_region(make_scene: MakeScene) -> None:
    """A classifier is not sent to a region that takes none."""
    scene = make_scene(classifier("sorter"))
    code, message = refused(scene, "sorter", kind="classifier")
    assert code == "KindUnsupported"
    assert f'"{TARGET}" is in northeurope' in message
    assert "eastus, westeurope, westus2" in message


def test_classifier_is_not_taken_from_a_wrong_region(make_scene: MakeScene) -> None:
    """A classifier is not taken from a region that gives none."""
    scene = make_scene()
    scene.target.put_model(classifier("sorter"))
    run = scene.ask(source=TARGET, targets=[SECOND_TARGET], models=["sorter"], kind="classifier")
    scene.host.run_until_idle()
    (copy,) = scene.run(run)["copies"]
    assert copy["code"] == "KindUnsupported"
    assert f'"{TARGET}" is in northeurope' in copy["message"]


def test_a_classifier_of_2023_is_not_copied(make_scene: MakeScene) -> None:
    scene = make_scene(classifier("sorter", api_version="2023-07-31"))
    code, message = refused(scene, "sorter", target=SECOND_TARGET, kind="classifier")
    assert code == "KindUnsupported"
    assert "built with 2023-07-31" in message
    assert "2024-11-30" in message


@pytest.mark.parametrize("versions", [["v2.1"], ["2022-08-31"], ["2023-07-31"]])
def test_a_classifier_without_v4_is_reported(make_scene: MakeScene, versions: list[str]) -> None:
    made = classifier("sorter", api_version="2023-07-31")
    scene = make_scene(made, versions=versions)
    run = scene.http(
        "POST",
        "/api/copies",
        {"source": SOURCE, "targets": [SECOND_TARGET], "models": ["sorter"], "kind": "classifier"},
    )
    assert run.status == 202, run.body
    scene.host.run_until_idle()
    (copy,) = scene.run(run.body["runId"])["copies"]
    assert copy["code"] == "KindUnsupported"
    assert "2024-11-30" in copy["message"]


def test_another_cloud_is_refused(make_scene: MakeScene) -> None:
    scene = make_scene(
        v4_model("invoices"), settings={TARGET: {"endpoint": "https://forms.cognitiveservices.azure.us"}}
    )
    code, message = refused(scene, "invoices")
    assert code == "OtherCloud"
    assert "Azure Government" in message


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_full_target_is_refused_with_its_numbers(make_scene: MakeScene, model: StoredModel) -> None:
    scene = make_scene(model)
    scene.target.put_model(v4_model("theirs"))
    scene.target.set_limits(model_limit=1)
    code, message = refused(scene, model.model_id)
    assert code == "ModelLimitReached"
    assert "holds 1 custom models and may hold 1" in message


def test_classifier_fits_into_target_that_is_full(make_scene: MakeScene) -> None:
    """A classifier fits into a target that is full of models."""
    scene = make_scene(classifier("sorter"))
    scene.resource(SECOND_TARGET).put_model(v4_model("theirs"))
    scene.resource(SECOND_TARGET).set_limits(model_limit=1)
    assert scene.one("sorter", target=SECOND_TARGET, kind="classifier")["status"] == "Succeeded"


def test_target_that_fills_up_meanwhile_is_reported(make_scene: MakeScene) -> None:
    """A target that fills up meanwhile is reported the same way."""
    scene = make_scene(v4_model("invoices"))
    limit = {
        "error": {
            "code": "InvalidRequest",
            "message": "Invalid request.",
            "innererror": {"code": "DocumentModelLimit", "message": "Account can't create more than 500 models."},
        }
    }
    scene.target.inject("authorizeCopy", "status", status=400, body=limit)
    copy = scene.one("invoices")
    assert (copy["status"], copy["code"]) == ("Failed", "ModelLimitReached")
    assert "500" in copy["message"]
    assert not scene.target.models()


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_encrypted_models_are_not_copied(make_scene: MakeScene, model: StoredModel) -> None:
    """Encrypted models are not copied to where they would not be."""
    scene = make_scene(model, specs={SOURCE: {"encrypted": True}})
    copy = scene.one(model.model_id)
    assert (copy["status"], copy["code"]) == ("Failed", "EncryptionDowngrade")
    assert "allowEncryptionDowngrade" in copy["message"]
    assert len(scene.asked(TARGET, "authorizeCopy")) == 1, "no repetition helps"
    assert not scene.replicas(model.model_id)


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_encrypted_models_are_copied(make_scene: MakeScene, model: StoredModel) -> None:
    """Encrypted models are copied where the route allows it."""
    allowed = {"source": SOURCE, "target": TARGET, "allowEncryptionDowngrade": True}
    scene = make_scene(model, specs={SOURCE: {"encrypted": True}}, routes=[allowed])
    run = scene.copy([model.model_id], [TARGET, SECOND_TARGET])
    outcomes = {copy["target"]: copy["code"] or copy["status"] for copy in run["copies"]}
    assert outcomes == {TARGET: "Succeeded", SECOND_TARGET: "EncryptionDowngrade"}
