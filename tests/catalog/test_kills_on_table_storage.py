"""kill -9 of the host in the middle of a copy, with the catalogue on Table Storage: nothing is lost, doubled or burned."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet

from backup.document_models import Kind
from catalog.catalogue import Catalogue
from catalog.store import Store
from local.azurite import connection_string
from local.child import Child
from local.flaky_proxy import Fault, FlakyProxy
from local.inprocess import REGIONS, SOURCE, TARGET, resource_id, setting
from local.simulator import ResourceSpec, Simulator, StoredModel, SystemClock, seeds

FUNCTION_KEY = "function-key"
ENDED_SECONDS = 40


class Region:
    """Source and target of one model, the app's settings, and the host that copies between them."""

    def __init__(self, folder: Path, model: StoredModel, storage: str, prefix: str) -> None:
        self.model = model
        self.folder = folder
        specs = [ResourceSpec(name, region, resource_id(name), f"{name}-key") for name, region in REGIONS.items()]
        self.simulator = Simulator(specs, clock=SystemClock(), seed=1)
        self.settings = {
            "BACKUP_CONFIG": str(folder / "backup.json"),
            "CATALOG": "table:STORAGE",
            "CATALOG_TABLE_PREFIX": prefix,
            "STORAGE": storage,
            "SEALING_KEYS": Fernet.generate_key().decode(),
            "BACKUP_SCHEDULE": "0 0 2 1 1 *",
            "PURGE_SCHEDULE": "0 0 2 1 1 *",
            "TaskHubName": "Kills",
            "LOCAL_HOST_FUNCTION_KEY": FUNCTION_KEY,
            **{setting(name): f"{name}-key" for name in REGIONS},
        }

    def __enter__(self) -> Region:
        self.simulator.__enter__()
        self.simulator.resource(SOURCE).put_model(self.model)
        for name in REGIONS:
            self.simulator.resource(name).set_durations((0.2, 0.2))
        unpaced = dict.fromkeys(
            ("v2CopiesPerMinute", "v2ListPagesPerMinute", "managePerSecond", "getPerSecond", "listPerSecond")
        )
        resources = {
            name: {
                "endpoint": self.simulator.endpoint(name),
                "region": region,
                "resourceId": resource_id(name),
                "apiVersions": [self.model.api_version],
                "keySetting": setting(name),
                "rateLimits": unpaced,
            }
            for name, region in REGIONS.items()
        }
        configuration = {"resources": resources, "copies": {"ambiguityWindowSeconds": 1}}
        (self.folder / "backup.json").write_text(json.dumps(configuration))
        return self

    def __exit__(self, *reason: Any) -> None:
        self.simulator.__exit__(*reason)

    def host(self, kill: str = "") -> tuple[Child, str]:
        """Start the host, on the state that its predecessor left, and return it with its address."""
        arguments = ["--port", "0", "--state", str(self.folder / "host.sqlite")]
        child = Child("local.host", arguments, self.folder / "host.log")
        return child, child.start({**self.settings, "LOCAL_HOST_KILL": kill})["url"]

    def begin(self, url: str) -> None:
        """Ask for the copy."""
        body = {"source": SOURCE, "targets": [TARGET], "models": [self.model.model_id]}
        answer = requests.post(f"{url}/api/copies", json=body, headers={"x-functions-key": FUNCTION_KEY}, timeout=10)
        assert answer.status_code == 202, answer.text
        (self.folder / "run").write_text(answer.json()["runId"])

    def ended(self, url: str) -> dict[str, Any]:
        """Wait until the run has ended, and return its only copy."""
        run = (self.folder / "run").read_text()
        wait = {"instanceId": run, "timeout": str(ENDED_SECONDS)}
        requests.get(f"{url}/_host/wait", params=wait, timeout=ENDED_SECONDS + 10)
        key = {"x-functions-key": FUNCTION_KEY}
        copies = requests.get(f"{url}/api/runs/{run}", headers=key, timeout=10).json()["copies"]
        assert len(copies) == 1
        found: dict[str, Any] = copies[0]
        return found

    def see_it_die(self, host: Child, url: str) -> None:
        """The host is killed before the run has ended."""
        with pytest.raises(requests.ConnectionError):
            self.ended(url)
        assert host.wait() == -signal.SIGKILL
        host.stop()

    def check(self, copy: dict[str, Any], store: Store) -> None:
        """One verified copy, the right row of it, and nothing in the target that the catalogue does not know."""
        assert copy["status"] == "Succeeded", copy
        catalogue = Catalogue(store)
        replicas = catalogue.replicas.of_model(SOURCE, Kind.MODEL, self.model.model_id)
        assert [known.replica.target_model_id for known in replicas] == [copy["targetModelId"]]
        models = self.simulator.resource(TARGET).models()
        assert [model.model_id for model in models if model.state == "ready"] == [copy["targetModelId"]]
        known = {copy["targetModelId"], *(suspect.model_id for suspect in catalogue.suspects.of_target(TARGET))}
        for claim in catalogue.claims.of_target(TARGET):
            known |= {str(claim.target_model_id), *(str(each) for each in claim.superseded)}
        assert {model.model_id for model in models} <= known


@pytest.fixture(params=["v2.1", "2024-11-30"])
def model(request: pytest.FixtureRequest) -> StoredModel:
    if request.param == "v2.1":
        return seeds.v2_demo()[0]
    return StoredModel(
        "invoices", request.param, {"docTypes": {"invoices": {"fieldSchema": {}, "buildMode": "template"}}}
    )


@pytest.fixture
def region(tmp_path: Path, model: StoredModel, proxy: FlakyProxy, prefix: str) -> Iterator[Region]:
    with Region(tmp_path, model, connection_string(proxy.port), prefix) as running:
        yield running


@pytest.mark.parametrize("moment", ["authorize_copy:after-call:1", "start_copy:after-call:1"])
def test_a_host_killed_before_a_step_is_recorded_copies_once(region: Region, tables: Store, moment: str) -> None:
    first, url = region.host(moment)
    region.begin(url)
    region.see_it_die(first, url)
    second, url = region.host()
    try:
        region.check(region.ended(url), tables)
    finally:
        second.stop()


@pytest.mark.parametrize("number", [3, 5])
def test_a_host_killed_between_a_change_of_the_claim_and_its_answer_copies_once(
    region: Region, tables: Store, proxy: FlakyProxy, number: int
) -> None:
    first, url = region.host()
    changes = 0

    def kill_at_the_change() -> None:
        nonlocal changes
        proxy.between = kill_at_the_change
        changes += 1
        if changes == number:
            proxy.fault_where = None
            os.kill(first.pid, signal.SIGKILL)

    proxy.between = kill_at_the_change
    proxy.fault_where = lambda request: Fault(forward=True, kept=True) if is_a_change_of_a_claim(request) else None
    region.begin(url)
    region.see_it_die(first, url)
    second, url = region.host()
    try:
        region.check(region.ended(url), tables)
    finally:
        second.stop()


def is_a_change_of_a_claim(request: str) -> bool:
    """Whether a request (method and path) writes to the table of claims."""
    method, path = request.split(" ", 1)
    return method in ("POST", "PUT", "DELETE") and "claims" in path
