"""Copies from end to end: the app and the simulated service on a clock that stands still, so that waits can be measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backup.document_models import Kind
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE, TARGET
from local.simulator import ResourceSpec, Simulator, StoredModel, seeds
from local.simulator.models import v2_model, v4_model

from .conftest import Driven, MakeStage, as_text, gaps

FIRST = seeds.FIRST_MODEL_ID
V2 = ("v2.1",)


def only(copies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    assert len(copies) == 1
    return copies[0]


@pytest.mark.parametrize(
    ("version", "name"), [("v2.0-preview", "Freight bills"), ("v2.0", "Utility bills"), ("v2.1", "Shop receipts")]
)
def test_model_of_every_v2_version_is_copied_verified(make_stage: MakeStage, version: str, name: str) -> None:
    """A model of every v2 version is copied verified and recorded."""
    model_id = seeds.model_uuid(name)
    stage = make_stage(versions=[version])
    copy = only(stage.copies([model_id]))
    assert (copy["status"], copy["apiVersion"]) == ("Succeeded", version)
    assert stage.calls() == [
        f"{SOURCE}:getModel",
        f"{SOURCE}:startCopy",
        f"{SOURCE}:getCopyResult",
        f"{TARGET}:getInfo",
        f"{TARGET}:authorizeCopy",
        f"{TARGET}:getModel",
    ]
    (made,) = stage.target.models()
    assert (made.model_id, made.state, made.copy_of) == (copy["targetModelId"], "ready", f"{SOURCE}/{model_id}")
    (replica,) = stage.replicas(model_id)
    assert (replica.target_model_id, replica.state, replica.api_version) == (made.model_id, "ready", version)


def test_ten_models_go_over_one_route_in_one_request(stage: Driven) -> None:
    models = [model.model_id for model in stage.source.models() if model.state == "ready"][:10]
    run = stage.copy(models)
    assert run["status"] == "Succeeded"
    assert [copy["modelId"] for copy in run["copies"]] == models
    assert sorted(model.model_id for model in stage.target.models()) == sorted(
        copy["targetModelId"] for copy in run["copies"]
    )
    assert (stage.count("authorizeCopy"), stage.count("startCopy")) == (10, 10)
    assert {model.state for model in stage.target.models()} == {"ready"}


def test_one_model_goes_to_two_targets(stage: Driven) -> None:
    copies = stage.copies([FIRST], targets=[TARGET, SECOND_TARGET])
    assert [(copy["target"], copy["status"]) for copy in copies] == [
        (TARGET, "Succeeded"),
        (SECOND_TARGET, "Succeeded"),
    ]
    places = stage.services.catalog.replicas.of_model(SOURCE, Kind.MODEL, FIRST)
    assert {known.record.target for known in places} == {TARGET, SECOND_TARGET}


def test_copies_of_one_run_are_under_way_at_the_same_time(stage: Driven) -> None:
    models = [model.model_id for model in stage.source.models() if model.state == "ready"][:8]
    began = stage.clock.now()
    assert stage.copy(models)["status"] == "Succeeded"
    assert stage.clock.now() - began < timedelta(seconds=5), "one after the other would take twenty"


def test_concurrency_is_as_configured(make_stage: MakeStage) -> None:
    stage = make_stage(copies={"concurrency": 2})
    models = [model.model_id for model in stage.source.models() if model.state == "ready"][:6]
    stage.begin(models)
    assert len(stage.times(SOURCE, "startCopy")) == 2
    stage.host.run_until_idle()
    assert len(stage.times(SOURCE, "startCopy")) == 6


def test_lane_with_more_rows(make_stage: MakeStage) -> None:
    """A lane with more rows than a history should hold works all of them off."""
    stage = make_stage(copies={"concurrency": 1})
    models = [seeds.model_uuid(f"unknown {number}") for number in range(45)]
    run = stage.copy(models)
    assert {copy["code"] for copy in run["copies"]} == {"SourceModelNotFound"}
    assert (run["status"], run["progress"]) == ("Failed", {"done": 45, "total": 45})
    (lane,) = stage.instances("lane")
    generations = stage.host.generations(lane)
    assert len(generations) == 3
    assert max(map(len, generations)) < 400


@pytest.mark.parametrize(
    ("resource", "operation"),
    [
        (SOURCE, "getModel"),
        (TARGET, "authorizeCopy"),
        (SOURCE, "startCopy"),
        (SOURCE, "getCopyResult"),
        (TARGET, "getModel"),
    ],
)
def test_retry_after_is_waited_for_and_hardly_longer(stage: Driven, resource: str, operation: str) -> None:
    stage.resource(resource).inject(operation, "status", status=429, headers={"Retry-After": "48"}, count=2)
    copy = only(stage.copies([FIRST]))
    assert copy["status"] == "Succeeded"
    waits = gaps(stage.times(resource, operation))[:2]
    assert all(48 <= wait <= 48 * 1.1 + 0.001 for wait in waits), waits
    assert (stage.count("authorizeCopy"), len(stage.target.models())) == (3 if operation == "authorizeCopy" else 1, 1)


def test_throttled_list_of_models(stage: Driven) -> None:
    """A throttled list of models does not hold a copy up."""
    stage.target.inject("getInfo", "status", status=429, headers={"Retry-After": "58"}, count=None)
    began = stage.clock.now()
    assert only(stage.copies([FIRST]))["status"] == "Succeeded"
    assert stage.clock.now() - began < timedelta(seconds=10)


def test_at_deadline_nothing_is_given_up(make_stage: MakeStage) -> None:
    """At the deadline nothing is given up and the next request resumes the copy."""
    stage = make_stage(copy_seconds=(3600.0, 3600.0))
    began = stage.clock.now()
    first = only(stage.copies([FIRST], deadlineMinutes=5))
    assert (first["status"], first["code"]) == ("StillCopying", "StillCopying")
    assert timedelta(minutes=4) < stage.clock.now() - began <= timedelta(minutes=5)
    assert [model.state for model in stage.target.models()] == ["placeholder"]
    second = only(stage.copies([FIRST]))
    assert (second["status"], second["targetModelId"]) == ("Succeeded", first["targetModelId"])
    assert (stage.count("authorizeCopy"), stage.count("startCopy"), stage.count("deleteModel")) == (1, 1, 0)
    assert [model.state for model in stage.target.models()] == ["ready"]


def test_copy_of_hours_keeps_its_polls(make_stage: MakeStage) -> None:
    """A copy of hours keeps its polls and its start over many histories."""
    stage = make_stage(copy_seconds=(3000.0, 3000.0))
    copy = only(stage.copies([FIRST]))
    assert copy["status"] == "Succeeded"
    polls = stage.times(SOURCE, "getCopyResult")
    assert copy["polls"] == len(polls) > 100
    assert max(gaps(polls)) <= 30.1
    (instance,) = stage.instances("copy_model")
    generations = stage.host.generations(instance)
    assert len(generations) == -(-len(polls) // 50)
    assert max(map(len, generations)) < 500


def test_the_deadline_is_kept_over_many_histories(make_stage: MakeStage) -> None:
    stage = make_stage(copy_seconds=(10**6, 10**6), copies={"deadlineMinutes": 45})
    began = stage.clock.now()
    assert only(stage.copies([FIRST]))["status"] == "StillCopying"
    assert timedelta(minutes=44) < stage.clock.now() - began <= timedelta(minutes=45)


def test_custom_status_says_where_copy_stands(make_stage: MakeStage) -> None:
    """The custom status says where the copy stands and stays small."""
    stage = make_stage(copy_seconds=(20.0, 20.0))
    stage.source.inject("startCopy", "status", status=429, headers={"Retry-After": "9"}, count=1)
    stage.target.inject("getModel", "status", status=500, body={"error": {"message": "x" * 100_000}}, count=1)
    run_id = stage.post_copies([FIRST]).body["runId"]
    seen: list[dict[str, Any]] = []
    for _ in range(100):
        stage.let_pass(0.5)
        for status in stage.statuses():
            assert len(as_text(status)) < 1000
            if "modelId" in status and "source" in status and (not seen or seen[-1] != status):
                seen.append(status)
    assert stage.run(run_id)["status"] == "Succeeded"
    steps = list(dict.fromkeys(status["step"] for status in seen))
    assert steps == ["startCopy", "checkCopy", "verify", "done"]
    waiting = next(status for status in seen if status.get("code") == "Throttled")
    assert waiting["step"] == "startCopy"
    polling = [status for status in seen if status["step"] == "checkCopy" and status.get("nextPollAt")]
    assert [status["polls"] for status in polling] == list(range(len(polling)))
    assert {status["modelId"] for status in seen} == {FIRST}
    assert seen[-1]["targetModelId"] == stage.target.models()[0].model_id


@pytest.mark.parametrize(
    ("resource", "operation"), [(SOURCE, "startCopy"), (SOURCE, "getModel"), (TARGET, "authorizeCopy")]
)
def test_endless_error_message(stage: Driven, resource: str, operation: str) -> None:
    """An endless error message of the service does not travel on."""
    words = {"error": {"code": "1002", "message": "word " * 20_000}}
    stage.resource(resource).inject(operation, "status", status=400, body=words, count=None)
    copy = only(stage.copies([FIRST]))
    assert copy["status"] == "Failed"
    assert len(copy["message"]) < 4000
    for instance in stage.host.instances():
        assert len(as_text(stage.host.history(instance.instance_id))) < 100_000


def test_copies_of_v2_keep_to_one_minute(make_stage: MakeStage) -> None:
    """Copies of v2 keep to one a minute without being told."""
    stage = make_stage(rate_limits={"v2CopiesPerMinute": 1})
    for name in REGIONS:
        stage.resource(name).set_limits("S0")
    models = [model.model_id for model in stage.source.models() if model.state == "ready"][:5]
    began = stage.clock.now()
    assert stage.copy(models)["status"] == "Succeeded"
    statuses = [entry.status for name in REGIONS for entry in stage.resource(name).requests()]
    assert statuses.count(429) == 0
    assert stage.count("startCopy") == 5
    assert min(gaps(stage.times(SOURCE, "startCopy"))) >= 60
    assert stage.clock.now() - began <= timedelta(seconds=1.3 * 4 * 60)
    authorized, started = stage.times(TARGET, "authorizeCopy"), stage.times(SOURCE, "startCopy")
    late = [(start - permission).total_seconds() for permission, start in zip(authorized, started, strict=True)]
    assert max(late) < 1, "an authorization is asked for as late as possible"


def test_hundred_v4_copies_keep_to_limits(make_stage: MakeStage) -> None:
    """A hundred v4 copies keep to the limits of s0 by design and lose little time."""
    models = [v4_model(f"model-{number:03d}") for number in range(100)]
    limits = {"managePerSecond": 5, "getPerSecond": 50, "listPerSecond": 10}
    stage = make_stage(models, versions=["2024-11-30"], rate_limits=limits, copies={"concurrency": 32})
    for name in REGIONS:
        stage.resource(name).set_limits("S0")
    began = stage.clock.now()
    run_id = stage.post_copies([model.model_id for model in models]).body["runId"]
    stage.host.run_until_idle(timeout=300)
    assert stage.run(run_id)["status"] == "Succeeded"
    statuses = [entry.status for name in REGIONS for entry in stage.resource(name).requests()]
    assert statuses.count(429) <= 0.02 * len(statuses), Counter(statuses)
    assert stage.clock.now() - began <= timedelta(seconds=1.3 * 100 / 5)
    assert len(stage.target.models()) == 100


def test_copy_that_waits_for_its_turn_longer(make_stage: MakeStage) -> None:
    """A copy that waits for its turn longer than a lease is not taken over."""
    stage = make_stage(rate_limits={"v2CopiesPerMinute": 0.02})
    run_id = stage.begin([FIRST, seeds.model_uuid("Shop receipts")], seconds=40 * 60)
    waiting = [copy["modelId"] for copy in stage.run(run_id)["copies"] if copy["status"] == "Running"]
    assert len(waiting) == 1
    assert stage.post_copies(waiting).status == 409
    stage.host.run_until_idle()
    assert stage.run(run_id)["status"] == "Succeeded"
    assert (stage.count("authorizeCopy"), len(stage.target.models())) == (2, 2)


def test_what_target_holds_already_costs_two_looks(stage: Driven) -> None:
    """What the target holds already costs two looks and writes nothing."""
    first = only(stage.copies([FIRST]))
    for name in REGIONS:
        stage.resource(name).clear_requests()
    second = only(stage.copies([FIRST]))
    assert (second["status"], second["code"]) == ("Succeeded", "AlreadyThere")
    assert second["targetModelId"] == first["targetModelId"]
    assert stage.calls() == [f"{SOURCE}:getModel", f"{TARGET}:getModel"]


def test_a_copy_that_somebody_deleted_is_made_again(stage: Driven) -> None:
    lost = only(stage.copies([FIRST]))["targetModelId"]
    stage.target.remove_model(lost)
    again = only(stage.copies([FIRST]))
    assert again["status"] == "Succeeded"
    assert again["targetModelId"] != lost
    states = {replica.target_model_id: replica.state for replica in stage.replicas(FIRST)}
    assert states[again["targetModelId"]] == "ready"
    assert states[lost] != "ready"


def trained_anew(model: StoredModel) -> StoredModel:
    """Return a model under the same id with another content."""
    content = v4_model(model.model_id, fields={"Other": 0.5}).content
    return replace(model, content=content, trained=model.trained + timedelta(days=1))


def test_model_that_was_retrained(make_stage: MakeStage) -> None:
    """A model that was retrained before its copy began is recorded as what was copied."""
    model = v4_model("invoices")
    stage = make_stage([model], versions=["2024-11-30"])
    stage.target.inject("authorizeCopy", "status", status=429, headers={"Retry-After": "30"}, count=1)
    run_id = stage.begin(["invoices"], seconds=5)
    stage.source.put_model(trained_anew(model))
    stage.host.run_until_idle()
    assert only(stage.run(run_id)["copies"])["status"] == "Succeeded"
    assert "Other" in as_text(stage.target.models()[0].content)
    assert only(stage.copies(["invoices"]))["code"] == "AlreadyThere"


def test_copy_that_does_not_equal_its_source(stage: Driven) -> None:
    """A copy that does not equal its source is not good and is left for a person to see."""
    stage.source.set_durations((6.0, 6.0))
    run_id = stage.begin([FIRST], seconds=6.5)
    (made,) = stage.target.models()
    stage.target.put_model(replace(v2_model(made.model_id, fields={"Total": 0.1}), api_version="v2.1"))
    stage.host.run_until_idle()
    copy = only(stage.run(run_id)["copies"])
    assert (copy["status"], copy["code"]) == ("Failed", "ContentMismatch")
    assert made.model_id in copy["message"]
    assert "trainResult" in copy["message"] or "modelName" in copy["message"]
    assert [model.state for model in stage.target.models()] == ["ready"]
    assert stage.count("deleteModel") == 0
    assert stage.replicas(FIRST) == []


class WrongRegion(Driven):
    """A stage on which backup.json gives the target a region that it is not in."""

    def configuration(self) -> dict[str, Any]:
        whole = super().configuration()
        whole["resources"][TARGET]["region"] = "westus"
        return whole


def test_wrong_region_in_configuration_is_named(make_stage: MakeStage) -> None:
    """A wrong region in the configuration is named and not tried again."""
    stage = make_stage(kind=WrongRegion)
    copy = only(stage.copies([FIRST]))
    assert (copy["status"], copy["code"]) == ("Failed", "TargetUnresolved")
    assert "westus" in copy["message"]
    assert (stage.count("authorizeCopy"), stage.count("startCopy")) == (1, 1)
    assert stage.target.models() == []


class Encrypted(Driven):
    """A stage on which the source is encrypted with a customer's key and the targets are not."""

    allowed = False

    def __init__(self, folder: Path, models: Sequence[StoredModel] | None = None, **options: Any) -> None:
        super().__init__(folder, models, **options)
        specs = [self.simulator.resource(name).spec for name in REGIONS]
        encrypted: list[ResourceSpec] = [replace(spec, encrypted=spec.name == SOURCE) for spec in specs]
        self.simulator = Simulator(encrypted, clock=self.clock, seed=1)

    def configuration(self) -> dict[str, Any]:
        whole = super().configuration()
        whole["routes"] = [{"source": SOURCE, "target": TARGET, "allowEncryptionDowngrade": self.allowed}]
        return whole


class MayDowngrade(Encrypted):
    """The same, where the configuration allows it."""

    allowed = True


def test_copy_to_less_protected_resource_is_made(make_stage: MakeStage) -> None:
    """A copy to a less protected resource is made only where that is allowed."""
    stage = make_stage(kind=Encrypted)
    copy = only(stage.copies([FIRST]))
    assert (copy["status"], copy["code"]) == ("Failed", "EncryptionDowngrade")
    assert (stage.count("authorizeCopy"), stage.target.models()) == (1, [])


def test_route_may_allow_copy(make_stage: MakeStage) -> None:
    """A route may allow a copy to a less protected resource."""
    stage = make_stage(kind=MayDowngrade)
    assert only(stage.copies([FIRST]))["status"] == "Succeeded"


def test_copy_whose_orchestration_dies_is_reported(make_stage: MakeStage) -> None:
    """A copy whose orchestration dies is reported and resumed by the next request."""
    stage = make_stage(copy_seconds=(60.0, 60.0))
    other = seeds.model_uuid("Shop receipts")
    run_id = stage.begin([FIRST, other])
    dying = next(one for one in stage.host.instances() if one.name == "copy_model" and FIRST in as_text(one.input))
    stage.host.terminate(dying.instance_id, "by an operator")
    stage.host.run_until_idle()
    lost, good = stage.run(run_id)["copies"]
    assert (lost["status"], lost["code"], good["status"]) == ("Failed", "ChildLost", "Succeeded")
    assert stage.run(run_id)["status"] == "PartiallyFailed"
    stage.let_pass(20 * 60)
    assert only(stage.copies([FIRST]))["status"] == "Succeeded"
    assert (stage.count("authorizeCopy"), stage.count("startCopy"), len(stage.target.models())) == (2, 2, 2)


def test_a_lane_that_dies_leaves_no_row_without_an_answer(make_stage: MakeStage) -> None:
    stage = make_stage(copies={"concurrency": 1}, copy_seconds=(60.0, 60.0))
    models = [FIRST, seeds.model_uuid("Shop receipts")]
    run_id = stage.begin(models)
    (lane,) = stage.instances("lane")
    stage.host.terminate(lane, "by an operator")
    stage.host.run_until_idle()
    run = stage.run(run_id)
    assert run["status"] in {"Failed", "PartiallyFailed"}
    assert run["endedAt"]
    assert {copy["code"] for copy in run["copies"]} == {"ChildLost"}


def test_copy_that_fails_leaves_no_placeholder(stage: Driven) -> None:
    """A copy that fails for good leaves no placeholder and frees its claim."""
    stage.source.inject(
        "startCopy", "status", status=400, body={"error": {"code": "1002", "message": "wrong"}}, count=None
    )
    assert only(stage.copies([FIRST]))["status"] == "Failed"
    assert stage.target.models() == []
    stage.source.clear_faults()
    assert only(stage.copies([FIRST]))["status"] == "Succeeded"
