"""Two deliveries of one activity that overlap: the second begins and ends while the first is held."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any
from unittest import mock

from backup.json_types import Json, JsonObject
from catalog.sqlite import SqliteStore
from catalog.store import Row, Store, Table
from local.host.app_index import FunctionInfo
from local.host.invoke import call_activity
from local.inprocess import REGIONS, Stage
from local.simulator.journal import Entry

Deliver = Callable[[FunctionInfo, str | None], str]

PATIENCE = 20.0
"""Seconds after which a test gives up."""

CALLS_MEANWHILE = 3
"""How many calls follow the second delivery before a first one that is still held may end."""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OF_ONE_NIGHT = {"owner", "runId", "authorization", "operation", "message", "polls"}
"""Fields that differ between two calm nights: they hold ids that are drawn, or times."""

TABLES = (Table.CLAIMS, Table.TARGET_IDS, Table.REPLICAS, Table.SUSPECTS)


class Counts(Enum):
    """Whose answer the platform records."""

    FIRST = "the first delivery's, after both have ended"
    SECOND = "the second delivery's, while the first is still held"


class Delivery(threading.Thread):
    """One delivery of an activity. It can be held at one of its moments."""

    def __init__(self, info: FunctionInfo, payload: str | None, moment: int) -> None:
        super().__init__(daemon=True)
        self._info = info
        self._payload = payload
        self._moments_left = moment
        self._held_or_ended = threading.Event()
        self._go_on = threading.Event()
        self.is_held = False
        self.answer = ""

    def run(self) -> None:
        """Call the activity, as the worker does."""
        try:
            self.answer = call_activity(self._info, self._payload)
        finally:
            self.is_held = False
            self._held_or_ended.set()

    def start_and_hold(self) -> bool:
        """Start; return whether the moment has come. Otherwise the delivery has ended."""
        self.start()
        self._held_or_ended.wait(timeout=PATIENCE)
        return self.is_held

    def pass_moment(self) -> None:
        """Wait here if this is the moment to be held at."""
        self._moments_left -= 1
        if self._moments_left == 0:
            self.is_held = True
            self._held_or_ended.set()
            self._go_on.wait(timeout=PATIENCE)

    def end(self) -> str:
        """Let the delivery end, and return its answer."""
        self._go_on.set()
        self.join(timeout=PATIENCE)
        return self.answer


class Overlap:
    """Delivers every call of ``activity`` twice: the second begins and ends while the first is held at its ``moment``.

    Moments lie before each call to the service, and before each read and write of the catalog. A call that the orchestrator repeats as it
    was is delivered once, because that could repeat itself until the deadline.
    """

    def __init__(self, activity: str, moment: int, counts: Counts) -> None:
        self.happened = False
        self._activity = activity
        self._moment = moment
        self._counts = counts
        self._doubled: set[str | None] = set()
        self._held: list[Delivery] = []
        self._calls_left = 0

    def deliver(self, info: FunctionInfo, payload: str | None) -> str:
        """Call an activity for the host, and return the answer that is recorded."""
        if info.name != self._activity or payload in self._doubled:
            answer = call_activity(info, payload)
            self._calls_left -= 1
            if self._calls_left <= 0:
                self.end()
            return answer
        self._doubled.add(payload)
        first = Delivery(info, payload, self._moment)
        if not first.start_and_hold():
            return first.end()
        self.happened = True
        second = call_activity(info, payload)
        if self._counts is Counts.FIRST:
            return first.end()
        self._held.append(first)
        self._calls_left = CALLS_MEANWHILE
        return second

    def pass_moment(self) -> None:
        """Pass a moment, on the thread of any delivery."""
        delivery = threading.current_thread()
        if isinstance(delivery, Delivery):
            delivery.pass_moment()

    def end(self) -> None:
        """Let every first delivery end that is still held."""
        while self._held:
            self._held.pop().end()


class WatchedStore(SqliteStore):
    """A catalog whose reads and writes are moments."""

    def __init__(self, path: Path, pass_moment: Callable[[], None]) -> None:
        super().__init__(path)
        self._pass_moment = pass_moment

    def get(self, table: Table, partition: str, key: str) -> Row | None:
        """Read a row."""
        self._pass_moment()
        return super().get(table, partition, key)

    def insert(self, table: Table, partition: str, key: str, data: JsonObject) -> Row:
        """Write a new row."""
        self._pass_moment()
        return super().insert(table, partition, key, data)

    def replace(self, row: Row, data: JsonObject) -> Row:
        """Change a row."""
        self._pass_moment()
        return super().replace(row, data)

    def delete(self, row: Row) -> None:
        """Delete a row."""
        self._pass_moment()
        super().delete(row)


@contextmanager
def delivered_by(deliver: Deliver) -> Iterator[None]:
    """Let the host call activities through ``deliver``."""
    with mock.patch("local.host.invoke.call_activity", deliver):
        yield


def twice_at_the_same_instant() -> Deliver:
    """Return what calls every activity twice on two threads that begin together; their answers count in turn."""
    turns: Counter[str] = Counter()

    def deliver(info: FunctionInfo, payload: str | None) -> str:
        together = threading.Barrier(2)

        def call() -> str:
            together.wait(timeout=PATIENCE)
            return call_activity(info, payload)

        with ThreadPoolExecutor(2) as threads:
            answers = [thread.result() for thread in [threads.submit(call), threads.submit(call)]]
        turns[info.name] += 1
        return answers[turns[info.name] % 2]

    return deliver


def what_is_left(stage: Stage, outcomes: Sequence[JsonObject]) -> dict[str, Any]:
    """Return what two calm nights have in common.

    How copies ended, the rows of the catalog, the models of all resources, and how often each was asked to change something. v2 draws the
    ids of copies: each stands under the number of its authorization.
    """
    store: Store = stage.services.catalog.claims._store
    rows = (row for table in TABLES for row in store.scan(table).rows)
    left: JsonObject = {
        "outcomes": list(outcomes),
        "rows": {f"{row.table}/{row.partition}/{row.key}": row.data for row in rows},
        "models": {
            f"{name}/{model.kind}/{model.model_id}": f"{model.state}, copy of {model.copy_of}"
            for name in REGIONS
            for model in stage.resource(name).models()
        },
        "writes": Counter(entry.operation for name in REGIONS for entry in _writes(stage, name)),
    }
    drawn = [entry.model_id for name in REGIONS for entry in _writes(stage, name) if entry.operation == "authorizeCopy"]
    result = _comparable(left, {str(model_id): f"copy {number}" for number, model_id in enumerate(drawn)})
    assert isinstance(result, dict)
    return result


def _writes(stage: Stage, name: str) -> list[Entry]:
    return [entry for entry in stage.resource(name).requests() if entry.method != "GET"]


def _comparable(value: Json, names: Mapping[str, str]) -> Json:
    """Return a JSON value without moments in time and what belongs to one night, and with drawn ids replaced."""
    if isinstance(value, Mapping):
        return {
            str(_comparable(name, names)): _comparable(item, names)
            for name, item in value.items()
            if name not in OF_ONE_NIGHT and not (isinstance(item, str) and TIME.match(item))
        }
    if isinstance(value, str):
        for model_id, name in names.items():
            value = value.replace(model_id, name) if UUID.fullmatch(model_id) else value
        return value
    return [_comparable(item, names) for item in value] if isinstance(value, Sequence) else value
