"""An id that may still hold a placeholder of a copy is never forgotten, whichever answers were lost."""

from __future__ import annotations

from .conftest import ProtocolStage


def test_the_next_copy_knows_an_id_of_a_lost_deletion(stage: ProtocolStage) -> None:
    """The first start is lost and gives its id up; removing it is lost as well; a later copy sweeps what the first one left."""
    model_id = stage.put()
    start, delete = stage.subject.operation("startCopy"), stage.subject.operation("deleteModel")
    stage.source.inject(start, "timeoutBefore", seconds=0, count=1)
    stage.there.inject(delete, "timeoutBefore", seconds=0, count=None)
    first = stage.copy_one(model_id)
    assert first["status"] == "Succeeded"
    assert stage.unknown_placeholders() == set()
    stage.there.clear_faults()
    for model in stage.ready():
        # another_user removes the copy, so that another one has to be made
        stage.there.remove_model(model.model_id, "classifier" if stage.subject.name == "classifier" else "model")
    second = stage.copy_one(model_id)
    assert (second["status"], second["code"]) == ("Succeeded", None)
    assert len(stage.ready()) == 1
    assert stage.unknown_placeholders() == set()
