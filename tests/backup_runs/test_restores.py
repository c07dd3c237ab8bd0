"""Restores: what was lost comes back from the copies, to its own resource or to a third one."""

from __future__ import annotations

from typing import Any

import pytest

from backup.document_models import Kind
from backup.states import ReplicaState
from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from local.simulator.models import classifier, v4_composed_model, v4_model
from tests.nights import V2_ID, MakeNights, Nights, mixed_models, rows

ALL = (V2_ID, "claims", "invoices")


def restore(stage: Nights, **more: Any) -> dict[str, Any]:
    """Restore from the copies of the source, and return the run when it has ended."""
    stage.forget_calls()
    answer = stage.http("POST", "/api/restores", {"source": SOURCE, **more})
    assert answer.status == 202, answer.body
    stage.host.run_until_idle()
    return stage.run(answer.body["runId"])


def lose(stage: Nights, *models: str) -> None:
    """Delete models at the source, as somebody should not have."""
    for model in stage.source.models():
        if not models or model.model_id in models:
            stage.source.remove_model(model.model_id, model.kind)


def test_all_models_come_back_to_their_resource(stage: Nights) -> None:
    """All models come back to their resource under their ids where that can be chosen."""
    stage.backup()
    content = {model.model_id: model.content for model in stage.source.models()}
    lose(stage)
    run = restore(stage)
    assert (run["kind"], run["status"], run["progress"]) == ("restore", "Succeeded", {"done": 3, "total": 3})
    held = stage.held(SOURCE)
    assert {"claims", "invoices"} <= set(held)
    assert set(held.values()) == {"ready"}
    (new_id,) = set(held) - {"claims", "invoices"}
    restored = stage.source.model(new_id)
    assert restored is not None
    assert restored.content == content[V2_ID]
    # v2 chooses ids itself: the mapping knows the new one under the old
    assert new_id in {place["modelId"] for place in stage.look_up(V2_ID) if place["resource"] == SOURCE}
    for model in ("claims", "invoices"):
        assert (SOURCE, model) in {(place["resource"], place["modelId"]) for place in stage.look_up(model)}
        assert sum(place["resource"] == SOURCE for place in stage.look_up(model)) == 1


def test_after_restore_next_night_makes_no_second(stage: Nights) -> None:
    """After a restore the next night makes no second copies of what kept its id."""
    stage.backup()
    lose(stage)
    restore(stage)
    stage.backup()
    for target in (TARGET, SECOND_TARGET):
        assert {"claims", "invoices"} <= set(stage.held(target))
        assert not {"claims.2", "invoices.2"} & set(stage.held(target))
    last = stage.backup()
    assert str(last["message"]).startswith("nothing to do")


def test_models_go_to_a_third_resource(make_stage: MakeNights) -> None:
    stage = make_stage(targets=[TARGET])
    stage.backup()
    stage.source.down()
    run = restore(stage, target=SECOND_TARGET)
    assert run["status"] == "Succeeded"
    assert {"claims", "invoices"} <= set(stage.held(SECOND_TARGET))
    assert all(row["source"] == TARGET for row in run["copies"])
    for model in ALL:
        assert SECOND_TARGET in {place["resource"] for place in stage.look_up(model)}


def test_some_models_come_back_and_others_do_not(stage: Nights) -> None:
    stage.backup()
    lose(stage)
    run = restore(stage, models=["claims"])
    assert rows(run) == [(SOURCE, "claims", "Succeeded", None)]
    assert set(stage.held(SOURCE)) == {"claims"}


def test_dry_run_names_copies_that_would_be_used(stage: Nights) -> None:
    """A dry run names the copies that would be used and asks nobody."""
    stage.backup()
    lose(stage)
    run = restore(stage, dryRun=True)
    assert (run["status"], run["copies"]) == ("Succeeded", [])
    assert {one["modelId"] for one in run["decisions"]} == set(ALL)
    assert {one["fromResource"] for one in run["decisions"]} <= {TARGET, SECOND_TARGET}
    assert stage.calls() == []
    assert stage.held(SOURCE) == {}


def test_model_without_a_copy_fails_the_restore(stage: Nights) -> None:
    """A model that no copy is known of fails the restore by its name."""
    stage.backup()
    run = restore(stage, models=["claims", "never-seen"])
    assert (run["status"], run["code"]) == ("Failed", "ModelNotFound")
    assert "never-seen" in run["message"]
    assert "claims" not in run["message"]
    assert stage.calls() == []


def test_what_is_still_there_is_recognized(stage: Nights) -> None:
    """What is still there is recognized and not copied beside itself."""
    stage.backup()
    lose(stage, "claims")
    run = restore(stage, kind="model", models=["claims", "invoices"])
    assert run["status"] == "Succeeded"
    assert set(stage.held(SOURCE)) == {V2_ID, "claims", "invoices"}


def test_a_composed_model_comes_back_with_its_parts(make_stage: MakeNights) -> None:
    stage = make_stage(mixed_models(), targets=[SECOND_TARGET])
    stage.backup()
    lose(stage)
    run = restore(stage, models=["mail"])
    assert rows(run) == [(SOURCE, "mail", "Succeeded", None)]
    assert set(stage.held(SOURCE)) == {"mail", "invoices", "sorter"}
    for model, kind in (("mail", Kind.MODEL), ("invoices", Kind.MODEL), ("sorter", Kind.CLASSIFIER)):
        (one,) = stage.replicas(model, SOURCE, kind)
        assert (one.target_model_id, one.state) == (model, ReplicaState.READY)


def test_all_of_a_composed_source_comes_back_at_once(make_stage: MakeNights) -> None:
    stage = make_stage(mixed_models(), targets=[SECOND_TARGET])
    stage.backup()
    lose(stage)
    run = restore(stage)
    assert (run["status"], run["progress"]["total"]) == ("Succeeded", 5)
    strays = [one for one in stage.services.catalog.replicas.all() if one.source != SOURCE]
    assert strays == []


def test_replaced_copy_is_restored(stage: Nights) -> None:
    """A replaced copy is restored in its newest version under the first id."""
    stage.backup()
    stage.days_pass(1)
    newest = stage.retrain("invoices").content
    stage.backup()
    lose(stage, "invoices")
    restore(stage, models=["invoices"])
    back = stage.source.model("invoices")
    assert back is not None
    assert str(back.content).replace("invoices.2", "invoices") == str(newest)


def test_a_request_that_cannot_be_meant_is_refused(stage: Nights) -> None:
    for body, code in (
        ({"source": "nowhere"}, "UnknownResource"),
        ({"source": SOURCE, "target": "nowhere"}, "UnknownResource"),
        ({"source": SOURCE, "models": ["claims", "claims"]}, None),
        ({"source": SOURCE, "models": ["no/such/id"]}, "ImpossibleModelId"),
        ({"source": SOURCE, "modles": ["claims"]}, None),
    ):
        answer = stage.http("POST", "/api/restores", body)
        assert answer.status == 400, body
        assert {error["pointer"].split("/")[1] for error in answer.body["errors"]} <= body.keys()
        assert answer.body["detail"].count("no resource is called") <= 1
        assert code is None or answer.body["code"] == code


def test_third_region_gets_what_lost_one_had_brought(
    make_stage: MakeNights,
) -> None:
    """A third region gets what the lost one had brought back once from where it still is."""
    stage = make_stage(targets=[TARGET])
    stage.backup()
    lose(stage, "claims")
    assert restore(stage, models=["claims"])["status"] == "Succeeded"
    stage.source.down()
    run = restore(stage, models=["claims"], target=SECOND_TARGET)
    assert run["status"] == "Succeeded", run["copies"]
    assert [row["source"] for row in run["copies"]] == [TARGET]
    assert stage.held(SECOND_TARGET)["claims"] == "ready"


def test_resource_that_does_not_answer_is_not_restored(stage: Nights) -> None:
    """A resource that does not answer is not restored from while another one does."""
    stage.backup()
    lose(stage)
    stage.resource(SECOND_TARGET).down()
    stage.backup()
    assert restore(stage, models=["claims"])["status"] == "Succeeded"
    stage.source.remove_model("claims")
    run = restore(stage, models=["claims"])
    assert [row["source"] for row in run["copies"]] == [TARGET]


def test_what_was_never_lost_is_left_as_it_is(stage: Nights) -> None:
    """v2 chooses ids itself: bringing back what is there would make a second model of everything."""
    stage.backup()
    before = stage.held(SOURCE)
    run = restore(stage)
    assert {row["code"] for row in run["copies"]} == {"AlreadyThere"}
    assert stage.held(SOURCE) == before
    assert not stage.operations() & {"authorizeCopy", "startCopy"}
    assert stage.backup()["message"].startswith("nothing to do")


def test_composed_model_and_its_parts_come(make_stage: MakeNights) -> None:
    """The part was verified last in one target, and the composed model is in the other one only."""
    stage = make_stage(mixed_models())
    stage.backup()
    stage.resource(TARGET).remove_model("invoices")
    assert stage.copy(["invoices"], [TARGET])["status"] == "Succeeded"
    lose(stage)
    run = restore(stage, models=["invoices", "mail"])
    assert run["status"] == "Succeeded", run["copies"]
    assert {row["source"] for row in run["copies"]} == {SECOND_TARGET}
    assert stage.held(SOURCE) == {"invoices": "ready", "mail": "ready", "sorter": "ready"}


def test_a_restore_that_finds_nothing_says_so(stage: Nights) -> None:
    run = restore(stage, kind="classifier")
    assert (run["status"], run["code"], run["progress"]["total"]) == ("Failed", "NothingToRestore", 0)
    assert (
        run["message"]
        == f'nothing to restore: the catalog knows no usable copies of classifiers of "{SOURCE}" outside "{SOURCE}"'
    )


def test_model_that_is_lost_twice_comes_back(stage: Nights) -> None:
    """A model that is lost twice comes back under its id from wherever it is."""
    stage.backup()
    lose(stage, "claims")
    (first,) = restore(stage, models=["claims"])["copies"]
    lose(stage, "claims")
    stage.resource(first["source"]).down()
    stage.backup()
    (second,) = restore(stage, models=["claims"])["copies"]
    assert second["source"] != first["source"]
    assert (second["status"], second["targetModelId"]) == ("Succeeded", "claims")


def test_composed_model_comes_back_where_its_part_came(make_stage: MakeNights) -> None:
    """A composed model comes back where its part came from elsewhere before."""
    stage = make_stage(mixed_models()[2:])
    stage.backup()
    lose(stage, "invoices")
    stage.resource(SECOND_TARGET).down()
    stage.backup()
    assert [row["source"] for row in restore(stage, models=["invoices"])["copies"]] == [TARGET]
    stage.resource(SECOND_TARGET).down(is_down=False)
    lose(stage)
    run = restore(stage, models=["mail"])
    assert run["status"] == "Succeeded", run["copies"]
    assert set(stage.held(SOURCE)) == {"invoices", "mail", "sorter"}


def test_composed_model_comes_back_with_newest_version(make_stage: MakeNights) -> None:
    """The part was trained again yesterday: its newest copy has another id for a day, and the old one stands under the part's."""
    stage = make_stage(mixed_models()[2:], targets=[SECOND_TARGET])
    stage.backup()
    stage.days_pass(1)
    stage.retrain("invoices")
    assert stage.backup()["status"] == "Succeeded"
    lose(stage)
    run = restore(stage)
    assert run["status"] == "Succeeded", run["copies"]
    assert set(stage.held(SOURCE)) == {"invoices", "mail", "sorter"}
    back = stage.source.model("invoices")
    assert back is not None
    assert [list(kind["fieldSchema"]) for kind in back.content["docTypes"].values()] == [["Retrained"]]


@pytest.mark.parametrize("slow", [SOURCE, TARGET])
def test_part_comes_from_place_of_its_composed_model(make_stage: MakeNights, slow: str) -> None:
    """A part comes from the place of its composed model whatever it is called."""
    composed = v4_composed_model("mail", classifier_id="sorter", parts={"receipt": ("receipts", {"Total": 0.9})})
    stage = make_stage([v4_model("receipts"), classifier("sorter", doc_types=("receipt",)), composed])
    stage.backup()
    stage.resource(TARGET).remove_model("receipts")
    assert stage.copy(["receipts"], [TARGET])["status"] == "Succeeded"
    lose(stage)
    stage.resource(slow).set_durations((60.0, 60.0))
    run = restore(stage)
    assert run["status"] == "Succeeded", run["copies"]
    assert {row["source"] for row in run["copies"]} == {SECOND_TARGET}


def test_of_two_copies_in_one_place_the_newest_is_restored(stage: Nights) -> None:
    """The run that made the newer one could not retire the older one: somebody else changed its row in that moment."""
    stage.backup()
    stage.days_pass(1)
    stage.retrain("invoices")
    stage.backup()
    replicas = stage.services.catalog.replicas
    for known in replicas.of_source(SOURCE):
        if known.record.state is ReplicaState.RETIRING:
            ready = {"state": ReplicaState.READY, "retired_at": None}
            replicas.put(known.record.model_copy(update=ready), known)
    lose(stage, "invoices")
    (row,) = restore(stage, models=["invoices"])["copies"]
    assert row["modelId"] == "invoices.2"


def test_composed_model_that_is_there_gets_part_back(make_stage: MakeNights) -> None:
    """A composed model that is there gets the part back that it lost."""
    stage = make_stage(mixed_models()[2:], targets=[SECOND_TARGET])
    stage.backup()
    lose(stage, "invoices")
    assert restore(stage, models=["mail"])["status"] == "Succeeded"
    assert set(stage.held(SOURCE)) == {"invoices", "mail", "sorter"}
