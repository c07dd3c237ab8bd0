"""When a plan is due, and what settles a moment without a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.schedule import due, longest_gap, paused, readable, resumed, seen
from schedules.ncrontab import Schedule

NIGHTLY = "0 0 2 * * *"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
TONIGHT = datetime(2026, 5, 5, 2, tzinfo=UTC)


def test_a_new_plan_is_due_from_its_next_moment_on() -> None:
    state = seen(None, NIGHTLY, NOON)
    assert due(state, TONIGHT - timedelta(seconds=1)) is None
    assert due(state, TONIGHT) == TONIGHT


@pytest.mark.parametrize("schedule", ["0 0 3 * * *", "0 0 1 * * *", "0 0 2 * * MON"])
def test_a_moment_is_due_once_whatever_the_schedule_becomes(schedule: str) -> None:
    """A settled moment, and all before it, stay settled."""
    state = seen(None, NIGHTLY, NOON).with_settled(TONIGHT, "started")
    changed = seen(state, schedule, TONIGHT + timedelta(minutes=5))
    found = due(changed, TONIGHT + timedelta(minutes=5))
    assert found is None


def test_a_timer_that_fires_late_is_heard_for_a_new_plan() -> None:
    late = TONIGHT + timedelta(hours=6)
    assert due(seen(None, NIGHTLY, late), late) is None
    assert due(seen(None, NIGHTLY, late, firing=TONIGHT), late) == TONIGHT


def test_after_a_resume_only_later_moments_are_due() -> None:
    state = paused(seen(None, NIGHTLY, NOON), "moving", NOON)
    morning = TONIGHT + timedelta(hours=7)
    after = resumed(state, morning)
    assert due(after, morning) is None
    assert due(after, TONIGHT + timedelta(days=1)) == TONIGHT + timedelta(days=1)
    assert resumed(after, NOON + timedelta(days=9)) == after


@pytest.mark.parametrize("text", [None, "", "daily", "0 0 2 31 2 *"])
def test_nothing_is_due_without_a_schedule(text: str | None) -> None:
    state = seen(None, text, NOON)
    assert due(state, NOON + timedelta(days=400)) is None
    assert resumed(paused(state, "moving", NOON), NOON).settled == NOON
    assert readable(text) is None


@given(st.integers(0, 40), st.integers(0, 86_399))
def test_of_missed_moments_the_last_one_is_due(days: int, seconds: int) -> None:
    """And once it is settled, none."""
    now = TONIGHT + timedelta(days=days, seconds=seconds)
    state = seen(None, NIGHTLY, NOON)
    assert due(state, now) == TONIGHT + timedelta(days=days)
    assert due(state.with_settled(TONIGHT + timedelta(days=days), "started"), now) is None


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        (NIGHTLY, 24),
        ("0 0 2 * * MON-FRI", 72),
        ("0 0 9-17 * * MON-FRI", 64),
        ("0 0 0 1 * *", 31 * 24),
        ("0 30 * * * *", 1),
    ],
)
def test_the_longest_gap_is_told(text: str, hours: float) -> None:
    assert longest_gap(Schedule.parse(text), NOON.date()) == timedelta(hours=hours)
