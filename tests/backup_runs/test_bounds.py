"""No wait without an end: whatever refuses for ever, a run ends, says why, and lets the next night begin."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.sqlite import SqliteStore
from catalog.store import CatalogUnavailable, Row, Table
from local.inprocess import SECOND_TARGET, SOURCE, TARGET, setting
from local.simulator.models import v4_model
from tests.nights import MakeNights, Nights, rows

HOUR = 3600.0
THREE_DAYS = {"Retry-After": "259200"}
A_MINUTE = {"Retry-After": "60"}
BAD_KEYS = {
    "empty": "",
    "unresolved": "@Microsoft.KeyVault(SecretUri=https://vault.vault.azure.net/secrets/forms)",
    "placeholder": "<key of forms-westeurope>",
}


class LosableStore(SqliteStore):
    """A catalog that can be away."""

    is_away = False
    """Whether the table of runs does not answer."""

    def get(self, table: Table, partition: str, key: str) -> Row | None:
        """See :class:`catalog.store.Store`."""
        if self.is_away and table is Table.RUNS:
            raise CatalogUnavailable("the catalog does not answer")
        return super().get(table, partition, key)

    def ensure(self, table: Table, partition: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """See :class:`catalog.store.Store`."""
        if self.is_away and table is Table.RUNS:
            raise CatalogUnavailable("the catalog does not answer")
        super().ensure(table, partition, rows)


@pytest.fixture
def store(tmp_path: Path) -> LosableStore:
    return LosableStore(tmp_path / "catalog.sqlite")


def lasted(run: Mapping[str, Any]) -> float:
    """Return the seconds from a run's beginning to its end."""
    began, ended = (datetime.fromisoformat(run[name]) for name in ("startedAt", "endedAt"))
    return (ended - began).total_seconds()


def set_key(stage: Nights, resource: str, key: str | None) -> None:
    """Set the app setting that holds a resource's key."""
    environment = dict(stage.services.environment)
    environment.pop(setting(resource))
    if key is not None:
        environment[setting(resource)] = key
    stage.services.environment = environment


# lists


def test_a_list_refused_for_ever_ends_the_run(stage: Nights) -> None:
    """At the plan's deadline, with the reason; the next night runs."""
    stage.source.inject("listModels", "status", status=429, headers=A_MINUTE, count=None)
    run = stage.backup()
    assert (run["status"], run["code"]) == ("Failed", "SourceListFailed")
    assert "Throttled: " in run["message"]
    assert "The app has waited since" in run["message"]
    assert HOUR < lasted(run) <= 2 * HOUR
    stage.source.clear_faults()
    stage.days_pass(1)
    assert stage.backup()["status"] == "Succeeded"


def test_the_plans_deadline_ends_its_lists(make_stage: MakeNights) -> None:
    stage = make_stage(plan={"deadlineMinutes": 10})
    stage.source.inject("listModels", "status", status=429, headers=A_MINUTE, count=None)
    run = stage.backup()
    assert run["status"] == "Failed"
    assert 500 < lasted(run) <= 600


def test_retry_after_of_three_days_ends_the_run_now(stage: Nights) -> None:
    """And says until when the service refuses."""
    stage.source.inject("listModels", "status", status=429, headers=THREE_DAYS, count=None)
    began = stage.clock.now()
    run = stage.backup()
    assert (run["status"], run["code"]) == ("Failed", "SourceListFailed")
    assert f"The service refuses until {began + timedelta(days=3):%Y-%m-%dT%H:%M}" in run["message"]
    assert lasted(run) < 60


def test_three_days_at_a_target_block_it_alone(stage: Nights) -> None:
    stage.target.inject("listModels", "status", status=429, headers=THREE_DAYS, count=None)
    run = stage.backup()
    assert run["status"] == "PartiallyFailed"
    assert {code for target, _, _, code in rows(run) if target == TARGET} == {"TargetListFailed"}
    assert {status for target, _, status, _ in rows(run) if target == SECOND_TARGET} == {"Succeeded"}
    assert all("refuses until" in row["message"] for row in run["copies"] if row["target"] == TARGET)


def test_a_key_refused_for_ever_ends_the_run(stage: Nights) -> None:
    stage.source.inject("*", "status", status=401, count=None)
    run = stage.backup()
    assert (run["status"], run["code"]) == ("Failed", "SourceListFailed")
    assert "AccessDenied: " in run["message"]
    assert lasted(run) < 60


@pytest.mark.parametrize("ahead", [1, 2, 3], ids="circle of {}".format)
def test_a_list_that_goes_round_ends_the_run(make_stage: MakeNights, ahead: int) -> None:
    """A page names itself, or one of the pages before it, as the next."""
    stage = make_stage([v4_model("invoices")], plan={"kinds": ["model"]})
    base = stage.simulator.endpoint(SOURCE)
    path = "documentintelligence/documentModels?api-version=2024-11-30"
    for number in range(60):
        link = f"{base}/{path}&page={number % ahead}"
        stage.source.inject("listModels", "status", status=200, body={"value": [], "nextLink": link})
    run = stage.backup()
    assert (run["status"], run["code"]) == ("Failed", "SourceListFailed")
    assert "UnreadableAnswer" in run["message"]
    assert len(stage.source.requests("listModels")) < 40


def test_a_list_that_is_never_done_ends_the_run(make_stage: MakeNights) -> None:
    """Its pages go on, each another one, at the pace of the rate limits."""
    stage = make_stage(
        [v4_model("invoices")], plan={"deadlineMinutes": 5, "kinds": ["model"]}, rate_limits={"listPerSecond": 0.2}
    )
    base = stage.simulator.endpoint(SOURCE)
    path = "documentintelligence/documentModels?api-version=2024-11-30"
    for number in range(200):
        link = f"{base}/{path}&page={number}"
        stage.source.inject("listModels", "status", status=200, body={"value": [], "nextLink": link})
    run = stage.backup()
    assert (run["status"], run["code"]) == ("Failed", "SourceListFailed")
    assert "DeadlineExceeded" in run["message"]
    assert lasted(run) <= 310


def test_a_list_that_dies_ends_the_run(stage: Nights) -> None:
    """The run is closed, and the plan is free."""
    stage.source.inject("listModels", "status", status=429, headers=A_MINUTE, count=None)
    run_id = stage.begin(90.0)
    dying = next(one.instance_id for one in stage.host.instances() if one.name == "list_resource")
    stage.host.terminate(dying, "by an operator")
    stage.host.run_until_idle()
    run = stage.run(run_id)
    assert (run["status"], run["code"], run["waiting"]) == ("Failed", "ChildLost", [])
    stage.source.clear_faults()
    assert stage.backup()["status"] == "Succeeded"


# settings


@pytest.mark.parametrize("key", [None, *BAD_KEYS.values()], ids=["unset", *BAD_KEYS])
def test_a_key_that_is_none_ends_the_run_at_once(stage: Nights, key: str | None) -> None:
    set_key(stage, SOURCE, key)
    run = stage.backup()
    assert (run["status"], run["code"]) == ("Failed", "ConfigurationInvalid")
    assert setting(SOURCE) in run["message"]
    assert key is None or not key or key not in run["message"]
    assert lasted(run) < 5
    assert stage.calls() == []
    assert stage.services.catalog.plans.holder("nightly", stage.clock.now()) is None


@pytest.mark.parametrize("resource", [SOURCE, TARGET])
def test_a_key_that_is_none_ends_a_copy_at_once(stage: Nights, resource: str) -> None:
    set_key(stage, resource, BAD_KEYS["unresolved"])
    run = stage.copy(["invoices"])
    (copy,) = run["copies"]
    assert (copy["status"], copy["code"]) == ("Failed", "ConfigurationInvalid")
    assert setting(resource) in copy["message"]
    assert lasted(run) < 5


def test_one_target_without_a_key_blocks_it_alone(stage: Nights) -> None:
    set_key(stage, TARGET, None)
    run = stage.backup()
    assert {code for target, _, _, code in rows(run) if target == TARGET} == {"TargetListFailed"}
    assert {status for target, _, status, _ in rows(run) if target == SECOND_TARGET} == {"Succeeded"}
    assert lasted(run) < 60


def test_no_target_with_a_key_ends_the_run_at_once(make_stage: MakeNights) -> None:
    stage = make_stage(targets=[TARGET])
    set_key(stage, TARGET, "")
    run = stage.backup()
    assert (run["status"], run["code"]) == ("Failed", "ConfigurationInvalid")
    assert stage.calls() == []


def test_a_restore_without_a_key_ends_at_once(stage: Nights) -> None:
    stage.backup()
    set_key(stage, SOURCE, "")
    answer = stage.http("POST", "/api/restores", {"source": SOURCE})
    stage.host.run_until_idle()
    run = stage.run(answer.body["runId"])
    assert (run["status"], run["code"]) == ("Failed", "ConfigurationInvalid")
    assert lasted(run) < 5


# copies


def test_three_days_at_a_start_end_the_copy_now(stage: Nights) -> None:
    """Its placeholder is removed."""
    stage.source.inject("startCopy", "status", status=429, headers=THREE_DAYS, count=None)
    run = stage.copy(["invoices"])
    (copy,) = run["copies"]
    assert (copy["status"], copy["code"]) == ("Failed", "Throttled")
    assert "The service refuses until" in copy["message"]
    assert lasted(run) < 60
    assert stage.held() == {}


def test_three_days_at_a_check_park_the_copy_now(stage: Nights) -> None:
    """The service is copying: the next request resumes the copy."""
    stage.source.inject("getOperation", "status", status=429, headers=THREE_DAYS, count=None)
    run = stage.copy(["invoices"])
    (copy,) = run["copies"]
    assert copy["status"] == "StillCopying"
    assert "The service refuses until" in copy["message"]
    assert lasted(run) < 60
    stage.source.clear_faults()
    (again,) = stage.copy(["invoices"])["copies"]
    assert again["status"] == "Succeeded"


def test_a_deletion_refused_for_ever_ends_its_row(make_stage: MakeNights) -> None:
    stage = make_stage(plan={"retention": {"deleteRemoved": True, "graceDays": 0, "maxDeletePercent": 100}})
    stage.backup()
    stage.source.remove_model("invoices")
    stage.target.inject("deleteModel", "status", status=429, headers=A_MINUTE, count=None)
    for _ in range(2):
        stage.days_pass(1)
        run = stage.backup()
    failed = [row for row in run["copies"] if row["status"] == "Failed"]
    assert [(row["action"], row["code"]) for row in failed] == [("delete", "Throttled")]
    assert lasted(run) <= 2 * HOUR


def test_a_copy_that_dies_while_it_waits_ends(stage: Nights) -> None:
    """Its run goes on, and what it waited for is shown no longer than the run lasts."""
    stage.source.inject("startCopy", "status", status=429, headers=A_MINUTE, count=None)
    run_id: str = stage.post_copies(["invoices"]).body["runId"]
    stage.let_pass(30)
    dying = next(one.instance_id for one in stage.host.instances() if one.name == "copy_model")
    stage.host.terminate(dying, "by an operator")
    stage.host.run_until_idle()
    run = stage.run(run_id)
    assert [copy["code"] for copy in run["copies"]] == ["ChildLost"]
    assert (run["status"], run["waiting"]) == ("Failed", [])


# the catalog


@pytest.mark.parametrize("hours", [2, 30])
def test_a_catalog_away_at_the_claim_ends_the_run(make_stage: MakeNights, store: LosableStore, hours: int) -> None:
    """Its end is written when the catalog is back, for a day at most."""
    stage = make_stage(store=lambda: store)
    store.is_away = True
    run_id = stage.begin(hours * HOUR)
    store.is_away = False
    stage.host.run_until_idle()
    run = stage.run(run_id)
    assert run["status"] == "Failed"
    assert stage.backup()["status"] == "Succeeded"


def test_a_catalog_away_too_long_ends_the_run(make_stage: MakeNights, store: LosableStore) -> None:
    """While lanes take rows: after a day they give up, and the run is closed when the catalog is back."""
    stage = make_stage(store=lambda: store, copies={"concurrency": 1}, copy_seconds=(60.0, 60.0))
    run_id = stage.begin(30.0)
    store.is_away = True
    stage.let_pass(30 * HOUR)
    store.is_away = False
    stage.host.run_until_idle()
    run = stage.run(run_id)
    assert run["status"] in {"Failed", "PartiallyFailed"}
    assert run["endedAt"]
    assert stage.backup()["status"] == "Succeeded"


# what users see


def test_a_run_is_running_while_it_lists(stage: Nights) -> None:
    stage.source.inject("listModels", "status", status=429, headers=A_MINUTE, count=None)
    run = stage.run(stage.begin(30.0))
    assert (run["status"], run["kind"]) == ("Running", "backup")
    (listed,) = stage.http("GET", "/api/runs").body["runs"]
    assert listed["status"] == "Running"


def test_a_run_says_what_it_waits_for(stage: Nights) -> None:
    """Since when, and until when at the latest; no longer once the wait is over."""
    stage.source.inject("listModels", "status", status=429, headers=A_MINUTE, count=None)
    began = stage.clock.now()
    run_id = stage.begin(90.0)
    waiting = stage.run(run_id)["waiting"]
    assert waiting
    for wait in waiting:
        assert SOURCE in wait["for"]
        assert wait["code"] == "Throttled"
        assert wait["message"]
        assert abs(datetime.fromisoformat(wait["since"]) - began) < timedelta(seconds=5)
        assert abs(datetime.fromisoformat(wait["until"]) - began - timedelta(hours=2)) < timedelta(seconds=5)
    stage.source.clear_faults()
    stage.host.run_until_idle()
    ended = stage.run(run_id)
    assert (ended["status"], ended["waiting"]) == ("Succeeded", [])
    assert list(stage.services.catalog.waits.of_run(run_id)) == []


def test_a_copy_says_what_it_waits_for(stage: Nights) -> None:
    """One entry, written once, however long the wait is; none while it goes on."""
    stage.source.inject("startCopy", "status", status=429, headers=A_MINUTE, count=None)
    run_id: str = stage.post_copies(["invoices"]).body["runId"]
    stage.let_pass(30)
    (wait,) = stage.run(run_id)["waiting"]
    assert wait["code"] == "Throttled"
    assert all(text in wait["for"] for text in ("startCopy", "invoices", SOURCE, TARGET))
    stage.let_pass(54 * 60)
    (later,) = stage.run(run_id)["waiting"]
    assert later == wait
    stage.source.clear_faults()
    stage.host.run_until_idle()
    assert stage.run(run_id)["waiting"] == []
    assert list(stage.services.catalog.waits.of_run(run_id)) == []


def test_many_waits_are_counted_and_few_shown(make_stage: MakeNights) -> None:
    models = [v4_model(f"model-{number:02d}") for number in range(25)]
    stage = make_stage(models, targets=[TARGET])
    stage.source.inject("startCopy", "status", status=429, headers=A_MINUTE, count=None)
    run = stage.run(stage.begin(30.0))
    assert (len(run["waiting"]), run["more"]) == (20, 5)
