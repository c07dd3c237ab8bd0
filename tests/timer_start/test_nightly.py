"""The nightly timer: every plan once a night, one run at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.functions.timer import TimerRequest

from backup.names import BACKUP_RUN
from tests.nights import PLAN, MakeNights, Nights, events
from timer_start.nightly import scheduled_moment


def runs_of(stage: Nights) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.http("GET", "/api/runs").body["runs"]
    return found


@pytest.mark.usefixtures("scheduled")
def test_the_timer_starts_every_plan_once_a_night(make_stage: MakeNights) -> None:
    stage = make_stage()
    stage.let_pass(3 * 86400)
    assert [run["runId"] for run in runs_of(stage)] == [f"{PLAN}-2026010{day}T0200" for day in (3, 2, 1)]
    assert {run["status"] for run in runs_of(stage)} == {"Succeeded"}
    assert [run["counts"]["copy"] for run in runs_of(stage)] == [0, 0, 6]


@pytest.mark.usefixtures("scheduled")
def test_timer_that_fires_twice(make_stage: MakeNights, caplog: pytest.LogCaptureFixture) -> None:
    """A timer that fires twice for one moment starts one run."""
    stage = make_stage()
    with caplog.at_level("INFO"):
        stage.host.run_timer("start_nightly_backups")
        stage.host.run_timer("start_nightly_backups")
        stage.host.run_until_idle()
        stage.host.run_timer("start_nightly_backups")
        stage.host.run_until_idle()
    assert len([one for one in stage.host.instances() if one.name == BACKUP_RUN]) == 1
    assert [one["reason"] for one in events(caplog.messages, "runSkipped")] == ["it was started already"] * 2


@pytest.mark.usefixtures("scheduled")
def test_timer_skips_plan_that_is_running_and_says_so(make_stage: MakeNights, caplog: pytest.LogCaptureFixture) -> None:
    """The timer skips a plan that is running and says so."""
    stage = make_stage()
    run_id = stage.begin(seconds=0.5)
    with caplog.at_level("INFO"):
        stage.host.run_timer("start_nightly_backups")
        stage.host.run_until_idle()
    assert [one["reason"] for one in events(caplog.messages, "runSkipped")] == [f"run {run_id} is under way"]
    assert len(runs_of(stage)) == 1


@pytest.mark.usefixtures("scheduled")
def test_a_night_that_was_missed_is_made_up_for_once(make_stage: MakeNights) -> None:
    stage = make_stage()
    stage.let_pass(86400)
    stage.host.stop()
    stage.days_pass(4.3)
    stage.host = stage.new_host()
    stage.host.start()
    stage.host.run_until_idle(limit=timedelta(minutes=10))
    assert len(runs_of(stage)) == 2
    assert {run["status"] for run in runs_of(stage)} == {"Succeeded"}


NOW = datetime(2026, 5, 4, 2, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("following", "expected"),
    [
        ("2026-05-04T02:00:00+00:00", "20260504T0200"),
        ("2026-05-04T04:00:00.0000000+02:00", "20260504T0200"),
        ("2026-05-04T02:00:00", "20260504T0200"),
        ("2026-05-03T02:00:00Z", "20260503T0200"),
        ("2026-05-05T02:00:00Z", "20260504T0200"),
        ("2026-01-01T02:00:00Z", "20260504T0200"),
        ("", "20260504T0200"),
        ("never", "20260504T0200"),
    ],
)
def test_run_is_named_for_moment_that_its_timer_fired(following: str, expected: str) -> None:
    """A run is named for the moment that its timer fired for."""
    timer = TimerRequest(past_due=False, schedule_status={"Next": following}, schedule={})
    assert scheduled_moment(timer, NOW).strftime("%Y%m%dT%H%M") == expected


@pytest.mark.parametrize("following", ["", "2026-05-05T02:00:00Z", "2026-05-04T02:00:00Z"])
def test_two_workers_that_fire_late_start_one_run(following: str) -> None:
    """One of them needs more than a minute, and its status may name the next night."""
    timer = TimerRequest(past_due=False, schedule_status={"Next": following}, schedule={})
    late = NOW + timedelta(seconds=70)
    assert scheduled_moment(timer, late, "0 0 2 * * *") == NOW.replace(second=0)


def test_a_timer_that_is_fired_by_hand_starts_a_run_now() -> None:
    timer = TimerRequest(past_due=False, schedule_status={"Next": "2026-05-05T02:00:00Z"}, schedule={})
    assert scheduled_moment(timer, NOW.replace(hour=10), "0 0 2 * * *") == NOW.replace(hour=10, second=0)


def test_a_timer_without_a_status_fires_for_now() -> None:
    assert scheduled_moment(TimerRequest(past_due=False), NOW) == NOW.replace(second=0)
