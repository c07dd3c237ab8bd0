"""Composed v4 models from night to night: what they refer to stays where they look for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from types import ModuleType
from typing import Any, Self

import pytest

from activities import authorize_copy, start_copy
from backup.claim import Claim
from backup.messages.copy import StepInput
from backup.states import ReplicaState
from catalog.store import Stored
from claims.step import StepContext
from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from local.simulator.models import v4_composed_model, v4_model
from tests.nights import MakeNights, Nights, mixed_models, reasons
from wiring.services import Services

PART, WHOLE = "invoices", "mail"


@pytest.fixture
def nights(make_stage: MakeNights) -> Nights:
    return make_stage(mixed_models()[2:], targets=[SECOND_TARGET])


def held(stage: Nights) -> set[str]:
    return {model.model_id for model in stage.resource(SECOND_TARGET).models() if model.state == "ready"}


def copies_of_part(stage: Nights) -> dict[str, ReplicaState]:
    return {one.target_model_id: one.state for one in stage.replicas(PART, SECOND_TARGET)}


@pytest.fixture
def blocked(nights: Nights) -> Nights:
    """The answer to the part's authorization gets lost, and with it its id."""
    nights.resource(SECOND_TARGET).inject("authorizeCopy", "lostAnswer", count=1)
    return nights


def the_failed_row(run: dict[str, Any]) -> dict[str, Any]:
    failed: dict[str, Any]
    (failed,) = [row for row in run["copies"] if row["status"] != "Succeeded"]
    assert failed["modelId"] == WHOLE
    return failed


def test_part_whose_id_was_lost_is_brought_back(blocked: Nights) -> None:
    """A part whose id was lost is brought back in the same night and the whole with it."""
    began = blocked.clock.now()
    assert blocked.backup()["status"] == "Succeeded"
    assert timedelta(minutes=85) < blocked.clock.now() - began < timedelta(minutes=100)
    assert held(blocked) == {"sorter", PART, f"{PART}.2", WHOLE}
    assert copies_of_part(blocked) == {PART: ReplicaState.READY, f"{PART}.2": ReplicaState.RETIRING}
    assert SECOND_TARGET in {place["resource"] for place in blocked.look_up(WHOLE)}

    blocked.days_pass(1.1)
    blocked.backup()
    assert held(blocked) == {"sorter", PART, WHOLE}
    assert blocked.backup()["message"].startswith("nothing to do")


def test_a_freed_id_is_asked_for_again(blocked: Nights) -> None:
    """The target refused the part's id once, freed it, and authorized it; then the start of the copy got lost."""
    run_id = blocked.begin(seconds=3600)
    blocked.source.inject("startCopy", "timeoutBefore", seconds=0.01, count=1)
    blocked.host.run_until_idle()
    run = blocked.run(run_id)
    assert run["status"] == "Succeeded", run["copies"]
    assert held(blocked) >= {PART, WHOLE}


def test_night_too_short_for_a_blocked_id(make_stage: MakeNights) -> None:
    """A night without the time for that says so and a later one has it back."""
    nights = make_stage(mixed_models()[2:], targets=[SECOND_TARGET], plan={"deadlineMinutes": 30})
    nights.resource(SECOND_TARGET).inject("authorizeCopy", "lostAnswer", count=1)
    failed = the_failed_row(nights.backup())
    assert failed["code"] == "ComponentFailed"
    assert "IdBlocked: a placeholder of unknown owner blocks model id invoices" in failed["message"]
    assert "the app asks for the id again in 90 minutes" in failed["message"]
    assert WHOLE not in held(nights)
    nights.days_pass(0.5 / 24)
    assert "the app asks for the id again in 60 minutes" in the_failed_row(nights.backup())["message"]
    assert nights.resource(SECOND_TARGET).requests("deleteModel") == []

    nights.days_pass(1)
    assert nights.backup()["status"] == "Succeeded"
    assert held(nights) == {"sorter", PART, f"{PART}.2", WHOLE}


def test_part_waits_for_an_id_that_stays_blocked(make_stage: MakeNights) -> None:
    """A part whose id a deletion does not free is waited for until the deadline."""
    nights = make_stage(mixed_models()[2:], targets=[SECOND_TARGET], plan={"deadlineMinutes": 300})
    nights.resource(SECOND_TARGET).set_behaviour(placeholder_delete="notFound")
    nights.resource(SECOND_TARGET).inject("authorizeCopy", "lostAnswer", count=1)
    began = nights.clock.now()
    failed = the_failed_row(nights.backup())
    assert "IdBlocked" in failed["message"]
    assert timedelta(hours=4) < nights.clock.now() - began <= timedelta(hours=5)
    assert len(nights.resource(SECOND_TARGET).requests("deleteModel")) == 3


def test_others_go_on_while_a_night_waits_for_an_id(
    make_stage: MakeNights,
) -> None:
    """While a night waits for an id somebody else may copy the part and retention goes on."""
    rules = {"retention": {"deleteRemoved": True, "graceDays": 0, "maxDeletePercent": 100}}
    nights = make_stage(
        [v4_model("old"), *mixed_models()[2:]], targets=[SECOND_TARGET], plan=rules, copies={"concurrency": 1}
    )
    nights.source.remove_model(WHOLE)
    nights.backup()
    nights.source.put_model(mixed_models()[-1])
    nights.source.remove_model("old")
    nights.resource(SECOND_TARGET).remove_model(PART)
    nights.resource(SECOND_TARGET).inject("authorizeCopy", "lostAnswer", count=1)
    run_id = nights.begin(seconds=1800)
    rows = {(row["modelId"], row["action"]): row["status"] for row in nights.run(run_id)["copies"]}
    assert rows[WHOLE, "copy"] == "Running"
    assert rows["old", "delete"] == "Succeeded"
    asked = nights.post_copies([PART], [SECOND_TARGET])
    assert asked.status == 202, asked.body
    nights.host.run_until_idle()
    assert nights.run(run_id)["status"] == "Succeeded"
    assert nights.run(asked.body["runId"])["status"] in {"Succeeded", "PartiallyFailed"}
    assert {PART, WHOLE} <= held(nights)


def test_run_that_waits_for_id_ends_soon(blocked: Nights) -> None:
    """A run that waits for an id ends soon after it was cancelled."""
    run_id = blocked.begin(seconds=1800)
    before = blocked.clock.now()
    assert blocked.http("POST", f"/api/runs/{run_id}/cancel").status == 202
    blocked.host.run_until_idle()
    assert blocked.clock.now() - before <= timedelta(minutes=6)
    assert the_failed_row(blocked.run(run_id))["status"] == "Cancelled"
    assert blocked.resource(SECOND_TARGET).requests("deleteModel") == []


def test_part_that_is_trained_again_takes_place(nights: Nights) -> None:
    """A part that is trained again takes the place of the old one a day later."""
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


def test_part_under_another_id_stays(make_stage: MakeNights) -> None:
    """A part under another id stays so where nothing refers to it."""
    stage = make_stage(mixed_models()[2:3], targets=[SECOND_TARGET])
    stage.resource(SECOND_TARGET).inject("authorizeCopy", "lostAnswer", count=1)
    stage.backup()
    stage.days_pass(2)
    assert stage.backup()["message"].startswith("nothing to do")
    assert copies_of_part(stage) == {f"{PART}.2": ReplicaState.READY}


def test_part_whose_start_was_lost_is_brought_back(nights: Nights) -> None:
    """Nobody knows whether a copy runs into the id that was given up, so it is left alone for some minutes."""
    nights.source.inject("startCopy", "timeoutBefore", seconds=0.01, count=1)
    run = nights.backup()
    assert run["status"] == "Succeeded", run["copies"]
    assert WHOLE in held(nights)
    assert copies_of_part(nights)[PART] is ReplicaState.READY
    nights.days_pass(1.1)
    nights.backup()
    assert held(nights) == {"sorter", PART, WHOLE}


def test_part_that_was_restored_to_target(make_stage: MakeNights) -> None:
    """A part that was restored to the target before still gets its id."""
    nights = make_stage(mixed_models()[2:], targets=[SECOND_TARGET])
    assert nights.copy([PART], [TARGET])["status"] == "Succeeded"
    asked = {"source": SOURCE, "target": SECOND_TARGET, "models": [PART]}
    nights.http("POST", "/api/restores", asked)
    nights.host.run_until_idle()
    assert nights.backup()["status"] == "Succeeded"
    nights.days_pass(1)
    nights.retrain(PART)
    for _ in range(3):
        nights.backup()
        nights.days_pass(1.1)
    assert held(nights) == {"sorter", PART, WHOLE}
    assert nights.backup()["message"].startswith("nothing to do")


def test_removed_part_stays_while_composed_copy_refers(make_stage: MakeNights) -> None:
    """A removed part stays while a composed copy refers to it."""
    retention = {"deleteRemoved": True, "graceDays": 1, "maxDeletePercent": 100}
    nights = make_stage(mixed_models()[2:], targets=[SECOND_TARGET], plan={"retention": retention})
    nights.backup()
    nights.source.remove_model(PART)
    for _ in range(3):
        nights.days_pass(1.1)
        nights.backup()
    assert held(nights) >= {PART, WHOLE}
    nights.source.remove_model(WHOLE)
    for _ in range(3):
        nights.days_pass(1.1)
        nights.backup()
    assert held(nights) == {"sorter"}


def test_composed_model_that_is_trained_again(make_stage: MakeNights, monkeypatch: pytest.MonkeyPatch) -> None:
    """A composed model that is trained again under our hands is known by its new parts."""
    receipts = v4_model("receipts", fields={"Sum": 0.4})
    nights = make_stage([*mixed_models()[2:4], receipts], targets=[SECOND_TARGET])
    nights.backup()
    nights.source.put_model(mixed_models()[4])
    other = v4_composed_model(WHOLE, classifier_id="sorter", parts={"receipt": ("receipts", {"Sum": 0.4})})
    before_the_step(monkeypatch, start_copy, WHOLE, partial(nights.source.put_model, other))
    assert nights.backup()["status"] == "Succeeded"
    (replica,) = nights.replicas(WHOLE, SECOND_TARGET)
    assert [part.model_id for part in replica.components] == ["sorter", "receipts"]


def test_run_cancelled_after_a_deletion_makes_the_part(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is cancelled between the deletion of a part and its successor makes the successor."""
    nights.backup()
    nights.days_pass(1)
    nights.retrain(PART)
    nights.backup()
    nights.days_pass(1.1)
    run_id = nights.begin()
    cancel = partial(nights.http, "POST", f"/api/runs/{run_id}/cancel")
    before_the_step(monkeypatch, authorize_copy, PART, cancel)
    nights.host.run_until_idle()
    assert nights.run(run_id)["cancelRequested"]
    assert held(nights) >= {PART, WHOLE}


def test_part_that_is_made_anew_under_its_id(
    make_stage: MakeNights,
) -> None:
    """A part that is made anew under its id is that also where the id was given up once."""
    nights = make_stage(mixed_models()[2:], targets=[SECOND_TARGET], plan={"onChange": "recreate"})
    nights.source.inject("startCopy", "timeoutBefore", seconds=0.01, count=1)
    nights.backup()
    nights.days_pass(1.1)
    nights.backup()
    nights.days_pass(1.1)
    nights.retrain(PART)
    nights.backup()
    assert copies_of_part(nights)[PART] is ReplicaState.READY


def test_given_up_id_is_cleared_the_next_night(nights: Nights) -> None:
    """A part whose given up id could not be cleared away is brought back in the next night."""
    target = nights.resource(SECOND_TARGET)
    nights.source.inject("startCopy", "timeoutBefore", seconds=0.01, count=1)
    target.inject("deleteModel", "status", status=503, headers={"Retry-After": "1"}, count=None)
    (failed,) = [row for row in nights.backup()["copies"] if row["status"] != "Succeeded"]
    assert (failed["modelId"], failed["code"]) == (WHOLE, "ComponentFailed")
    target.clear_faults()
    nights.days_pass(1)
    assert nights.backup()["status"] == "Succeeded"
    assert held(nights) >= {PART, WHOLE}


def test_what_is_composed_is_begun_last(nights: Nights) -> None:
    assert [row["modelId"] for row in nights.backup()["copies"]][-1] == WHOLE


def before_the_step(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, model_id: str, act: Callable[[], object]
) -> None:
    """Let something happen once, right before a step of one model's copy works."""
    done: list[str] = []

    class Watched(StepContext):
        @classmethod
        def open(cls, services: Services, step: StepInput, found: Stored[Claim] | None = None) -> Self:
            if step.order.model_id == model_id and not done:
                done.append(model_id)
                act()
            return super().open(services, step, found)

    monkeypatch.setattr(module, "StepContext", Watched)
