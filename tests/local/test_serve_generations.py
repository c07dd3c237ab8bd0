"""``make serve`` copies a model of every API version, a classifier and a composed model."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local.simulator import ALL_VERSIONS, seeds

ROOT = Path(__file__).parents[2]
SOURCE, TARGET, WITH_CLASSIFIERS = "forms-westeurope", "forms-northeurope", "forms-eastus"
ONE_OF_EACH = {
    version: next(
        model.model_id
        for model in seeds.demo()
        if (model.api_version, model.kind, model.state) == (version, "model", "ready")
    )
    for version in ALL_VERSIONS
}


class Served:
    """A ``make serve`` on free ports."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def post(self, model_id: str, target: str, kind: str = "model") -> str:
        """Start a run of one copy, and return its status address."""
        body = {"source": SOURCE, "targets": [target], "models": [model_id], "kind": kind}
        answer = requests.post(f"{self._document['host']}/api/copies", json=body, headers=self._key, timeout=10)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["statusUrl"])

    def ended(self, status_url: str) -> dict[str, Any]:
        """Wait for the end of a run, and return its only copy."""
        deadline = time.monotonic() + 60
        while (answer := requests.get(status_url, headers=self._key, timeout=10)).status_code == 202:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.1)
        (copy,) = answer.json()["copies"]
        return dict(copy)

    def models(self, resource: str, kind: str = "model") -> dict[str, dict[str, Any]]:
        """Return the models of a resource, by id."""
        endpoint = self._document["resources"][resource]["endpoint"]
        models = requests.get(f"{endpoint}/_sim/models", params={"kind": kind}, timeout=10).json()["models"]
        return {model["modelId"]: model for model in models}

    @property
    def _key(self) -> dict[str, str]:
        return {"x-functions-key": self._document["functionKey"]}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("served")
    command = [sys.executable, "-m", "local.serve", "--port", "0", "--sim-port", "0", "--directory", str(directory)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = directory / "serve.json"
    deadline = time.monotonic() + 60
    try:
        while not address.exists():
            assert process.poll() is None, f"make serve ended with exit code {process.returncode}"
            assert time.monotonic() < deadline, "make serve does not start"
            time.sleep(0.05)
        yield Served(json.loads(address.read_text(encoding="utf-8")))
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_a_model_of_every_version_is_copied(served: Served) -> None:
    runs = {version: served.post(model_id, TARGET) for version, model_id in ONE_OF_EACH.items()}
    copies = {version: served.ended(run) for version, run in runs.items()}
    assert {version: copy["status"] for version, copy in copies.items()} == dict.fromkeys(ALL_VERSIONS, "Succeeded")
    models = served.models(TARGET)
    assert {version: models[copy["targetModelId"]]["apiVersion"] for version, copy in copies.items()} == {
        version: version for version in ALL_VERSIONS
    }


def test_a_classifier_is_copied_between_its_regions(served: Served) -> None:
    copy = served.ended(served.post("mail-sorter", WITH_CLASSIFIERS, "classifier"))
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", "mail-sorter")
    assert served.models(WITH_CLASSIFIERS, "classifier")["mail-sorter"]["state"] == "ready"


def test_a_classifier_is_refused_in_other_regions(served: Served) -> None:
    copy = served.ended(served.post("mail-sorter", TARGET, "classifier"))
    assert (copy["status"], copy["code"]) == ("Failed", "KindUnsupported")


def test_a_composed_model_is_copied_with_its_parts(served: Served) -> None:
    copy = served.ended(served.post("incoming-mail-v4", WITH_CLASSIFIERS))
    assert copy["status"] == "Succeeded"
    assert {"incoming-mail-v4", "invoices-v4", "receipts-v4"} <= set(served.models(WITH_CLASSIFIERS))
