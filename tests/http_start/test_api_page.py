"""docs/http-api.md names every field, parameter and code of the HTTP API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from http_start.problems import TITLES
from local.inprocess import SOURCE, TARGET
from tests.nights import MakeNights, Nights, mixed_models
from tests.nights import make_stage as make_nights

__all__ = ["make_nights"]

PAGE = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text(encoding="utf-8")
NAMED = {word for span in re.findall(r"`[^`\n]+`", PAGE) for word in re.findall(r"\w+", span)}
BY_NAME = {"resources", "targets", "counts"}
"""Objects whose names are those of resources, or of actions and statuses."""


@pytest.fixture
def nights(make_nights: MakeNights, monkeypatch: pytest.MonkeyPatch) -> Nights:
    """A plan with a good night, and a copy that waits because its target throttles."""
    for name in ("BACKUP_SCHEDULE", "PROBE_SCHEDULE", "PURGE_SCHEDULE"):
        monkeypatch.setenv(name, "0 0 2 * * *")
    nights = make_nights(mixed_models(), plan={"rpoHours": 24})
    nights.backup()
    nights.resource(TARGET).inject("*", "status", status=429, headers={"Retry-After": "600"}, count=None)
    nights.http("POST", "/api/copies", {"source": SOURCE, "targets": [TARGET], "models": ["claims"]})
    nights.let_pass(60)
    return nights


def fields(body: Any, holder: str = "") -> Iterator[str]:
    """Go through the names in an answer."""
    if isinstance(body, list):
        for entry in body:
            yield from fields(entry, holder)
    elif isinstance(body, dict):
        for name, value in body.items():
            if holder not in BY_NAME:
                yield name
            yield from fields(value, name)


def test_every_field_of_an_answer_is_named(nights: Nights) -> None:
    runs = [run["runId"] for run in nights.http("GET", "/api/runs").body["runs"]]
    restore = nights.http("POST", "/api/restores", {"source": SOURCE, "dryRun": True})
    cancelled = nights.http("POST", f"/api/runs/{runs[0]}/cancel")
    paths = ["runs", "plans", "plans/nightly", "models", "replicas", "health"]
    paths += [f"runs/{run}{part}" for run in runs for part in ("", "/copies", "/decisions")]
    paths += [f"models/{SOURCE}/claims", f"models/{SOURCE}/claims?probe=true", "runs/none", "models?x=1"]
    answers = [restore.body, cancelled.body, *(nights.http("GET", f"/api/{path}").body for path in paths)]
    found = set(fields(answers))
    assert {
        "waiting",
        "until",
        "lastSeen",
        "skewSeconds",
        "coverage",
        "components",
        "fingerprint",
        "parameter",
    } <= found
    assert sorted(found - NAMED) == []


def test_moments_have_the_form_of_the_page(nights: Nights) -> None:
    (replica, *_) = nights.http("GET", "/api/replicas").body["replicas"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", replica["verifiedAt"])


def test_every_code_of_a_problem_is_named() -> None:
    table = PAGE.partition("| status | code |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([A-Z]\w+)`", table)) - {"Retry"} == set(TITLES)


def test_the_parameters_are_those_of_the_calls(nights: Nights) -> None:
    run_id = nights.http("GET", "/api/runs").body["runs"][0]["runId"]
    calls = re.findall(r"^\| `GET /api/([^`?]+)\??([^`]*)`", PAGE, flags=re.MULTILINE)
    assert len(calls) > 5
    for path, query in calls:
        if path in {"health", "dashboard"}:  # they take any
            continue
        address = path.format(id=run_id, name="nightly", source=SOURCE, modelId="claims")
        answer = nights.http("GET", f"/api/{address}?unknown=1")
        named = ", ".join(re.findall(r"(\w+)=", query))
        right = f"the parameters are {named}" if named else "this call takes none"
        assert (answer.status, answer.body["errors"][0]["detail"]) == (400, f"unknown parameter; {right}"), path


def test_the_fields_of_bodies_are_named(nights: Nights) -> None:
    """The app lists them where a body has one that it does not know."""
    for call in ("copies", "backups", "restores", "doctor"):
        body = nights.http("POST", f"/api/{call}", {"nothing": 1}).body
        said = next(error["detail"] for error in body["errors"] if error["detail"].startswith("unknown field"))
        names = said.partition("the fields are ")[2].split(", ")
        paragraphs = [part for part in re.split(r"\n\n|\n\|", PAGE) if f"`POST /api/{call}`" in part]
        assert len(names) > 1
        assert [name for name in names if not any(f"`{name}`" in part for part in paragraphs)] == [], call
