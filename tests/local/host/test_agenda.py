"""The order of timers, and disarmed timers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.host.agenda import Agenda
from local.host.protocol import format_time
from local.host.records import TimerRow
from local.host.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: int, timer_id: int = 0, instance_id: str = "i") -> TimerRow:
    return TimerRow(instance_id, "e", timer_id, format_time(NOW + timedelta(seconds=seconds)))


@pytest.fixture
def agenda(tmp_path: Path) -> Iterator[Agenda]:
    store = Store(tmp_path / "state.sqlite")
    yield Agenda(store)
    store.close()


def test_timers_fire_once_in_the_order_of_their_time(agenda: Agenda) -> None:
    for seconds in (3, 1, 2):
        agenda.arm(at(seconds, seconds))
    assert [timer.timer_id for timer in agenda.due_timers(NOW + timedelta(seconds=2))] == [1, 2]
    assert [timer.timer_id for timer in agenda.due_timers(NOW + timedelta(seconds=9))] == [3]
    assert agenda.next_due() is None


def test_a_disarmed_timer_does_not_fire(agenda: Agenda) -> None:
    """Also if it is behind a due timer in the queue."""
    agenda.arm(at(1, 1))
    agenda.arm(at(2, 2))
    agenda.arm(at(3, 3, "deleted"))
    agenda.cancel("i", [2])
    agenda.forget("deleted")
    assert [timer.timer_id for timer in agenda.due_timers(NOW + timedelta(seconds=9))] == [1]


def test_the_next_due_time_skips_disarmed_timers(agenda: Agenda) -> None:
    """And background alarms, if it is asked to."""
    agenda.arm(at(1, 1))
    agenda.arm(at(5, 5))
    agenda.cancel("i", [1])
    agenda.add_alarm(NOW + timedelta(seconds=2), lambda: None, background=True)
    assert agenda.next_due() == NOW + timedelta(seconds=2)
    assert agenda.next_due(background=False) == NOW + timedelta(seconds=5)


def test_timers_survive_in_the_state_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "other.sqlite")
    first = Agenda(store)
    first.arm(at(1, 1))
    first.arm(at(2, 2))
    first.cancel("i", [1])
    again = Agenda(store)
    assert again.recover() == 1
    assert [timer.timer_id for timer in again.due_timers(NOW + timedelta(seconds=9))] == [2]
    store.close()
