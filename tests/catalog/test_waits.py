"""Notes of waits that are delivered again, late, or in another order."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backup.messages.waiting import Waiting, WaitNote
from catalog.sqlite import SqliteStore
from catalog.waits import WaitTable

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def begun(minute: int) -> WaitNote:
    since = NOW + timedelta(minutes=minute)
    waiting = Waiting(what="a list", code="Throttled", message="wait", since=since, until=NOW + timedelta(hours=2))
    return WaitNote(run_id="run-1", place="list", waiting=waiting)


def over(minute: int) -> WaitNote:
    return WaitNote(run_id="run-1", place="list", over_at=NOW + timedelta(minutes=minute))


@pytest.fixture
def waits(tmp_path: Path) -> WaitTable:
    return WaitTable(SqliteStore(tmp_path / "catalog.sqlite"))


def test_a_wait_is_known_until_it_is_over(waits: WaitTable) -> None:
    for note, count in ((begun(0), 1), (over(1), 0), (begun(2), 1), (over(3), 0)):
        waits.note(note)
        assert len(list(waits.of_run("run-1"))) == count


def test_late_notes_change_nothing(waits: WaitTable) -> None:
    """Two waits, one after the other; after each step, everything that came before is delivered once more."""
    steps = [(begun(0), True), (over(1), False), (begun(2), True), (over(3), False)]
    for number, (note, lasts) in enumerate(steps, 1):
        waits.note(note)
        for late in itertools.permutations([note for note, _ in steps[:number]]):
            for one in late:
                waits.note(one)
            assert bool(list(waits.of_run("run-1"))) is lasts
