"""What a night costs in Azure: counted executions, storage transactions and telemetry, times a table of prices.

``python -m bench.cost`` counts nights on the embedded host, and prints the constants below as they are now. ``--page`` writes the tables of
docs/cost.md from these constants and prices. A test holds the page to them, and them to a counted night.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bench.nights import LargeStage
from catalog.sqlite import SqliteStore
from catalog.store import Page, Row, Table
from local.host.protocol import Event, EventType
from local.inprocess import SCHEDULES

PAGE = Path("docs/cost.md")
TARGETS = 2
"""Of the counted nights: a model makes two copies."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What some work needs. All are counted, on the embedded host."""

    activities: float = 0.0
    """Executions of activities."""
    episodes: float = 0.0
    """Executions of orchestrators: each replay is one."""
    events: float = 0.0
    """Events of the histories: rows of the task hub."""
    messages: float = 0.0
    """Messages of the task hub: two for an activity or a child, one for a timer, a start, or a new history."""
    catalog: float = 0.0
    """Requests to the catalog's tables."""
    lines: float = 0.0
    """Events of the app in the log."""
    kilobytes: float = 0.0
    """Their text."""
    calls: float = 0.0
    """Calls of the service."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(left + right for left, right in zip(self.values(), other.values(), strict=True)))

    def times(self, factor: float) -> Counts:
        """Return this ``factor`` times."""
        return Counts(*(value * factor for value in self.values()))

    def values(self) -> list[float]:
        """Return the numbers in the order of the fields."""
        return [getattr(self, field.name) for field in fields(self)]

    def rounded(self) -> Counts:
        """Return this with two decimals."""
        return Counts(*(round(value, 2) for value in self.values()))


# Counted by python -m bench.cost with Python 3.11: nights over 40 and 240 models of v4.
FIRST_NIGHT_COPY = Counts(
    activities=7.04, episodes=10.04, events=40.17, messages=17.09, catalog=33.25, lines=13.05, kilobytes=3.3, calls=6.04
)
FIRST_NIGHT = Counts(
    activities=42.6, episodes=93.6, events=438.4, messages=168.2, catalog=209.2, lines=46.8, kilobytes=3.58, calls=7.6
)
LATER_NIGHT_MODEL = Counts(
    activities=0.26, episodes=0.26, events=1.03, messages=0.51, catalog=0.0, lines=0.28, kilobytes=0.16, calls=0.26
)
LATER_NIGHT = Counts(
    activities=8.8, episodes=24.6, events=104.8, messages=36.6, catalog=68.0, lines=13.0, kilobytes=1.87, calls=4.8
)
QUIET_HOUR = Counts(
    activities=0.0, episodes=0.0, events=0.0, messages=0.0, catalog=914.0, lines=48.0, kilobytes=7.88, calls=36.0
)


class CountingStore(SqliteStore):
    """A catalog that counts the requests which Table Storage would get."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.requests = 0

    def get(self, table: Table, partition: str, key: str) -> Row | None:
        """One request."""
        self.requests += 1
        return super().get(table, partition, key)

    def insert(self, table: Table, partition: str, key: str, data: Mapping[str, Any]) -> Row:
        """One request."""
        self.requests += 1
        return super().insert(table, partition, key, data)

    def replace(self, row: Row, data: Mapping[str, Any]) -> Row:
        """One request."""
        self.requests += 1
        return super().replace(row, data)

    def delete(self, row: Row) -> None:
        """One request."""
        self.requests += 1
        super().delete(row)

    def ensure(self, table: Table, partition: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """One transaction for 100 rows."""
        self.requests += -(-len(rows) // 100)
        super().ensure(table, partition, rows)

    def scan(self, table: Table, **where: Any) -> Page:
        """One query for 1,000 rows."""
        self.requests += 1
        return super().scan(table, **where)


class _Lines(logging.Handler):
    """Counts the lines that the app logs at the level that is kept in Azure."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.count, self.bytes = 0, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count one line."""
        self.count += 1
        self.bytes += len(record.getMessage().encode())


class CountedStage(LargeStage):
    """A stage with many models whose work can be counted."""

    def __init__(self, folder: Path, count: int) -> None:
        super().__init__(folder, count)
        self.catalog_store = CountingStore(folder / "catalog.sqlite")
        self._make_store = lambda: self.catalog_store
        self.lines = _Lines()

    def counts(self) -> Counts:
        """Return what was needed until now."""
        histories = [
            history for instance in self.host.instances() for history in self.host.generations(instance.instance_id)
        ]
        kinds: Counter[int] = Counter(event["EventType"] for history in histories for event in history)
        return Counts(
            activities=kinds[EventType.TASK_SCHEDULED],
            episodes=kinds[EventType.ORCHESTRATOR_STARTED],
            events=sum(len(history) for history in histories),
            messages=sum(_messages(event) for history in histories for event in history),
            catalog=self.catalog_store.requests,
            lines=self.lines.count,
            kilobytes=self.lines.bytes / 1000,
            calls=self.total_calls(),
        )


_MESSAGES = {
    EventType.TASK_SCHEDULED: 2,
    EventType.TIMER_CREATED: 1,
    EventType.SUB_ORCHESTRATION_CREATED: 2,
    EventType.CONTINUE_AS_NEW: 1,
}


def _messages(event: Event) -> int:
    if event["EventType"] == EventType.EXECUTION_STARTED:
        return 1 if event.get("ParentInstance") is None else 0  # the parent's message is counted there
    return _MESSAGES.get(event["EventType"], 0)


@contextmanager
def counted(count: int) -> Iterator[CountedStage]:
    """Open a stage with ``count`` models, with the app's log counted."""
    logger = logging.getLogger("form_recognizer_backup")
    level, propagate, disabled = logger.level, logger.propagate, logging.root.manager.disable
    with (
        tempfile.TemporaryDirectory(prefix="cost-") as folder,
        patch.dict(os.environ, SCHEDULES),
        CountedStage(Path(folder), count) as stage,
    ):
        logging.disable(logging.NOTSET)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(stage.lines)
        try:
            yield stage
        finally:
            logger.removeHandler(stage.lines)
            logger.setLevel(level)
            logger.propagate = propagate
            logging.disable(disabled)


def nights(count: int) -> tuple[Counts, Counts]:
    """Return what a first night over ``count`` models and two targets needs, and a later one with nothing to do."""
    with counted(count) as stage:
        stage.night("first")
        first = stage.counts()
        stage.night("second")
        return first, stage.counts() + first.times(-1)


def quiet_hour() -> Counts:
    """Return what the timers need in an hour without a night, with one plan and three resources."""
    with counted(1) as stage:
        stage.night("first")
        before = stage.counts()
        stage.host.run_until_idle(limit=timedelta(hours=1))
        return stage.counts() + before.times(-1)


def measure(small: int, large: int) -> dict[str, Counts]:
    """Count two sizes, and take what grows with the models apart from what each night needs."""
    (first_small, later_small), (first_large, later_large) = nights(small), nights(large)
    models = large - small
    per_copy = (first_large + first_small.times(-1)).times(1 / (TARGETS * models))
    per_model = (later_large + later_small.times(-1)).times(1 / models)
    return {
        "FIRST_NIGHT_COPY": per_copy.rounded(),
        "FIRST_NIGHT": (first_small + per_copy.times(-TARGETS * small)).rounded(),
        "LATER_NIGHT_MODEL": per_model.rounded(),
        "LATER_NIGHT": (later_small + per_model.times(-small)).rounded(),
        "QUIET_HOUR": quiet_hour().rounded(),
    }


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars, without tax. docs/cost.md says where each is from, and of which day."""

    million_executions: float = 0.40
    gigabyte_second_on_demand: float = 0.000026
    gigabyte_second_always_ready: float = 0.000016
    gigabyte_second_baseline: float = 0.000004
    ten_thousand_table_requests: float = 0.00036
    ten_thousand_queue_requests: float = 0.004
    gigabyte_of_log: float = 2.30


PRICES = Prices()

# What is assumed, because it can be seen in Azure only (docs/cost.md says why each).
QUEUE_REQUESTS_PER_MESSAGE = 3
"""Put, get, delete. Azure gets up to 32 messages with one request, so this is the most."""
TABLE_REQUESTS_PER_EPISODE = 3
"""Read the history, write its new events, write the instance's state."""
QUEUES = 5
POLL_SECONDS = 10
"""``maxQueuePollingInterval`` of host.json."""
ACTIVE_SECONDS_PER_ACTIVITY = 0.15
"""An activity makes one call of some 0.3 s on average, and two overlap; an orchestrator takes milliseconds."""
GIGABYTES = 2.0
"""Memory of an instance."""
LOG_KILOBYTES_PER_EXECUTION = 2.0
"""What the platform logs of each execution: a request and two traces."""
LOG_KILOBYTES_PER_LINE = 1.0
"""The columns of a line of the app beside its text: operation, category, role, instance."""
DAYS = 30
HOURS = 24 * DAYS


@dataclass(frozen=True, slots=True)
class Bill:
    """What some work costs."""

    executions: float
    table_requests: float
    queue_requests: float
    gigabyte_seconds: float
    log_megabytes: float

    @classmethod
    def of(cls, counts: Counts) -> Bill:
        """Return the metered units of what was counted."""
        executions = counts.activities + counts.episodes
        return cls(
            executions,
            counts.catalog + TABLE_REQUESTS_PER_EPISODE * counts.episodes,
            QUEUE_REQUESTS_PER_MESSAGE * counts.messages,
            GIGABYTES * ACTIVE_SECONDS_PER_ACTIVITY * counts.activities,
            (counts.kilobytes + LOG_KILOBYTES_PER_LINE * counts.lines + LOG_KILOBYTES_PER_EXECUTION * executions)
            / 1000,
        )

    def dollars(self, gigabyte_second: float = PRICES.gigabyte_second_always_ready) -> float:
        """Return its price, without free grants."""
        return (
            self.executions / 1e6 * PRICES.million_executions
            + self.table_requests / 1e4 * PRICES.ten_thousand_table_requests
            + self.queue_requests / 1e4 * PRICES.ten_thousand_queue_requests
            + self.gigabyte_seconds * gigabyte_second
            + self.log_megabytes / 1000 * PRICES.gigabyte_of_log
        )


SIZES = (10, 500, 5000)


def first_night(models: int) -> Counts:
    """Return what the first night of a plan over ``models`` models and two targets needs."""
    return FIRST_NIGHT + FIRST_NIGHT_COPY.times(TARGETS * models)


def later_night(models: int) -> Counts:
    """Return what a night with nothing to do needs."""
    return LATER_NIGHT + LATER_NIGHT_MODEL.times(models)


def tables() -> str:
    """Return the generated part of docs/cost.md."""
    lines = [
        "| counted | executions | history events | messages | catalog requests | log lines | log kB | service calls |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, counts in (
        ("each copy of a first night", FIRST_NIGHT_COPY),
        ("a first night, beside its copies", FIRST_NIGHT),
        ("each model of a night with nothing to do", LATER_NIGHT_MODEL),
        ("such a night, beside its models", LATER_NIGHT),
        ("the timers, each hour", QUIET_HOUR),
    ):
        numbers = (counts.activities + counts.episodes, *counts.values()[2:])
        lines.append(f"| {name} | {' | '.join(f'{number:g}' for number in numbers)} |")
    lines += [
        "",
        "| models, to 2 targets | night | executions | table requests | queue requests | GB-s | log MB | US$ |",
        "|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for models in SIZES:
        for name, counts in (("the first", first_night(models)), ("nothing to do", later_night(models))):
            bill = Bill.of(counts)
            numbers = (bill.executions, bill.table_requests, bill.queue_requests, bill.gigabyte_seconds)
            whole = " | ".join(f"{number:,.0f}" for number in numbers)
            lines.append(f"| {models:,} | {name} | {whole} | {bill.log_megabytes:,.1f} | {bill.dollars():.4f} |")
    lines += ["", "| each month | US$ |", "|---|---:|"]
    lines += [f"| {name} | {dollars:.2f} |" for name, dollars in _month()]
    return "\n".join(lines) + "\n"


def _month() -> Iterator[tuple[str, float]]:
    idle = QUEUES * HOURS * 3600 / POLL_SECONDS
    yield "one always-ready instance of 2 GB, idle", GIGABYTES * HOURS * 3600 * PRICES.gigabyte_second_baseline
    yield "polling of its queues, at most", idle / 1e4 * PRICES.ten_thousand_queue_requests
    timers = QUIET_HOUR + Counts(activities=TIMER_EXECUTIONS_PER_HOUR)
    yield "the timers", Bill.of(timers.times(HOURS)).dollars()
    for models in SIZES:
        changed = max(1, round(models * CHANGED))
        nights = (later_night(models) + FIRST_NIGHT_COPY.times(TARGETS * changed)).times(DAYS)
        yield f"nights over {models:,} models, {changed} of them retrained each day", Bill.of(nights).dollars()


TIMER_EXECUTIONS_PER_HOUR = 36
"""Three timers, every five minutes (``PROBE_SCHEDULE``)."""
CHANGED = 0.01
"""Of the models of a plan, retrained each day."""

_GENERATED = re.compile(
    r"(?<=<!-- generated by python -m bench\.cost --page -->\n).*?(?=<!-- end of generated -->)", re.DOTALL
)


def page(text: str) -> str:
    """Return the page with its generated part as the constants are."""
    return _GENERATED.sub(lambda _: tables(), text)


def main(arguments: list[str] | None = None) -> int:
    """Count, or write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.cost", description=__doc__.splitlines()[0])
    parser.add_argument("--page", action="store_true", help=f"count nothing; write the tables into {PAGE}")
    parser.add_argument(
        "--sizes", type=int, nargs=2, default=(40, 240), help="models of the two nights that are counted"
    )
    options = parser.parse_args(arguments)
    if options.page:
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    for name, counts in measure(*options.sizes).items():
        print(name, json.dumps(asdict(counts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
