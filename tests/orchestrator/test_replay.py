"""Recorded histories against today's orchestrators: what is under way when a new version is deployed must not stumble over it.

Where an orchestrator is meant to decide otherwise, ``python -m local.record_histories`` records anew.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import orchestrator.attempts
import orchestrator.copy_model
import orchestrator.lane
import orchestrator.list_resource
import orchestrator.run
from backup.states import Step
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


def replayed(path: Path) -> None:
    name, history = load_history(path)
    replay(ORCHESTRATORS[name], history)


def stumbles(story: str) -> bool:
    """Tell whether today's code decides otherwise somewhere in a story."""
    try:
        for path in HISTORIES:
            if path.name.startswith(f"{story}."):
                replayed(path)
    except ReplayMismatchError:
        return True
    return False


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_a_recorded_history_leads_to_the_same_decisions(path: Path) -> None:
    replayed(path)


def test_every_story_is_recorded_and_every_recording_has_its_story() -> None:
    assert {path.name.split(".")[0] for path in HISTORIES} == set(STORIES)
    assert {load_history(path)[0] for path in HISTORIES} == set(ORCHESTRATORS)


def test_recordings_hold_no_secret_and_nothing_of_the_machine_they_were_made_on() -> None:
    for path in HISTORIES:
        text = path.read_text(encoding="utf-8")
        assert re.search(r"gAAAA|[0-9a-f]{96}|accessToken|127\.0\.0\.1|localhost", text) is None, path.name


@pytest.mark.parametrize("name", ["happy", "throttled"])
def test_what_is_recorded_now_can_be_replayed_now(name: str, tmp_path: Path) -> None:
    recorded = list(record(STORIES[name], tmp_path))
    assert [orchestrator for orchestrator, _ in recorded]
    for orchestrator_name, history in recorded:
        replay(ORCHESTRATORS[orchestrator_name], history)


def test_a_changed_pace_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orchestrator.copy_model, "poll_delay", lambda checks: 1.0)
    assert stumbles("happy")


def test_a_step_left_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def skip(copy: Any) -> Any:
        yield from ()
        copy.update(step=Step.RECORD)

    monkeypatch.setattr(orchestrator.copy_model, "verify", skip)
    assert stumbles("happy")


def test_a_wait_that_is_shorter_than_it_was_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orchestrator.attempts, "next_wait", lambda *_, **__: 1.0)
    assert stumbles("throttled")


def test_a_history_that_would_end_earlier_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orchestrator.attempts, "WAITS_PER_HISTORY", 49)
    assert stumbles("hours")


def test_a_lane_that_works_fewer_rows_off_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orchestrator.lane, "ROWS_PER_HISTORY", 2)
    assert stumbles("lane-of-three")


def test_another_number_of_fresh_starts_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orchestrator.copy_model, "FRESH_STARTS", 0)
    assert stumbles("failed-then-fresh")


def test_a_deadline_that_is_reckoned_otherwise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orchestrator.copy_model, "timedelta", lambda seconds: timedelta(seconds=seconds / 2))
    assert stumbles("deadline")
