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
    LONGEST_TOLD_WAIT_SECONDS,
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
    step: Step, code: Code, *, tries: int = 1, waited: float = 0.0, told: float | None = None, who: str = "a"
) -> float | None:
    failure = Failure.of(code, "it failed", retry_after=told)
    return next_wait(step, failure, tries=tries, waited=waited, patience=PATIENCE, who=who)


@pytest.mark.parametrize(
    ("checks", "seconds"), [(0, 2.0), (1, 3.0), (2, 4.5), (3, 6.75), (6, 22.8), (7, 30.0), (10_000, 30.0)]
)
def test_polls_come_after_two_seconds_and_then_grow_apart(checks: int, seconds: float) -> None:
    assert poll_delay(checks) == pytest.approx(seconds, abs=0.1)


@given(st.integers(0, 10**9))
def test_polls_never_come_sooner_than_before_nor_later_than_the_longest(checks: int) -> None:
    assert 2.0 <= poll_delay(checks) <= poll_delay(checks + 1) <= LONGEST_POLL_SECONDS


@pytest.mark.parametrize(("tries", "seconds"), [(1, 2.0), (2, 4.0), (3, 8.0), (5, 32.0), (6, 60.0), (10_000, 60.0)])
def test_waits_double_up_to_a_minute(tries: int, seconds: float) -> None:
    assert backoff(tries) == seconds


@given(st.floats(0, 1e6), st.text(max_size=40), st.integers(1, 1000))
def test_a_wait_is_only_ever_stretched_and_by_a_tenth_at_most(seconds: float, who: str, tries: int) -> None:
    assert seconds <= jitter(seconds, who, tries) <= seconds * 1.1000001


def test_copies_throttled_together_do_not_return_together() -> None:
    assert len({jitter(60.0, f"copy-{number}", 1) for number in range(50)}) > 25


@given(st.sampled_from(list(Step)), st.sampled_from(WAITING), st.floats(0, 3600), st.integers(1, 5))
def test_retry_after_is_never_undercut(step: Step, code: Code, told: float, tries: int) -> None:
    seconds = wait(step, code, tries=tries, told=told)
    assert seconds is None or seconds >= told


@given(st.sampled_from(list(Step)), st.sampled_from(WAITING), st.integers(1, 10**6), st.floats(0, 10**6))
def test_the_same_failure_gives_the_same_wait_at_every_replay(
    step: Step, code: Code, tries: int, waited: float
) -> None:
    assert wait(step, code, tries=tries, waited=waited) == wait(step, code, tries=tries, waited=waited)


@given(
    st.sampled_from(list(Step)),
    st.sampled_from(WAITING),
    st.integers(1, 10**6),
    st.none() | st.floats(0, 1e9),
)
def test_no_single_wait_is_longer_than_about_an_hour(step: Step, code: Code, tries: int, told: float | None) -> None:
    seconds = wait(step, code, tries=tries, told=told)
    assert seconds is None or 0 <= seconds <= LONGEST_TOLD_WAIT_SECONDS * 1.1000001


def test_a_service_that_says_one_second_for_ever_is_not_asked_every_second() -> None:
    seconds = wait(Step.CHECK_COPY, Code.THROTTLED, tries=20, told=1.0)
    assert seconds is not None
    assert seconds >= LONGEST_WAIT_SECONDS


@pytest.mark.parametrize("step", BEFORE)
def test_an_unreachable_resource_is_given_up_after_the_patience_while_nothing_is_started(step: Step) -> None:
    assert wait(step, Code.UNREACHABLE, tries=9, waited=PATIENCE - 1) is not None
    assert wait(step, Code.UNREACHABLE, tries=9, waited=PATIENCE) is None


@pytest.mark.parametrize("step", UNDER_WAY)
@pytest.mark.parametrize("code", [Code.UNREACHABLE, Code.ACCESS_DENIED, Code.NO_ANSWER, Code.SERVER_ERROR])
def test_what_the_service_is_busy_with_is_not_given_up_for_lack_of_patience(step: Step, code: Code) -> None:
    assert wait(step, code, tries=500, waited=10 * PATIENCE) is not None


@pytest.mark.parametrize("code", [Code.THROTTLED, Code.CONFIGURATION_INVALID, Code.RECONCILING])
def test_throttling_and_our_own_troubles_do_not_use_up_the_patience(code: Code) -> None:
    assert wait(Step.AUTHORIZE, code, tries=50, waited=10 * PATIENCE, told=5.0) is not None


@pytest.mark.parametrize(
    ("step", "tries", "goes_on"),
    [
        (Step.INSPECT, 1, False),
        (Step.AUTHORIZE, 1, False),
        (Step.START_COPY, 1, True),
        (Step.START_COPY, ACCESS_TRIES, False),
        (Step.DISCARD, ACCESS_TRIES - 1, True),
        (Step.DISCARD, ACCESS_TRIES, False),
    ],
)
def test_a_refused_key_is_told_at_once_and_tried_again_only_where_something_is_at_stake(
    step: Step, tries: int, goes_on: bool
) -> None:
    seconds = wait(step, Code.ACCESS_DENIED, tries=tries)
    assert (seconds is not None) is goes_on
    assert seconds is None or seconds >= 30.0


def test_a_step_that_crashes_every_time_is_given_up() -> None:
    assert wait(Step.RECORD, Code.STEP_CRASHED, tries=CRASH_TRIES - 1) is not None
    assert wait(Step.RECORD, Code.STEP_CRASHED, tries=CRASH_TRIES) is None


def test_an_unknown_sealing_key_is_waited_for_while_workers_roll_and_no_longer() -> None:
    assert wait(Step.START_COPY, Code.SEALING_KEY_UNKNOWN, waited=SEALING_KEY_PATIENCE_SECONDS - 1) is not None
    assert wait(Step.START_COPY, Code.SEALING_KEY_UNKNOWN, waited=SEALING_KEY_PATIENCE_SECONDS) is None


@pytest.mark.parametrize(("wake", "minutes"), [(0.0, 15), (60.0, 16), (-5.0, 15)])
def test_a_lease_outlives_the_next_planned_wake_by_a_quarter_of_an_hour(wake: float, minutes: int) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert lease_until(now, wake) == now + timedelta(minutes=minutes)
