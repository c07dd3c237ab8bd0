"""Three nights with failures, and what they cost by other books than the log: the simulator's journal and a store that counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backup.messages.plan import BackupRequest
from backup.names import BACKUP_RUN
from catalog.sqlite import SqliteStore
from catalog.store import Table
from local.inprocess import REGIONS, SCHEDULES, SECOND_TARGET
from local.simulator.models import classifier, v4_model
from tests.nights import PLAN, Nights, few_models

from .log import Line, logged

RETRY_LATER = {"Retry-After": "7"}


class CountingStore(SqliteStore):
    """A catalog that counts what is asked of it."""

    asked = 0

    def get(self, table: Table, partition: str, key: str) -> Any:
        self.asked += 1
        return super().get(table, partition, key)

    def insert(self, table: Table, partition: str, key: str, data: Mapping[str, Any]) -> Any:
        self.asked += 1
        return super().insert(table, partition, key, data)

    def replace(self, row: Any, data: Mapping[str, Any]) -> Any:
        self.asked += 1
        return super().replace(row, data)

    def delete(self, row: Any) -> None:
        self.asked += 1
        super().delete(row)

    def ensure(self, table: Table, partition: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        self.asked += math.ceil(len(rows) / 100)
        super().ensure(table, partition, rows)

    def scan(self, table: Table, **where: Any) -> Any:
        self.asked += 1
        return super().scan(table, **where)


@dataclass
class Story:
    """What happened."""

    stage: Nights
    lines: list[Line] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    """Oldest first, as the HTTP API answers them."""
    calls: dict[str, int] = field(default_factory=dict)
    """By run, from the journals."""
    throttled: dict[str, Counter[str]] = field(default_factory=dict)
    """Answers with 429 by run and resource, from the journals."""
    storage: dict[str, int] = field(default_factory=dict)
    """By run, as the store counts."""

    def night(self, store: CountingStore) -> None:
        """Run the plan; note what it cost. No timer fires meanwhile."""
        stage, run_id = self.stage, f"nightly-{len(self.runs) + 1}"
        stage.let_pass(1)  # timers that the clock has jumped over
        stage.forget_calls()
        before = store.asked
        stage.host.start_new(BACKUP_RUN, BackupRequest(run_id=run_id, plan=PLAN).to_json(), run_id)
        stage.host.run_until_idle()
        self.storage[run_id] = store.asked - before
        journals = {name: stage.resource(name).requests() for name in REGIONS}
        self.calls[run_id] = sum(map(len, journals.values()))
        self.throttled[run_id] = Counter(
            name for name, journal in journals.items() for entry in journal if entry.status == 429
        )
        self.runs.append(stage.run(run_id))


@contextmanager
def told(folder: Path) -> Iterator[Story]:
    """Go through three nights: a good one, one with failures, and one whose source refuses its list."""
    store = CountingStore(folder / "catalog.sqlite")
    models = [*few_models(), classifier("sorter", doc_types=("invoice",))]
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in SCHEDULES.items():
            monkeypatch.setenv(name, "0 0 4 29 2 *" if name == "BACKUP_SCHEDULE" else value)
        options: dict[str, Any] = {"store": lambda: store, "copies": {"patienceSeconds": 30}, "plan": {"rpoHours": 24}}
        with Nights(folder, models, **options) as stage, logged(stage.clock) as lines:
            story = Story(stage, lines)
            stage.let_pass(60)
            story.night(store)
            stage.days_pass(1)
            expires = stage.clock.now() + timedelta(days=10)
            stage.source.put_model(replace(v4_model("ephemeral", trained=stage.clock.now()), expires=expires))
            stage.source.put_model(v4_model("newcomer", trained=stage.clock.now()))
            stage.target.inject("authorizeCopy", "status", status=400)
            stage.resource(SECOND_TARGET).inject("authorizeCopy", "status", status=429, count=3, headers=RETRY_LATER)
            stage.source.inject("listModels", "status", status=429, count=2, headers=RETRY_LATER)
            story.night(store)
            stage.days_pass(1)
            stage.source.inject("listModels", "status", status=403, count=None)
            story.night(store)
            stage.let_pass(400)
            yield story
