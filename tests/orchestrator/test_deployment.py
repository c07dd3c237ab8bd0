"""A deployment that changes orchestrators while copies are under way: they finish if the new code keeps the older way, and fail if not."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

import orchestrator.copy_model
from local.host import Host
from local.inprocess import TARGET
from local.record_histories import current_version
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


def start_as_begun(copy: Copy) -> Steps:
    """Start the copy as the version with which it began did."""
    yield from older_start(copy) if copy.context.version == OLDER else START(copy)


OLDER = current_version()
NEWER = f"{OLDER}.1"


def deploy(stage: Driven, version: str) -> None:
    """Start the host on its state, with another version of the orchestrators."""
    stage.host.stop()
    host_json = json.loads(Path("host.json").read_text(encoding="utf-8"))
    host_json["extensions"]["durableTask"]["defaultVersion"] = version
    stage.host = Host(app="function_app", state=stage.folder / "host.sqlite", clock=stage.clock, host_json=host_json)
    stage.host.start()


def test_a_copy_under_way_finishes_after_an_upgrade(stage: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newer code asks for the version, and keeps the older way for what began with it. What begins now goes the newer way."""
    monkeypatch.setattr(orchestrator.copy_model, "start", older_start)
    run_id = stage.begin([MODEL], seconds=2.5)
    assert stage.run(run_id)["copies"][0]["step"] == "checkCopy"

    monkeypatch.setattr(orchestrator.copy_model, "start", start_as_begun)
    deploy(stage, NEWER)
    stage.host.run_until_idle()
    (row,) = stage.run(run_id)["copies"]
    assert row["status"] == "Succeeded"

    (again,) = stage.copies([seeds.model_uuid("Shop receipts")])
    assert again["status"] == "Succeeded"
    begun = [instance.version for instance in stage.host.instances() if instance.name == "copy_model"]
    assert set(begun) == {OLDER, NEWER}


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
