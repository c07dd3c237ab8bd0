"""Orchestrations driven on a clock that stands still: app, host and service in one process."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backup.document_models import Kind
from backup.records import Replica
from local.host import Host, ManualClock
from local.inprocess import SOURCE, TARGET, Stage
from local.simulator import StoredModel, seeds


class Driven(Stage):
    """A stage that moves by itself, and tells what happened when."""

    def __init__(self, folder: Path, models: Sequence[StoredModel] | None = None, **options: Any) -> None:
        super().__init__(folder, seeds.v2_demo() if models is None else models, **options)

    def new_host(self) -> Host:
        """Return a host that keeps the histories of all generations."""
        return Host(
            app="function_app", state=self.folder / "host.sqlite", clock=self.clock, kill="", keep_generations=True
        )

    def let_pass(self, seconds: float) -> None:
        """Let everything go on for ``seconds`` of the clock."""
        end = self.clock.now() + timedelta(seconds=seconds)
        self.host.run_until_idle(limit=timedelta(seconds=seconds))
        assert isinstance(self.clock, ManualClock)
        self.clock.set(end)

    def begin(self, models: Sequence[str], seconds: float = 0.5, **more: Any) -> str:
        """Ask for copies, let ``seconds`` pass, and return the run's id."""
        answer = self.post_copies(models, **more)
        assert answer.status == 202, answer.body
        self.let_pass(seconds)
        run_id: str = answer.body["runId"]
        return run_id

    def copies(self, models: Sequence[str], **more: Any) -> list[dict[str, Any]]:
        """Copy ``models`` and return how each of them ended."""
        found: list[dict[str, Any]] = self.copy(models, **more)["copies"]
        return found

    def times(self, resource: str, operation: str) -> list[datetime]:
        """Return when an operation was asked of a resource."""
        return [entry.time for entry in self.resource(resource).requests(operation)]

    def count(self, operation: str) -> int:
        """Return how often an operation was asked of all resources."""
        return sum(call.endswith(f":{operation}") for call in self.calls())

    def instances(self, orchestrator: str) -> list[str]:
        """Return the ids of the instances of an orchestrator."""
        return [instance.instance_id for instance in self.host.instances() if instance.name == orchestrator]

    def replicas(self, model_id: str) -> list[Replica]:
        """Return what the catalog knows of a model's copies in the first target."""
        return [known.record for known in self.services.catalog.replicas.of_model(SOURCE, Kind.MODEL, model_id, TARGET)]

    def statuses(self) -> list[dict[str, Any]]:
        """Return the custom status of every orchestration that has one."""
        return [instance.custom_status for instance in self.host.instances() if instance.custom_status]


def gaps(times: Sequence[datetime]) -> list[float]:
    """Return the seconds between one moment and the next."""
    return [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)]


def as_text(value: object) -> str:
    """Return a value as it goes over the wire."""
    return json.dumps(value, ensure_ascii=False)


MakeStage = Callable[..., Driven]


@pytest.fixture
def make_stage(tmp_path: Path, protocol_1: None) -> Iterator[MakeStage]:
    """Opens stages; they close with the test. ``kind`` is the class of the stage."""
    with ExitStack() as stages:

        def make(models: Sequence[StoredModel] | None = None, *, kind: type[Driven] = Driven, **options: Any) -> Driven:
            return stages.enter_context(kind(tmp_path, models, **options))

        yield make


@pytest.fixture
def stage(make_stage: MakeStage) -> Driven:
    """A stage with the seeded v2 models, on which the service takes two seconds a copy."""
    return make_stage()
