"""Composed v4 models from night to night: what they refer to stays where they look for it."""

from __future__ import annotations

import pytest

from backup.states import ReplicaState
from local.inprocess import SECOND_TARGET

from .conftest import MakeNights, Nights, mixed_models, reasons

PART, WHOLE = "invoices", "mail"


@pytest.fixture
def nights(make_stage: MakeNights) -> Nights:
    return make_stage(mixed_models()[2:], targets=[SECOND_TARGET])


def held(stage: Nights) -> set[str]:
    return {model.model_id for model in stage.resource(SECOND_TARGET).models() if model.state == "ready"}


def copies_of_part(stage: Nights) -> dict[str, ReplicaState]:
    return {one.target_model_id: one.state for one in stage.replicas(PART, SECOND_TARGET)}


def test_a_part_whose_id_was_lost_in_one_night_is_brought_back_in_the_next_and_the_whole_with_it(
    nights: Nights,
) -> None:
    nights.resource(SECOND_TARGET).inject("authorizeCopy", "lostAnswer", count=1)
    (failed,) = [row for row in nights.backup()["copies"] if row["status"] != "Succeeded"]
    assert (failed["modelId"], failed["code"]) == (WHOLE, "ComponentFailed")
    assert "IdBlocked: model invoices is blocked" in failed["message"]
    assert "90 minutes from now" in failed["message"]
    assert WHOLE not in held(nights)

    nights.days_pass(1)
    assert nights.backup()["status"] == "Succeeded"
    assert held(nights) == {"sorter", PART, f"{PART}.2", WHOLE}
    assert copies_of_part(nights) == {PART: ReplicaState.READY, f"{PART}.2": ReplicaState.RETIRING}
    assert SECOND_TARGET in {place["resource"] for place in nights.look_up(WHOLE)}

    nights.days_pass(1.1)
    nights.backup()
    assert held(nights) == {"sorter", PART, WHOLE}
    assert nights.backup()["message"].startswith("nothing to do")


def test_a_part_whose_id_is_still_blocked_is_reported_again_and_nothing_is_deleted(nights: Nights) -> None:
    nights.resource(SECOND_TARGET).inject("authorizeCopy", "lostAnswer", count=1)
    nights.backup()
    nights.days_pass(1 / 24)
    (failed,) = [row for row in nights.backup()["copies"] if row["status"] != "Succeeded"]
    assert (failed["modelId"], failed["code"]) == (WHOLE, "ComponentFailed")
    assert "30 minutes from now" in failed["message"]
    assert nights.resource(SECOND_TARGET).requests("deleteModel") == []


def test_a_part_that_is_trained_again_takes_the_place_of_the_old_one_a_day_later(nights: Nights) -> None:
    nights.backup()
    nights.days_pass(1)
    retrained = nights.retrain(PART)
    assert nights.backup()["status"] == "Succeeded"
    assert copies_of_part(nights) == {PART: ReplicaState.RETIRING, f"{PART}.2": ReplicaState.READY}

    nights.days_pass(0.5)
    assert nights.backup()["message"].startswith("nothing to do")
    assert PART in held(nights), "the composed model looks for it there"

    nights.days_pass(0.6)
    run = nights.backup()
    assert (SECOND_TARGET, PART, "ownIdNeeded") in reasons(run)
    assert run["status"] == "Succeeded"
    assert copies_of_part(nights) == {PART: ReplicaState.READY, f"{PART}.2": ReplicaState.RETIRING}
    moved = nights.resource(SECOND_TARGET).model(PART)
    assert moved is not None
    (fields,) = [kind["fieldSchema"] for kind in moved.content["docTypes"].values()]
    assert list(fields) == [name for kind in retrained.content["docTypes"].values() for name in kind["fieldSchema"]]

    nights.days_pass(1.1)
    nights.backup()
    assert held(nights) == {"sorter", PART, WHOLE}
    assert nights.backup()["message"].startswith("nothing to do")


def test_a_part_under_another_id_stays_so_where_nothing_refers_to_it(make_stage: MakeNights) -> None:
    stage = make_stage(mixed_models()[2:3], targets=[SECOND_TARGET])
    stage.resource(SECOND_TARGET).inject("authorizeCopy", "lostAnswer", count=1)
    stage.backup()
    stage.days_pass(2)
    assert stage.backup()["message"].startswith("nothing to do")
    assert copies_of_part(stage) == {f"{PART}.2": ReplicaState.READY}


def test_a_part_whose_start_was_lost_is_brought_back_under_its_id_in_the_same_night(nights: Nights) -> None:
    """Nobody knows whether a copy runs into the id that was given up, so it is left alone for some minutes."""
    nights.source.inject("startCopy", "timeoutBefore", seconds=0.01, count=1)
    run = nights.backup()
    assert run["status"] == "Succeeded", run["copies"]
    assert WHOLE in held(nights)
    assert copies_of_part(nights)[PART] is ReplicaState.READY
    nights.days_pass(1.1)
    nights.backup()
    assert held(nights) == {"sorter", PART, WHOLE}
