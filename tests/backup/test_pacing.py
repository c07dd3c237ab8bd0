"""When to poll, when to try again, and when to give up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.codes import MEANINGS, Code, Remedy
from backup.messages.copy import Failure
from backup.pacing import (
    ACCESS_TRIES,
    CRASH_TRIES,
    LONGEST_POLL_SECONDS,
    LONGEST_RETRY_AFTER_SECONDS,
    LONGEST_WAIT_SECONDS,
    SEALING_KEY_PATIENCE_SECONDS,
    backoff,
    jitter,
    lease_until,
    next_wait,
    poll_delay,
)
from backup.states import Step

PATIENCE = 300.0
WAITING = [code for code, meaning in MEANINGS.items() if meaning.remedy is Remedy.WAIT]
UNDER_WAY = [Step.CHECK_COPY, Step.VERIFY, Step.RECORD]
BEFORE = [Step.INSPECT, Step.AUTHORIZE, Step.START_COPY]


def wait(
    step: Step, code: Code, *, tries: int = 1, waited: float = 0.0, retry_after: float | None = None
) -> float | None:
    failure = Failure.of(code, "it failed", retry_after=retry_after)
    return next_wait(step, failure, tries=tries, waited=waited, patience=PATIENCE, instance_id="copy-1")


@pytest.mark.parametrize(
    ("checks", "seconds"), [(0, 2.0), (1, 3.0), (2, 4.5), (3, 6.75), (6, 22.8), (7, 30.0), (10_000, 30.0)]
)
def test_polls_begin_after_two_seconds_and_grow_apart(checks: int, seconds: float) -> None:
    assert poll_delay(checks) == pytest.approx(seconds, abs=0.1)


@given(st.integers(0, 10**9))
def test_each_poll_waits_at_least_as_long_as_the_last(checks: int) -> None:
    assert 2.0 <= poll_delay(checks) <= poll_delay(checks + 1) <= LONGEST_POLL_SECONDS


@pytest.mark.parametrize(("tries", "seconds"), [(1, 2.0), (2, 4.0), (3, 8.0), (5, 32.0), (6, 60.0), (10_000, 60.0)])
def test_waits_double_up_to_a_minute(tries: int, seconds: float) -> None:
    assert backoff(tries) == seconds


@pytest.mark.parametrize(("waited", "seconds"), [(0, 60), (1200, 60), (3600, 180), (12_000, 600), (86_400, 600)])
def test_a_catalog_away_for_long_is_asked_less_often(waited: float, seconds: float) -> None:
    found = wait(Step.RECORD, Code.CATALOG_UNAVAILABLE, tries=20, waited=waited)
    assert found is not None
    assert seconds <= found <= seconds * 1.1


@given(st.floats(0, 1e6), st.text(max_size=40), st.integers(1, 1000))
def test_jitter_stretches_a_wait_by_a_tenth_at_most(seconds: float, instance_id: str, tries: int) -> None:
    assert seconds <= jitter(seconds, instance_id, tries) <= seconds * 1.1000001


def test_copies_throttled_together_return_apart() -> None:
    assert len({jitter(60.0, f"copy-{number}", 1) for number in range(50)}) > 25


@given(st.sampled_from(list(Step)), st.sampled_from(WAITING), st.floats(0, 3600), st.integers(1, 50))
def test_no_wait_is_shorter_than_retry_after(step: Step, code: Code, retry_after: float, tries: int) -> None:
    seconds = wait(step, code, tries=tries, retry_after=retry_after)
    assert seconds is None or seconds >= retry_after


@pytest.mark.parametrize(
    ("instance_id", "tries", "seconds"), [("copy-1", 1, 63.129412), ("copy-1", 2, 61.717647), ("copy-2", 1, 63.647059)]
)
def test_a_wait_is_the_same_at_every_replay(instance_id: str, tries: int, seconds: float) -> None:
    """Also in another process: a replay on another worker must wait until the same moment."""
    assert jitter(60.0, instance_id, tries) == pytest.approx(seconds, abs=1e-5)


@given(
    st.sampled_from(list(Step)),
    st.sampled_from(WAITING),
    st.integers(1, 10**6),
    st.none() | st.floats(0, 1e9),
)
def test_no_wait_is_longer_than_about_an_hour(step: Step, code: Code, tries: int, retry_after: float | None) -> None:
    seconds = wait(step, code, tries=tries, retry_after=retry_after)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER_SECONDS * 1.1000001


def test_a_service_that_always_says_one_second_waits() -> None:
    """It is not called each second for an hour."""
    seconds = wait(Step.CHECK_COPY, Code.THROTTLED, tries=20, retry_after=1.0)
    assert seconds is not None
    assert seconds >= LONGEST_WAIT_SECONDS


@pytest.mark.parametrize("step", [*BEFORE, *UNDER_WAY, Step.DISCARD])
@pytest.mark.parametrize("tries", [1, 5, 6, 7, 20, 1000])
def test_a_step_that_reconciles_is_called_when_it_asks(step: Step, tries: int) -> None:
    """It knows when to look again; a growing wait would cost a minute for each look."""
    seconds = wait(step, Code.RECONCILING, tries=tries, waited=10 * PATIENCE, retry_after=1.0)
    assert seconds is not None
    assert 1.0 <= seconds <= 1.1


@pytest.mark.parametrize("step", BEFORE)
def test_an_unreachable_resource_exhausts_the_patience(step: Step) -> None:
    assert wait(step, Code.UNREACHABLE, tries=9, waited=PATIENCE - 1) is not None
    assert wait(step, Code.UNREACHABLE, tries=9, waited=PATIENCE) is None


@pytest.mark.parametrize("step", UNDER_WAY)
@pytest.mark.parametrize("code", [Code.UNREACHABLE, Code.ACCESS_DENIED, Code.NO_ANSWER, Code.SERVER_ERROR])
def test_a_copy_under_way_is_not_limited_by_patience(step: Step, code: Code) -> None:
    assert wait(step, code, tries=500, waited=10 * PATIENCE) is not None


@pytest.mark.parametrize(
    ("step", "is_waited_for"), [(Step.INSPECT, False), (Step.AUTHORIZE, False), (Step.START_COPY, True)]
)
def test_a_wrong_setting_is_waited_for_once_authorized(step: Step, is_waited_for: bool) -> None:
    """Before it nothing would be lost, so the copy ends at once and says why."""
    assert (wait(step, Code.CONFIGURATION_INVALID) is not None) is is_waited_for


@pytest.mark.parametrize("code", [Code.THROTTLED, Code.RECONCILING])
def test_throttling_does_not_exhaust_the_patience(code: Code) -> None:
    assert wait(Step.AUTHORIZE, code, tries=50, waited=10 * PATIENCE, retry_after=5.0) is not None


@pytest.mark.parametrize(
    ("step", "tries", "is_tried_again"),
    [
        (Step.INSPECT, 1, False),
        (Step.AUTHORIZE, 1, False),
        (Step.START_COPY, 1, True),
        (Step.START_COPY, ACCESS_TRIES, False),
        (Step.DISCARD, ACCESS_TRIES - 1, True),
        (Step.DISCARD, ACCESS_TRIES, False),
    ],
)
def test_a_refused_key_is_retried_once_authorized(step: Step, tries: int, is_tried_again: bool) -> None:
    """Before it nothing would be lost, so the copy ends at once."""
    seconds = wait(step, Code.ACCESS_DENIED, tries=tries)
    assert (seconds is not None) is is_tried_again
    assert seconds is None or seconds >= 30.0


def test_a_step_that_crashes_every_time_is_given_up() -> None:
    assert wait(Step.RECORD, Code.STEP_CRASHED, tries=CRASH_TRIES - 1) is not None
    assert wait(Step.RECORD, Code.STEP_CRASHED, tries=CRASH_TRIES) is None


def test_an_unknown_sealing_key_is_given_up_in_the_end() -> None:
    assert wait(Step.START_COPY, Code.SEALING_KEY_UNKNOWN, waited=SEALING_KEY_PATIENCE_SECONDS - 1) is not None
    assert wait(Step.START_COPY, Code.SEALING_KEY_UNKNOWN, waited=SEALING_KEY_PATIENCE_SECONDS) is None


@pytest.mark.parametrize(("wake", "minutes"), [(0.0, 15), (60.0, 16), (-5.0, 15)])
def test_a_lease_ends_fifteen_minutes_after_the_wake(wake: float, minutes: int) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert lease_until(now, wake) == now + timedelta(minutes=minutes)
