"""``/api/runs``: the state of a run from its start to its end, in pages, and cancelling it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from backup.codes import Code
from backup.messages.copy import Failure
from backup.messages.run import RunClosing
from local.inprocess import SECOND_TARGET, TARGET, Answer
from local.simulator import seeds

from .conftest import HttpStage, MakeStage

FIRST = seeds.FIRST_MODEL_ID
SECOND = seeds.model_uuid("Shop receipts")
UNKNOWN = "copies-20260101t0000-ffffffff"


def only_copy(run: dict[str, Any]) -> dict[str, Any]:
    assert len(run["copies"]) == 1
    copy: dict[str, Any] = run["copies"][0]
    return copy


def get(stage: HttpStage, run_id: str) -> Answer:
    return stage.http("GET", f"/api/runs/{run_id}")


def cancel(stage: HttpStage, run_id: str) -> Answer:
    return stage.http("POST", f"/api/runs/{run_id}/cancel")


def test_run_is_pending_until_its_rows_are_written(stage: HttpStage) -> None:
    """It shows what was requested."""
    stage.database.broken = True
    run_id = stage.under_way([FIRST, SECOND], targets=[TARGET, SECOND_TARGET])
    answer = get(stage, run_id)
    assert answer.status == 202
    assert answer.body["status"] == "Pending"
    assert answer.body["progress"] == {"done": 0, "total": 4}
    assert {copy["status"] for copy in answer.body["copies"]} == {"Pending"}
    assert [(copy["target"], copy["modelId"]) for copy in answer.body["copies"]] == [
        (TARGET, FIRST),
        (TARGET, SECOND),
        (SECOND_TARGET, FIRST),
        (SECOND_TARGET, SECOND),
    ]
    assert len(stage.http("GET", f"/api/runs/{run_id}/copies?first=3").body["copies"]) == 1
    stage.database.broken = False
    stage.host.run_until_idle()
    assert stage.run(run_id)["status"] == "Succeeded"


def test_copy_under_way_shows_its_step(stage: HttpStage) -> None:
    """And its target id and polls."""
    stage.source.set_durations((6.0, 6.0))
    run_id = stage.under_way([FIRST])
    answer = get(stage, run_id)
    assert answer.status == 202
    assert answer.headers["location"] == f"{stage.host.base_url}/api/runs/{run_id}"
    assert answer.headers["retry-after"] == "2"
    assert answer.body["status"] == "Running"
    copy = only_copy(answer.body)
    assert (copy["status"], copy["step"], copy["polls"]) == ("Running", "checkCopy", 0)
    assert copy["targetModelId"] == stage.target.models()[0].model_id
    assert copy["endedAt"] is None
    stage.let_pass(2)
    copy = only_copy(stage.run(run_id))
    assert (copy["step"], copy["polls"]) == ("checkCopy", 1)


def test_ended_run_shows_what_was_verified(stage: HttpStage) -> None:
    run_id = stage.under_way([FIRST])
    stage.host.run_until_idle()
    answer = get(stage, run_id)
    assert answer.status == 200
    assert "retry-after" not in answer.headers
    run = answer.body
    assert (run["runId"], run["kind"], run["status"]) == (run_id, "copies", "Succeeded")
    assert run["progress"] == {"done": 1, "total": 1}
    assert run["startedAt"] < run["endedAt"]
    copy = only_copy(run)
    assert copy["targetModelId"] == stage.target.models()[0].model_id
    assert (copy["status"], copy["step"], copy["polls"], copy["code"]) == ("Succeeded", "done", 1, None)
    assert copy["startedAt"] < copy["verifiedAt"] <= copy["endedAt"]


def test_failed_copy_says_why(stage: HttpStage) -> None:
    """And which model it was."""
    missing = seeds.model_uuid("no such model")
    run = stage.copy([missing, FIRST])
    assert run["status"] == "PartiallyFailed"
    failed, good = run["copies"]
    assert (failed["status"], failed["code"], good["status"]) == ("Failed", "SourceModelNotFound", "Succeeded")
    assert missing in failed["message"]


def test_run_of_150_copies_is_read_in_pages(stage: HttpStage) -> None:
    """Without a gap."""
    run_id = stage.ended_run(75, [TARGET, SECOND_TARGET])
    assert len(stage.run(run_id)["copies"]) == 100
    first = stage.http("GET", f"/api/runs/{run_id}/copies").body
    assert first["nextLink"] == f"{stage.host.base_url}/api/runs/{run_id}/copies?first=100"
    second = stage.http("GET", first["nextLink"].removeprefix(stage.host.base_url)).body
    assert "nextLink" not in second
    copies = [(copy["target"], copy["modelId"]) for copy in first["copies"] + second["copies"]]
    assert len(first["copies"]) == 100
    assert copies == [(target, f"model-{number:03d}") for target in (TARGET, SECOND_TARGET) for number in range(75)]
    assert first["copies"] == stage.run(run_id)["copies"]


def test_last_page_has_no_next_link(stage: HttpStage) -> None:
    run_id = stage.ended_run(100, [TARGET])
    assert "nextLink" not in stage.http("GET", f"/api/runs/{run_id}/copies").body
    assert stage.http("GET", f"/api/runs/{run_id}/copies?first=100").body == {"copies": []}


@pytest.mark.parametrize("first", ["-1", "x", "", "1.5", "9" * 50, "²"])
def test_impossible_page_is_refused(stage: HttpStage, first: str) -> None:
    run_id = stage.ended_run(1, [TARGET])
    answer = stage.http("GET", f"/api/runs/{run_id}/copies?first={first}")
    assert (answer.status, answer.body["code"]) == (400, "InvalidRequest")


@pytest.mark.parametrize("run_id", [UNKNOWN, "no.such.id", "x" * 101, "%2e%2e", "a%20b", "-a"])
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("GET", "/copies"), ("POST", "/cancel")])
def test_unknown_run_is_a_404(stage: HttpStage, method: str, rest: str, run_id: str) -> None:
    answer = stage.http(method, f"/api/runs/{run_id}{rest}")
    assert (answer.status, answer.body["code"]) == (404, "UnknownRun")
    assert stage.services.catalog.runs.find(run_id) is None


@pytest.mark.writes("cancelRequested")
def test_cancelling_stops_unauthorized_copies(stage: HttpStage) -> None:
    stage.source.down()
    run_id = stage.under_way([FIRST, SECOND])
    answer = cancel(stage, run_id)
    assert (answer.status, answer.body["cancelRequested"]) == (202, True)
    assert answer.headers["location"] == answer.body["statusUrl"] == f"{stage.host.base_url}/api/runs/{run_id}"
    assert stage.run(run_id)["cancelRequested"] is True
    stage.source.down(is_down=False)
    stage.host.run_until_idle()
    run = stage.run(run_id)
    assert run["status"] == "Cancelled"
    assert {(copy["status"], copy["code"]) for copy in run["copies"]} == {("Cancelled", "Cancelled")}
    assert stage.target.requests("authorizeCopy") == []


def test_cancelled_run_finishes_copies_under_way(make_stage: MakeStage) -> None:
    stage = make_stage(copies={"concurrency": 1})
    run_id = stage.under_way([FIRST, SECOND])
    cancel(stage, run_id)
    stage.host.run_until_idle()
    run = stage.run(run_id)
    assert [copy["status"] for copy in run["copies"]] == ["Succeeded", "Cancelled"]
    assert run["status"] == "Cancelled"
    assert [model.state for model in stage.target.models()] == ["ready"]


def test_run_cancelled_too_late_succeeds(stage: HttpStage) -> None:
    run_id = stage.under_way([FIRST])
    cancel(stage, run_id)
    stage.host.run_until_idle()
    run = stage.run(run_id)
    assert (run["status"], run["cancelRequested"]) == ("Succeeded", True)


def test_run_is_cancelled_before_its_rows_are_written(stage: HttpStage) -> None:
    stage.database.broken = True
    run_id = stage.under_way([FIRST])
    assert cancel(stage, run_id).status == 202
    pending = stage.run(run_id)
    assert (pending["status"], pending["cancelRequested"]) == ("Pending", True)
    stage.database.broken = False
    stage.host.run_until_idle()
    assert stage.run(run_id)["status"] == "Cancelled"
    assert stage.target.models() == []


def test_cancelling_twice_gives_the_same_answer(stage: HttpStage) -> None:
    run_id = stage.under_way([FIRST])
    assert cancel(stage, run_id).body == cancel(stage, run_id).body


def test_cancelling_an_ended_run_returns_its_status(stage: HttpStage) -> None:
    run_id = stage.under_way([FIRST])
    stage.host.run_until_idle()
    answer = cancel(stage, run_id)
    assert (answer.status, answer.body["status"], answer.body["cancelRequested"]) == (200, "Succeeded", False)


def test_terminated_run_is_failed(stage: HttpStage) -> None:
    """It does not stay Running."""
    run_id = stage.under_way([FIRST])
    stage.host.terminate(run_id, "by an operator")
    stage.let_pass(0.1)
    answer = get(stage, run_id)
    assert answer.status == 200
    assert answer.body["status"] == "Failed"
    assert answer.body["endedAt"]
    assert "Terminated" in answer.body["message"]
    copy = only_copy(answer.body)
    assert (copy["status"], copy["code"]) == ("Failed", "ChildLost")


def test_the_list_shows_a_terminated_run_as_failed(stage: HttpStage) -> None:
    run_id = stage.under_way([FIRST])
    (listed,) = stage.http("GET", "/api/runs").body["runs"]
    assert (listed["runId"], listed["status"]) == (run_id, "Running")
    stage.host.terminate(run_id)
    stage.let_pass(0.1)
    (listed,) = stage.http("GET", "/api/runs").body["runs"]
    run = stage.run(run_id)
    assert listed["status"] == "Failed"
    assert (listed["endedAt"], listed["message"]) == (run["endedAt"], run["message"])


def test_run_terminated_without_rows_is_failed(stage: HttpStage) -> None:
    """Terminated before its rows were written."""
    stage.database.broken = True
    run_id = stage.under_way([FIRST])
    stage.host.terminate(run_id)
    stage.let_pass(0.1)
    answer = get(stage, run_id)
    assert (answer.status, answer.body["status"]) == (200, "Failed")
    assert only_copy(answer.body)["code"] == "ChildLost"


@pytest.mark.writes("claimTakenOver")
def test_next_run_resumes_copies_of_a_terminated_one(stage: HttpStage) -> None:
    run_id = stage.under_way([FIRST])
    target_id = only_copy(stage.run(run_id))["targetModelId"]
    orchestrations = {instance.name: instance.instance_id for instance in stage.host.instances()}
    for name in ("copy_batch", "lane", "copy_model"):
        stage.host.terminate(orchestrations[name])
    stage.let_pass(20 * 60)
    copy = only_copy(stage.copy([FIRST]))
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", target_id)
    assert len(stage.target.requests("authorizeCopy")) == 1


def test_run_outlives_its_purged_history(stage: HttpStage) -> None:
    run_id = stage.under_way([FIRST])
    stage.host.run_until_idle()
    before = stage.run(run_id)
    stage.host.purge(run_id)
    assert stage.run(run_id) == before


def test_no_answer_shows_a_key_or_a_token(stage: HttpStage) -> None:
    answers: list[Answer] = []

    def look(run_id: str) -> None:
        answers.append(get(stage, run_id))
        answers.append(stage.http("GET", f"/api/runs/{run_id}/copies"))

    stage.target.inject("getModel", "status", status=401, count=1)
    started = stage.post_copies([FIRST, seeds.model_uuid("no such model")])
    answers.append(started)
    run_id = started.body["runId"]
    for _ in range(6):
        stage.let_pass(0.4)
        look(run_id)
    answers += [stage.post_copies([FIRST]), cancel(stage, run_id)]
    stage.host.run_until_idle(limit=timedelta(hours=1))
    look(run_id)
    answers += [cancel(stage, run_id), stage.http("GET", "/api/health"), stage.post_copies(["x"]), get(stage, UNKNOWN)]
    shown = "\n".join(json.dumps([dict(answer.headers), answer.body]) for answer in answers)
    secrets = [*stage.keys.values(), *stage.sealing_keys, stage.host.function_key, stage.host.system_key]
    assert [secret for secret in secrets if secret in shown] == []
    assert "code=" not in shown
    assert "webhooks" not in shown
    assert "accessToken" not in shown
    assert re.search("[0-9a-f]{96}", shown) is None, "an access token of the simulated service"


def test_key_in_the_query_is_not_repeated(stage: HttpStage) -> None:
    """Not in any address of the answer."""
    run_id = stage.ended_run(101, [TARGET])
    key = stage.host.function_key
    for path in (f"/api/runs/{run_id}?code={key}", f"/api/runs/{run_id}/copies?code={key}"):
        status, headers, raw = stage.host.call_http("GET", path, with_key=False)
        assert status == 200
        assert key not in raw.decode() + json.dumps(headers)


@pytest.mark.parametrize(
    "path", ["runs?frist=5", "runs/copies-1?x=1", "runs/copies-1/copies?page=2", "runs/x/decisions?y="]
)
def test_unknown_parameter_is_refused(stage: HttpStage, path: str) -> None:
    answer = stage.http("GET", f"/api/{path}")
    name = path.partition("?")[2].partition("=")[0]
    assert (answer.status, answer.body["code"]) == (400, "UnknownParameter")
    assert [error["parameter"] for error in answer.body["errors"]] == [name]


def listed(stage: HttpStage, query: str) -> list[str]:
    """The ids of the runs on the pages of a query, from the first to the last one."""
    found: list[str] = []
    path = f"/api/runs?{query}"
    while path:
        page = stage.http("GET", path).body
        found += [run["runId"] for run in page["runs"]]
        path = page.get("nextLink", "").removeprefix(stage.host.base_url)
    return found


@pytest.fixture
def year(stage: HttpStage) -> HttpStage:
    """260 runs, one an hour from 2026-01-01T00:00Z on: every third is a backup of a plan, every tenth has failed, the last one runs."""
    start = stage.clock.now()
    for number in range(260):
        now = start + timedelta(hours=number)
        kind = "copies" if number % 3 else "backup"
        run_id = f"run-{number:03d}"
        runs = stage.services.catalog.runs
        runs.announce(run_id, kind, now, None if number % 3 else "nightly")
        if number < 259:
            if number % 10:
                runs.open_rows(run_id, [], now)
            failure = None if number % 10 else Failure(code=Code.UNREACHABLE, message="x", retryable=False)
            stage.services.catalog.plans.note_run(runs.close(RunClosing(run_id=run_id, failure=failure), now))
    return stage


def test_runs_are_narrowed_and_lose_none(year: HttpStage) -> None:
    """By plan, kind, status and time, in pages of any size; also where only few of many runs match."""
    newest_first = [f"run-{number:03d}" for number in reversed(range(260))]
    backups = [name for name in newest_first if int(name[4:]) % 3 == 0]
    failed = [name for name in newest_first if int(name[4:]) % 10 == 0]
    for limit in (1, 7, 50, 200):
        size = f"&limit={limit}"
        assert listed(year, size) == newest_first
        assert listed(year, "kind=backup" + size) == backups
        assert listed(year, "plan=nightly" + size) == backups
        assert listed(year, "status=Failed&kind=backup" + size) == [name for name in backups if name in failed]
        assert listed(year, "from=2026-01-01T05:00Z&until=2026-01-01T09:00Z" + size) == newest_first[251:255]
        assert (
            listed(year, "from=2026-01-01T06:00+01:00&until=2026-01-01T08:00:00.000Z" + size) == newest_first[252:255]
        )
        assert listed(year, "status=Running" + size) == newest_first[:1]
        assert listed(year, "kind=restore" + size) == []
    assert len(year.http("GET", "/api/runs").body["runs"]) == 50
    assert "nextLink" not in year.http("GET", "/api/runs?from=2026-01-11T10:00Z&limit=11").body


@pytest.mark.parametrize(
    ("query", "code", "says"),
    [
        ("plan=nightlyy", "UnknownPlan", 'did you mean "nightly"?'),
        ("plan=%00", "UnknownPlan", "there is no plan"),
        ("kind=backups", "InvalidRequest", "use one of: copies, backup, restore, rebuild, mapping"),
        ("status=failed", "InvalidRequest", "use one of: Pending, Running, Succeeded"),
        ("from=yesterday", "InvalidRequest", "use a moment with its time zone"),
        ("from=2026-01-01T00:00", "InvalidRequest", "use a moment with its time zone"),
        ("until=0001-01-01T00:00%2B14:00", "InvalidRequest", "use a moment with its time zone"),
        ("until=9999-12-31T23:59-14:00", "InvalidRequest", "use a moment with its time zone"),
        ("limit=201", "InvalidRequest", "use 0 to 200"),
        ("limit=" + "0" * 20 + "9" * 20, "InvalidRequest", "use 0 to 200"),
        ("after=x", "InvalidRequest", "use nextLink as returned"),
    ],
)
def test_a_wrong_filter_of_runs_is_named(make_stage: MakeStage, query: str, code: str, says: str) -> None:
    stage = make_stage(plans={"nightly": {"source": "forms-westeurope", "targets": [TARGET]}})
    answer = stage.http("GET", f"/api/runs?{query}")
    assert (answer.status, answer.body["code"]) == (400, code)
    (error,) = answer.body["errors"]
    assert error["parameter"] == query.partition("=")[0]
    assert says in error["detail"]


def test_a_plan_of_the_past_still_finds_its_runs(year: HttpStage) -> None:
    """It was configured when it ran."""
    assert "nightly" not in year.services.configuration.plans
    assert year.http("GET", "/api/runs?plan=nightly").status == 200


def test_runs_of_every_kind_are_found_by_it(make_stage: MakeStage) -> None:
    """Rebuilding and reading a mapping back are kinds as well."""
    stage = make_stage(plans={"nightly": {"source": "forms-westeurope", "targets": [TARGET]}})
    for method, path, body in (
        ("POST", "/api/catalog/rebuild", None),
        ("PUT", "/api/models", {"models": []}),
        ("POST", "/api/backups", {"plan": "nightly"}),
    ):
        assert stage.http(method, path, body).status == 202
        stage.host.run_until_idle()
    kinds = {run["runId"]: run["kind"] for run in stage.http("GET", "/api/runs").body["runs"]}
    assert set(kinds.values()) == {"rebuild", "mapping", "backup"}
    for run_id, kind in kinds.items():
        assert listed(stage, f"kind={kind}") == [run_id]
