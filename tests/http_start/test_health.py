"""``GET /api/health``: the app's own health, which a dead region does not spoil."""

from __future__ import annotations

from typing import Any

from local.inprocess import REGIONS, SOURCE, TARGET
from local.simulator import seeds


def test_before_anything_was_asked_every_resource(stage: Any) -> None:
    """Before anything was asked every resource is of unknown health."""
    answer = stage.http("GET", "/api/health")
    assert (answer.status, answer.body["status"]) == (200, "ok")
    assert set(answer.body["resources"]) == set(REGIONS)
    assert answer.body["resources"][SOURCE]["region"] == "westeurope"
    assert stage.calls() == []


def test_a_source_that_is_down_is_not_our_failure(stage: Any) -> None:
    stage.source.down()
    stage.copy([seeds.FIRST_MODEL_ID])
    answer = stage.http("GET", "/api/health")
    assert (answer.status, answer.body["status"]) == (200, "ok")
    assert answer.body["resources"][SOURCE]["lastSeen"]["state"] == "Unreachable"
    stage.source.down(is_down=False)
    stage.copy([seeds.FIRST_MODEL_ID])
    resources = stage.http("GET", "/api/health").body["resources"]
    assert [resources[name]["lastSeen"]["state"] for name in (SOURCE, TARGET)] == ["reachable", "reachable"]
