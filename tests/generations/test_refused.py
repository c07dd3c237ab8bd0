"""Copies that the service does not make: the app refuses them with the reason, before it writes anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from local.simulator import StoredModel
from local.simulator.models import classifier, v2_model, v3_model, v4_model
from local.simulator.seeds import model_uuid
from local.simulator.versions import Kind

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


def refused(scene: Scene, model_id: str, target: str = TARGET, kind: Kind = "model") -> tuple[str, str]:
    """Request a copy that must fail before anything is written; return its code and message."""
    copy = scene.copy_one(model_id, target=target, kind=kind)
    assert copy["status"] == "Failed"
    assert not {operation for operations in scene.operations().values() for operation in operations} & set(WRITES)
    return copy["code"], copy["message"]


def test_no_common_version_is_reported(make_scene: MakeScene) -> None:
    """With the versions of both resources."""
    scene = make_scene(v4_model("invoices"), settings={TARGET: {"apiVersions": ["v2.1", "2023-07-31"]}})
    code, message = refused(scene, "invoices")
    assert code == "NoCommonVersion"
    assert "built with 2024-11-30" in message
    assert f'"{SOURCE}" speaks v2.0-preview, v2.0, v2.1, 2022-08-31, 2023-07-31, 2024-11-30' in message
    assert f'"{TARGET}" speaks v2.1, 2023-07-31' in message


def test_an_older_version_cannot_copy_a_newer_model(make_scene: MakeScene) -> None:
    scene = make_scene(v3_model("invoices"), settings={TARGET: {"apiVersions": ["2022-08-31", "2024-11-30"]}})
    code, message = refused(scene, "invoices")
    assert (code, "built with 2023-07-31" in message) == ("NoCommonVersion", True)


def test_v2_0_cannot_copy_a_model_of_v2_1(make_scene: MakeScene) -> None:
    """The service answers 400 with code 1027."""
    scene = make_scene(v2_model(V2_ID), versions=["v2.0", "2024-11-30"])
    scene.source.set_behaviour(shows_newer_v2=False)
    code, message = refused(scene, V2_ID)
    assert code == "VersionUnsupported"
    assert "add that version to the resource's apiVersions" in message
    assert "API version used to create the model" in message


def test_a_model_hidden_from_all_versions_is_reported(make_scene: MakeScene) -> None:
    """With the configured versions."""
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


def test_a_model_that_expires_soon_gives_a_warning(make_scene: MakeScene, log: Log) -> None:
    """It is copied."""
    scene = make_scene(expiring(NOW + timedelta(days=20)))
    assert scene.copy_one("invoices")["status"] == "Succeeded"
    (event,) = log.warnings("sourceExpiresSoon")
    assert (event["model"], event["expiresAt"]) == ("invoices", "2026-01-21T00:00:00+00:00")


def test_a_model_that_expires_late_gives_no_warning(make_scene: MakeScene, log: Log) -> None:
    scene = make_scene(v4_model("invoices"))
    assert scene.copy_one("invoices")["status"] == "Succeeded"
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
    assert scene.clock.now() == began, "a retry cannot help"


def test_a_classifier_needs_a_region_as_target(make_scene: MakeScene) -> None:
    """A region that copies classifiers."""
    scene = make_scene(classifier("sorter"))
    code, message = refused(scene, "sorter", kind="classifier")
    assert code == "KindUnsupported"
    assert f'"{TARGET}" is in northeurope' in message
    assert "eastus, westeurope, westus2" in message


def test_a_classifier_needs_a_region_as_source(make_scene: MakeScene) -> None:
    """A region that copies classifiers."""
    scene = make_scene()
    scene.target.put_model(classifier("sorter"))
    run = scene.start_run(["sorter"], source=TARGET, target=SECOND_TARGET, kind="classifier")
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
    scene = make_scene(classifier("sorter", api_version="2023-07-31"), versions=versions)
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
    scene.target.put_model(v4_model("other"))
    scene.target.set_limits(model_limit=1)
    code, message = refused(scene, model.model_id)
    assert code == "ModelLimitReached"
    assert "holds 1 custom models and may hold 1" in message


def test_the_limit_of_models_is_not_for_classifiers(make_scene: MakeScene) -> None:
    """A classifier fits into a target that is full of models."""
    scene = make_scene(classifier("sorter"))
    scene.resource(SECOND_TARGET).put_model(v4_model("other"))
    scene.resource(SECOND_TARGET).set_limits(model_limit=1)
    assert scene.copy_one("sorter", target=SECOND_TARGET, kind="classifier")["status"] == "Succeeded"


def test_a_target_that_becomes_full_is_reported(make_scene: MakeScene) -> None:
    """The service refuses the authorization."""
    scene = make_scene(v4_model("invoices"))
    limit = {
        "error": {
            "code": "InvalidRequest",
            "message": "Invalid request.",
            "innererror": {"code": "DocumentModelLimit", "message": "Account can't create more than 500 models."},
        }
    }
    scene.target.inject("authorizeCopy", "status", status=400, body=limit)
    copy = scene.copy_one("invoices")
    assert (copy["status"], copy["code"]) == ("Failed", "ModelLimitReached")
    assert "500" in copy["message"]
    assert not scene.target.models()


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_an_encryption_downgrade_is_refused(make_scene: MakeScene, model: StoredModel) -> None:
    """Encrypted models are not copied to where they would not be."""
    scene = make_scene(model, specs={SOURCE: {"encrypted": True}})
    copy = scene.copy_one(model.model_id)
    assert (copy["status"], copy["code"]) == ("Failed", "EncryptionDowngrade")
    assert "allowEncryptionDowngrade" in copy["message"]
    assert len(scene.journal(TARGET, "authorizeCopy")) == 1, "a retry cannot help"
    assert not scene.replicas(model.model_id)


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_route_can_allow_an_encryption_downgrade(make_scene: MakeScene, model: StoredModel) -> None:
    """Encrypted models are copied where the route allows it."""
    allowed = {"source": SOURCE, "target": TARGET, "allowEncryptionDowngrade": True}
    scene = make_scene(model, specs={SOURCE: {"encrypted": True}}, routes=[allowed])
    run = scene.copy([model.model_id], [TARGET, SECOND_TARGET])
    outcomes = {copy["target"]: copy["code"] or copy["status"] for copy in run["copies"]}
    assert outcomes == {TARGET: "Succeeded", SECOND_TARGET: "EncryptionDowngrade"}
