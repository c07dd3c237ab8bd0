"""An id that a lost answer of ours may have left blocked is had back, but only when what blocks it is of no use to anybody any more."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import requests

from local.host import ManualClock

from .conftest import SUBJECTS, ProtocolStage, Subject
from .somebody import Somebody

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
    return [one.model_id for one in stage.services.catalogue.suspects.of_target(stage.subject.target)]


def later(stage: ProtocolStage, hours: float) -> None:
    assert isinstance(stage.clock, ManualClock)
    stage.clock.advance(hours * HOUR)


def retrained(stage: ProtocolStage, model_id: str) -> str | None:
    """Copy another version of the model, and return the id that its copy got."""
    stage.source.put_model(stage.subject.other(model_id))
    copy = stage.copy_one(model_id)
    assert copy["status"] == "Succeeded", copy
    found: str = copy["targetModelId"]
    return found


def test_an_id_that_was_blocked_for_hours_is_had_back(
    stage: ProtocolStage, blocked: str, caplog: pytest.LogCaptureFixture
) -> None:
    later(stage, 24)
    assert retrained(stage, blocked) == blocked
    assert stage.deleted_ids() == [blocked]
    assert suspects(stage) == []
    events = [json.loads(message) for message in caplog.messages if message.startswith("{")]
    (event,) = [one for one in events if one["event"] == "idReclaimed"]
    assert event["targetModel"] == blocked


def test_an_id_whose_authorization_may_still_be_in_use_is_left_alone(stage: ProtocolStage, blocked: str) -> None:
    later(stage, 1.4)
    assert retrained(stage, blocked) == f"{blocked}.3"
    assert stage.deleted_ids() == []
    assert suspects(stage) == [blocked]


def test_what_became_visible_under_the_id_is_somebodys_and_no_suspect_any_more(
    stage: ProtocolStage, blocked: str
) -> None:
    theirs = stage.there.put_model(replace(stage.subject.model(7), model_id=blocked))
    later(stage, 24)
    assert retrained(stage, blocked) == f"{blocked}.3"
    assert [model for model in stage.held() if model.model_id == blocked] == [theirs]
    assert stage.deleted_ids() == []
    assert suspects(stage) == []


def test_an_id_that_was_free_in_between_is_simply_used(stage: ProtocolStage, blocked: str) -> None:
    stage.there.remove_model(blocked, "classifier" if stage.subject.name == "classifier" else "model")
    assert retrained(stage, blocked) == blocked
    assert stage.deleted_ids() == []
    assert suspects(stage) == []


def test_a_service_that_does_not_free_the_id_is_asked_once_and_not_again_at_once(
    stage: ProtocolStage, blocked: str
) -> None:
    stage.there.set_behaviour(placeholder_delete="notFound")
    later(stage, 24)
    assert retrained(stage, blocked) == f"{blocked}.3"
    assert stage.deleted_ids() == [blocked]
    later(stage, 1)
    stage.source.put_model(stage.subject.model())
    stage.copy_one(blocked)
    assert stage.deleted_ids() == [blocked], "it was asked for a moment ago"
    assert suspects(stage) == [blocked]


def test_a_throttled_deletion_is_asked_for_again(stage: ProtocolStage, blocked: str) -> None:
    later(stage, 24)
    stage.there.inject(stage.subject.operation("deleteModel"), "status", status=429, headers={"Retry-After": "3"})
    assert retrained(stage, blocked) == blocked
    assert stage.deleted_ids() == [blocked, blocked]


def test_a_deletion_whose_answer_was_lost_is_not_repeated(stage: ProtocolStage, blocked: str) -> None:
    later(stage, 24)
    stage.there.inject(stage.subject.operation("deleteModel"), "lostAnswer")
    assert retrained(stage, blocked) == blocked
    assert stage.deleted_ids() == [blocked]


def test_phantoms_of_a_step_that_had_an_id_back_delete_nothing(stage: ProtocolStage, blocked: str) -> None:
    later(stage, 24)
    assert retrained(stage, blocked) == blocked
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
    assert retrained(stage, blocked) == f"{blocked}.3"
    assert stage.deleted_ids() == []
    later(stage, 3)
    assert stage.there.model(blocked) is not None


def test_somebodys_placeholder_that_no_lost_answer_of_ours_points_at_stays_for_ever(stage: ProtocolStage) -> None:
    model_id = stage.put()
    somebody = Somebody(stage)
    somebody.has_placeholder(model_id)
    assert stage.copy_one(model_id)["targetModelId"] == f"{model_id}.2"
    later(stage, 24 * 30)
    assert retrained(stage, model_id) == f"{model_id}.3"
    somebody.assert_untouched()
