"""The alert query of docs/monitor.md, run over log lines that the app wrote: it fires on every night that is no good one."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb_kql
import pytest

from local.host import Clock
from local.inprocess import TARGET
from local.simulator.models import classifier, v4_model
from tests.nights import PLAN, MakeNights, Nights, make_stage

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```kusto\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME_ON_THE_PAGE = '"nightly-westeurope"'
LOOKED_AT = timedelta(days=2)
"""The page says over how many days of the log the rule looks."""

Line = tuple[datetime, str]
MakeStage = Callable[..., Nights]

__all__ = ["make_stage"]


class Log(logging.Handler):
    """Keeps the lines of the app's logger as traces, each with the moment of the stage's clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.lines: list[Line] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append((self._clock.now(), record.getMessage()))


def kusto_of(page: str) -> str:
    """Return the only query of a page."""
    (query,) = FENCE.findall((ROOT / page).read_text(encoding="utf-8"))
    return str(query)


def rows_of(query: str, lines: Sequence[Line], now: datetime) -> list[tuple[Any, ...]]:
    """Run a query at ``now`` over the traces of ``lines``."""
    connection = duckdb_kql.connect()
    try:
        connection.execute("CREATE TABLE traces (timestamp TIMESTAMP, message VARCHAR, severityLevel INTEGER)")
        if lines:
            rows = [(moment.replace(tzinfo=None), message) for moment, message in lines]
            connection.executemany("INSERT INTO traces VALUES (?, ?, 1)", rows)
        found: list[tuple[Any, ...]] = duckdb_kql.kql(connection, query, query_now=now).fetchall()
        return found
    finally:
        connection.close()


def fires(lines: Sequence[Line], now: datetime, plan: str = PLAN) -> bool:
    """Tell whether the alert rule for ``plan`` fires at ``now``."""
    query = kusto_of("docs/monitor.md")
    assert query.count(NAME_ON_THE_PAGE) == 1
    recent = [line for line in lines if line[0] > now - LOOKED_AT]
    return bool(rows_of(query.replace(NAME_ON_THE_PAGE, f'"{plan}"'), recent, now))


@contextmanager
def logged(stage: Nights) -> Iterator[list[Line]]:
    """Collect what the app logs meanwhile."""
    logger, handler = logging.getLogger("form_recognizer_backup"), Log(stage.clock)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@pytest.fixture
def make(make_stage: MakeNights) -> MakeStage:
    """Opens stages with one model, one target, and little patience."""

    def opened(*more: Any, **options: Any) -> Nights:
        return make_stage([v4_model("invoices"), *more], targets=[TARGET], copies={"patienceSeconds": 30}, **options)

    return opened


def with_one_too_many(make: MakeStage) -> Nights:
    """Return a stage whose target is full, with a model that it lacks."""
    stage = make()
    stage.backup()
    stage.target.set_limits(model_limit=1)
    stage.source.put_model(v4_model("claims"))
    return stage


def test_a_good_night_is_silent(make: MakeStage) -> None:
    """Also one that had nothing to do, and one with a model that cannot be copied."""
    stage = make(classifier("sorter"))
    with logged(stage) as lines:
        for _ in range(3):
            assert stage.backup()["status"] == "Succeeded"
            assert not fires(lines, stage.clock.now())
            stage.days_pass(1)
            assert not fires(lines, stage.clock.now())


def test_a_good_run_that_is_too_old(make: MakeStage) -> None:
    """The night after it was missed: the rule fires two hours after its time."""
    stage = make()
    with logged(stage) as lines:
        stage.backup()
        stage.let_pass(60)
        ended = stage.clock.now()
        assert not fires(lines, ended + timedelta(hours=25, minutes=50))
        assert fires(lines, ended + timedelta(hours=26, minutes=10))
        assert fires(lines, ended + timedelta(days=30))


def test_no_run_at_all(make: MakeStage) -> None:
    """Whether the log has other lines or none, as when the app is gone."""
    stage = make()
    with logged(stage) as lines:
        assert fires([], stage.clock.now())
        assert stage.copy(["invoices"])["status"] == "Succeeded"
        assert lines
        assert fires(lines, stage.clock.now())


def test_a_run_that_failed(make: MakeStage) -> None:
    stage = make()
    stage.source.down()
    with logged(stage) as lines:
        assert stage.backup()["status"] == "Failed"
        assert fires(lines, stage.clock.now())
        stage.source.down(is_down=False)
        stage.backup()
        assert not fires(lines, stage.clock.now())


def test_a_run_that_failed_in_part(make: MakeStage) -> None:
    stage = with_one_too_many(make)
    with logged(stage) as lines:
        assert stage.backup()["status"] == "PartiallyFailed"
        assert fires(lines, stage.clock.now())


def test_a_run_that_was_cancelled(make: MakeStage) -> None:
    stage = make()
    with logged(stage) as lines:
        run_id = stage.begin()
        stage.http("POST", f"/api/runs/{run_id}/cancel")
        stage.host.run_until_idle()
        assert stage.run(run_id)["status"] == "Cancelled"
        assert fires(lines, stage.clock.now())


def test_a_dry_run_does_not_count(make: MakeStage) -> None:
    stage = make()
    with logged(stage) as lines:
        assert stage.backup(dryRun=True)["status"] == "Succeeded"
        assert fires(lines, stage.clock.now())


def test_a_plan_with_a_similar_name(make_stage: MakeNights) -> None:
    """Neither a longer name nor a shorter one counts, nor one in other letters."""
    stage = make_stage([v4_model("invoices")], targets=[TARGET])
    with logged(stage) as lines:
        stage.backup()
    now = stage.clock.now()
    assert not fires(lines, now)
    for other in (f"{PLAN}-2", PLAN[:-1], f"x{PLAN}", PLAN.upper()):
        assert fires(lines, now, plan=other)


def test_text_that_looks_like_the_event_does_not_count(make: MakeStage) -> None:
    """Such as a message that quotes the event of another run."""
    stage = make()
    with logged(stage) as lines:
        stage.backup()
    ended = [message for _, message in lines if message.startswith('{"event": "runEnded"')]
    assert len(ended) == 1
    now = stage.clock.now()
    assert fires([(now, f"log: {ended[0]}"), (now, ended[0].replace("runEnded", "runEndedNot"))], now)
    assert not fires([(now, ended[0])], now)


def test_a_run_that_ended_twice_in_the_log(make: MakeStage) -> None:
    """The event is written at least once."""
    stage = make()
    with logged(stage) as lines:
        stage.backup()
    assert not fires([*lines, *lines], stage.clock.now())


def test_the_query_of_the_events_page(make: MakeStage) -> None:
    """It counts final failures by code and place."""
    stage = with_one_too_many(make)
    with logged(stage) as lines:
        stage.backup()
    found = rows_of(kusto_of("docs/events.md"), lines, stage.clock.now())
    assert [row for row in found if "ModelLimitReached" in row]
