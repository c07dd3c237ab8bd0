"""Nights that find copies in a target which the catalog does not know: they are verified and recorded, and not made again."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from azure.ai.documentintelligence import DocumentIntelligenceAdministrationClient
from azure.ai.documentintelligence.models import AuthorizeClassifierCopyRequest, AuthorizeCopyRequest
from azure.ai.formrecognizer import DocumentModelAdministrationClient, FormTrainingClient
from azure.core.credentials import AzureKeyCredential

from catalog.catalog import Catalog
from catalog.sqlite import SqliteStore
from catalog.store import Table, scan_all
from local.host.records import ActivityJob
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE, TARGET
from local.simulator import StoredModel
from local.simulator.models import v2_model, v3_model, v4_model
from local.simulator.seeds import night
from tests.nights import V2_ID, MakeNights, Nights, mixed_models, reasons, rows

Mapped = set[tuple[str, str, tuple[tuple[str, str, str, str], ...]]]
WRITES = {
    "authorizeCopy",
    "authorizeClassifierCopy",
    "startCopy",
    "startClassifierCopy",
    "deleteModel",
    "deleteClassifier",
}


def lose_catalog(stage: Nights) -> None:
    """Give the app an empty catalog, as after a disaster."""
    stage.services.catalog = Catalog(SqliteStore(stage.folder / "new-catalog.sqlite"))


def mapping(stage: Nights) -> Mapped:
    """Return what ``GET /api/models`` exports: each model with its places."""
    models = stage.http("GET", "/api/models").body["models"]
    return {
        (
            model["kind"],
            model["modelId"],
            tuple(
                sorted(
                    (place["resource"], place["modelId"], place["apiVersion"], str(place["expiresAt"]))
                    for place in model["places"]
                )
            ),
        )
        for model in models
    }


def codes(run: Mapping[str, Any]) -> Counter[str]:
    return Counter(code or status for _, _, status, code in rows(run))


def all_rows(stage: Nights, run: Mapping[str, Any]) -> list[Any]:
    return list(stage.services.catalog.runs.rows(run["runId"]))


def test_a_lost_catalog_costs_no_copy(make_stage: MakeNights) -> None:
    """24 models of all generations in two targets: 45 copies are adopted, and the mapping is the one before."""
    stage = make_stage(night(), copies={"concurrency": 4})
    first = stage.backup()
    before, held = mapping(stage), {name: stage.held(name) for name in (TARGET, SECOND_TARGET)}
    assert codes(first) == {"Succeeded": 45, "KindUnsupported": 3}
    lose_catalog(stage)
    run = stage.backup()
    assert (run["status"], run["counts"]["adopt"], run["counts"]["copy"]) == ("Succeeded", 45, 0)
    assert codes(run) == {"Adopted": 45, "KindUnsupported": 3}
    assert not stage.operations() & WRITES
    assert mapping(stage) == before
    assert {name: stage.held(name) for name in (TARGET, SECOND_TARGET)} == held
    assert stage.backup()["message"].startswith("nothing to do: 45 copies are up to date")


def test_what_the_sdks_copied_is_adopted_too(make_stage: MakeNights) -> None:
    """Half of the copies are made by the official SDKs, those of v3 under ids that the SDK makes up."""
    stage = make_stage(night(), copies={"concurrency": 4})
    made = [copy_with_sdk(stage, model, target) for target in (TARGET, SECOND_TARGET) for model in night()[::2]]
    assert sum(made) == 23
    first = stage.backup()
    assert codes(first) == {"Adopted": 23, "Succeeded": 22, "KindUnsupported": 3}
    before, held = mapping(stage), {name: stage.held(name) for name in (TARGET, SECOND_TARGET)}
    lose_catalog(stage)
    run = stage.backup()
    assert codes(run) == {"Adopted": 45, "KindUnsupported": 3}
    assert not stage.operations() & WRITES
    assert mapping(stage) == before
    assert {name: stage.held(name) for name in (TARGET, SECOND_TARGET)} == held


def copy_with_sdk(stage: Nights, model: StoredModel, target: str) -> bool:
    """Copy a model as a user of the official SDK does; return false where the service cannot."""
    if model.kind == "classifier" and target == TARGET:
        return False
    for name in REGIONS:
        stage.resource(name).set_durations((0.0, 0.0))
    ends = {name: (stage.simulator.endpoint(name), AzureKeyCredential(stage.keys[name])) for name in (SOURCE, target)}
    spec = stage.resource(target).spec
    if model.generation == "v2":
        number = model.api_version.removeprefix("v")
        old = {name: FormTrainingClient(*end, api_version=number, polling_interval=0.01) for name, end in ends.items()}
        permission = old[target].get_copy_authorization(spec.resource_id, spec.region)
        old[SOURCE].begin_copy_model(model.model_id, dict(permission)).result()
    elif model.generation == "v3":
        v3 = {
            name: DocumentModelAdministrationClient(*end, api_version=model.api_version, polling_interval=0.01)
            for name, end in ends.items()
        }
        v3[SOURCE].begin_copy_document_model_to(model.model_id, v3[target].get_copy_authorization()).result()
    else:
        v4 = {name: DocumentIntelligenceAdministrationClient(*end, polling_interval=0.01) for name, end in ends.items()}
        if model.kind == "classifier":
            request = AuthorizeClassifierCopyRequest(classifier_id=model.model_id)
            grant = v4[target].authorize_classifier_copy(request)
            v4[SOURCE].begin_copy_classifier_to(model.model_id, grant).result()
        else:
            permit = v4[target].authorize_model_copy(AuthorizeCopyRequest(model_id=model.model_id))
            v4[SOURCE].begin_copy_model_to(model.model_id, permit).result()
    return True


@pytest.mark.writes("adoptionRefused")
def test_another_model_under_the_id_is_left_alone(make_stage: MakeNights) -> None:
    """Somebody trained another model under the same id: it is neither adopted nor deleted, and the copy gets a fallback id."""
    stage = make_stage([v3_model("claims"), v4_model("invoices")], targets=[TARGET])
    theirs = [v3_model("claims", fields={"Theirs": 0.5}), v4_model("invoices", fields={"Theirs": 0.5})]
    for model in theirs:
        stage.target.put_model(model)
    run = stage.backup()
    assert reasons(run) == [(TARGET, "claims", "found"), (TARGET, "invoices", "found")]
    assert codes(run) == {"Succeeded": 2}
    assert [stage.replicas(model.model_id)[0].target_model_id for model in theirs] == ["claims.2", "invoices.2"]
    for model in theirs:
        kept = stage.target.model(model.model_id)
        assert kept is not None
        assert kept.content == model.content
    assert "deleteModel" not in stage.operations()


def copies_of(model: StoredModel, count: int) -> list[StoredModel]:
    """Return copies of a v2 model, which has an id of its own in each place."""
    ids = [f"00000000-0000-4000-8000-{number:012d}" for number in range(count)]
    return [dataclasses.replace(model, model_id=model_id) for model_id in ids]


def test_of_two_copies_one_is_adopted(make_stage: MakeNights) -> None:
    """A v2 target that holds a model twice keeps both copies, and one of them is recorded."""
    model = v2_model(V2_ID, name="Orders")
    stage = make_stage([model], targets=[TARGET])
    for copy in copies_of(model, 2):
        stage.target.put_model(copy)
    run = stage.backup()
    assert codes(run) == {"Adopted": 1}
    assert len(stage.replicas(V2_ID)) == 1
    assert len(stage.held()) == 2
    assert not stage.operations() & WRITES
    assert stage.backup()["message"] == "nothing to do: 1 copies are up to date"


def test_one_copy_stands_for_one_model_only(make_stage: MakeNights) -> None:
    """Of two equal v2 models one adopts the copy that is there, and the other is copied."""
    model = v2_model(V2_ID, name="Orders")
    twin = dataclasses.replace(model, model_id="6b1f0f3c-29a1-4f0e-9a55-0d5b5f0d0a02")
    stage = make_stage([model, twin], targets=[TARGET])
    stage.target.put_model(copies_of(model, 1)[0])
    assert codes(stage.backup()) == {"Adopted": 1, "Succeeded": 1}
    ids = {stage.replicas(one.model_id)[0].target_model_id for one in (model, twin)}
    assert ids == set(stage.held())


def test_a_v2_model_of_the_same_second_is_none(make_stage: MakeNights) -> None:
    """A v2 model with the same dates and other content is not adopted."""
    model = v2_model(V2_ID, name="Orders")
    stage = make_stage([model], targets=[TARGET])
    stage.target.put_model(dataclasses.replace(copies_of(model, 1)[0], content={**model.content, "modelName": "Other"}))
    assert codes(stage.backup()) == {"Succeeded": 1}
    assert len(stage.held()) == 2


def test_a_full_target_is_no_obstacle(make_stage: MakeNights) -> None:
    """What is there needs no room."""
    stage = make_stage(targets=[TARGET])
    stage.backup()
    stage.target.set_limits(model_limit=3)
    lose_catalog(stage)
    assert codes(stage.backup()) == {"Adopted": 3}


def test_components_outside_the_plan_are_adopted(make_stage: MakeNights) -> None:
    """The components of a composed model are recorded with it, as they were when it was copied."""
    stage = make_stage(mixed_models(), targets=[SECOND_TARGET], plan={"include": ["mail"]})
    stage.backup()
    before = mapping(stage)
    assert {model_id for _, model_id, _ in before} == {"mail", "sorter", "invoices"}
    lose_catalog(stage)
    run = stage.backup()
    assert codes(run) == {"Adopted": 1}
    assert not stage.operations() & WRITES
    assert mapping(stage) == before


def test_a_lost_component_is_copied(make_stage: MakeNights) -> None:
    """A composed copy whose component is gone is adopted once the component is there again."""
    stage = make_stage(mixed_models(), targets=[SECOND_TARGET], plan={"include": ["mail"]})
    stage.backup()
    before = mapping(stage)
    lose_catalog(stage)
    stage.resource(SECOND_TARGET).remove_model("invoices")
    assert codes(stage.backup()) == {"Adopted": 1}
    assert mapping(stage) == before
    assert stage.held(SECOND_TARGET)["invoices"] == "ready"


def test_a_dry_run_tells_what_is_adopted(make_stage: MakeNights) -> None:
    """A dry run counts what would be adopted, and its hash approves exactly that."""
    stage = make_stage(targets=[TARGET])
    stage.backup()
    lose_catalog(stage)
    dry = stage.backup(dryRun=True)
    assert (dry["counts"]["adopt"], dry["counts"]["copy"], dry["copies"]) == (3, 0, [])
    assert {(one["action"], one["reason"]) for one in dry["decisions"]} == {("adopt", "found")}
    assert mapping(stage) == set()
    assert codes(stage.backup(planHash=dry["planHash"])) == {"Adopted": 3}


def test_an_approved_adoption_is_no_other(make_stage: MakeNights) -> None:
    """A candidate that is gone changes the plan."""
    stage = make_stage(targets=[TARGET])
    stage.backup()
    lose_catalog(stage)
    dry = stage.backup(dryRun=True)
    stage.target.remove_model("claims")
    assert stage.backup(planHash=dry["planHash"])["code"] == "PlanChanged"


def test_the_copy_of_another_source_is_not_adopted(make_stage: MakeNights) -> None:
    """What the catalog knows as the copy of another resource's model belongs to that one."""
    model = v2_model(V2_ID, name="Orders")
    other = {"source": SECOND_TARGET, "targets": [TARGET]}
    stage = make_stage([model], plans={"nightly": {"targets": [TARGET]}, "other": other})
    stage.backup()
    stage.resource(SECOND_TARGET).put_model(copies_of(model, 1)[0])
    run = stage.backup(plan="other")
    assert codes(run) == {"Succeeded": 1}
    assert len(stage.held()) == 2


def test_an_original_is_no_copy(make_stage: MakeNights) -> None:
    """Two resources that back each other up do not take the originals for copies of their copies."""
    model = v2_model(V2_ID, name="Orders")
    back = {"source": TARGET, "targets": [SOURCE]}
    stage = make_stage([model], plans={"nightly": {"targets": [TARGET]}, "back": back})
    stage.backup()
    assert [one["action"] for one in stage.backup(plan="back", dryRun=True)["decisions"]] == ["copy"]


def test_a_cancelled_run_adopts_no_more(make_stage: MakeNights) -> None:
    """What is not yet begun when the run is cancelled is left for the next run."""
    stage = make_stage(targets=[TARGET], copies={"concurrency": 1})
    stage.backup()
    lose_catalog(stage)
    run_id = stage.begin()
    stage.http("POST", f"/api/runs/{run_id}/cancel")
    stage.host.run_until_idle()
    found = codes(stage.run(run_id))
    # the host may have begun the first one before the run was cancelled
    assert found["Cancelled"] >= 2
    assert codes(stage.backup()) == {"Adopted": found["Cancelled"]}


def test_steps_that_run_again_change_nothing(make_stage: MakeNights) -> None:
    """Every step of an adoption runs once more after each later one: each copy is recorded once."""
    stage = make_stage(mixed_models(), targets=[SECOND_TARGET])
    stage.backup()
    before, held = mapping(stage), stage.held(SECOND_TARGET)
    lose_catalog(stage)
    seen: list[ActivityJob] = []

    def recorded(job: ActivityJob) -> None:
        seen.append(job)
        for earlier in seen:
            stage.host.rerun_activity(earlier.instance_id, earlier.task_id, earlier.execution_id)

    stage.host._engine.on_recorded.append(recorded)
    assert codes(stage.backup()) == {"Adopted": 5}
    assert not stage.operations() & WRITES
    assert (mapping(stage), stage.held(SECOND_TARGET)) == (before, held)
    assert len(list(stage.services.catalog.replicas.all())) == 5


@pytest.mark.parametrize("nights", [1, 2])
def test_a_list_that_leaves_copies_out_doubles_none(make_stage: MakeNights, nights: int) -> None:
    """The target's list is empty although the copies are there: each is looked for once more, and recorded again."""
    stage = make_stage(targets=[TARGET])
    stage.backup()
    before, held = mapping(stage), stage.held()
    empty = {"modelList": [], "value": [], "nextLink": ""}
    stage.target.inject("listModels", "status", status=200, body=empty, count=2 * nights)
    for _ in range(nights):
        stage.days_pass(1)
        run = stage.backup()
        assert reasons(run) == [(TARGET, name, "missing") for name in (V2_ID, "claims", "invoices")]
        assert codes(run) == {"Adopted": 3}
        assert not stage.operations() & WRITES
        assert (mapping(stage), stage.held()) == (before, held)
    assert stage.backup()["message"].startswith("nothing to do: 3 copies are up to date")


def test_sixty_equal_models_of_one_second(make_stage: MakeNights) -> None:
    """Each finds a copy of its own, although the app compares fifty at most."""
    stage = make_stage(copies_of(v2_model(V2_ID, name="Orders"), 60), targets=[TARGET])
    stage.backup()
    lose_catalog(stage)
    assert codes(stage.backup()) == {"Adopted": 60}
    assert len(stage.held()) == 60


def test_of_a_catalog_half_lost_the_rest_stays(make_stage: MakeNights) -> None:
    """Every second replica is gone from the catalog: these are adopted, and the mapping is the one before."""
    stage = make_stage(night(), copies={"concurrency": 4})
    stage.backup()
    before, held = mapping(stage), {name: stage.held(name) for name in (TARGET, SECOND_TARGET)}
    store = stage.services.catalog.replicas._store
    for row in list(scan_all(store, Table.REPLICAS))[::2]:
        store.delete(row)
    assert codes(stage.backup()) == {"Adopted": 23, "KindUnsupported": 3}
    assert not stage.operations() & WRITES
    assert mapping(stage) == before
    assert {name: stage.held(name) for name in (TARGET, SECOND_TARGET)} == held
