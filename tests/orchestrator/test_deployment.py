"""A deployment that changes orchestrators while copies are under way: they fail, users are told, and the next request resumes them."""

from __future__ import annotations

from datetime import timedelta

import pytest

import orchestrator.copy_model
from local.inprocess import TARGET
from local.simulator import seeds
from orchestrator.attempts import Steps
from orchestrator.copy_state import Copy

from .conftest import Driven

MODEL = seeds.FIRST_MODEL_ID


def older_start(copy: Copy) -> Steps:
    """Start the copy as an older version might have: after a wait."""
    yield from copy.sleep_until(copy.now + timedelta(seconds=1))
    yield from START(copy)


START = orchestrator.copy_model.start


def test_a_copy_under_way_is_resumed_after_a_deployment(stage: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newer code cannot replay the older history. Nothing is lost or made twice: the claim knows how far the copy is."""
    with monkeypatch.context() as older:
        older.setattr(orchestrator.copy_model, "start", older_start)
        run_id = stage.begin([MODEL], seconds=2.5)
        assert stage.run(run_id)["copies"][0]["step"] == "checkCopy"
        stage.host.stop()
    stage.host = stage.new_host()
    stage.host.start()
    stage.host.run_until_idle()
    (row,) = stage.run(run_id)["copies"]
    assert (row["status"], row["code"]) == ("Failed", "ChildLost")
    assert row["message"].endswith("ask again once its lease has ended (in 20 minutes, as a rule), and it resumes")

    stage.let_pass(20 * 60)
    (again,) = stage.copies([MODEL])
    assert again["status"] == "Succeeded"
    assert (stage.count("authorizeCopy"), stage.count("startCopy")) == (1, 1)
    assert [model.state for model in stage.resource(TARGET).models()] == ["ready"]
