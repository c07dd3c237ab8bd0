"""``GET /api/health``: the health of the app itself, which does not depend on a region."""

from __future__ import annotations

from local.inprocess import REGIONS, SOURCE, TARGET
from local.simulator import seeds

from .conftest import HttpStage


def test_resources_are_unseen_before_the_first_call(stage: HttpStage) -> None:
    """Asking for the health calls none of them."""
    answer = stage.http("GET", "/api/health")
    assert (answer.status, answer.body["status"]) == (200, "ok")
    assert set(answer.body["resources"]) == set(REGIONS)
    assert answer.body["resources"][SOURCE]["region"] == "westeurope"
    assert stage.calls() == []


def test_app_is_healthy_while_a_source_is_down(stage: HttpStage) -> None:
    stage.source.down()
    stage.copy([seeds.FIRST_MODEL_ID])
    answer = stage.http("GET", "/api/health")
    assert (answer.status, answer.body["status"]) == (200, "ok")
    assert answer.body["resources"][SOURCE]["lastSeen"]["state"] == "Unreachable"
    stage.source.down(is_down=False)
    stage.copy([seeds.FIRST_MODEL_ID])
    resources = stage.http("GET", "/api/health").body["resources"]
    assert [resources[name]["lastSeen"]["state"] for name in (SOURCE, TARGET)] == ["reachable", "reachable"]
