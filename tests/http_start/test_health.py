"""``GET /api/health``: what is wrong, without a call to a resource; 503 only for an app that can do nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from catalog.sqlite import SqliteStore
from catalog.store import CatalogUnavailable, Table
from local.inprocess import REGIONS, SOURCE, TARGET, Answer, Stage, setting
from local.simulator import seeds
from wiring.services import use

from .conftest import HttpStage, MakeStage


def health(stage: Stage, status: str) -> list[dict[str, Any]]:
    """Return the findings of a health that has this status."""
    answer: Answer = stage.http("GET", "/api/health")
    assert (answer.status, answer.body["status"]) == (200, status), answer.body
    findings: list[dict[str, Any]] = answer.body["findings"]
    return findings


def test_resources_are_unseen_before_the_first_call(stage: HttpStage) -> None:
    """Asking for the health calls none of them."""
    assert health(stage, "ok") == []
    resources = stage.http("GET", "/api/health").body["resources"]
    assert set(resources) == set(REGIONS)
    assert resources[SOURCE]["region"] == "westeurope"
    assert stage.calls() == []


def test_a_source_that_is_down_is_a_finding(stage: HttpStage) -> None:
    """The app itself does its job: the answer stays 200, so that no platform restarts it."""
    stage.source.down()
    stage.copy([seeds.FIRST_MODEL_ID])
    (finding,) = health(stage, "degraded")
    assert (finding["code"], finding["subject"], finding["cause"]) == ("ResourceDown", SOURCE, "Unreachable")
    assert finding["since"]
    assert finding["remedy"]
    stage.source.down(is_down=False)
    stage.copy([seeds.FIRST_MODEL_ID])
    assert health(stage, "ok") == []
    resources = stage.http("GET", "/api/health").body["resources"]
    assert [resources[name]["lastSeen"]["state"] for name in (SOURCE, TARGET)] == ["reachable", "reachable"]


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("", "empty"),
        (
            "@Microsoft.KeyVault(SecretUri=https://vault.vault.azure.net/secrets/forms)",
            "a reference that the platform could not resolve",
        ),
        ("<key of forms-westeurope>", "placeholder"),
    ],
)
def test_a_key_that_is_none_is_a_finding(make_stage: MakeStage, value: str, wrong: str) -> None:
    stage = make_stage()
    stage.services.environment = {**stage.services.environment, setting(SOURCE): value}
    (finding,) = health(stage, "failing")
    assert (finding["code"], finding["subject"]) == ("SettingInvalid", setting(SOURCE))
    assert wrong in finding["message"]
    assert not value or value not in str(finding)


@pytest.mark.parametrize("text", [" ", "every night", "0 0 30 * * *", "@Microsoft.KeyVault(SecretName=purge)"])
def test_a_timer_without_schedule_is_a_finding(make_stage: MakeStage, text: str) -> None:
    stage = make_stage(settings={"PURGE_SCHEDULE": text})
    (finding,) = health(stage, "failing")
    assert (finding["code"], finding["subject"]) == ("ScheduleMissing", "PURGE_SCHEDULE")


def test_a_catalog_on_a_worker_of_azure_is_a_finding(make_stage: MakeStage) -> None:
    stage = make_stage(settings={"CATALOG": "sqlite:/home/catalog.sqlite", "WEBSITE_INSTANCE_ID": "1f"})
    (finding,) = health(stage, "failing")
    assert finding["code"] == "CatalogOnLocalDisk"


def test_a_broken_configuration_is_503(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"resources": {"west": {"endpoint": "http://example.com"}}}', encoding="utf-8")
    monkeypatch.setenv("BACKUP_CONFIG", str(broken))
    use(None)
    answer = stage.http("GET", "/api/health")
    assert (answer.status, answer.body["status"], answer.body["code"]) == (503, "failing", "ConfigurationInvalid")
    assert "resources.west.endpoint" in answer.body["detail"]
    assert answer.body["findings"][0]["remedy"]
    assert answer.headers["retry-after"]
    use(stage.services)
    assert stage.http("GET", "/api/health").status == 200


def test_a_catalog_that_is_away_is_503(stage: HttpStage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise CatalogUnavailable("the storage account does not answer")

    monkeypatch.setattr(SqliteStore, "get", refuse)
    monkeypatch.setattr(SqliteStore, "scan", refuse)
    answer = stage.http("GET", "/api/health")
    assert (answer.status, answer.body["code"]) == (503, "CatalogUnavailable")
    assert "does not answer" in answer.body["detail"]


def test_a_plan_that_cannot_be_read_hides_no_other(make_stage: MakeStage) -> None:
    """A row that nobody understands is told, and the answer stays 200."""
    plans = {name: {"source": SOURCE, "targets": [TARGET]} for name in ("nightly", "weekly")}
    stage = make_stage(plans=plans, settings={"BACKUP_SCHEDULE": ""})
    stage.database.insert(Table.PLANS, "plans", "state|nightly", {"x": 1})
    findings = health(stage, "failing")
    assert {(one["code"], one["subject"]) for one in findings} == {
        ("WatchFailing", "look at plan nightly"),
        ("ScheduleMissing", "weekly"),
    }


def test_a_watch_that_fires_each_hour_has_not_stopped(make_stage: MakeStage) -> None:
    stage = make_stage(settings={"PROBE_SCHEDULE": "0 0 * * * *"})
    stage.services.catalog.findings.observe("watch", (), stage.clock.now(), stage.clock.now())
    stage.let_pass(3700)
    assert health(stage, "ok") == []
    stage.let_pass(3700)
    assert [one["code"] for one in health(stage, "failing")] == ["WatchStopped"]
