"""Schedules: what they mean, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedules.ncrontab import Schedule, ScheduleError

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)  # a Thursday


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 2 * * *", "2026-01-01T02:00:00"),
        ("0 2 * * *", "2026-01-01T02:00:00"),
        ("*/15 * * * * *", "2026-01-01T00:00:15"),
        ("0 */5 * * * *", "2026-01-01T00:05:00"),
        ("0 3/20 * * * *", "2026-01-01T00:03:00"),
        ("0 0 9-17 * * MON-FRI", "2026-01-01T09:00:00"),
        ("0 0 0 * * Sunday", "2026-01-04T00:00:00"),
        ("0 0 0 * * 0", "2026-01-04T00:00:00"),
        ("0 30 9 1,15 jan,march *", "2026-01-01T09:30:00"),
        ("0 0 0 1 2 *", "2026-02-01T00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 0 31 * *", "2026-01-31T00:00:00"),
        # both day fields must match: the first Friday the 13th
        ("0 0 0 13 * 5", "2026-02-13T00:00:00"),
        ("0 0 0 1 1 *", "2027-01-01T00:00:00"),
        ("59 59 23 31 12 *", "2026-12-31T23:59:59"),
    ],
)
def test_the_next_occurrence(expression: str, expected: str) -> None:
    assert Schedule.parse(expression).next_after(NEW_YEAR) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("* * * *", "six fields"),
        ("0 0 24 * * *", "hour, which goes from 0 to 23"),
        ("60 * * * * *", "second"),
        ("0 0 0 0 * *", "day, which goes from 1 to 31"),
        ("0 0 0 * 13 *", "month"),
        ("0 0 0 * * 7", "day-of-week, which goes from 0 to 6"),
        ("0 0 5-2 * * *", "'5-2'"),
        ("0 */0 * * * *", "minute"),
        ("0 0 0 * * someday", "'someday'"),
        ("0 0 , * * *", "hour"),
        ("0 0 0 31 2 *", "has no occurrence"),
    ],
)
def test_a_mistake_is_named(expression: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        Schedule.parse(expression).next_after(NEW_YEAR)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 2 * * *", "2025-12-31T02:00:00"),
        ("0 0 0 * * *", "2026-01-01T00:00:00"),
        ("*/15 * * * * *", "2026-01-01T00:00:00"),
        ("0 0 9-17 * * MON-FRI", "2025-12-31T17:00:00"),
        ("0 0 0 29 2 *", "2024-02-29T00:00:00"),
        ("0 0 0 13 * 5", "2025-06-13T00:00:00"),
        ("0 30 9 1,15 jan,march *", "2025-03-15T09:30:00"),
    ],
)
def test_the_latest_occurrence(expression: str, expected: str) -> None:
    assert Schedule.parse(expression).latest(NEW_YEAR) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_schedule_that_never_occurs_has_no_latest() -> None:
    with pytest.raises(ScheduleError, match="has no occurrence"):
        Schedule.parse("0 0 0 31 2 *").latest(NEW_YEAR)


def test_a_pasted_key_is_not_repeated() -> None:
    key = "0123456789abcdef0123456789abcdef"
    for text in (key, f"0 0 {key} * * *"):
        with pytest.raises(ScheduleError) as refused:
            Schedule.parse(text)
        assert key not in str(refused.value)


FIELDS = (
    st.sampled_from(["*", "0", "*/7", "5,50"]),
    st.sampled_from(["*", "0", "*/13", "10-20"]),
    st.sampled_from(["*", "3", "*/6", "9-17/4"]),
    st.sampled_from(["*", "1", "*/10", "28-30"]),
    st.sampled_from(["*", "6", "*/5", "feb"]),
    st.sampled_from(["*", "1-5", "0"]),
)


@given(st.tuples(*FIELDS), st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)))  # noqa: DTZ001 - made aware below
def test_no_occurrence_is_skipped(fields: tuple[str, ...], moment: datetime) -> None:
    """The next one is later, it matches, and none lies between."""
    schedule = Schedule.parse(" ".join(fields))
    instant = moment.replace(tzinfo=UTC)
    occurrence = schedule.next_after(instant)
    assert occurrence > instant
    assert matches(schedule, occurrence)
    # no other occurrence lies between the two
    assert schedule.next_after(occurrence - timedelta(seconds=1)) == occurrence
    between = instant + (occurrence - instant) / 2
    assert schedule.next_after(between) == occurrence
    assert schedule.latest(occurrence) == occurrence
    assert schedule.latest(occurrence - timedelta(seconds=1)) <= instant


def matches(schedule: Schedule, instant: datetime) -> bool:
    return (
        instant.second in schedule.seconds
        and instant.minute in schedule.minutes
        and instant.hour in schedule.hours
        and instant.day in schedule.days
        and instant.month in schedule.months
        and instant.isoweekday() % 7 in schedule.weekdays
    )
