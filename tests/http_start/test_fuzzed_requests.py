"""Random requests to every HTTP function: none ends as a 500, and every refusal says what to change."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function_app import app
from local.host.app_index import HttpFunction, load_app
from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from tests.described import check_raw
from tests.hostile import HEADERS, bodies, escaped, fuzzed, queries, texts

from .conftest import FIRST, HttpStage

PLAN = "nightly"
FUNCTIONS = {function.info.name: function for function in load_app(app).http}
KNOWN = [
    "source",
    "target",
    "targets",
    "models",
    "kind",
    "plan",
    "plans",
    "resources",
    "dryRun",
    "planHash",
    "paused",
    "reason",
    "targetModelId",
    "deadlineMinutes",
    "state",
    "status",
    "from",
    "until",
    "limit",
    "after",
    "first",
    "probe",
]
NAMES = st.one_of(st.sampled_from(KNOWN), texts())
VALUES = texts(SOURCE, TARGET, SECOND_TARGET, FIRST, PLAN, "model", "classifier", "copies", "Failed", "ready", "a" * 64)


@pytest.fixture(scope="module")
def fuzzed_stage(tmp_path_factory: pytest.TempPathFactory, protocol_1: None) -> Iterator[HttpStage]:
    """One app for all requests."""
    plans = {PLAN: {"source": SOURCE, "targets": [TARGET]}}
    with HttpStage(tmp_path_factory.mktemp("fuzzed"), plans=plans) as stage:
        yield stage


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@fuzzed
@given(data=st.data())
def test_no_request_ends_as_a_500(fuzzed_stage: HttpStage, name: str, data: st.DataObject) -> None:
    function = FUNCTIONS[name]
    path = "/api/" + re.sub(r"\{\w+\}", lambda _: escaped(data.draw(VALUES, "segment")) or "x", function.route)
    path += data.draw(queries(NAMES, VALUES), "query")
    headers = data.draw(HEADERS, "headers")
    body = data.draw(bodies(NAMES, VALUES), "body") if method_of(function) != "GET" else None
    status, sent, raw = fuzzed_stage.host.call_http(method_of(function), path, body=body, headers=headers)
    assert 200 <= status < 500, raw
    check_raw(method_of(function), path, status, sent, raw)
    if status >= 400:
        assert sent["content-type"].startswith("application/problem+json")
        assert json.loads(raw)["detail"]


def method_of(function: HttpFunction) -> str:
    (method,) = function.methods
    return method
