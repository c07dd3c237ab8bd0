"""The app behind its HTTP functions, on a clock that stands still, with a source full of v2 models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backup.messages.run import RunClosing, RunRequest
from catalog.sqlite import SqliteStore
from catalog.store import CatalogUnavailable, Table
from local.host import Host, ManualClock
from local.inprocess import Answer, Stage
from local.simulator import seeds
from tests.described import checked

FIRST = seeds.FIRST_MODEL_ID
SECOND = seeds.model_uuid("Shop receipts")


class UnwritableRuns(SqliteStore):
    """A catalog in which rows of runs cannot be written while ``broken`` is set."""

    broken = False

    def ensure(self, table: Table, partition: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """See :class:`catalog.store.Store`."""
        if self.broken and table is Table.RUNS:
            raise CatalogUnavailable("the table of runs does not answer")
        super().ensure(table, partition, rows)


class HttpStage(Stage):
    """A stage with a store whose table of runs can be broken."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.database: UnwritableRuns

        def make() -> UnwritableRuns:
            self.database = UnwritableRuns(folder / "catalog.sqlite")
            return self.database

        super().__init__(folder, seeds.v2_demo(), store=make, **options)

    def http(self, method: str, path: str, body: Any = None) -> Answer:
        """Call the app. Every answer must be as the OpenAPI document describes it."""
        return checked(method, path, super().http(method, path, body))

    def let_pass(self, seconds: float) -> None:
        """Let the app work for ``seconds`` of its clock."""
        end = self.clock.now() + timedelta(seconds=seconds)
        self.host.run_until_idle(limit=timedelta(seconds=seconds))
        assert isinstance(self.clock, ManualClock)
        self.clock.set(end)

    def under_way(self, models: list[str], **more: Any) -> str:
        """Request copies, let the service start them, and return the run's id."""
        run_id: str = self.post_copies(models, **more).body["runId"]
        self.let_pass(0.5)
        return run_id

    def ended_run(self, models: int, targets: list[str]) -> str:
        """Write a run of any size that has ended, without making its copies; return its id."""
        request = RunRequest(
            run_id="copies-20260101t0000-00000000",
            source="forms-westeurope",
            targets=targets,
            kind="model",
            models=[f"model-{number:03d}" for number in range(models)],
            deadline_seconds=60,
            patience_seconds=60,
            concurrency=1,
        )
        self.services.catalog.runs.open(request, self.clock.now())
        self.services.catalog.runs.close(RunClosing(run_id=request.run_id), self.clock.now())
        return request.run_id


MakeStage = Callable[..., HttpStage]


@pytest.fixture
def make_stage(tmp_path: Path, protocol_1: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeStage]:
    """Opens stages; they close with the test."""
    for name in ("LOCAL_HOST_FUNCTION_KEY", "LOCAL_HOST_SYSTEM_KEY"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stages:
        yield lambda **options: stages.enter_context(HttpStage(tmp_path, **options))


@pytest.fixture
def stage(make_stage: MakeStage) -> HttpStage:
    """A stage on which the service takes two seconds a copy."""
    return make_stage()


@pytest.fixture
def host(stage: HttpStage) -> Host:
    """The host of the stage."""
    return stage.host
