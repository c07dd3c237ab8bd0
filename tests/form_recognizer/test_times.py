"""Times as the service, its article and its SDKs write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.json_types import Json
from form_recognizer.times import parse_ticks, parse_time

SECOND = datetime(2022, 8, 17, 0, 51, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2022-08-17T00:51:16Z", SECOND),
        ("2022-08-17t00:51:16z", SECOND),
        ("2022-08-17T00:51:16", SECOND),
        ("2022-08-17T00:51:16.000Z", SECOND),
        ("2022-08-17T00:51:16.1234567Z", SECOND.replace(microsecond=123456)),
        ("2022-08-16T19:51:16-05:00", SECOND),
        ("2022-08-17", None),
        ("20220817T005116Z", None),
        ("2022-02-30T00:00:00Z", None),
        ("2022-W33-3T00:51:16Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
        ("\uff12\uff10\uff12\uff12-08-17T00:51:16Z", None),
    ],
)
def test_a_time_is_read_or_refused(text: str, moment: datetime | None) -> None:
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    "value", [None, True, 0, -1, "", "x", "-5", "\uff19", float("nan"), float("inf"), 10**30, [], {}, 4e11]
)
def test_a_value_that_is_no_time_is_none(value: Json) -> None:
    assert parse_ticks(value) is None


@given(st.integers(min_value=600_000_000, max_value=200_000_000_000))
def test_seconds_and_ticks_give_the_same_time(seconds: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    assert parse_ticks(seconds) == moment
    assert parse_ticks(seconds * 10_000_000 + 621_355_968_000_000_000) == moment


@given(st.one_of(st.floats(), st.integers(), st.text(), st.booleans(), st.none()))
def test_no_json_value_raises(value: Json) -> None:
    moment = parse_ticks(value)
    assert moment is None or moment.tzinfo is UTC
    assert parse_time(str(value)) is None
