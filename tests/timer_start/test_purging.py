"""Tidying: what is old and over goes, what somebody may still need stays."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from backup.claim import Claim, Superseded
from backup.document_models import Kind
from backup.states import ClaimState
from local.host.records import RuntimeStatus
from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from tests.nights import MakeNights, Nights, events
from timer_start.purging import WINDOW, WINDOWS_PER_CALL, windows

NOW = datetime(2026, 5, 1, 3, 30, tzinfo=UTC)


@pytest.fixture
def scheduled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timers exist, and none of them fires by itself while these tests let weeks pass."""
    monkeypatch.setenv("BACKUP_SCHEDULE", "0 0 2 24 12 *")
    monkeypatch.setenv("PROBE_SCHEDULE", "0 0 2 24 12 *")
    monkeypatch.setenv("PURGE_SCHEDULE", "0 30 3 24 12 *")


@pytest.fixture
def stage(scheduled: None, make_stage: MakeNights) -> Nights:
    return make_stage()


def purge(stage: Nights) -> None:
    stage.host.run_timer("purge_old_history")


def claim_of(stage: Nights, model_id: str, target: str = TARGET) -> Claim | None:
    held = stage.services.catalog.claims.get(target, Kind.MODEL, SOURCE, model_id)
    return held.record if held else None


def test_history_and_records_of_old_runs_go(stage: Nights, caplog: pytest.LogCaptureFixture) -> None:
    """History and records of old runs go and replicas stay."""
    old = stage.backup()["runId"]
    stage.days_pass(29)
    recent = stage.backup()["runId"]
    replicas = list(stage.services.catalog.replicas.all())
    stage.days_pass(2)
    with caplog.at_level("INFO"):
        purge(stage)
    assert stage.http("GET", f"/api/runs/{old}").status == 404
    assert stage.http("GET", f"/api/runs/{recent}").status == 200
    listed = {run["runId"] for run in stage.http("GET", "/api/runs").body["runs"]}
    assert recent in listed
    assert old not in listed
    left = [one for one in stage.host.instances() if one.created < stage.clock.now() - timedelta(days=30)]
    assert left == []
    assert list(stage.services.catalog.replicas.all()) == replicas
    event = events(caplog.messages, "historyPurged")[-1]
    assert event["orchestrations"] >= 10
    assert event["runs"] >= 1


def test_how_long_history_is_kept_can_be_set(stage: Nights) -> None:
    assert isinstance(stage.services.environment, dict)
    stage.services.environment["HISTORY_DAYS"] = "3"
    old = stage.backup()["runId"]
    stage.days_pass(2)
    purge(stage)
    assert stage.http("GET", f"/api/runs/{old}").status == 200
    stage.days_pass(2)
    purge(stage)
    assert stage.http("GET", f"/api/runs/{old}").status == 404


def test_run_that_is_still_under_way_is_not_purged(stage: Nights) -> None:
    """A run that is still under way is not purged however old it is."""
    run_id = stage.begin(seconds=0.5)
    alive = [one.instance_id for one in stage.host.instances() if one.runtime_status is RuntimeStatus.RUNNING]
    for instance_id in alive:
        stage.host.suspend(instance_id)
    stage.days_pass(40)
    purge(stage)
    assert stage.http("GET", f"/api/runs/{run_id}").status == 202
    assert set(alive) <= {one.instance_id for one in stage.host.instances()}
    for instance_id in alive:
        stage.host.resume(instance_id)
    stage.host.run_until_idle()
    assert stage.run(run_id)["endedAt"]


def test_an_instance_that_outlived_its_window_goes(stage: Nights) -> None:
    """Its window was purged while it was still running; a later night finds it."""
    stage.begin(seconds=0.5)
    alive = [one.instance_id for one in stage.host.instances() if one.runtime_status is RuntimeStatus.RUNNING]
    for instance_id in alive:
        stage.host.suspend(instance_id)
    stage.days_pass(32)
    purge(stage)
    stage.days_pass(2)
    for instance_id in alive:
        stage.host.resume(instance_id)
    stage.host.run_until_idle()
    stage.days_pass(20)
    purge(stage)
    assert not set(alive) & {one.instance_id for one in stage.host.instances()}


def test_claims_that_were_given_back_go_after_a_week(stage: Nights) -> None:
    stage.backup()
    stage.days_pass(6)
    purge(stage)
    assert claim_of(stage, "invoices") is not None
    stage.days_pass(2)
    purge(stage)
    assert claim_of(stage, "invoices") is None
    assert claim_of(stage, "invoices", SECOND_TARGET) is None
    assert str(stage.backup()["message"]).startswith("nothing to do")


def test_claims_that_somebody_holds(stage: Nights) -> None:
    """Claims that somebody holds or that remember a placeholder stay."""
    stage.backup()
    claims = stage.services.catalog.claims
    remembering = claims.get(TARGET, Kind.MODEL, SOURCE, "invoices")
    held = claims.get(TARGET, Kind.MODEL, SOURCE, "claims")
    assert remembering is not None
    assert held is not None
    given_up = Superseded(target_model_id="invoices.9", given_up_at=stage.clock.now())
    claims.save(remembering, remembering.record.model_copy(update={"superseded": [given_up]}))
    claims.save(held, held.record.model_copy(update={"state": ClaimState.COPYING, "operation": "1_a"}))
    stage.days_pass(60)
    purge(stage)
    kept = [claim_of(stage, "invoices"), claim_of(stage, "claims")]
    assert [claim.state if claim else None for claim in kept] == [ClaimState.RELEASED, ClaimState.COPYING]


def test_history_is_purged_in_small_windows(stage: Nights) -> None:
    """History is purged in small windows and where the last call stopped."""
    stage.days_pass(60)
    purge(stage)
    until = stage.services.catalog.housekeeping.purged_until()
    assert until == stage.clock.now() - timedelta(days=30)
    stage.days_pass(1)
    purge(stage)
    assert stage.services.catalog.housekeeping.purged_until() == until + timedelta(days=1)


def test_windows_follow_each_other_and_are_bounded() -> None:
    found = windows(NOW - timedelta(hours=2, minutes=30), NOW)
    assert [end - start for start, end in found] == [WINDOW, WINDOW, WINDOW / 2]
    assert all(one[1] == other[0] for one, other in itertools.pairwise(found))
    assert len(windows(NOW - timedelta(days=400), NOW)) == WINDOWS_PER_CALL
    assert windows(NOW, NOW) == []
