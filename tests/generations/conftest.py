"""Copies of models of every API version, from end to end, on a manual clock."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from ssl import SSLContext
from typing import Any, Protocol, TypedDict, Unpack

import pytest
import requests

from backup.document_models import Kind
from backup.records import Replica
from local.host import Clock, Host
from local.inprocess import REGIONS, SOURCE, TARGET, Stage
from local.simulator import Identity, Simulator, StoredModel
from local.simulator.journal import Entry
from local.simulator.versions import Kind as SimulatorKind


class StageOptions(TypedDict, total=False):
    """The options of a stage that these tests use."""

    clock: Clock
    versions: Sequence[str]
    copies: Mapping[str, object]
    copy_seconds: tuple[float, float]


class SceneOptions(StageOptions, total=False):
    """The options of a scene."""

    specs: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Mapping[str, object]]
    routes: Sequence[Mapping[str, object]]
    identities: Sequence[Identity]
    limits: str
    tls: SSLContext


class Scene(Stage):
    """A stage whose resources can differ, with shortcuts for requests and results.

    ``specs`` changes single resources of the simulated service, ``settings`` their part of backup.json.
    """

    def __init__(
        self,
        folder: Path,
        models: Sequence[StoredModel] = (),
        *,
        specs: Mapping[str, Mapping[str, Any]] | None = None,
        settings: Mapping[str, Mapping[str, object]] | None = None,
        routes: Sequence[Mapping[str, object]] = (),
        identities: Sequence[Identity] = (),
        limits: str = "none",
        tls: SSLContext | None = None,
        **options: Unpack[StageOptions],
    ) -> None:
        super().__init__(folder, models, **options)
        default_specs = [self.simulator.resource(name).spec for name in REGIONS]
        self.simulator = Simulator(
            [replace(spec, **(specs or {}).get(spec.name, {})) for spec in default_specs],
            clock=self.clock,
            seed=1,
            identities=identities,
            tls=tls,
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
        for name, changes in self._settings.items():
            resource = document["resources"][name] | changes
            document["resources"][name] = {field: value for field, value in resource.items() if value is not None}
        return {**document, "routes": self._routes}

    def copy_one(
        self, model_id: str, *, target: str = TARGET, kind: SimulatorKind = "model", target_model_id: str | None = None
    ) -> dict[str, Any]:
        """Copy one model and return its copy in the ended run."""
        wish = {} if target_model_id is None else {"targetModelId": target_model_id}
        (copy,) = self.copy([model_id], [target], kind=kind, **wish)["copies"]
        return dict(copy)

    def start_run(
        self,
        models: Sequence[str],
        *,
        source: str = SOURCE,
        target: str = TARGET,
        kind: SimulatorKind = "model",
        deadline_minutes: int | None = None,
    ) -> str:
        """Start a run of copies and return its id."""
        body: dict[str, object] = {"source": source, "targets": [target], "models": list(models), "kind": kind}
        if deadline_minutes is not None:
            body["deadlineMinutes"] = deadline_minutes
        answer = self.http("POST", "/api/copies", body)
        assert answer.status == 202, answer.body
        run_id: str = answer.body["runId"]
        return run_id

    def journal(self, resource: str, operation: str, model_id: str | None = None) -> list[Entry]:
        """Return the journal's entries of one operation; only those of ``model_id`` if it is not ``None``."""
        entries = self.resource(resource).requests(operation)
        return [entry for entry in entries if model_id in {None, entry.model_id}]

    def operations(self) -> dict[str, list[str]]:
        """Return the operations of each resource that was called."""
        called = {name: [entry.operation for entry in self.resource(name).requests()] for name in REGIONS}
        return {name: operations for name, operations in called.items() if operations}

    def replicas(self, model_id: str, kind: str = "model", source: str = SOURCE) -> list[Replica]:
        """Return every replica of a model."""
        stored = self.services.catalog.replicas.of_model(source, Kind(kind), model_id)
        return [replica.record for replica in stored]

    def places(self, model_id: str, kind: str = "model", source: str = SOURCE) -> dict[str, str]:
        """Return the answer of the lookup: the model's id in each resource."""
        body = self.http("GET", f"/api/models/{source}/{model_id}?kind={kind}").body
        return {place["resource"]: place["modelId"] for place in body["places"]}

    def foreign_placeholder(self, model_id: str, resource: str = TARGET) -> None:
        """Authorize a copy under ``model_id``, as another user of the resource."""
        answer = requests.post(
            f"{self.simulator.endpoint(resource)}/documentintelligence/documentModels:authorizeCopy",
            params={"api-version": "2024-11-30"},
            headers={"Ocp-Apim-Subscription-Key": self.keys[resource]},
            json={"modelId": model_id},
            timeout=10,
        )
        assert answer.status_code == 200, answer.text
        self.resource(resource).clear_requests()


class Log:
    """The events of the app."""

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


class MakeScene(Protocol):
    """Opens a scene, which closes with the test."""

    def __call__(self, *models: StoredModel, **options: Unpack[SceneOptions]) -> Scene:
        """With ``models`` in the source."""


@pytest.fixture
def make_scene(tmp_path: Path) -> Iterator[MakeScene]:
    """Opens scenes; they close with the test."""
    with ExitStack() as scenes:

        def make(*models: StoredModel, **options: Unpack[SceneOptions]) -> Scene:
            return scenes.enter_context(Scene(tmp_path, models, **options))

        yield make


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    """The app's events of this test."""
    caplog.set_level(logging.INFO, logger="form_recognizer_backup")
    return Log(caplog)
