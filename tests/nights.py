"""Runs of plans on a clock that stands still: app, host and service in one process, with a plan that copies to both targets."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backup.document_models import Kind
from backup.records import Replica
from local.host import Host, ManualClock
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE, TARGET, Answer, Stage
from local.simulator import StoredModel
from local.simulator.models import classifier, v2_model, v3_model, v4_composed_model, v4_model
from tests.described import checked

PLAN = "nightly"
V2_ID = "6b1f0f3c-29a1-4f0e-9a55-0d5b5f0d0a01"


def few_models() -> list[StoredModel]:
    """One model of each generation."""
    return [v2_model(V2_ID, name="Orders"), v3_model("claims"), v4_model("invoices")]


def mixed_models() -> list[StoredModel]:
    """Those, a classifier, and what is composed with it."""
    composed = v4_composed_model("mail", classifier_id="sorter", parts={"invoice": ("invoices", {"Total": 0.9})})
    return [*few_models(), classifier("sorter", doc_types=("invoice",)), composed]


class Nights(Stage):
    """A stage with one plan, or with ``plans``, and words for what nights are made of."""

    def __init__(
        self,
        folder: Path,
        models: Sequence[StoredModel] | None = None,
        *,
        plan: Mapping[str, Any] | None = None,
        plans: Mapping[str, Mapping[str, Any]] | None = None,
        targets: Sequence[str] = (TARGET, SECOND_TARGET),
        **options: Any,
    ) -> None:
        usual = {"source": SOURCE, "targets": list(targets), "deepCheck": "off"}
        named = {PLAN: plan or {}} if plans is None else plans
        rules = {name: {**usual, **own} for name, own in named.items()}
        super().__init__(folder, few_models() if models is None else models, plans=rules, **options)

    def new_host(self) -> Host:
        """Return a host that keeps the histories of all generations."""
        return Host(
            app="function_app", state=self.folder / "host.sqlite", clock=self.clock, kill="", keep_generations=True
        )

    def http(self, method: str, path: str, body: Any = None) -> Answer:
        """Call the app. Every answer must be as the OpenAPI document describes it."""
        return checked(method, path, super().http(method, path, body))

    def post_backup(self, **more: Any) -> Answer:
        """Ask for a run of the plan."""
        return self.http("POST", "/api/backups", {"plan": PLAN, **more})

    def begin(self, seconds: float = 0.0, **more: Any) -> str:
        """Start a run, let ``seconds`` pass, and return its id."""
        answer = self.post_backup(**more)
        assert answer.status == 202, answer.body
        if seconds:
            self.let_pass(seconds)
        run_id: str = answer.body["runId"]
        return run_id

    def backup(self, **more: Any) -> dict[str, Any]:
        """Run the plan and return the run when it has ended. The journals hold what this run asked."""
        self.forget_calls()
        run_id = self.begin(**more)
        self.host.run_until_idle()
        return self.run(run_id)

    def let_pass(self, seconds: float) -> None:
        """Let everything go on for ``seconds`` of the clock."""
        end = self.clock.now() + timedelta(seconds=seconds)
        self.host.run_until_idle(limit=timedelta(seconds=seconds))
        assert isinstance(self.clock, ManualClock)
        self.clock.set(end)

    def days_pass(self, days: float) -> None:
        """Set the clock on. Nothing is under way."""
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(days * 86400)

    def forget_calls(self) -> None:
        """Empty the journals."""
        for name in REGIONS:
            self.resource(name).clear_requests()

    def operations(self) -> set[str]:
        """Return which operations were asked of any resource."""
        return {call.partition(":")[2] for call in self.calls()}

    def retrain(self, model_id: str, **content: Any) -> StoredModel:
        """Train a model of the source again under its id, now, with other content."""
        old = self.source.model(model_id)
        assert old is not None
        fields = content or {"Retrained": 0.5}
        make: Callable[..., StoredModel] = v3_model if old.generation == "v3" else v4_model
        made = make(model_id, fields=fields, trained=self.clock.now())
        self.source.put_model(made)
        return made

    def look_up(self, model_id: str, kind: str = "model") -> list[dict[str, Any]]:
        """Return the places where a model can be used, as applications are told."""
        answer = self.http("GET", f"/api/models/{SOURCE}/{model_id}?kind={kind}")
        assert answer.status == 200, answer.body
        found: list[dict[str, Any]] = answer.body["places"]
        return found

    def replicas(self, model_id: str, target: str = TARGET, kind: Kind = Kind.MODEL) -> list[Replica]:
        """Return what the catalog knows of a model's copies in a target, the one verified first before the others."""
        known = self.services.catalog.replicas.of_model(SOURCE, kind, model_id, target)
        return sorted((one.record for one in known), key=lambda one: one.verified_at)

    def held(self, resource: str = TARGET) -> dict[str, str]:
        """Return what a resource holds: id and state."""
        return {model.model_id: model.state for model in self.resource(resource).models()}


def rows(run: Mapping[str, Any]) -> list[tuple[str, str, str, str | None]]:
    """Return a run's rows in short: target, model, status, code."""
    return sorted((row["target"], row["modelId"], row["status"], row["code"]) for row in run["copies"])


def reasons(run: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return a run's decisions in short: target, model, reason."""
    return sorted((one["target"], one["modelId"], one["reason"]) for one in run["decisions"])


def events(messages: Sequence[str], name: str) -> list[dict[str, Any]]:
    """Return the log's events of one name."""
    lines = [json.loads(line) for line in messages if line.startswith("{")]
    return [line for line in lines if line.get("event") == name]


def altered(model: StoredModel) -> StoredModel:
    """Return a model with other content and the same dates, as nobody should make it."""
    return dataclasses.replace(model, content={**model.content, "buildMode": "altered"})


MakeNights = Callable[..., Nights]


@pytest.fixture
def make_stage(tmp_path: Path, protocol_1: None) -> Iterator[MakeNights]:
    """Opens stages; they close with the test."""
    with ExitStack() as stages:

        def make(models: Sequence[StoredModel] | None = None, **options: Any) -> Nights:
            return stages.enter_context(Nights(tmp_path, models, **options))

        yield make


@pytest.fixture
def stage(make_stage: MakeNights) -> Nights:
    """A stage with one model of each generation."""
    return make_stage()
