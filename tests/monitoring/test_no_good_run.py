"""The alert rule for a plan without a good run, over log lines that the app wrote: it fires after every night that is no good one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.inprocess import TARGET
from local.simulator.models import classifier, v4_model
from tests.nights import PLAN, MakeNights, Nights, make_stage
from wiring.event_lines import problem_of

from .log import ROOT, Line, Traces, result
from .log import logged as logged_by

FENCE = re.compile(r"^```kusto\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LOOKED_AT = timedelta(days=2)
"""Over how long the rule looks."""

MakeStage = Callable[..., Nights]

__all__ = ["make_stage"]


def fires(lines: Sequence[Line], now: datetime, plan: str = PLAN) -> bool:
    """Tell whether the alert rule for ``plan`` fires at ``now``."""
    return bool(result("no-good-run", [line for line in lines if line[0] > now - LOOKED_AT], now, plan=plan))


@contextmanager
def logged(stage: Nights) -> Iterator[list[Line]]:
    """Collect what the app logs meanwhile."""
    with logged_by(stage.clock) as lines:
        yield lines


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
    """The night after it was missed: the rule fires three hours after its time."""
    stage = make()
    with logged(stage) as lines:
        stage.backup()
        stage.let_pass(60)
        ended = stage.clock.now()
        assert not fires(lines, ended + timedelta(hours=26, minutes=50))
        assert fires(lines, ended + timedelta(hours=27, minutes=10))
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
    (query,) = FENCE.findall((ROOT / "docs" / "events.md").read_text(encoding="utf-8"))
    with Traces(lines) as traces:
        assert [row for row in traces.rows(query, stage.clock.now()) if "ModelLimitReached" in row.values()]


def test_the_promise_is_what_the_app_says(make_stage: MakeNights) -> None:
    """A plan that promises three days has them, also if the log of its good run is gone: the watch says when that was."""
    stage = make_stage([v4_model("invoices")], targets=[TARGET], plan={"rpoHours": 72})
    stage.backup()
    began = stage.clock.now()
    watched = {
        "event": "planWatched",
        "plan": PLAN,
        "lastGoodAt": began.isoformat(),
        "promiseHours": 72.0,
        "isPaused": False,
    }
    for hours, expected in ((72, False), (73.2, True)):
        now = began + timedelta(hours=hours)
        line = json.dumps(watched)
        assert problem_of(line) is None
        assert fires([(now - timedelta(minutes=5), line)], now) is expected
