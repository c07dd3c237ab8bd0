"""The timer of the probes: every resource every five minutes, and one event for each change."""

from __future__ import annotations

import pytest

from backup.moments import written
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE, TARGET
from tests.nights import MakeNights, Nights, events

TIMER = "probe_resources"


@pytest.fixture
def stage(make_stage: MakeNights, monkeypatch: pytest.MonkeyPatch) -> Nights:
    """A stage on which only the probes are scheduled."""
    monkeypatch.setenv("PROBE_SCHEDULE", "0 */5 * * * *")
    for name in ("BACKUP_SCHEDULE", "PURGE_SCHEDULE"):
        monkeypatch.setenv(name, "0 0 2 24 12 *")
    return make_stage()


def test_each_resource_is_asked_every_five_minutes(stage: Nights) -> None:
    stage.let_pass(3600)
    assert sorted(stage.calls()) == sorted(f"{name}:getInfo" for name in REGIONS for _ in range(12))


def test_lookup_knows_outage_without_asking(stage: Nights) -> None:
    """The source goes down between two runs; five minutes later it is last, and the lookup made no call."""
    stage.backup()
    stage.source.down()
    stage.let_pass(301)
    stage.forget_calls()
    found = stage.look_up("invoices")
    assert [place["role"] for place in found] == ["replica", "replica", "source"]
    assert found[-1]["lastSeen"]["state"] == "Unreachable"
    assert stage.calls() == []
    stage.source.down(is_down=False)
    stage.let_pass(301)
    assert stage.look_up("invoices")[0]["role"] == "source"


@pytest.mark.writes("resourceUp")
def test_each_change_is_one_event(stage: Nights, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        stage.let_pass(601)
        assert events(caplog.messages, "resourceDown") == []
        stage.source.down()
        stage.target.inject("*", "status", status=503, count=None)
        stage.let_pass(900)
        stage.host.run_timer(TIMER)
        found = {one["resource"]: one for one in events(caplog.messages, "resourceDown")}
        assert {name: one["code"] for name, one in found.items()} == {SOURCE: "Unreachable", TARGET: "ServerError"}
        assert len(events(caplog.messages, "resourceDown")) == 2
        since = found[SOURCE]["since"]
        assert written(stage.clock.now()) > since
        assert "Check the endpoint" in found[SOURCE]["message"]
        assert events(caplog.messages, "resourceUp") == []
        stage.source.down(is_down=False)
        stage.let_pass(600)
        assert events(caplog.messages, "resourceUp") == [
            {"event": "resourceUp", "resource": SOURCE, "downSince": since}
        ]


def test_another_worker_announces_nothing_again(stage: Nights, caplog: pytest.LogCaptureFixture) -> None:
    """The change is remembered in the catalog: a host that starts later has nothing to say."""
    stage.resource(SECOND_TARGET).down()
    with caplog.at_level("INFO"):
        stage.host.run_timer(TIMER)
        stage.host.stop()
        stage.host = stage.new_host()
        stage.host.start()
        stage.host.run_timer(TIMER)
    assert [one["resource"] for one in events(caplog.messages, "resourceDown")] == [SECOND_TARGET]
