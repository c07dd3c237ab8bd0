"""Random requests to the Durable routes and the host's own: none ends as a 500."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host import Host, ManualClock
from tests.hostile import Sent, batches, fuzzed, texts

from .conftest import HERE

ROUTES = [
    ("POST", "/durabletask/orchestrators/{}"),
    ("POST", "/durabletask/orchestrators/one/{}"),
    ("GET", "/durabletask/instances"),
    ("DELETE", "/durabletask/instances"),
    ("GET", "/durabletask/instances/{}"),
    ("DELETE", "/durabletask/instances/{}"),
    ("POST", "/durabletask/instances/{}/raiseEvent/{}"),
    ("POST", "/durabletask/instances/{}/terminate"),
    ("POST", "/durabletask/instances/{}/suspend"),
    ("POST", "/durabletask/instances/{}/resume"),
    ("POST", "/durabletask/instances/{}/restart"),
    ("POST", "/admin/functions/{}"),
    ("GET", "/_host/{}"),
    ("GET", "/_host/activities"),
    ("GET", "/_host/history"),
]
VALUES = texts("one", "listener", "ended", "waits", "Running", "Completed,Failed", "INSTANCEID")
KNOWN = [
    "top",
    "createdTimeFrom",
    "createdTimeTo",
    "runtimeStatus",
    "instanceIdPrefix",
    "showInput",
    "showHistory",
    "showHistoryOutput",
    "reason",
    "version",
    "restartWithNewInstanceId",
    "instanceId",
    "match",
    "taskId",
]
NAMES = st.one_of(st.sampled_from(KNOWN), texts()).filter(lambda name: name != "timeout")  # a right one waits


@pytest.fixture(scope="module")
def fuzzed_host(tmp_path_factory: pytest.TempPathFactory, protocol_1: None) -> Iterator[Host]:
    """One host for all requests, with an instance that has ended and one that waits."""
    spec = importlib.util.spec_from_file_location("fuzzed_sample_app", HERE / "sample_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with Host(module, Path(tmp_path_factory.mktemp("fuzzed")) / "state.sqlite", ManualClock(), {}) as host:
        host.start_new("one", "a", "ended")
        host.start_new("listener", None, "waits")
        host.run_until_idle()
        yield host


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_no_durable_request_ends_as_a_500(fuzzed_host: Host, method: str, route: str) -> None:
    @fuzzed
    @given(batches(route.count("{}"), NAMES, VALUES, has_body=method == "POST"))
    def each(batch: list[Sent]) -> None:
        for sent in batch:
            status, _, raw = fuzzed_host.call_http(method, sent.path(route), body=sent.body, headers=sent.headers)
            assert 200 <= status < 500, (sent, raw)
            assert status < 300 or raw, sent
        assert not fuzzed_host.failed

    each()
