"""The nights on which alert rules must fire, or must not: a good night, then one on which something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from catalog.store import Table
from local.inprocess import SCHEDULES, SECOND_TARGET, TARGET
from local.simulator.models import classifier, v4_model
from tests.nights import PLAN, Nights, few_models
from tests.silence.stage import Troubled

from .log import Line, logged

OTHER_PLAN = f"{PLAN}-2"
BEFORE = datetime(2026, 1, 2, 1, 50, tzinfo=UTC)
"""Ten minutes before the second night. The first one began a day earlier, at two o'clock, and was good."""
AT_ONCE = datetime(2026, 1, 2, 4, 30, tzinfo=UTC)
"""The night is over; the good run of the first night is less than 27 hours old."""
LATER = datetime(2026, 1, 2, 5, 30, tzinfo=UTC)
"""It is more than 27 hours old: the promise of a plan that runs every night (26 hours), and the hour of the rule."""


class WatchedNights(Nights):
    """A stage on which every timer fires, the probes and the watch once an hour."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.store: Troubled
        schedules = SCHEDULES | {"PROBE_SCHEDULE": "0 0 * * * *"}
        for name, value in schedules.items():
            monkeypatch.setenv(name, value)

        def open_store() -> Troubled:
            self.store = Troubled(folder / "catalog.sqlite")
            return self.store

        usual: dict[str, Any] = {"store": open_store, "copies": {"patienceSeconds": 30}, "models": few_models()}
        options = usual | options
        super().__init__(folder, options.pop("models"), **options)

    def wait_until(self, moment: datetime) -> None:
        """Let everything go on until a moment."""
        self.let_pass((moment - self.clock.now()).total_seconds())

    def first_night(self) -> None:
        """Let the plans run at two o'clock, and let the day pass."""
        self.wait_until(BEFORE.replace(day=1, hour=2, minute=30))
        newest = self.http("GET", "/api/runs").body["runs"]
        assert newest
        assert {run["status"] for run in newest} == {"Succeeded"}
        self.days_pass((BEFORE - self.clock.now()).total_seconds() / 86400)

    def pause(self, plan: str = PLAN) -> None:
        """Keep the timers from starting a plan."""
        answer = self.http("PATCH", f"/api/plans/{plan}", {"paused": True, "reason": "the region moves"})
        assert answer.status == 200, answer.body

    def put_new(self, **changes: Any) -> None:
        """Train a model in the source."""
        self.source.put_model(replace(v4_model("newcomer", trained=self.clock.now()), **changes))


def nothing(_: WatchedNights) -> None:
    """Let the night be."""


@dataclass(frozen=True)
class Night:
    """A night, what makes it so, and what it makes fire."""

    name: str
    what: str
    """In words, for the page."""
    act: Callable[[WatchedNights], None] = nothing
    """At ten to two."""
    at_once: frozenset[str] = frozenset()
    """The rules that fire when the night is over."""
    later: frozenset[str] = frozenset()
    """Those that fire when the plan's promise is broken, too."""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Watched:
    """What a night left."""

    lines: list[Line]
    runs: list[dict[str, Any]]
    """Newest first, whole."""


def watch(night: Night, folder: Path) -> Watched:
    """Go through a night; return the log of both days."""
    with pytest.MonkeyPatch.context() as monkeypatch, WatchedNights(folder, monkeypatch, **night.options) as stage:
        with logged(stage.clock) as lines:
            stage.first_night()
            night.act(stage)
            stage.wait_until(LATER)
        stage.store.away.clear()
        listed = stage.http("GET", "/api/runs").body["runs"]
        return Watched(list(lines), [stage.run(run["runId"]) for run in listed])


def _only_dry(stage: WatchedNights) -> None:
    stage.pause()
    stage.begin(dryRun=True)


def _dead(stage: WatchedNights) -> None:
    stage.host.stop()
    stage.host = stage.new_host()  # it is not started, so nothing fires
    stage.wait_until = lambda moment: None  # type: ignore[method-assign]  # nothing fires, so there is nothing to wait for


def _lists_refused(stage: WatchedNights) -> None:
    stage.source.inject("listModels", "status", status=403, count=None)


def _one_fails(stage: WatchedNights) -> None:
    stage.put_new()
    stage.target.inject("authorizeCopy", "status", status=400, count=None)


def _not_covered(stage: WatchedNights) -> None:
    stage.source.put_model(classifier("sorter", doc_types=("invoice",)))


def _burned(stage: WatchedNights) -> None:
    stage.put_new()
    stage.target.set_behaviour(placeholder_delete="notFound")
    stage.target.inject("authorizeCopy", "lostAnswer")


def _start_lost(stage: WatchedNights) -> None:
    stage.put_new()
    stage.target.set_behaviour(placeholder_delete="notFound")
    stage.source.inject("startCopy", "reset", count=2)


def _wrong_host(stage: WatchedNights) -> None:
    stage.put_new()
    stage.source.inject("startCopy", "wrongHost")


def _late(stage: WatchedNights) -> None:
    for resource in (stage.source, stage.target):
        resource.set_durations((10**6, 10**6))
    stage.put_new()


def _throttled(stage: WatchedNights) -> None:
    stage.put_new()
    stage.target.inject("authorizeCopy", "status", status=429, count=3, headers={"Retry-After": "7"})
    stage.source.inject("listModels", "status", status=429, count=2, headers={"Retry-After": "5"})


def _expiring(stage: WatchedNights) -> None:
    stage.put_new(expires=BEFORE.replace(day=12))


def _source_down(stage: WatchedNights) -> None:
    stage.source.down()


def _target_full(stage: WatchedNights) -> None:
    stage.target.set_limits(model_limit=len(stage.target.models()))


def _catalog_away(stage: WatchedNights) -> None:
    stage.store.away.update(Table)


_TWO_PLANS = {"plans": {PLAN: {"targets": [TARGET]}, OTHER_PLAN: {"targets": [SECOND_TARGET]}}}
_LATE = frozenset({"no-good-run"})


def nights() -> Iterator[Night]:
    """Give all nights, in the order of the page."""
    yield Night("good", "the plan ran, and every model has its copies")
    yield Night("dry", "the plan is paused, and somebody made a dry run", _only_dry, later=_LATE)
    yield Night(
        "missed", "the app is gone since before two o'clock: the log has no line of this night", _dead, later=_LATE
    )
    failed = frozenset({"run-failed"})
    yield Night("failed", "the source's list is refused, so the run failed", _lists_refused, failed, _LATE)
    partly = frozenset({"run-partially-failed"})
    yield Night("partial", "a copy failed", _one_fails, partly, _LATE)
    yield Night("notCovered", "a new classifier cannot be copied to one target", _not_covered)
    yield Night(
        "burned",
        "the answer to an authorization was lost, and its placeholder stays",
        _burned,
        frozenset({"id-burned"}),
    )
    yield Night("startLost", "the call that starts a copy was cut off", _start_lost, frozenset({"id-burned"}))
    yield Night("wrongHost", "an answer of the source names an address on another host", _wrong_host)
    late = partly | {"copy-late"}
    yield Night(
        "late",
        "the service does not finish a copy before the deadline",
        _late,
        late,
        _LATE,
        {"plan": {"deadlineMinutes": 20}},
    )
    yield Night("throttled", "source and target answer 429 for a while", _throttled)
    yield Night("expiring", "a new model expires in ten days", _expiring, frozenset({"expiring"}))
    down = failed | {"resource-unreachable"}
    yield Night("sourceDown", "the source refuses connections, so the run failed", _source_down, down, _LATE)
    yield Night(
        "similarName",
        f"plan `{PLAN}` is paused; plan `{OTHER_PLAN}` had a good run",
        WatchedNights.pause,
        later=_LATE,
        options=_TWO_PLANS,
    )
    yield Night("targetFull", "a target holds as many models as it may", _target_full, frozenset({"room-short"}))
    yield Night("catalogAway", "the catalog does not answer", _catalog_away, frozenset({"catalog-unreachable"}), _LATE)
