"""What somebody else has in the target, a model or a placeholder, is never deleted and never overwritten: under ids that we want."""

from __future__ import annotations

import pytest

from local.host import ManualClock

from .conftest import ProtocolStage
from .somebody import CHOSEN, EITHER, V2, Once, Somebody, kind_of, no_answer, refuse_to_start, void


@pytest.fixture
def somebody(stage: ProtocolStage) -> Somebody:
    return Somebody(stage)


def test_a_deletion_of_our_own_is_seen_by_these_tests(stage: ProtocolStage, somebody: Somebody) -> None:
    model_id = stage.put()
    refuse_to_start(stage)
    assert stage.copy_one(model_id)["status"] == "Failed"
    (deleted,) = stage.deleted_ids()
    if not stage.subject.is_v2:
        assert deleted == model_id
    bystander = somebody.trains(stage.subject.model(9).model_id)
    somebody.assert_untouched()
    stage.there.remove_model(bystander.model_id, kind_of(stage))
    with pytest.raises(AssertionError, match="was changed"):
        somebody.assert_untouched()


# -- an id that we would like to have ----------------------------------------------------------------------------------


@CHOSEN
@EITHER
def test_the_id_of_the_source_is_taken_in_the_target(stage: ProtocolStage, somebody: Somebody, what: str) -> None:
    model_id = stage.put()
    somebody.has(what, model_id)
    copy = stage.copy_one(model_id)
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", f"{model_id}.2")
    assert stage.deleted_ids() == []
    somebody.assert_untouched()


@CHOSEN
@EITHER
def test_a_request_names_an_id_that_is_taken(stage: ProtocolStage, somebody: Somebody, what: str) -> None:
    somebody.has(what, "precious")
    copy = stage.copy_one(stage.put(), targetModelId="precious")
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", "precious.2")
    assert stage.deleted_ids() == []
    somebody.assert_untouched()


@CHOSEN
@EITHER
def test_the_id_is_taken_just_before_we_ask_for_it(stage: ProtocolStage, somebody: Somebody, what: str) -> None:
    model_id = stage.put()
    place = f"{stage.subject.target}:authorize_copy"
    taken = Once(stage, place, "before", lambda: void(somebody.has(what, model_id)))
    copy = stage.copy_one(model_id)
    assert taken.happened
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", f"{model_id}.2")
    assert stage.deleted_ids() == []
    somebody.assert_untouched()


@CHOSEN
@EITHER
def test_the_id_is_taken_by_a_copy_that_fails_all_the_same(stage: ProtocolStage, somebody: Somebody, what: str) -> None:
    """Everything that is cleaned up after a failure was ours."""
    model_id = stage.put()
    somebody.has(what, model_id)
    refuse_to_start(stage)
    copy = stage.copy_one(model_id)
    assert copy["status"] == "Failed"
    assert set(stage.deleted_ids()) == {f"{model_id}.2"}
    somebody.assert_untouched()


# -- an answer that was lost -------------------------------------------------------------------------------------------


@CHOSEN
@EITHER
def test_an_authorization_of_ours_is_lost_and_the_id_is_theirs(
    stage: ProtocolStage, somebody: Somebody, what: str
) -> None:
    """Our question never arrived, and theirs did: what is under the id then is not ours, though we cannot know."""
    model_id = stage.put()

    def beaten() -> None:
        somebody.has(what, model_id)
        no_answer()

    Once(stage, f"{stage.subject.target}:authorize_copy", "before", beaten)
    copy = stage.copy_one(model_id)
    assert (copy["status"], copy["targetModelId"]) == ("Succeeded", f"{model_id}.2")
    suspects = [one.model_id for one in stage.services.catalog.suspects.of_target(stage.subject.target)]
    assert suspects == ([model_id] if what == "placeholder" else [])
    assert stage.deleted_ids() == []
    somebody.assert_untouched()


@V2
def test_a_training_that_began_while_an_authorization_was_lost(stage: ProtocolStage, somebody: Somebody) -> None:
    """On v2 it looks exactly like what the lost authorization may have left: reported, and left alone, days later as well."""
    model_id = stage.put()
    theirs = stage.subject.model(9).model_id

    def lost() -> None:
        somebody.has_placeholder(theirs)
        no_answer()

    Once(stage, f"{stage.subject.target}:authorize_copy", "after", lost)
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    suspects = {one.model_id for one in stage.services.catalog.suspects.of_target(stage.subject.target)}
    ours = suspects - {theirs}
    assert theirs in suspects
    assert len(ours) == 1, "the lost placeholder is reported as well"
    assert isinstance(stage.clock, ManualClock)
    stage.clock.advance(72 * 3600)
    stage.source.put_model(stage.subject.other(model_id))
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert stage.deleted_ids() == []
    somebody.assert_untouched()


@V2
def test_an_unusable_authorization_names_a_model_of_theirs(stage: ProtocolStage, somebody: Somebody) -> None:
    model_id = stage.put()
    theirs = somebody.trains(stage.subject.model(9).model_id)
    stage.there.inject("authorizeCopy", "status", status=201, body={"modelId": theirs.model_id})
    copy = stage.copy_one(model_id)
    assert (copy["status"], copy["code"]) == ("Failed", "ContentMismatch")
    somebody.assert_untouched()
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert stage.deleted_ids() == []
    somebody.assert_untouched()


@CHOSEN
def test_a_model_of_theirs_is_under_an_id_whose_authorization_cannot_be_read(
    stage: ProtocolStage, somebody: Somebody
) -> None:
    model_id = stage.put()
    somebody.trains(model_id)
    stage.there.inject(stage.subject.operation("authorizeCopy"), "status", status=200, body={"made": "something"})
    copy = stage.copy_one(model_id)
    assert (copy["status"], copy["code"]) == ("Failed", "ContentMismatch")
    somebody.assert_untouched()
    assert stage.copy_one(model_id)["targetModelId"] == f"{model_id}.2"
    assert stage.deleted_ids() == []
    somebody.assert_untouched()
