"""Models and placeholders of another user in the target are never deleted or overwritten: here under ids that the app wants to have."""

from __future__ import annotations

import pytest

from local.host import ManualClock

from .another_user import CHOSEN, EITHER, V2, AnotherUser, Once, kind_of, no_answer, refuse_to_start, void
from .conftest import ProtocolStage


@pytest.fixture
def another_user(stage: ProtocolStage) -> AnotherUser:
    return AnotherUser(stage)


def test_these_tests_notice_a_deletion(stage: ProtocolStage, another_user: AnotherUser) -> None:
    model_id = stage.put()
    refuse_to_start(stage)
    assert stage.copy_one(model_id)["status"] == "Failed"
    (deleted,) = stage.deleted_ids()
    if not stage.subject.is_v2:
        assert deleted == model_id
    bystander = another_user.trains(stage.subject.model(9).model_id)
    another_user.assert_untouched()
    stage.there.remove_model(bystander.model_id, kind_of(stage))
    with pytest.raises(AssertionError, match="was changed"):
        another_user.assert_untouched()


# -- an id that the app wants to have ----------------------------------------------------------------------------------


@CHOSEN
@EITHER
def test_the_id_of_the_source_is_taken_in_the_target(
    stage: ProtocolStage, another_user: AnotherUser, what: str
) -> None:
    model_id = stage.put()
    another_user.has(what, model_id)
    copy = stage.copy_one(model_id)
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", f"{model_id}.2")
    assert stage.deleted_ids() == []
    another_user.assert_untouched()


@CHOSEN
@EITHER
def test_a_request_names_an_id_that_is_taken(stage: ProtocolStage, another_user: AnotherUser, what: str) -> None:
    another_user.has(what, "precious")
    copy = stage.copy_one(stage.put(), targetModelId="precious")
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", "precious.2")
    assert stage.deleted_ids() == []
    another_user.assert_untouched()


@CHOSEN
@EITHER
def test_the_id_is_taken_just_before_the_request(stage: ProtocolStage, another_user: AnotherUser, what: str) -> None:
    model_id = stage.put()
    place = f"{stage.subject.target}:authorize_copy"
    taken = Once(stage, place, "before", lambda: void(another_user.has(what, model_id)))
    copy = stage.copy_one(model_id)
    assert taken.happened
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", f"{model_id}.2")
    assert stage.deleted_ids() == []
    another_user.assert_untouched()


@CHOSEN
@EITHER
def test_the_id_is_taken_and_the_copy_fails(stage: ProtocolStage, another_user: AnotherUser, what: str) -> None:
    """What is removed after the failure was authorized for this copy."""
    model_id = stage.put()
    another_user.has(what, model_id)
    refuse_to_start(stage)
    copy = stage.copy_one(model_id)
    assert copy["status"] == "Failed"
    assert set(stage.deleted_ids()) == {f"{model_id}.2"}
    another_user.assert_untouched()


# -- an answer that was lost -------------------------------------------------------------------------------------------


@CHOSEN
@EITHER
def test_an_authorization_is_lost_and_the_id_is_taken(
    stage: ProtocolStage, another_user: AnotherUser, what: str
) -> None:
    """The request of the app never arrived, and that of another user did: the app cannot know whose placeholder it is."""
    model_id = stage.put()

    def beaten() -> None:
        another_user.has(what, model_id)
        no_answer()

    Once(stage, f"{stage.subject.target}:authorize_copy", "before", beaten)
    copy = stage.copy_one(model_id)
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", f"{model_id}.2")
    suspects = [suspect.model_id for suspect in stage.services.catalog.suspects.of_target(stage.subject.target)]
    assert suspects == ([model_id] if what == "placeholder" else [])
    assert stage.deleted_ids() == []
    another_user.assert_untouched()


@V2
def test_a_training_during_a_lost_authorization(stage: ProtocolStage, another_user: AnotherUser) -> None:
    """On v2 it looks like a placeholder that the lost authorization left: it is reported, and not deleted days later."""
    model_id = stage.put()
    trained = stage.subject.model(9).model_id

    def lost() -> None:
        another_user.has_placeholder(trained)
        no_answer()

    Once(stage, f"{stage.subject.target}:authorize_copy", "after", lost)
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    suspects = {suspect.model_id for suspect in stage.services.catalog.suspects.of_target(stage.subject.target)}
    assert trained in suspects
    assert len(suspects - {trained}) == 1, "the lost placeholder is reported as well"
    assert isinstance(stage.clock, ManualClock)
    stage.clock.advance(72 * 3600)
    stage.source.put_model(stage.subject.other(model_id))
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert stage.deleted_ids() == []
    another_user.assert_untouched()


@V2
def test_an_unusable_authorization_names_another_model(stage: ProtocolStage, another_user: AnotherUser) -> None:
    """A ready model of another user is kept, and the copy ends."""
    model_id = stage.put()
    trained = another_user.trains(stage.subject.model(9).model_id)
    stage.there.inject("authorizeCopy", "status", status=201, body={"modelId": trained.model_id})
    copy = stage.copy_one(model_id)
    assert (copy["status"], copy["code"]) == ("Failed", "ContentMismatch")
    another_user.assert_untouched()
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert stage.deleted_ids() == []
    another_user.assert_untouched()


@CHOSEN
def test_an_unreadable_authorization_for_a_taken_id(stage: ProtocolStage, another_user: AnotherUser) -> None:
    """A ready model of another user is kept, and the copy ends."""
    model_id = stage.put()
    another_user.trains(model_id)
    stage.there.inject(stage.subject.operation("authorizeCopy"), "status", status=200, body={"made": "something"})
    copy = stage.copy_one(model_id)
    assert (copy["status"], copy["code"]) == ("Failed", "ContentMismatch")
    another_user.assert_untouched()
    assert stage.copy_one(model_id)["targetModelId"] == f"{model_id}.2"
    assert stage.deleted_ids() == []
    another_user.assert_untouched()
