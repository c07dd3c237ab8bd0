"""The cost of a copied model: seconds, calls to the service, events in the history."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backup.document_models import Kind
from backup.messages.run import RunRequest
from backup.names import COPY_BATCH, COPY_MODEL
from local.host import Clock, Host, ManualClock, SystemClock
from local.inprocess import REGIONS, SOURCE, TARGET, Stage
from local.simulator import StoredModel
from local.simulator.models import v2_model, v3_model, v4_model
from local.simulator.seeds import model_uuid

COPY_SECONDS = 2.0
"""How long the simulated service takes for a copy: v3 and v4 took one or two seconds in most recordings."""

LANES = 8
"""The ``copies.concurrency`` of the measured runs."""

LONGEST_RUN_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a whole run of ``copies`` copies."""

    copies: int
    seconds: float
    """Wall time."""
    processor: float
    """Processor time of this process, which runs app, host and simulator. Other work on the machine hardly changes it."""
    calls: int
    events: int
    """History events of all orchestrations. On the machine's clock without those that continue-as-new dropped."""
    own_events: int
    """The part of ``events`` that belongs to the orchestrations of single copies, not to the run and its lanes."""

    @property
    def seconds_per_copy(self) -> float:
        """Wall time of the run, divided by its copies."""
        return self.seconds / self.copies

    @property
    def processor_per_copy(self) -> float:
        """Processor time of the run, divided by its copies."""
        return self.processor / self.copies


class CountingStage(Stage):
    """A stage whose host keeps the histories of all generations, so that every event can be counted."""

    def new_host(self) -> Host:
        """Return a host that keeps all histories."""
        return Host(
            app="function_app", state=self.folder / "host.sqlite", clock=self.clock, kill="", keep_generations=True
        )


def models_of(kind: str, count: int) -> list[StoredModel]:
    """Return ``count`` models of one API version."""
    return [_MAKERS[kind](number) for number in range(count)]


def on_manual_clock(folder: Path, models: Sequence[StoredModel], versions: Sequence[str]) -> Cost:
    """Copy ``models`` in one run on a manual clock, which jumps over all waits: this measures the work of app, host and simulator."""
    clock = ManualClock()
    with CountingStage(
        folder, models, clock=clock, versions=versions, copy_seconds=(COPY_SECONDS, COPY_SECONDS)
    ) as stage:
        began, worked = time.perf_counter(), time.process_time()
        run_id = _start(stage, models)
        stage.host.run_until_idle(timeout=LONGEST_RUN_SECONDS)
        seconds, processor = time.perf_counter() - began, time.process_time() - worked
        _check(stage, run_id, len(models))
        return Cost(len(models), seconds, processor, _calls(stage), _events(stage), _events(stage, COPY_MODEL))


def on_machine_clock(folder: Path, models: Sequence[StoredModel], versions: Sequence[str]) -> Cost:
    """Copy ``models`` in one run on the machine's clock, with all waits."""
    clock: Clock = SystemClock()
    with Stage(folder, models, clock=clock, versions=versions, copy_seconds=(COPY_SECONDS, COPY_SECONDS)) as stage:
        began, worked = time.perf_counter(), time.process_time()
        run_id = _start(stage, models)
        stage.host.wait(run_id, timeout=LONGEST_RUN_SECONDS)
        seconds, processor = time.perf_counter() - began, time.process_time() - worked
        _check(stage, run_id, len(models))
        return Cost(len(models), seconds, processor, _calls(stage), _events(stage), _events(stage, COPY_MODEL))


def _start(stage: Stage, models: Sequence[StoredModel]) -> str:
    """Start one run of any size, directly: an HTTP request takes 100 models at most."""
    request = RunRequest(
        run_id="bench",
        source=SOURCE,
        targets=[TARGET],
        kind=Kind.MODEL,
        models=[model.model_id for model in models],
        deadline_seconds=7200,
        patience_seconds=300,
        concurrency=LANES,
    )
    return stage.host.start_new(COPY_BATCH, request.to_json(), request.run_id)


def _check(stage: Stage, run_id: str, count: int) -> None:
    run = stage.run(run_id)
    assert run["status"] == "Succeeded", run
    assert run["progress"] == {"done": count, "total": count}, run["progress"]
    ready = [model for model in stage.target.models() if model.state == "ready"]
    assert len(ready) == count, f"{len(ready)} copies are ready in the target instead of {count}"


def _calls(stage: Stage) -> int:
    return sum(len(stage.resource(name).requests()) for name in REGIONS)


def _events(stage: Stage, orchestrator: str | None = None) -> int:
    return sum(
        len(history)
        for instance in stage.host.instances()
        if orchestrator in {None, instance.name}
        for history in stage.host.generations(instance.instance_id)
    )


_MAKERS = {
    "v2.1": lambda number: v2_model(model_uuid(f"model {number}"), name=f"model {number}"),
    "2022-08-31": lambda number: v3_model(f"model-{number}", api_version="2022-08-31"),
    "2023-07-31": lambda number: v3_model(f"model-{number}"),
    "2024-11-30": lambda number: v4_model(f"model-{number}"),
}

VERSIONS: tuple[str, ...] = tuple(_MAKERS)
"""The API versions that can be measured: one of v2, both of v3, and that of v4."""
