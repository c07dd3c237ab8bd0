"""Recorded histories against today's orchestrators: what is under way when a new version is deployed must not stumble over it.

Where an orchestrator is meant to decide otherwise, ``python -m local.record_histories`` records anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import orchestrator.copy_model
import orchestrator.lane
import orchestrator.list_resource
import orchestrator.run
from local.host.protocol import Event, EventType
from local.host.replay import ReplayMismatchError, load_history, replay
from local.record_histories import STORIES, record

pytestmark = pytest.mark.usefixtures("protocol_1")

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))
ORCHESTRATORS = {
    "copy_batch": orchestrator.run.copy_batch,
    "copy_model": orchestrator.copy_model.copy_model,
    "lane": orchestrator.lane.lane,
    "backup_run": orchestrator.run.backup_run,
    "restore_run": orchestrator.run.restore_run,
    "list_resource": orchestrator.list_resource.list_resource,
}


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_a_recording_leads_to_the_same_decisions(path: Path) -> None:
    name, history = load_history(path)
    replay(ORCHESTRATORS[name], history)


def test_stories_and_recordings_match() -> None:
    assert {path.name.split(".")[0] for path in HISTORIES} == set(STORIES)
    assert {load_history(path)[0] for path in HISTORIES} == set(ORCHESTRATORS)


def test_recordings_hold_no_secret_and_no_machine() -> None:
    for path in HISTORIES:
        text = path.read_text(encoding="utf-8")
        assert re.search(r"gAAAA|[0-9a-f]{96}|accessToken|127\.0\.0\.1|localhost", text) is None, path.name


@pytest.mark.parametrize("name", ["happy", "throttled"])
def test_what_is_recorded_now_can_be_replayed_now(name: str, tmp_path: Path) -> None:
    recorded = list(record(STORIES[name], tmp_path))
    assert [orchestrator for orchestrator, _ in recorded]
    for orchestrator_name, history in recorded:
        replay(ORCHESTRATORS[orchestrator_name], history)


def changes(history: Sequence[Event]) -> Iterator[list[Event]]:
    """Give histories that differ in one thing that the orchestrator decided: the first and last of each kind."""
    for kind, field, value in ALTERED:
        places = [number for number, event in enumerate(history) if event["EventType"] == kind]
        for number in dict.fromkeys(places[:1] + places[-1:]):
            yield [*history[:number], {**history[number], field: value}, *history[number + 1 :]]
            if kind != EventType.EXECUTION_COMPLETED:
                # as if it had not been asked for: what it led to has no cause then
                yield [*history[:number], *history[number + 1 :]]


ALTERED = [
    (EventType.TASK_SCHEDULED, "Name", "another_activity"),
    (EventType.TASK_SCHEDULED, "Input", "{}"),
    (EventType.TIMER_CREATED, "FireAt", "2026-01-01T00:00:00.500000Z"),
    (EventType.SUB_ORCHESTRATION_CREATED, "Name", "another_orchestrator"),
    (EventType.SUB_ORCHESTRATION_CREATED, "Input", "{}"),
    (EventType.CONTINUE_AS_NEW, "Input", "{}"),
    (EventType.EXECUTION_COMPLETED, "Result", "{}"),
]


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_any_other_decision_is_found(path: Path) -> None:
    """One altered decision in the recording is as good as one altered decision in the code."""
    name, history = load_history(path)
    altered = list(changes(history))
    assert altered
    for one in altered:
        with pytest.raises(ReplayMismatchError):
            replay(ORCHESTRATORS[name], one)


def test_the_recordings_hold_every_kind_of_decision() -> None:
    kinds = {event["EventType"] for path in HISTORIES for event in load_history(path)[1]}
    assert {kind for kind, _, _ in ALTERED} <= kinds
