"""Managed identity: the app gets its tokens from the identity endpoint of App Service, and writes them nowhere."""

from __future__ import annotations

import base64
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from local.host import ManualClock
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE
from local.simulator import Identity, StoredModel
from local.simulator.models import classifier, v2_model, v3_model, v4_model
from local.simulator.seeds import model_uuid

from .conftest import MakeScene, Scene

HEADER = "header-that-app-service-gave-the-app"
PUBLIC = "https://cognitiveservices.azure.com"
GOVERNMENT = "https://cognitiveservices.azure.us"
MODELS = (
    v2_model(model_uuid("Supplier invoices")),
    v3_model("contracts", api_version="2022-08-31"),
    v3_model("statements"),
    v4_model("invoices"),
)


class WithIdentity(Protocol):
    """Makes a scene on which no resource has a key; ``described`` is the managedIdentity of backup.json."""

    def __call__(self, identity: Identity, *models: StoredModel, header: str = HEADER, **described: str) -> Scene: ...


@pytest.fixture
def with_identity(make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch) -> WithIdentity:
    def make(identity: Identity, *models: StoredModel, header: str = HEADER, **described: str) -> Scene:
        settings = {name: {"keySetting": None, "managedIdentity": described} for name in REGIONS}
        # azure-identity reads the machine's clock when it renews tokens
        clock = ManualClock(datetime.now(UTC).replace(microsecond=0))
        scene = make_scene(*models, settings=settings, identities=[identity], clock=clock)
        scene.services.environment = {}
        monkeypatch.setenv("IDENTITY_ENDPOINT", scene.simulator.identity_endpoint)
        monkeypatch.setenv("IDENTITY_HEADER", header)
        return scene

    return make


def tokens(scene: Scene) -> list[str]:
    """Return every token that was issued."""
    return list(scene.simulator.issuer._tokens)


def traces(folder: Path, caplog: pytest.LogCaptureFixture) -> bytes:
    """Return every byte of the files, and every line of the log."""
    files = b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return files + caplog.text.encode()


def test_every_generation_is_copied_without_a_key(with_identity: WithIdentity) -> None:
    """And a classifier; tokens are used more than once."""
    scene = with_identity(Identity(HEADER), *MODELS, classifier("sorter"))
    run = scene.copy([model.model_id for model in MODELS], [SECOND_TARGET])
    assert run["status"] == "Succeeded"
    assert scene.copy_one("sorter", target=SECOND_TARGET, kind="classifier")["status"] == "Succeeded"
    calls = sum(map(len, scene.operations().values()))
    assert scene.simulator.issuer.issued <= 2 * len(MODELS), f"tokens must be used again: {calls} calls"


def test_a_user_assigned_identity_is_used(with_identity: WithIdentity) -> None:
    """The configuration names its client id."""
    client_id = "2f0d5a1c-6b1e-4a8e-9f57-0c8f1b7f3a11"
    scene = with_identity(Identity(HEADER, client_id=client_id), v4_model("invoices"), clientId=client_id)
    assert scene.copy_one("invoices")["status"] == "Succeeded"


def test_the_identity_of_the_app_settings_is_used(with_identity: WithIdentity) -> None:
    """The configuration names none: the client id of an identity that a template makes is not known when it is written."""
    client_id = "2f0d5a1c-6b1e-4a8e-9f57-0c8f1b7f3a11"
    scene = with_identity(Identity(HEADER, client_id=client_id), v4_model("invoices"))
    scene.services.environment = {"AZURE_CLIENT_ID": client_id}
    assert scene.copy_one("invoices")["status"] == "Succeeded"


def test_the_scope_of_a_sovereign_cloud_can_be_set(with_identity: WithIdentity) -> None:
    identity = Identity(HEADER, audience=GOVERNMENT)
    scene = with_identity(identity, v4_model("invoices"), scope=f"{GOVERNMENT}/.default")
    assert scene.copy_one("invoices")["status"] == "Succeeded"


def test_a_token_for_another_cloud_is_refused(with_identity: WithIdentity) -> None:
    """The message names the resource, and holds no token."""
    scene = with_identity(Identity(HEADER, audience=GOVERNMENT), v4_model("invoices"))
    copy = scene.copy_one("invoices")
    assert (copy["status"], copy["code"]) == ("Failed", "AccessDenied")
    assert SOURCE in copy["message"]
    assert not any(token in str(copy) for token in tokens(scene))


def test_an_identity_without_a_role_stops_the_copy(with_identity: WithIdentity) -> None:
    """Before anything is written."""
    scene = with_identity(Identity(HEADER, resources=(SOURCE,)), v4_model("invoices"))
    copy = scene.copy_one("invoices", target=SECOND_TARGET)
    assert (copy["status"], copy["code"]) == ("Failed", "AccessDenied")
    assert SECOND_TARGET in copy["message"]
    assert not scene.journal(SECOND_TARGET, "authorizeCopy")


def test_an_identity_without_a_token_is_reported(
    with_identity: WithIdentity, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Without its secret."""
    scene = with_identity(Identity(HEADER), v4_model("invoices"), header="another-header-than-it-should-be")
    copy = scene.copy_one("invoices")
    assert (copy["status"], copy["code"]) == ("Failed", "AccessDenied")
    assert "could not get an Entra ID token" in copy["message"]
    assert b"another-header-than-it-should-be" not in traces(tmp_path, caplog)


def test_no_token_is_in_a_file_or_a_log_line(
    with_identity: WithIdentity, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    scene = with_identity(Identity(HEADER), *MODELS)
    scene.source.inject("getModel", "status", status=401)
    scene.target.inject("authorizeCopy", "malformed")
    scene.copy([model.model_id for model in MODELS])
    left = traces(tmp_path, caplog)
    issued = tokens(scene)
    assert issued
    assert b"invoices" in left, "the search must see what the app writes"
    for secret in (*issued, HEADER):
        assert secret.encode() not in left
        assert base64.b64encode(secret.encode()) not in left
