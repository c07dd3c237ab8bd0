"""An id that a lost answer left blocked is reclaimed if a component of a composed model needs it, once its placeholder is stale."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
import requests

from backup.messages.copy import CopyProgress
from backup.names import COPY_MODEL
from claims.chosen_ids import STALE_AFTER
from local.host import ManualClock

from .another_user import AnotherUser, Once, no_answer
from .conftest import SUBJECTS, ProtocolStage, Subject

HOUR = 3600.0


@pytest.fixture(params=["v3", "v4", "classifier"])
def subject(request: pytest.FixtureRequest) -> Subject:
    """The generations in which the app chooses target ids."""
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
    return [suspect.model_id for suspect in stage.services.catalog.suspects.of_target(stage.subject.target)]


def later(stage: ProtocolStage, hours: float) -> None:
    assert isinstance(stage.clock, ManualClock)
    stage.clock.advance(hours * HOUR)


def assert_reclaimed(stage: ProtocolStage, model_id: str) -> None:
    outcome = stage.copy_component(model_id)
    assert (outcome["status"], outcome.get("targetModelId")) == ("Succeeded", model_id), outcome
    assert suspects(stage) == []


def assert_blocked(stage: ProtocolStage, model_id: str, minutes: int) -> None:
    outcome = stage.copy_component(model_id)
    assert (outcome["status"], outcome["code"]) == ("Failed", "IdBlocked"), outcome
    assert f"the app asks for the id again in {minutes} minutes" in outcome["message"]
    assert suspects(stage) == [model_id]


@pytest.mark.writes("idReclaimed")
def test_an_id_that_was_blocked_for_hours_is_reclaimed(
    stage: ProtocolStage, blocked: str, caplog: pytest.LogCaptureFixture
) -> None:
    later(stage, 24)
    assert_reclaimed(stage, blocked)
    assert stage.deleted_ids() == [blocked]
    events = [json.loads(message) for message in caplog.messages if message.startswith("{")]
    (event,) = [event for event in events if event["event"] == "idReclaimed"]
    assert event["targetModel"] == blocked


def test_an_id_that_may_be_in_use_is_left_alone(stage: ProtocolStage, blocked: str) -> None:
    """The authorization of its placeholder may not have ended."""
    later(stage, 1)
    assert_blocked(stage, blocked, minutes=30)
    later(stage, 0.4)
    assert_blocked(stage, blocked, minutes=6)
    assert stage.deleted_ids() == []


def test_a_copy_with_enough_time_waits_for_the_id(stage: ProtocolStage, blocked: str) -> None:
    began = stage.clock.now()
    stage.there.clear_requests()
    outcome = stage.copy_component(blocked, deadline=2 * HOUR)
    assert (outcome["status"], outcome.get("targetModelId")) == ("Succeeded", blocked), outcome
    assert stage.clock.now() - began >= STALE_AFTER - timedelta(minutes=1)
    assert stage.deleted_ids() == [blocked]
    assert suspects(stage) == []
    assert stage.asked("authorizeCopy") == 2, "once to find it blocked, and once when it was free"


def test_a_cancelled_copy_stops_waiting_for_the_id(stage: ProtocolStage, blocked: str) -> None:
    """Also if the copy is to be recreated."""
    order = stage.component_order(blocked, 2 * HOUR).replace(recreate=True)
    instance_id = stage.host.start_new(COPY_MODEL, CopyProgress(order=order).to_json())
    stage.let_pass(600)
    cancelled_at = stage.clock.now()
    stage.services.catalog.runs.cancel(order.run_id, cancelled_at)
    stage.host.run_until_idle()
    assert stage.host.status(instance_id).output["status"] == "Cancelled"
    assert stage.clock.now() - cancelled_at <= timedelta(minutes=6)
    assert stage.deleted_ids() == []


def test_a_copy_with_fallback_ids_deletes_nothing(stage: ProtocolStage, blocked: str) -> None:
    """However long the id is blocked."""
    later(stage, 24 * 30)
    stage.source.put_model(stage.subject.other(blocked))
    assert stage.copy_one(blocked)["targetModelId"] == f"{blocked}.3"
    assert stage.deleted_ids() == []
    assert suspects(stage) == [blocked]


def test_a_visible_model_is_no_suspect_any_more(stage: ProtocolStage, blocked: str) -> None:
    visible = stage.there.put_model(stage.subject.other(blocked))
    later(stage, 24)
    assert stage.copy_component(blocked)["code"] == "ModelExists"
    assert [model for model in stage.held() if model.model_id == blocked] == [visible]
    assert stage.deleted_ids() == []
    assert suspects(stage) == []


def test_an_id_that_became_free_is_used(stage: ProtocolStage, blocked: str) -> None:
    stage.there.remove_model(blocked, "classifier" if stage.subject.name == "classifier" else "model")
    assert_reclaimed(stage, blocked)
    assert stage.deleted_ids() == []


def test_an_id_that_stays_blocked_is_deleted_later(stage: ProtocolStage, blocked: str) -> None:
    """Again after 90 minutes, and not before."""
    stage.there.set_behaviour(placeholder_delete="notFound")
    later(stage, 24)
    assert stage.copy_component(blocked)["code"] == "IdBlocked"
    assert stage.deleted_ids() == [blocked]
    later(stage, 1)
    assert_blocked(stage, blocked, minutes=30)
    assert stage.deleted_ids() == [blocked], "it was deleted an hour ago"
    later(stage, 1)
    stage.copy_component(blocked)
    assert stage.deleted_ids() == [blocked, blocked]


def test_a_throttled_deletion_is_asked_for_again(stage: ProtocolStage, blocked: str) -> None:
    later(stage, 24)
    stage.there.inject(stage.subject.operation("deleteModel"), "status", status=429, headers={"Retry-After": "3"})
    assert_reclaimed(stage, blocked)
    assert stage.deleted_ids() == [blocked, blocked]


def test_a_lost_deletion_is_not_repeated(stage: ProtocolStage, blocked: str) -> None:
    later(stage, 24)
    stage.there.inject(stage.subject.operation("deleteModel"), "lostAnswer")
    assert_reclaimed(stage, blocked)
    assert stage.deleted_ids() == [blocked]


def test_phantoms_of_a_reclaiming_step_delete_nothing(stage: ProtocolStage, blocked: str) -> None:
    later(stage, 24)
    assert_reclaimed(stage, blocked)
    for job in stage.host.phantoms.finished():
        stage.host.rerun_activity(job.instance_id, job.task_id, job.execution_id)
    assert stage.deleted_ids() == [blocked]
    assert [model.state for model in stage.held() if model.model_id == blocked] == ["ready"]


@pytest.mark.parametrize("subject", ["v3"], indirect=True)
def test_an_id_of_a_composition_is_left_alone(stage: ProtocolStage, blocked: str) -> None:
    """A composition under way looks like any placeholder, but the resource lists its operations."""
    stage.there.remove_model(blocked)
    component = stage.there.put_model(stage.subject.model(8)).model_id
    stage.there.set_durations((5 * HOUR, 5 * HOUR))
    name = stage.subject.target
    composed = requests.post(
        f"{stage.simulator.endpoint(name)}/formrecognizer/documentModels:compose?api-version={stage.subject.version}",
        json={"modelId": blocked, "componentModels": [{"modelId": component}]},
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


def test_a_placeholder_that_is_no_suspect_stays(stage: ProtocolStage) -> None:
    """No lost answer of the app points at it."""
    model_id = stage.put()
    another_user = AnotherUser(stage)
    another_user.has_placeholder(model_id)
    later(stage, 24 * 30)
    assert stage.copy_component(model_id)["code"] == "ModelExists"
    later(stage, 24 * 30)
    assert stage.copy_component(model_id)["code"] == "ModelExists"
    another_user.assert_untouched()


def test_a_lost_id_is_kept_when_the_copy_is_adopted(stage: ProtocolStage) -> None:
    """The id is taken, the answer for its fallback id is lost, and then the copy itself stands under the id."""
    model_id = stage.put()
    AnotherUser(stage).has_placeholder(model_id)

    def becomes_ready_and_lost() -> None:
        stage.there.put_model(replace(stage.subject.model(), model_id=model_id))
        no_answer()

    once = Once(stage, f"{stage.subject.target}:authorize_copy", "after", becomes_ready_and_lost)
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert once.happened
    assert stage.unknown_placeholders() == set()
