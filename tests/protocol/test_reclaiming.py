"""An id that a lost answer of ours may have left blocked is had back, where a composed model cannot do without it, and only when what
blocks it is of no use to anybody any more.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests

from backup.messages.copy import CopyOrder, CopyProgress
from backup.names import COPY_MODEL
from claims.chosen_ids import STALE_AFTER
from local.host import ManualClock
from local.inprocess import SOURCE

from .conftest import SUBJECTS, ProtocolStage, Subject
from .somebody import Once, Somebody, no_answer

HOUR = 3600.0


@pytest.fixture(params=["v3", "v4", "classifier"])
def subject(request: pytest.FixtureRequest) -> Subject:
    """Where target ids are ours to choose."""
    return SUBJECTS[request.param]


@pytest.fixture
def blocked(stage: ProtocolStage) -> str:
    """A model that was copied under a fallback id, because the answer to its first authorization was lost."""
    model_id = stage.put()
    stage.there.inject(stage.subject.operation("authorizeCopy"), "lostAnswer")
    assert stage.copy_one(model_id)["targetModelId"] == f"{model_id}.2"
    assert suspects(stage) == [model_id]
    return model_id


def suspects(stage: ProtocolStage) -> list[str]:
    return [one.model_id for one in stage.services.catalog.suspects.of_target(stage.subject.target)]


def later(stage: ProtocolStage, hours: float) -> None:
    assert isinstance(stage.clock, ManualClock)
    stage.clock.advance(hours * HOUR)


def order_of_part(stage: ProtocolStage, model_id: str, deadline: float) -> CopyOrder:
    """Return the order for a part of a composed model, which is of no use under another id."""
    return CopyOrder(
        run_id="needed",
        row=0,
        source=SOURCE,
        target=stage.subject.target,
        kind=stage.subject.kind,
        model_id=model_id,
        own_id_only=True,
        deadline_seconds=deadline,
        patience_seconds=60,
    )


def needed(stage: ProtocolStage, model_id: str, deadline: float = 240) -> dict[str, Any]:
    """Copy such a part, and return what came of it."""
    order = order_of_part(stage, model_id, deadline)
    instance_id = stage.host.start_new(COPY_MODEL, CopyProgress(order=order).to_json())
    stage.host.run_until_idle()
    outcome: dict[str, Any] = stage.host.status(instance_id).output
    return outcome


def assert_had_back(stage: ProtocolStage, model_id: str) -> None:
    outcome = needed(stage, model_id)
    assert (outcome["status"], outcome.get("targetModelId")) == ("Succeeded", model_id), outcome
    assert suspects(stage) == []


def assert_blocked(stage: ProtocolStage, model_id: str, minutes: int) -> None:
    outcome = needed(stage, model_id)
    assert (outcome["status"], outcome["code"]) == ("Failed", "IdBlocked"), outcome
    assert f"the app retries in {minutes} minutes" in outcome["message"]
    assert suspects(stage) == [model_id]


def test_an_id_that_was_blocked_for_hours_is_had_back(
    stage: ProtocolStage, blocked: str, caplog: pytest.LogCaptureFixture
) -> None:
    later(stage, 24)
    assert_had_back(stage, blocked)
    assert stage.deleted_ids() == [blocked]
    events = [json.loads(message) for message in caplog.messages if message.startswith("{")]
    (event,) = [one for one in events if one["event"] == "idReclaimed"]
    assert event["targetModel"] == blocked


def test_an_id_whose_authorization_may_still_be_in_use_is_left_alone(stage: ProtocolStage, blocked: str) -> None:
    later(stage, 1)
    assert_blocked(stage, blocked, minutes=30)
    later(stage, 0.4)
    assert_blocked(stage, blocked, minutes=6)
    assert stage.deleted_ids() == []


def test_a_copy_with_time_enough_waits_until_the_id_can_be_had_back(stage: ProtocolStage, blocked: str) -> None:
    began = stage.clock.now()
    stage.there.clear_requests()
    outcome = needed(stage, blocked, deadline=2 * HOUR)
    assert (outcome["status"], outcome.get("targetModelId")) == ("Succeeded", blocked), outcome
    assert stage.clock.now() - began >= STALE_AFTER - timedelta(minutes=1)
    assert stage.deleted_ids() == [blocked]
    assert suspects(stage) == []
    assert stage.asked("authorizeCopy") == 2, "once to find it blocked, and once when it was free"


def test_a_cancelled_copy_waits_no_longer_also_where_it_is_to_be_recreated(stage: ProtocolStage, blocked: str) -> None:
    order = order_of_part(stage, blocked, 2 * HOUR).model_copy(update={"recreate": True})
    instance_id = stage.host.start_new(COPY_MODEL, CopyProgress(order=order).to_json())
    stage.let_pass(600)
    cancelled_at = stage.clock.now()
    stage.services.catalog.runs.cancel(order.run_id, cancelled_at)
    stage.host.run_until_idle()
    assert stage.host.status(instance_id).output["status"] == "Cancelled"
    assert stage.clock.now() - cancelled_at <= timedelta(minutes=6)
    assert stage.deleted_ids() == []


def test_a_copy_that_can_fall_back_deletes_nothing_however_long_the_id_is_blocked(
    stage: ProtocolStage, blocked: str
) -> None:
    later(stage, 24 * 30)
    stage.source.put_model(stage.subject.other(blocked))
    assert stage.copy_one(blocked)["targetModelId"] == f"{blocked}.3"
    assert stage.deleted_ids() == []
    assert suspects(stage) == [blocked]


def test_what_became_visible_under_the_id_is_somebodys_and_no_suspect_any_more(
    stage: ProtocolStage, blocked: str
) -> None:
    theirs = stage.there.put_model(stage.subject.other(blocked))
    later(stage, 24)
    assert needed(stage, blocked)["code"] == "ModelExists"
    assert [model for model in stage.held() if model.model_id == blocked] == [theirs]
    assert stage.deleted_ids() == []
    assert suspects(stage) == []


def test_an_id_that_was_free_in_between_is_simply_used(stage: ProtocolStage, blocked: str) -> None:
    stage.there.remove_model(blocked, "classifier" if stage.subject.name == "classifier" else "model")
    assert_had_back(stage, blocked)
    assert stage.deleted_ids() == []


def test_a_service_that_does_not_free_the_id_is_asked_again_after_as_long_and_no_sooner(
    stage: ProtocolStage, blocked: str
) -> None:
    stage.there.set_behaviour(placeholder_delete="notFound")
    later(stage, 24)
    assert needed(stage, blocked)["code"] == "IdBlocked"
    assert stage.deleted_ids() == [blocked]
    later(stage, 1)
    assert_blocked(stage, blocked, minutes=30)
    assert stage.deleted_ids() == [blocked], "it was asked for an hour ago"
    later(stage, 1)
    needed(stage, blocked)
    assert stage.deleted_ids() == [blocked, blocked]


def test_a_throttled_deletion_is_asked_for_again(stage: ProtocolStage, blocked: str) -> None:
    later(stage, 24)
    stage.there.inject(stage.subject.operation("deleteModel"), "status", status=429, headers={"Retry-After": "3"})
    assert_had_back(stage, blocked)
    assert stage.deleted_ids() == [blocked, blocked]


def test_a_deletion_whose_answer_was_lost_is_not_repeated(stage: ProtocolStage, blocked: str) -> None:
    later(stage, 24)
    stage.there.inject(stage.subject.operation("deleteModel"), "lostAnswer")
    assert_had_back(stage, blocked)
    assert stage.deleted_ids() == [blocked]


def test_phantoms_of_a_step_that_had_an_id_back_delete_nothing(stage: ProtocolStage, blocked: str) -> None:
    later(stage, 24)
    assert_had_back(stage, blocked)
    for job in stage.host.phantoms.finished():
        stage.host.rerun_activity(job.instance_id, job.task_id, job.execution_id)
    assert stage.deleted_ids() == [blocked]
    assert [model.state for model in stage.held() if model.model_id == blocked] == ["ready"]


@pytest.mark.parametrize("subject", ["v3"], indirect=True)
def test_an_id_that_somebody_composes_a_model_under_is_left_alone(stage: ProtocolStage, blocked: str) -> None:
    """While it is under way it looks like any placeholder, but the resource lists what it is doing."""
    stage.there.remove_model(blocked)
    part = stage.there.put_model(stage.subject.model(8)).model_id
    stage.there.set_durations((5 * HOUR, 5 * HOUR))
    name = stage.subject.target
    composed = requests.post(
        f"{stage.simulator.endpoint(name)}/formrecognizer/documentModels:compose?api-version={stage.subject.version}",
        json={"modelId": blocked, "componentModels": [{"modelId": part}]},
        headers={"Ocp-Apim-Subscription-Key": stage.keys[name]},
        timeout=10,
    )
    assert composed.status_code == 202, composed.text
    stage.there.set_durations((1.0, 1.0))
    later(stage, 3)
    assert_blocked(stage, blocked, minutes=5)
    assert stage.deleted_ids() == []
    later(stage, 3)
    assert stage.there.model(blocked) is not None


def test_somebodys_placeholder_that_no_lost_answer_of_ours_points_at_stays_for_ever(stage: ProtocolStage) -> None:
    model_id = stage.put()
    somebody = Somebody(stage)
    somebody.has_placeholder(model_id)
    later(stage, 24 * 30)
    assert needed(stage, model_id)["code"] == "ModelExists"
    later(stage, 24 * 30)
    assert needed(stage, model_id)["code"] == "ModelExists"
    somebody.assert_untouched()


def test_an_id_is_not_forgotten_when_the_copy_that_lost_it_is_adopted_elsewhere(stage: ProtocolStage) -> None:
    """The id is somebody's, the answer for its fallback is lost, and then the very copy stands under the id."""
    model_id = stage.put()
    Somebody(stage).has_placeholder(model_id)

    def becomes_ready_and_lost() -> None:
        stage.there.put_model(replace(stage.subject.model(), model_id=model_id))
        no_answer()

    once = Once(stage, f"{stage.subject.target}:authorize_copy", "after", becomes_ready_and_lost)
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert once.happened
    assert stage.unknown_placeholders() == set()
