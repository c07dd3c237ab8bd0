"""Random requests to every HTTP function: none ends as a 500, and every refusal says what to change."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function_app import app
from local.host.app_index import load_app
from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from tests.described import check_raw
from tests.hostile import Sent, batches, fuzzed, texts

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
    "version",
]
NAMES = st.one_of(st.sampled_from(KNOWN), texts())
VALUES = texts(SOURCE, TARGET, SECOND_TARGET, FIRST, PLAN, "model", "classifier", "copies", "Failed", "ready", "a" * 64)


GOOD: dict[str, object] = {
    "post_copies": {"source": SOURCE, "targets": [TARGET], "models": [FIRST], "kind": "model", "deadlineMinutes": 5},
    "post_backups": {"plan": PLAN, "dryRun": True},
    "post_restores": {"source": SOURCE, "models": [FIRST]},
    "patch_plan": {"paused": True, "reason": "a reason"},
    "post_doctor": {"resources": [TARGET], "plans": [PLAN]},
    "put_models": {
        "models": [
            {
                "source": SOURCE,
                "modelId": FIRST,
                "kind": "model",
                "places": [
                    {
                        "resource": TARGET,
                        "role": "replica",
                        "modelId": FIRST,
                        "apiVersion": "v2.1",
                        "state": "ready",
                        "fingerprint": "a" * 24,
                        "digest": "a" * 64,
                    }
                ],
            }
        ]
    },
    "post_catalog_rebuild": {"plan": PLAN},
}
MOST_RUNS = 20
"""How many runs one app is left with: a new one is cheaper than many runs that go on."""


class Apps:
    """One app for many requests, and now and then a new one."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._stage: HttpStage | None = None
        self._runs = 0

    def send(self, method: str, path: str, sent: Sent) -> tuple[int, dict[str, str], bytes]:
        if self._stage is None:
            plans = {PLAN: {"source": SOURCE, "targets": [TARGET]}}
            self._stage = HttpStage(self._folders.mktemp("fuzzed"), plans=plans)
            self._stage.__enter__()
            self._runs = 0
        answer = self._stage.host.call_http(method, path, body=sent.body, headers=sent.headers)
        assert not self._stage.host.failed, (path, sent)
        self._runs += answer[0] == 202
        if self._runs >= MOST_RUNS:
            self.close()
        return answer

    def close(self) -> None:
        if self._stage is not None:
            self._stage.__exit__(None, None, None)
            self._stage = None


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory, protocol_1: None) -> Iterator[Apps]:
    opened = Apps(tmp_path_factory)
    yield opened
    opened.close()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_no_request_ends_as_a_500(apps: Apps, name: str) -> None:
    function = FUNCTIONS[name]
    (method,) = function.methods
    route, parameters = re.subn(r"\{\w+\}", "{}", "/api/" + function.route)
    good = json.dumps(GOOD[name]).encode() if name in GOOD else None

    @fuzzed
    @given(batches(parameters, NAMES, VALUES, has_body=method != "GET", good=good))
    def each(batch: list[Sent]) -> None:
        for sent in batch:
            path = sent.path(route)
            status, headers, raw = apps.send(method, path, sent)
            assert 200 <= status < 500, (sent, raw)
            if function.auth_level == "ANONYMOUS":  # a file of the status page, or that there is none
                assert status in {200, 304, 308, 404}, sent
                continue
            check_raw(method, path, status, headers, raw)
            if status >= 400:
                assert headers["content-type"].startswith("application/problem+json"), sent
                assert json.loads(raw)["detail"], sent

    each()


@pytest.mark.parametrize("name", sorted(GOOD))
def test_the_good_bodies_are_good(apps: Apps, name: str) -> None:
    """Otherwise the requests that are made of them are refused too early to find anything."""
    (method,) = FUNCTIONS[name].methods
    sent = Sent((PLAN,), (), {}, json.dumps(GOOD[name]).encode())
    status, _, raw = apps.send(method, sent.path(re.sub(r"\{\w+\}", "{}", "/api/" + FUNCTIONS[name].route)), sent)
    assert status in {200, 202, 409}, raw
