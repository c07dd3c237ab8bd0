"""Three accounts of one region, all at its regional endpoint: only their keys and their resource ids tell them apart."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from backup.configuration.reading import parse_configuration
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE, TARGET, resource_id, setting
from local.simulator.certificates import make_server_identity
from local.simulator.models import classifier, v2_model, v3_model, v4_model
from local.simulator.seeds import model_uuid

from .conftest import Log, MakeScene, Scene

HOST = "westeurope.api.cognitive.microsoft.com"
MODELS = (
    v2_model(model_uuid("Supplier invoices")),
    v3_model("contracts", api_version="2022-08-31"),
    v3_model("statements"),
)
BOTH = (TARGET, SECOND_TARGET)


@pytest.fixture
def region(make_scene: MakeScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """The scene. The name of the endpoint leads to the simulator, which has a certificate for it."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    identity = make_server_identity(tmp_path, HOST)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(identity.authority))
    look_up = socket.getaddrinfo

    def here(host: Any, *args: Any, **options: Any) -> Any:
        return look_up("127.0.0.1" if host == HOST else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    specs = {name: {"region": "westeurope"} for name in REGIONS}
    scene = make_scene(*MODELS, v4_model("invoices"), classifier("sorter"), specs=specs, tls=identity.context)
    endpoint = scene.simulator.regional_endpoint("westeurope").replace("127.0.0.1", HOST)
    document = scene.configuration()
    for resource in document["resources"].values():
        resource.update(endpoint=endpoint, region="westeurope")
    scene.services.configuration = parse_configuration(json.dumps(document), "backup.json")
    return scene


def held(scene: Scene, resource: str) -> list[tuple[str, str]]:
    """Return every model of a resource and its state, placeholders too."""
    return sorted((model.model_id, model.state) for model in scene.resource(resource).models("model"))


def test_accounts_of_one_region_are_told_apart(region: Scene) -> None:
    """Models of every generation and a classifier go to both targets."""
    run = region.copy([*(model.model_id for model in MODELS), "invoices"], BOTH)
    assert run["status"] == "Succeeded", run
    assert region.copy(["sorter"], BOTH, kind="classifier")["status"] == "Succeeded"
    for name in BOTH:
        assert [state for _, state in held(region, name)] == ["ready"] * 4
        assert [model.model_id for model in region.resource(name).models("classifier")] == ["sorter"]
    assert len(held(region, SOURCE)) == 4
    configured = region.services.configuration.resources
    assert len({resource.endpoint for resource in configured.values()}) == 1
    assert [resource.resource_id for resource in configured.values()] == [resource_id(name) for name in REGIONS]


@pytest.mark.parametrize(("lost", "made"), [("timeoutBefore", "invoices.2"), ("lostAnswer", "invoices")])
def test_a_lost_start_is_not_found_at_a_neighbour(region: Scene, lost: str, made: str, log: Log) -> None:
    """The source's list names the endpoint of a copy's target, which is the same for both."""
    region.copy(["invoices"], [TARGET])
    region.source.inject("startCopy", lost, seconds=0)
    copy = region.copy_one("invoices", target=SECOND_TARGET)
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", made), copy
    assert held(region, SECOND_TARGET) == [(made, "ready")]
    assert "TargetLost" not in [event["code"] for event in log.events("stepFailed")]
    assert len(region.replicas("invoices")) == 2


def test_a_neighbours_key_is_not_used(region: Scene) -> None:
    """It would choose the neighbour: the copy would go to the source itself."""
    region.services.environment = {**region.services.environment, setting(TARGET): f"{region.keys[SOURCE]} "}
    copy = region.copy_one("invoices")
    assert (copy["status"], copy["code"]) == ("Failed", "ConfigurationInvalid"), copy
    assert "holds the key of" in copy["message"]
    assert {SOURCE, TARGET} <= set(re.findall(r'"([\w-]+)"', copy["message"]))
    assert region.keys[SOURCE] not in copy["message"]
    assert not region.calls()


@pytest.mark.parametrize(("model", "code"), [("invoices", "TargetUnresolved"), (MODELS[0].model_id, "CopyFailed")])
def test_exchanged_keys_copy_nothing(region: Scene, model: str, code: str) -> None:
    """From v3 on the authorization names its account; for v2 the service finds no such authorization in the target."""
    keys = {setting(TARGET): region.keys[SECOND_TARGET], setting(SECOND_TARGET): region.keys[TARGET]}
    region.services.environment = {**region.services.environment, **keys}
    copy = region.copy_one(model)
    assert (copy["status"], copy["code"]) == ("Failed", code), copy
    assert not held(region, TARGET)
    assert not held(region, SECOND_TARGET)


def test_a_target_that_fails_is_not_its_neighbour(region: Scene) -> None:
    """A full one says so."""
    region.resource(SECOND_TARGET).set_limits(model_limit=1)
    region.resource(SECOND_TARGET).put_model(v4_model("other"))
    copies = region.copy(["invoices"], BOTH)["copies"]
    assert {copy["target"]: copy["code"] for copy in copies if copy["status"] == "Failed"} == {
        SECOND_TARGET: "ModelLimitReached"
    }
    assert held(region, TARGET) == [("invoices", "ready")]
