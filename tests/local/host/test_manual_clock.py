"""Moving a manual clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest

from local.host import Host, HostError, ManualClock, RuntimeStatus, SystemClock

from .conftest import MakeHost


def test_hours_of_timers_take_no_time(host: Host) -> None:
    began = time.monotonic()
    iid = host.start_new("rounds", {"round": 1, "rounds": 60, "seen": []})
    idle = host.run_until_idle()
    status = host.wait(iid)
    assert status.runtime_status is RuntimeStatus.COMPLETED
    assert status.updated - status.created == timedelta(minutes=60)
    assert idle.reason == "no-work"
    assert idle.now == status.updated
    assert time.monotonic() - began < 20


def test_nothing_fires_before_the_clock_moves(make_host: MakeHost) -> None:
    clock = ManualClock()
    host = make_host(clock=clock)
    iid = host.start_new("chain", {"wait": 100})
    host.run_until_idle(limit=timedelta(seconds=99))
    assert host.status(iid).custom_status == {"step": "greeting"}
    assert clock.now() == datetime(2026, 1, 1, 0, 1, 39, tzinfo=UTC)
    clock.advance(1)
    assert host.wait(iid).runtime_status is RuntimeStatus.COMPLETED


def test_it_stops_at_its_limit_and_says_so(host: Host) -> None:
    host.start_new("chain", {"wait": 100})
    idle = host.run_until_idle(limit=timedelta(seconds=40))
    assert idle.reason == "limit"
    assert idle.now == datetime(2026, 1, 1, 0, 0, 40, tzinfo=UTC)


def test_a_host_that_never_becomes_idle_is_reported(host: Host, sample: ModuleType) -> None:
    sample.gate.clear()
    host.start_new("gated_one", "x")
    with pytest.raises(TimeoutError, match="still working"):
        host.run_until_idle(timeout=0.1)
    sample.gate.set()


def test_the_machines_clock_cannot_be_driven(make_host: MakeHost) -> None:
    with pytest.raises(HostError, match="ManualClock"):
        make_host(clock=SystemClock()).run_until_idle()


def test_the_clock_only_goes_forward() -> None:
    clock = ManualClock()
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(-1)


def test_a_clock_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001 - this is the mistake


def test_a_real_timer_fires_when_it_is_due(make_host: MakeHost) -> None:
    host = make_host(clock=SystemClock())
    status = host.wait(host.start_new("chain", {"wait": 0.3}))
    assert timedelta(seconds=0.3) <= status.updated - status.created < timedelta(seconds=5)
