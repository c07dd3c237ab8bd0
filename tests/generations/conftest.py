"""Copies of models of every API version, from end to end, on a clock that stands still."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from backup.document_models import Kind
from backup.records import Replica
from local.host import Host
from local.inprocess import REGIONS, SOURCE, TARGET, Stage
from local.simulator import Identity, Simulator, StoredModel


class Scene(Stage):
    """A stage whose resources can differ from one another, and that tells what happened.

    ``specs`` and ``settings`` change single resources, as the service has them and as backup.json describes them.
    """

    def __init__(
        self,
        folder: Path,
        models: Sequence[StoredModel] = (),
        *,
        specs: Mapping[str, Mapping[str, Any]] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        routes: Sequence[Mapping[str, Any]] = (),
        identities: Sequence[Identity] = (),
        limits: str = "none",
        **options: Any,
    ) -> None:
        super().__init__(folder, models, **options)
        made = [self.simulator.resource(name).spec for name in REGIONS]
        self.simulator = Simulator(
            [replace(spec, **(specs or {}).get(spec.name, {})) for spec in made],
            clock=self.clock,
            seed=1,
            identities=identities,
        )
        for name in REGIONS:
            self.resource(name).set_limits(limits)
        self._settings = settings or {}
        self._routes = list(routes)

    def new_host(self) -> Host:
        """Return a host that keeps the histories of all generations."""
        return Host(
            app="function_app", state=self.folder / "host.sqlite", clock=self.clock, kill="", keep_generations=True
        )

    def configuration(self) -> dict[str, Any]:
        """Return backup.json as a dict."""
        document = super().configuration()
        for name, more in self._settings.items():
            resource = document["resources"][name]
            resource.update(more)
            document["resources"][name] = {field: value for field, value in resource.items() if value is not None}
        return {**document, "routes": self._routes}

    def one(self, model_id: str, *, target: str = TARGET, **more: Any) -> dict[str, Any]:
        """Copy one model and return how that ended."""
        (copy,) = self.copy([model_id], [target], **more)["copies"]
        return dict(copy)

    def ask(self, **body: Any) -> str:
        """Ask for a run of copies, and return its id."""
        answer = self.http("POST", "/api/copies", body)
        assert answer.status == 202, answer.body
        run_id: str = answer.body["runId"]
        return run_id

    def asked(self, resource: str, operation: str, model_id: str | None = None) -> list[Any]:
        """Return the journal's entries of one operation, of one model where it is given."""
        entries = self.resource(resource).requests(operation)
        return [entry for entry in entries if model_id in {None, entry.model_id}]

    def operations(self) -> dict[str, list[str]]:
        """Return the operations that were asked of each resource, those that were asked of none left out."""
        asked = {name: [entry.operation for entry in self.resource(name).requests()] for name in REGIONS}
        return {name: operations for name, operations in asked.items() if operations}

    def replicas(self, model_id: str, kind: str = "model", source: str = SOURCE) -> list[Replica]:
        """Return every replica of a model."""
        known = self.services.catalog.replicas.of_model(source, Kind(kind), model_id)
        return [one.record for one in known]

    def places(self, model_id: str, kind: str = "model", source: str = SOURCE) -> dict[str, str]:
        """Return what the lookup answers: the model's id by resource."""
        body = self.http("GET", f"/api/models/{source}/{model_id}?kind={kind}").body
        return {place["resource"]: place["modelId"] for place in body["places"]}

    def direct(self, resource: str, method: str, path: str, body: Any = None) -> requests.Response:
        """Call a resource of the service as somebody else would who has its key."""
        return requests.request(
            method,
            f"{self.simulator.endpoint(resource)}{path}",
            params={"api-version": "2024-11-30"},
            headers={"Ocp-Apim-Subscription-Key": self.keys[resource]},
            json=body,
            timeout=10,
        )

    def foreign_placeholder(self, model_id: str, resource: str = TARGET) -> None:
        """Let somebody else authorize a copy under ``model_id``."""
        answer = self.direct(
            resource, "POST", "/documentintelligence/documentModels:authorizeCopy", {"modelId": model_id}
        )
        assert answer.status_code == 200, answer.text
        self.resource(resource).clear_requests()


class Log:
    """The events that the app wrote."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the events of one name, in order."""
        texts = [entry.getMessage() for entry in self._caplog.records if entry.name == "form_recognizer_backup"]
        return [event for text in texts if (event := json.loads(text))["event"] == name]

    def warnings(self, name: str) -> list[dict[str, Any]]:
        """Return the events of one name that were written as warnings."""
        levels = [
            entry.levelno
            for entry in self._caplog.records
            if entry.name == "form_recognizer_backup" and json.loads(entry.getMessage())["event"] == name
        ]
        assert set(levels) <= {logging.WARNING}
        return self.events(name)


MakeScene = Callable[..., Scene]


@pytest.fixture
def make_scene(tmp_path: Path) -> Iterator[MakeScene]:
    """Opens scenes; they close with the test."""
    with ExitStack() as scenes:

        def make(*models: StoredModel, **options: Any) -> Scene:
            return scenes.enter_context(Scene(tmp_path, models, **options))

        yield make


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    """The app's events of this test."""
    caplog.set_level(logging.INFO, logger="form_recognizer_backup")
    return Log(caplog)
