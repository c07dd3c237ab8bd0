"""Recorded histories against today's orchestrators: what is under way when a new version is deployed must not stumble over it.

Each version of the orchestrators (``defaultVersion`` of host.json) has a folder. One that is frozen was released: it stays as it is. If an
orchestrator is meant to decide otherwise, raise the version and record anew (docs/host-json.md).
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import orchestrator.copy_model
import orchestrator.lane
import orchestrator.list_resource
import orchestrator.run
from local.host.app_index import load_app
from local.host.protocol import Event, EventType
from local.host.replay import ReplayMismatchError, load_history, replay
from local.host.versions import compare_versions
from local.record_histories import STORIES, checksums, current_version, frozen, main, record

pytestmark = pytest.mark.usefixtures("protocol_1")

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "histories"
CURRENT = current_version()
VERSIONS = sorted(path.name for path in FOLDER.iterdir())
OLDER = [version for version in VERSIONS if version != CURRENT]
HISTORIES = sorted((FOLDER / CURRENT).glob("*.json"))
TOLD = dict(
    re.findall(
        r"^\| `([\d.]+)` \| (finish|may fail)\b", (ROOT / "docs/host-json.md").read_text("utf-8"), flags=re.MULTILINE
    )
)
"""What the page says becomes of work that began with an older version."""
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
    try:
        replay(ORCHESTRATORS[name], history)
    except ReplayMismatchError as mismatch:
        version = f"version {CURRENT}"
        record_it = f"raise defaultVersion in host.json above {CURRENT}, then" if frozen(FOLDER / CURRENT) else ""
        pytest.fail(f"{name} of {version} decides otherwise. If it should: {record_it} make histories. {mismatch}")


@pytest.mark.parametrize("version", VERSIONS)
def test_frozen_histories_stay_as_they_are(version: str) -> None:
    """What a released version may have under way does not change with the code. Only the version that is under development is open."""
    assert compare_versions(version, CURRENT) <= 0, f"host.json has an older defaultVersion: {CURRENT}"
    kept = frozen(FOLDER / version)
    assert kept or version == CURRENT
    assert kept in ({}, checksums(FOLDER / version))


def differing(version: str) -> list[str]:
    """Give the histories of an older version that the platform would end as non-deterministic today."""
    found = []
    for path in sorted((FOLDER / version).glob("*.json")):
        name, history = load_history(path)
        try:
            replay(ORCHESTRATORS[name], history, exact=False)
        except ReplayMismatchError as mismatch:
            found.append(f"{path.name}: {mismatch}")
    return found


def test_the_docs_say_what_becomes_of_older_runs() -> None:
    """An older run finishes if today's code decides as it did, and the page promises no more and no less."""
    found = {version: differing(version) for version in OLDER}
    assert {version: "may fail" if found[version] else "finish" for version in OLDER} == TOLD, found


@pytest.mark.parametrize("version", [CURRENT, *(version for version in OLDER if TOLD.get(version) == "finish")])
def test_calls_under_way_can_be_read_today(version: str) -> None:
    """An activity that an older app has called may begin after the upgrade, with its older input."""
    activities = load_app("function_app").activities
    read = 0
    for path in sorted((FOLDER / version).glob("*.json")):
        for event in load_history(path)[1]:
            if event["EventType"] == EventType.TASK_SCHEDULED:
                entry = activities[event["Name"]].call
                inspect.getclosurevars(entry).nonlocals["kind"].parse(json.loads(event["Input"]))
                read += 1
    assert read


def test_a_frozen_version_is_not_recorded_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / CURRENT
    assert main(["happy", "--folder", str(tmp_path)]) == 0
    assert main(["--freeze", "--folder", str(tmp_path)]) == 0
    before = checksums(folder)
    assert frozen(folder) == before != {}
    assert main(["happy", "--folder", str(tmp_path)]) == 1
    assert "raise defaultVersion" in capsys.readouterr().err
    assert checksums(folder) == before
    next(folder.glob("*.json")).write_text("{}")
    assert main(["--freeze", "--folder", str(tmp_path)]) == 1
    assert frozen(folder) == before


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
