"""Lookups that ask: ``?probe=true`` sorts places by what they answer now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from backup.document_models import Kind
from backup.records import Replica
from backup.states import ReplicaState
from local.host import ManualClock
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE, TARGET, Answer, Stage

PATH = f"/api/models/{SOURCE}/invoices"


@pytest.fixture
def stage(tmp_path: Path, protocol_1: None) -> Iterator[Stage]:
    """A model with a copy in both targets: the one in the first was verified later, so it is better."""
    with Stage(tmp_path) as stage:
        for hours, target in ((1, TARGET), (2, SECOND_TARGET)):
            replica = Replica(
                source=SOURCE,
                kind=Kind.MODEL,
                model_id="invoices",
                target=target,
                target_model_id="invoices",
                api_version="2024-11-30",
                fingerprint="f",
                digest="d",
                state=ReplicaState.READY,
                verified_at=stage.clock.now() - timedelta(hours=hours),
                run_id="run",
            )
            stage.services.catalog.replicas.put(replica, None)
        yield stage


def order(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [place["resource"] for place in answer.body["places"]]


def refuse(stage: Stage, name: str) -> None:
    stage.resource(name).down()


def answer_503(stage: Stage, name: str) -> None:
    stage.resource(name).inject("*", "status", status=503, count=None)


def never_answer(stage: Stage, name: str) -> None:
    stage.resource(name).inject("*", "timeoutBefore", seconds=600, count=None)


def answer_slowly(stage: Stage, name: str) -> None:
    stage.resource(name).inject("*", "slowBody", seconds=600, count=None)


DOWN = (refuse, answer_503, never_answer, answer_slowly)
BringDown = Callable[[Stage, str], None]


@pytest.mark.parametrize("bring_down", DOWN)
def test_source_that_is_down_is_last_at_once(stage: Stage, bring_down: BringDown) -> None:
    """The app's last call to the source succeeded, and then the source went down, in any way."""
    assert order(stage.http("GET", PATH + "?probe=true")) == [SOURCE, TARGET, SECOND_TARGET]
    bring_down(stage, SOURCE)
    assert order(stage.http("GET", PATH + "?probe=true")) == [TARGET, SECOND_TARGET, SOURCE]
    # it is known from now on
    assert order(stage.http("GET", PATH)) == [TARGET, SECOND_TARGET, SOURCE]


def test_replica_that_is_down_comes_behind_others(stage: Stage) -> None:
    refuse(stage, SOURCE)
    refuse(stage, TARGET)
    answer = stage.http("GET", PATH + "?probe=true")
    assert order(answer) == [SECOND_TARGET, TARGET, SOURCE]
    assert [place["lastSeen"]["state"] for place in answer.body["places"]] == [
        "reachable",
        "Unreachable",
        "Unreachable",
    ]


def test_source_that_is_back_is_first_at_once(stage: Stage) -> None:
    refuse(stage, SOURCE)
    stage.http("GET", PATH + "?probe=true")
    stage.source.down(is_down=False)
    assert order(stage.http("GET", PATH + "?probe=TRUE")) == [SOURCE, TARGET, SECOND_TARGET]


@pytest.mark.parametrize("status", [401, 403, 410, 429])
def test_place_that_refuses_the_app_is_not_down(stage: Stage, status: int) -> None:
    """An application has a key of its own."""
    stage.source.inject("*", "status", status=status, count=None)
    assert order(stage.http("GET", PATH + "?probe=true")) == [SOURCE, TARGET, SECOND_TARGET]


def test_probed_answer_is_not_cached(stage: Stage) -> None:
    tag = stage.http("GET", PATH).headers["etag"]
    status, headers, _ = stage.host.call_http("GET", PATH + "?probe=true", headers={"If-None-Match": tag})
    assert (status, headers["cache-control"], "etag" in headers) == (200, "no-store", False)


@pytest.mark.parametrize("path", [PATH, PATH + "?probe=false", "/api/models"])
def test_without_probe_no_resource_is_asked(stage: Stage, path: str) -> None:
    assert stage.http("GET", path).status == 200
    assert stage.calls() == []


def test_places_of_the_answer_alone_are_asked(stage: Stage) -> None:
    configuration = stage.services.configuration
    others = {name: one for name, one in configuration.resources.items() if name != SECOND_TARGET}
    stage.services.configuration = configuration.model_copy(update={"resources": others})
    stage.http("GET", PATH + "?probe=true")
    assert sorted(stage.calls()) == sorted([f"{SOURCE}:getInfo", f"{TARGET}:getInfo"])


def test_whole_mapping_can_be_probed(stage: Stage) -> None:
    refuse(stage, SOURCE)
    answer = stage.http("GET", "/api/models?probe=true")
    assert [[place["resource"] for place in one["places"]] for one in answer.body["models"]] == [
        [TARGET, SECOND_TARGET, SOURCE]
    ]
    assert answer.headers["cache-control"] == "no-store"
    assert sorted(stage.calls()) == sorted(f"{name}:getInfo" for name in REGIONS if name != SOURCE)


def test_old_knowledge_is_called_old(stage: Stage) -> None:
    """Nothing was probed or called for a quarter of an hour: the answer says so."""
    stage.http("GET", PATH + "?probe=true")
    assert isinstance(stage.clock, ManualClock)
    stage.clock.advance(15 * 60)
    assert {place["lastSeen"]["old"] for place in stage.http("GET", PATH).body["places"]} == {False}
    stage.clock.advance(1)
    assert {place["lastSeen"]["old"] for place in stage.http("GET", PATH).body["places"]} == {True}


def test_model_that_is_unknown_costs_no_probe(stage: Stage) -> None:
    assert stage.http("GET", f"/api/models/{SOURCE}/receipts?probe=true").status == 404
    assert stage.calls() == []
