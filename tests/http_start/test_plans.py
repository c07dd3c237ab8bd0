"""``/api/plans``: what a plan did and will do; pausing it and resuming it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from backup.moments import written
from catalog.store import Table, put
from local.inprocess import TARGET
from local.simulator.models import v4_model
from tests.nights import MakeNights, Nights, events, mixed_models
from tests.nights import make_stage as make_nights

__all__ = ["make_nights"]

PLANS = {"nightly": {"rpoHours": 24}, "hourly": {"schedule": "0 30 * * * *", "kinds": ["classifier"]}}
REASON = "the target moves to another subscription, until Friday"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def nights(make_nights: MakeNights, monkeypatch: pytest.MonkeyPatch) -> Nights:
    """Two plans, at midnight: one at 02:00, one at half past each hour."""
    monkeypatch.setenv("BACKUP_SCHEDULE", "0 0 2 * * *")
    monkeypatch.setenv("PROBE_SCHEDULE", "0 */5 * * * *")
    monkeypatch.setenv("PURGE_SCHEDULE", "0 30 3 * * *")
    return make_nights(plans=PLANS)


def plan(stage: Nights, name: str = "nightly") -> dict[str, Any]:
    answer = stage.http("GET", f"/api/plans/{name}")
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.body
    return body


def patch(stage: Nights, body: Any, name: str = "nightly") -> dict[str, Any]:
    answer = stage.http("PATCH", f"/api/plans/{name}", body)
    assert answer.status == 200, answer.body
    view: dict[str, Any] = answer.body
    return view


def until(stage: Nights, hour: int, minute: int = 0, day: int = 1) -> None:
    stage.let_pass((datetime(2026, 1, day, hour, minute, tzinfo=UTC) - stage.clock.now()).total_seconds())


def runs_of(stage: Nights, name: str) -> list[str]:
    return sorted(run["runId"] for run in stage.http("GET", "/api/runs").body["runs"] if run["plan"] == name)


def test_a_plan_before_its_first_run(nights: Nights) -> None:
    assert plan(nights) == {
        "name": "nightly",
        "source": "forms-westeurope",
        "targets": ["forms-northeurope", "forms-eastus"],
        "schedule": "0 0 2 * * *",
        "ownSchedule": False,
        "scheduleProblem": None,
        "nextStart": "2026-01-01T02:00:00.000Z",
        "paused": None,
        "rpoHours": 24,
        "underWay": None,
        "lastRun": None,
        "lastGoodRun": None,
        "status": "ok",
        "findings": [],
        "failing": {"count": 0, "models": []},
        "notCovered": {"count": 0, "models": []},
        "coverage": None,
    }
    assert nights.calls() == []


def test_the_list_has_every_plan(nights: Nights) -> None:
    plans = nights.http("GET", "/api/plans").body["plans"]
    shown = [(one["name"], one["schedule"], one["ownSchedule"], one["nextStart"]) for one in plans]
    assert shown == [
        ("nightly", "0 0 2 * * *", False, "2026-01-01T02:00:00.000Z"),
        ("hourly", "0 30 * * * *", True, "2026-01-01T00:30:00.000Z"),
    ]


def test_last_run_and_last_good_run(nights: Nights) -> None:
    """A failed run leaves the good one before it in sight."""
    until(nights, 3)
    good = plan(nights)
    assert good["lastRun"] == good["lastGoodRun"]
    assert good["lastRun"]["runId"] == "nightly-20260101T0200"
    assert (good["lastRun"]["status"], good["lastRun"]["counts"]["copy"]) == ("Succeeded", 6)
    for model in list(nights.source.models()):
        nights.source.remove_model(model.model_id)
    until(nights, 3, day=2)
    bad = plan(nights)
    assert bad["lastGoodRun"] == good["lastRun"]
    last = bad["lastRun"]
    assert (last["runId"], last["status"], last["code"]) == ("nightly-20260102T0200", "Failed", "SourceListEmpty")
    assert last["endedAt"].startswith("2026-01-02T02:")


def test_dry_runs_are_no_runs_of_a_plan(nights: Nights) -> None:
    nights.http("POST", "/api/backups", {"plan": "nightly", "dryRun": True})
    nights.let_pass(60)
    assert plan(nights)["lastRun"] is None


def test_runs_are_remembered_when_they_are_purged(nights: Nights) -> None:
    until(nights, 3)
    before = plan(nights)["lastGoodRun"]
    nights.services.catalog.housekeeping.delete_runs_before(datetime(2027, 1, 1, tzinfo=UTC))
    assert nights.http("GET", "/api/runs").body["runs"] == []
    assert plan(nights)["lastGoodRun"] == before


def test_the_run_under_way_has_its_progress(nights: Nights) -> None:
    run_id = nights.begin(seconds=0.5)
    under_way = plan(nights)["underWay"]
    assert (under_way["runId"], under_way["status"]) == (run_id, "Running")
    assert under_way["progress"] == {"done": 0, "total": 6}
    nights.let_pass(60)
    assert plan(nights)["underWay"] is None


@pytest.mark.parametrize("known", [True, False])
def test_a_run_that_died_is_the_last_run(nights: Nights, known: bool) -> None:
    """Whether its orchestration was terminated, or the runtime does not know it."""
    run_id = "nightly-by-hand"
    catalog = nights.services.catalog
    catalog.runs.announce(run_id, "backup", nights.clock.now(), "nightly")
    catalog.plans.claim("nightly", run_id, nights.clock.now())
    if known:
        nights.host.start_new("backup_run", {"runId": run_id, "plan": "nightly"}, run_id)
        nights.host.terminate(run_id, "by hand")
        nights.let_pass(1)
    view = plan(nights)
    assert view["underWay"] is None
    assert (view["lastRun"]["runId"], view["lastRun"]["status"]) == (run_id, "Failed")


@pytest.mark.writes("planResumed")
def test_no_timer_starts_a_plan_that_is_paused(nights: Nights, caplog: pytest.LogCaptureFixture) -> None:
    """Each of its moments is told, and only later ones are due when it is resumed."""
    with caplog.at_level("INFO"):
        view = patch(nights, {"paused": True, "reason": REASON})
        assert view["paused"] == {"since": "2026-01-01T00:00:00.000Z", "reason": REASON}
        assert view["nextStart"] is None
        until(nights, 12, day=2)
        assert runs_of(nights, "nightly") == []
        view = patch(nights, {"paused": False})
        assert (view["paused"], view["nextStart"]) == (None, "2026-01-03T02:00:00.000Z")
        until(nights, 3, day=3)
    assert runs_of(nights, "nightly") == ["nightly-20260103T0200"]
    assert "hourly-20260102T0230" in runs_of(nights, "hourly")
    skipped = [(one["run"], one["reason"]) for one in events(caplog.messages, "runSkipped")]
    assert skipped == [(f"nightly-2026010{day}T0200", f"paused: {REASON}") for day in (1, 2)]
    assert [one["reason"] for one in events(caplog.messages, "planPaused")] == [REASON]
    assert [one["plan"] for one in events(caplog.messages, "planResumed")] == ["nightly"]


def test_a_moment_that_no_timer_saw_while_paused(nights: Nights) -> None:
    """The host was dead meanwhile: after the resume it is not made up for."""
    until(nights, 1)
    patch(nights, {"paused": True, "reason": REASON})
    nights.host.stop()
    nights.days_pass(0.5)
    nights.host = nights.new_host()
    nights.host.start()
    patch(nights, {"paused": False})
    until(nights, 20)
    assert runs_of(nights, "nightly") == []


def test_a_person_may_run_a_plan_that_is_paused(nights: Nights) -> None:
    patch(nights, {"paused": True, "reason": REASON})
    assert nights.backup()["status"] == "Succeeded"
    assert plan(nights)["paused"]["reason"] == REASON


def test_a_new_reason_keeps_since_when(nights: Nights) -> None:
    patch(nights, {"paused": True, "reason": "one"})
    until(nights, 1)
    assert patch(nights, {"paused": True, "reason": " two\n words "})["paused"] == {
        "since": "2026-01-01T00:00:00.000Z",
        "reason": "two words",
    }


@pytest.mark.parametrize(
    ("body", "code", "pointer", "words"),
    [
        ({"paused": True}, "InvalidRequest", "#/reason", "say why"),
        ({"paused": True, "reason": " \n"}, "InvalidRequest", "#/reason", "say why"),
        ({"paused": True, "reason": None}, "InvalidRequest", "#/reason", "say why"),
        ({"paused": True, "reason": "x" * 201}, "InvalidRequest", "#/reason", "at most 200"),
        ({"paused": True, "reason": 7}, "InvalidRequest", "#/reason", "double quotes"),
        ({"paused": True, "reason": f"key {KEY}"}, "InvalidRequest", "#/reason", "may be a key"),
        ({"paused": "true", "reason": "x"}, "InvalidRequest", "#/paused", "without quotes"),
        ({"paused": 1, "reason": "x"}, "InvalidRequest", "#/paused", "without quotes"),
        ({"reason": "x"}, "InvalidRequest", "#/paused", "add it"),
        ({}, "InvalidRequest", "#/paused", "add it"),
        ({"paused": True, "reason": "x", "until": "Friday"}, "UnknownField", "#/until", "paused, reason"),
        ([], "InvalidRequest", "#", "write { … }"),
    ],
)
def test_bodies_that_are_refused(nights: Nights, body: Any, code: str, pointer: str, words: str) -> None:
    answer = nights.http("PATCH", "/api/plans/nightly", body)
    assert (answer.status, answer.body["code"]) == (400, code)
    (error,) = answer.body["errors"]
    assert error["pointer"] == pointer
    assert words in error["detail"]
    assert KEY not in str(answer.body)
    assert plan(nights)["paused"] is None


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_unknown_plan_names_the_closest_one(nights: Nights, method: str) -> None:
    answer = nights.http(method, "/api/plans/nightli", {"paused": False} if method == "PATCH" else None)
    assert (answer.status, answer.body["code"]) == (404, "UnknownPlan")
    assert 'did you mean "nightly"?' in answer.body["detail"]


def test_plan_whose_schedule_is_not_set(nights: Nights) -> None:
    """It says so, and what to do; its last runs are shown as ever."""
    assert isinstance(nights.services.environment, dict)
    for text, words in (("", "is not set"), ("daily", "cannot be read")):
        nights.services.environment["BACKUP_SCHEDULE"] = text
        view = plan(nights)
        assert view["nextStart"] is None
        assert words in view["scheduleProblem"]
        assert "NCRONTAB" in view["scheduleProblem"]
    assert patch(nights, {"paused": True, "reason": REASON})["paused"]["reason"] == REASON
    assert patch(nights, {"paused": False})["paused"] is None


def test_a_plan_says_what_it_covers(make_nights: MakeNights) -> None:
    """And what it cannot cover, what fails and since when, and whether the RPO holds."""
    stage = make_nights(mixed_models(), plan={"rpoHours": 24}, targets=[TARGET])
    assert plan(stage)["coverage"] is None
    stage.backup()
    view = plan(stage)
    assert view["coverage"]["targets"] == {
        TARGET: {
            "models": 5, "covered": 3, "notCovered": 2, "failing": 0, "inTraining": 0, "lackingSince": None, "rpoMet": True,
        }
    }  # fmt: skip
    assert (view["status"], view["findings"], view["failing"]) == ("ok", [], {"count": 0, "models": []})
    assert view["notCovered"]["count"] == 2
    assert {(one["modelId"], one["code"]) for one in view["notCovered"]["models"]} == {
        ("mail", "KindUnsupported"),
        ("sorter", "KindUnsupported"),
    }
    stage.days_pass(1)
    since = stage.clock.now()
    stage.source.put_model(v4_model("newcomer", trained=since))
    stage.target.set_limits(model_limit=1)
    stage.backup()
    stage.days_pass(1.1)
    stage.backup()
    view = plan(stage)
    assert view["status"] == "failing"
    assert {one["code"] for one in view["findings"]} == {"PlanPartlyFailing", "PlanOverdue", "RpoBreached"}
    (failing,) = view["failing"]["models"]
    assert (failing["modelId"], failing["code"]) == ("newcomer", "ModelLimitReached")
    assert failing["since"] >= written(since)
    assert failing["remedy"]
    target = view["coverage"]["targets"][TARGET]
    assert (target["failing"], target["lackingSince"], target["rpoMet"]) == (1, written(since), False)
    (listed,) = stage.http("GET", "/api/plans").body["plans"]
    assert (listed["failing"], listed["notCovered"]) == (1, 2)


@pytest.mark.parametrize("key", ["nightly", "state|nightly", "runs|nightly", "coverage|nightly"])
def test_a_corrupt_plan_hides_no_other(nights: Nights, key: str) -> None:
    """A row of the catalog that cannot be read is named, as in health; the other plans are answered whole."""
    nights.backup()
    store = nights.services.catalog.plans._store
    corrupt_row = {"runId": 5, "until": "soon", "lookedAt": [], "last": 1, "firstSeenAt": "x"}
    put(store, Table.PLANS, "plans", key, corrupt_row, store.get(Table.PLANS, "plans", key))
    answer = nights.http("GET", "/api/plans")
    assert answer.status == 200, answer.body
    corrupt, other = answer.body["plans"]
    assert (corrupt["name"], corrupt["source"], other["name"]) == ("nightly", "forms-westeurope", "hourly")
    assert other["findings"] == []
    assert set(corrupt) == set(other)
    (finding,) = [one for one in corrupt["findings"] if one["code"] == "WatchFailing"]
    assert "plan nightly cannot be looked at" in finding["message"]
    assert (corrupt["status"], corrupt["schedule"]) == (finding["severity"], "0 0 2 * * *")
    assert nights.http("GET", "/api/plans/nightly").status == 200
    assert "WatchFailing" in {one["code"] for one in nights.http("GET", "/api/health").body["findings"]}
