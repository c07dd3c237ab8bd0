"""The watch: it closes runs that died, and tells what begins to be wrong and what is right again, once."""

from __future__ import annotations

from typing import Any

import pytest

from backup.names import BACKUP_RUN
from catalog.sqlite import SqliteStore
from catalog.store import CatalogUnavailable, Table
from local.inprocess import SOURCE, setting
from tests.nights import PLAN, MakeNights, Nights, events


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer has a schedule, and it fires only when a test lets it."""
    monkeypatch.setenv("PROBE_SCHEDULE", "0 0 4 29 2 *")


def watch(stage: Nights, minutes: float = 5) -> None:
    """Let the watch fire after some minutes."""
    stage.let_pass(minutes * 60)
    stage.host.run_timer("watch_backups")


def told(stage: Nights, kind: str = "began") -> list[str]:
    """Return the codes of all notices of a kind, those of one notice joined."""
    kept = stage.services.catalog.notices.kept()
    return ["+".join(line.code for line in one.notice.lines) for one in kept if one.notice.kind == kind]


def test_a_run_that_died_is_closed_and_told(stage: Nights, caplog: pytest.LogCaptureFixture) -> None:
    """The task hub was lost, and with it the run's orchestration."""
    dead = stage.begin(seconds=0.5)
    stage.host.stop()
    for file in stage.folder.glob("host.sqlite*"):
        file.unlink()
    stage.host = stage.new_host()
    stage.host.start()
    with caplog.at_level("INFO"):
        watch(stage)
        assert stage.run(dead)["status"] == "Running"
        watch(stage)
        watch(stage)
    run = stage.run(dead)
    assert (run["status"], run["code"]) == ("Failed", "ChildLost")
    assert "is not known to the runtime any more" in run["message"]
    (ended,) = events(caplog.messages, "runEnded")
    assert (ended["run"], ended["status"], ended["plan"]) == (dead, "Failed", PLAN)
    assert [one["code"] for one in events(caplog.messages, "findingBegan")].count("PlanFailing") == 1
    assert [codes for codes in told(stage) if "PlanFailing" in codes] == [
        "PlanFailing+" + "+".join(["CopyFailing"] * 6)
    ]
    stage.days_pass(0.1)
    assert stage.backup()["status"] == "Succeeded"
    assert len([codes for codes in told(stage, "ended") if "PlanFailing" in codes]) == 1


def test_lanes_that_go_on_without_their_run_close_it(stage: Nights) -> None:
    """The watch does not say that a run failed whose lanes still work."""
    dead = stage.begin(seconds=0.5)
    stage.host.terminate(dead, "by hand")
    watch(stage)
    stage.host.run_until_idle()
    assert stage.run(dead)["status"] == "Succeeded"
    assert told(stage) == []


def test_a_run_that_just_began_is_left_alone(stage: Nights) -> None:
    """The runtime may not know it yet."""
    run_id = stage.begin()
    stage.host.run_timer("watch_backups")
    stage.host.run_until_idle()
    assert stage.run(run_id)["status"] == "Succeeded"
    assert [one.name for one in stage.host.instances()].count(BACKUP_RUN) == 1


def test_a_resource_that_stays_down_is_told_once(stage: Nights, caplog: pytest.LogCaptureFixture) -> None:
    """Not in its first ten minutes, and again when it is over."""
    stage.source.down()
    stage.host.run_timer("probe_resources")
    with caplog.at_level("INFO"):
        watch(stage)
        assert "ResourceDown" not in str(told(stage))
        watch(stage, 10)
        watch(stage, 10)
    assert told(stage).count("ResourceDown") == 1
    (began,) = [one for one in events(caplog.messages, "findingBegan") if one["code"] == "ResourceDown"]
    assert (began["subject"], began["cause"]) == (SOURCE, "Unreachable")
    stage.source.down(is_down=False)
    stage.host.run_timer("probe_resources")
    watch(stage)
    assert "ResourceDown" in str(told(stage, "ended"))


def test_each_part_of_the_watch_is_on_its_own(
    stage: Nights, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A plan whose row cannot be read keeps nobody from hearing of a key that is missing."""
    stage.services.environment = {**stage.services.environment, setting(SOURCE): ""}
    read = SqliteStore.get

    def refuse(store: SqliteStore, table: Table, *key: str) -> Any:
        if table is Table.PLANS:
            raise CatalogUnavailable("the table of plans does not answer")
        return read(store, table, *key)

    monkeypatch.setattr(SqliteStore, "get", refuse)
    with caplog.at_level("INFO"), pytest.raises(CatalogUnavailable):
        stage.host.run_timer("watch_backups")
    assert told(stage) == ["SettingInvalid"]
    assert [one["code"] for one in events(caplog.messages, "appUnusable")] == ["CatalogUnavailable"]


def test_a_plan_that_is_gone_has_no_findings(make_stage: MakeNights) -> None:
    stage = make_stage(settings={"BACKUP_SCHEDULE": "never"})
    watch(stage)
    assert "ScheduleMissing" in str(told(stage))
    stage.services.configuration = stage.services.configuration.model_copy(update={"plans": {}})
    watch(stage)
    assert "ScheduleMissing" in str(told(stage, "ended"))
    assert stage.http("GET", "/api/health").body["findings"] == []


def test_a_watch_that_stops_is_told_by_health(stage: Nights) -> None:
    stage.services.environment = {**stage.services.environment, "PROBE_SCHEDULE": "0 */5 * * * *"}
    watch(stage)
    assert stage.http("GET", "/api/health").body["status"] == "ok"
    stage.days_pass(0.1)
    assert [one["code"] for one in stage.http("GET", "/api/health").body["findings"]] == ["WatchStopped"]


def test_what_stays_wrong_is_told_again_each_week(stage: Nights) -> None:
    stage.services.environment = {**stage.services.environment, setting(SOURCE): ""}
    watch(stage)
    for _ in range(3):
        stage.days_pass(6.5)
        watch(stage)
        stage.days_pass(0.5)
        watch(stage)
        watch(stage)
    assert [codes for codes in told(stage) if "SettingInvalid" in codes] == ["SettingInvalid"]
    assert len([codes for codes in told(stage, "reminder") if "SettingInvalid" in codes]) == 3
