"""Two deliveries of one activity that overlap leave what one delivery leaves: the same rows, models, calls and outcome.

On Azure Storage a second delivery may begin while the first is at work. Each activity that writes to the service or to the catalog is
overtaken at each of its moments; then a whole night is delivered twice at the same instant.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backup.json_types import Json
from local.host import ManualClock
from local.host.app_index import FunctionInfo
from local.host.invoke import call_activity
from local.inprocess import SOURCE, TARGET
from local.simulator.models import v4_model
from tests.nights import Nights

from .another_user import AnotherUser, Once, kind_of
from .conftest import SUBJECTS, Open, ProtocolStage, StageOptions, Subject
from .overlapping import Counts, Overlap, WatchedStore, delivered_by, twice_at_the_same_instant, what_is_left

Play = Callable[[ProtocolStage], list[dict[str, Any]]]


@dataclass(frozen=True)
class Scenario:
    """What leads to the delivery of an activity: ``play`` returns how each copy ended."""

    activity: str
    play: Play
    subjects: tuple[str, ...] = ("v2", "v4")
    options: StageOptions = field(default_factory=StageOptions)


def copy(stage: ProtocolStage) -> list[dict[str, Any]]:
    return [stage.copy_one(stage.put())]


def copy_then_copy_retrained(stage: ProtocolStage) -> list[dict[str, Any]]:
    model_id = stage.put()
    first = stage.copy_one(model_id)
    stage.source.put_model(stage.subject.other(model_id))
    return [first, stage.copy_one(model_id)]


def copy_whose_replica_is_gone(stage: ProtocolStage) -> list[dict[str, Any]]:
    model_id = stage.put()
    first = stage.copy_one(model_id)
    stage.there.remove_model(first["targetModelId"])
    return [first, stage.copy_one(model_id)]


def start_refused(status: int, count: int | None = None) -> Play:
    def play(stage: ProtocolStage) -> list[dict[str, Any]]:
        stage.source.inject(stage.subject.operation("startCopy"), "status", status=status, count=count)
        return copy(stage)

    return play


def answer_lost(operation: str, kind: str) -> Play:
    def play(stage: ProtocolStage) -> list[dict[str, Any]]:
        resource = stage.source if operation == "startCopy" else stage.there
        resource.inject(stage.subject.operation(operation), kind, seconds=0, count=1)
        return copy(stage)

    return play


def wanted_id_is_taken(stage: ProtocolStage) -> list[dict[str, Any]]:
    model_id = stage.put()
    AnotherUser(stage).trains(model_id)
    return [stage.copy_one(model_id)]


def stale_placeholder_is_deleted(stage: ProtocolStage) -> list[dict[str, Any]]:
    stage.there.inject(stage.subject.operation("authorizeCopy"), "lostAnswer")
    model_id = stage.put()
    stage.copy_one(model_id)
    pass_hours(stage, 24)
    return [stage.copy_component(model_id)]


def parked_and_resumed(stage: ProtocolStage) -> list[dict[str, Any]]:
    stage.source.set_durations((70.0, 70.0))
    model_id = stage.put()
    return [stage.copy_one(model_id), stage.copy_one(model_id)]


def source_model_goes(stage: ProtocolStage) -> list[dict[str, Any]]:
    model_id = stage.put()
    stage.put(2)
    copied = backup(stage)
    stage.source.remove_model(model_id, kind_of(stage))
    return [*copied, *backup(stage), *backup(stage)]


def replica_drifts(stage: ProtocolStage) -> list[dict[str, Any]]:
    stage.put()
    (copied,) = backup(stage)
    stage.there.put_model(stage.subject.other(copied["targetModelId"]))
    return [copied, *backup(stage), *backup(stage)]


def suspect_is_cleared(stage: ProtocolStage) -> list[dict[str, Any]]:
    stage.put()
    stage.there.inject("authorizeCopy", "lostAnswer")
    return [row for _ in range(4) for row in backup(stage)]


def backup(stage: ProtocolStage) -> list[dict[str, Any]]:
    """Run the plan on the next night; return how its rows ended."""
    pass_hours(stage, 24)
    answer = stage.http("POST", "/api/backups", {"plan": "nightly"})
    assert answer.status == 202, answer.body
    stage.host.run_until_idle()
    run = stage.run(answer.body["runId"])
    assert run["status"] not in {"Pending", "Running"}, run
    rows: list[dict[str, Any]] = run["copies"]
    return rows


def pass_hours(stage: ProtocolStage, hours: float) -> None:
    assert isinstance(stage.clock, ManualClock)
    stage.clock.advance(hours * 3600)


def plan(copies: Mapping[str, int], **rules: Json) -> StageOptions:
    nightly = {"source": SOURCE, "targets": [TARGET], "deepCheck": "off", **rules}
    return {"copies": copies, "plans": {"nightly": nightly}}


DELETE_ALL = plan({"concurrency": 1}, retention={"deleteRemoved": True, "graceDays": 0, "maxDeletePercent": 100})
IMPATIENT: StageOptions = {"copies": {"deadlineMinutes": 1}}
CLEARING = plan({"deleteSuspectsAfterHours": 48})

SCENARIOS = {
    "inspect": Scenario("inspect_models", copy),
    "inspect a parked copy": Scenario("inspect_models", parked_and_resumed, options=IMPATIENT),
    "inspect, with a missing replica": Scenario("inspect_models", copy_whose_replica_is_gone),
    "authorize": Scenario("authorize_copy", copy),
    "authorize after a lost answer": Scenario("authorize_copy", answer_lost("authorizeCopy", "timeoutBefore")),
    "authorize with a fallback id": Scenario("authorize_copy", wanted_id_is_taken, subjects=("v4",)),
    "authorize under a stale id": Scenario("authorize_copy", stale_placeholder_is_deleted, subjects=("v4",)),
    "start": Scenario("start_copy", copy),
    "start, refused": Scenario("start_copy", start_refused(400)),
    "start, answer lost": Scenario("start_copy", answer_lost("startCopy", "lostAnswer")),
    "check": Scenario("check_copy", copy),
    "verify": Scenario("verify_copy", copy),
    "record": Scenario("record_replica", copy),
    "record, retire the older copy": Scenario("record_replica", copy_then_copy_retrained),
    "record, sweep a burned id": Scenario("record_replica", answer_lost("startCopy", "timeoutBefore")),
    "discard, begin again": Scenario("discard_target", start_refused(409, count=1)),
    "discard, end": Scenario("discard_target", start_refused(400)),
    "discard a lost start": Scenario("discard_target", answer_lost("startCopy", "timeoutBefore")),
    "park": Scenario("park_claim", parked_and_resumed, options=IMPATIENT),
    "delete a replica": Scenario("delete_replica", source_model_goes, options=DELETE_ALL),
    "check a replica": Scenario("check_replica", replica_drifts, options=plan({}, deepCheck="all")),
    "clear a suspect": Scenario("clear_suspect", suspect_is_cleared, subjects=("v2",), options=CLEARING),
}


def night(folder: Path, subject: Subject, scenario: Scenario, overlap: Overlap | None = None) -> dict[str, Any]:
    """Play a scenario; return what it leaves."""
    folder.mkdir()
    pass_moment = overlap.pass_moment if overlap else lambda: None
    options = scenario.options.copy()
    options["store"] = lambda: WatchedStore(folder / "catalog.sqlite", pass_moment)
    with (
        delivered_by(overlap.deliver) if overlap else nullcontext(),
        ProtocolStage(folder, subject, **options) as stage,
    ):
        stage.services.interruption = lambda where, moment: pass_moment() if moment == "before" else None
        outcomes = scenario.play(stage)
        if overlap:
            overlap.end()
        return what_is_left(stage, outcomes)


CASES = [
    pytest.param(SUBJECTS[name], scenario, id=f"{title}-{name}".replace(" ", "-"))
    for title, scenario in SCENARIOS.items()
    for name in scenario.subjects
]


@pytest.mark.parametrize(("subject", "scenario"), CASES)
@pytest.mark.parametrize("counts", Counts, ids=lambda counts: f"{counts.name.lower()}-counts")
def test_an_overlap_at_any_moment_changes_nothing(
    tmp_path: Path, subject: Subject, scenario: Scenario, counts: Counts
) -> None:
    calm = night(tmp_path / "calm", subject, scenario)
    for moment in itertools.count(1):
        overlap = Overlap(scenario.activity, moment, counts)
        left = night(tmp_path / str(moment), subject, scenario, overlap)
        if not overlap.happened:
            break
        assert left == calm, f"the second delivery came at moment {moment}"
    assert moment > 2, f"{scenario.activity} was never overtaken"


def test_a_second_authorization_waits_for_the_first(open_stage: Open) -> None:
    """The answer of the first one is on its way: it is late, and not lost."""
    stage = open_stage()
    model_id = stage.put()
    answers: list[dict[str, Any]] = []

    def deliver_again(info: FunctionInfo, payload: str | None) -> str:
        def second() -> None:
            answers.append(json.loads(call_activity(info, payload)))

        if info.name == "authorize_copy" and not answers:
            Once(stage, f"{stage.subject.target}:authorize_copy", "after", second)
        return call_activity(info, payload)

    with delivered_by(deliver_again):
        assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert [(answer["code"], answer["retryable"]) for answer in answers] == [("Reconciling", True)]
    assert "at work" in answers[0]["message"]
    assert stage.claim(model_id).attempt == 1


def some_nights(folder: Path) -> dict[str, Any]:
    """Copy a model of each generation, then a retrained and a drifted one, then delete copies; return what is left."""
    folder.mkdir()
    rules = {"deepCheck": "all", "retention": {"deleteRemoved": True, "graceDays": 0, "maxDeletePercent": 100}}
    # copies one by one: v2 draws the ids of copies in the order in which it is asked
    with Nights(folder, plan=rules, copies={"concurrency": 1}) as nights:
        outcomes = night_of(nights, 1)
        nights.retrain("claims")
        nights.target.put_model(v4_model("invoices", fields={"Iban": 0.5}))
        outcomes += night_of(nights, 2)
        nights.source.remove_model("claims")
        return what_is_left(nights, [*outcomes, *night_of(nights, 3), *night_of(nights, 4)])


def night_of(nights: Nights, day: int) -> list[dict[str, Any]]:
    """Run the plan at one o'clock; return how the run and its rows ended, at two o'clock."""
    assert isinstance(nights.clock, ManualClock)
    nights.clock.set(datetime(2026, 2, day, 1, tzinfo=UTC))
    run_id = nights.begin()
    nights.host.run_until_idle()
    nights.clock.set(datetime(2026, 2, day, 2, tzinfo=UTC))
    run = nights.run(run_id)
    copies: list[dict[str, Any]] = run["copies"]
    return [{name: run.get(name) for name in ("status", "code", "progress", "counts")}, *copies]


def test_nights_delivered_twice_equal_calm_ones(tmp_path: Path) -> None:
    """Both deliveries of every activity begin at the same instant."""
    calm = some_nights(tmp_path / "calm")
    with delivered_by(twice_at_the_same_instant()):
        assert some_nights(tmp_path / "doubled") == calm
    actions = {outcome["action"] for outcome in calm["outcomes"] if "action" in outcome}
    assert actions == {"copy", "check", "delete"}
