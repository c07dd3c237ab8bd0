"""A model that is retrained every day: its last versions stay, can be found, and can be brought back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backup.states import ReplicaState
from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from tests.nights import MakeNights, Nights, mixed_models

from .test_always_a_copy import MODEL, Witness, watched

TARGETS = (TARGET, SECOND_TARGET)
KEEPING: dict[str, Any] = {"onChange": "version"}


class VersionWitness(Witness):
    """Sees at every moment how many versions each target has, recorded and there."""

    def __init__(self, stage: Nights, resources: tuple[str, ...]) -> None:
        super().__init__(stage, resources)
        self.fewest: dict[str, int] = {}

    def look(self) -> None:
        super().look()
        for target in TARGETS:
            held = self._stage.resource(target)
            kept = {
                one.fingerprint
                for one in self._stage.replicas(MODEL, target)
                if one.state in {ReplicaState.READY, ReplicaState.RETIRING} and held.model(one.target_model_id)
            }
            self.fewest[target] = min(self.fewest.get(target, len(kept)), len(kept))


def retrain_daily(stage: Nights, times: int, first: int = 1) -> None:
    for number in range(first, first + times):
        stage.days_pass(1.1)
        stage.retrain(MODEL, Trained=number / 10)
        run = stage.backup()
        assert run["status"] == "Succeeded", run
        assert run["counts"]["copy"] >= len(TARGETS)


def found(stage: Nights, query: str = "") -> dict[str, Any]:
    answer = stage.http("GET", f"/api/models/{SOURCE}/{MODEL}{query}")
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.body
    return body


def contents(stage: Nights, resource: str, places: list[dict[str, Any]]) -> list[Any]:
    """Return the confidence in the one field that tells the versions apart."""
    ids = [place["modelId"] for place in places if place["resource"] == resource and place["role"] == "replica"]
    models = [stage.resource(resource).model(model_id) for model_id in ids]
    return [
        list(next(iter(model.content["docTypes"].values()))["fieldConfidence"].values()) for model in models if model
    ]


def test_three_versions_are_there_at_every_moment(make_stage: MakeNights, tmp_path: Path) -> None:
    """Retrained five times, and looked at before and after every write: three versions, and the lookup names what works."""
    stage, store = watched(make_stage, tmp_path, plan=KEEPING)
    stage.backup()
    retrain_daily(stage, 2)
    witness = VersionWitness(stage, (SOURCE, *TARGETS))
    store.look = witness.look
    retrain_daily(stage, 3, first=3)
    stage.days_pass(1.1)
    stage.backup()
    assert witness.wrong == []
    assert witness.fewest == dict.fromkeys(TARGETS, 3)
    for target in TARGETS:
        kept = [one for one in stage.replicas(MODEL, target) if one.state is not ReplicaState.MISSING]
        assert [str(one.state) for one in kept] == ["retiring", "retiring", "ready"]
        assert set(stage.held(target)) >= {one.target_model_id for one in kept}
        assert len([name for name in stage.held(target) if name.startswith(MODEL)]) == 3


def test_lookup_names_the_newest_and_finds_the_older(make_stage: MakeNights) -> None:
    stage = make_stage(plan=KEEPING)
    stage.backup()
    retrain_daily(stage, 3)
    stage.days_pass(1.1)
    stage.backup()
    body = found(stage)
    assert [place["resource"] for place in body["places"]] == [
        SOURCE,
        *[place["resource"] for place in body["places"][1:]],
    ]
    for target in TARGETS:
        assert contents(stage, target, body["places"]) == [[0.3]]
    assert [version["present"] for version in body["versions"]] == [True, False, False]
    assert [version["resources"] for version in body["versions"]] == [sorted(TARGETS)] * 3
    trained = [version["trained"] for version in body["versions"]]
    assert trained == sorted(trained, reverse=True)
    older = found(stage, f"?version={body['versions'][1]['version'][:8]}")
    assert SOURCE not in {place["resource"] for place in older["places"]}
    for target in TARGETS:
        assert contents(stage, target, older["places"]) == [[0.2]]


def test_an_older_version_is_restored(make_stage: MakeNights) -> None:
    """To its source, which still has the newer one under the id, and the lookup goes on to name the newest."""
    stage = make_stage(plan=KEEPING)
    stage.backup()
    retrain_daily(stage, 2)
    before = found(stage)
    version = before["versions"][1]["version"]
    answer = stage.http("POST", "/api/restores", {"source": SOURCE, "models": [MODEL], "version": version[:6]})
    assert answer.status == 202, answer.body
    stage.host.run_until_idle()
    run = stage.run(answer.body["runId"])
    (row,) = run["copies"]
    assert (run["status"], row["status"], row["targetModelId"]) == ("Succeeded", "Succeeded", f"{MODEL}.2")
    restored = stage.source.model(f"{MODEL}.2")
    assert restored is not None
    (place, *_) = contents(stage, TARGET, found(stage, f"?version={version}")["places"])
    assert list(next(iter(restored.content["docTypes"].values()))["fieldConfidence"].values()) == place
    after = found(stage)
    assert [(one["role"], one["modelId"]) for one in after["places"]] == [
        (one["role"], one["modelId"]) for one in before["places"]
    ]
    assert after["versions"] == before["versions"]
    # in the next night the restored model is one of its own, and the newest stays the newest
    stage.days_pass(1.1)
    run = stage.backup()
    assert (run["status"], run["counts"]["copy"]) == ("Succeeded", len(TARGETS))
    assert found(stage)["versions"][0]["version"] == before["versions"][0]["version"]


def test_a_restored_model_is_retrained(make_stage: MakeNights) -> None:
    """The source has another version under the id since then: a lookup of the older one does not name it."""
    stage = make_stage(plan=KEEPING)
    stage.backup()
    version = found(stage)["versions"][0]["version"]
    stage.source.remove_model(MODEL)
    answer = stage.http("POST", "/api/restores", {"source": SOURCE, "models": [MODEL]})
    stage.host.run_until_idle()
    assert stage.run(answer.body["runId"])["status"] == "Succeeded"
    assert found(stage, f"?version={version}")["places"][0]["resource"] == SOURCE
    retrain_daily(stage, 1)
    body = found(stage, f"?version={version}")
    assert {place["resource"] for place in body["places"]} == set(TARGETS)
    assert SOURCE not in {name for one in body["versions"] for name in one["resources"]}
    assert found(stage)["places"][0]["role"] == "source"


def test_an_older_version_goes_to_a_third_resource(make_stage: MakeNights) -> None:
    """Its source is down, and has been replaced by nobody: the id is free there, and no target counts it as its copy."""
    stage = make_stage(targets=[TARGET], plan=KEEPING)
    stage.backup()
    stage.days_pass(1.1)
    stage.retrain(MODEL)
    stage.backup()
    version = found(stage)["versions"][1]["version"]
    stage.source.down()
    body = {"source": SOURCE, "target": SECOND_TARGET, "models": [MODEL], "version": version}
    answer = stage.http("POST", "/api/restores", body)
    stage.host.run_until_idle()
    assert stage.run(answer.body["runId"])["status"] == "Succeeded"
    assert MODEL in stage.held(SECOND_TARGET)
    assert SECOND_TARGET not in {place["resource"] for place in found(stage)["places"]}


@pytest.mark.parametrize(
    ("body", "status", "code", "says"),
    [
        ({"models": [MODEL], "version": "ffffffff"}, 404, "UnknownVersion", "there are"),
        ({"models": [MODEL], "version": "XYZ"}, 400, "InvalidRequest", "first characters"),
        ({"models": [MODEL, "claims"], "version": "abcdef"}, 400, "InvalidRequest", "the one model"),
        ({"version": "abcdef"}, 400, "InvalidRequest", "the one model"),
    ],
)
def test_a_wrong_version_is_refused(stage: Nights, body: dict[str, Any], status: int, code: str, says: str) -> None:
    stage.backup()
    answer = stage.http("POST", "/api/restores", {"source": SOURCE, **body})
    assert (answer.status, answer.body["code"]) == (status, code)
    assert says in str(answer.body)


def test_an_exported_mapping_keeps_its_versions(make_stage: MakeNights) -> None:
    """Read back into an empty catalog, it brings the older versions and their order."""
    stage = make_stage(plan=KEEPING)
    retrain_daily(stage, 4)
    exported = stage.http("GET", "/api/models").body
    versions = [one["version"] for one in found(stage)["versions"]]
    for known in list(stage.services.catalog.replicas.all()):
        stored = stage.services.catalog.replicas.get(
            known.source, known.kind, known.model_id, known.target, known.target_model_id
        )
        assert stored is not None
        stage.services.catalog.replicas.put(known.replace(state=ReplicaState.MISSING), stored)
    answer = stage.http("PUT", "/api/models", exported)
    assert answer.status == 202, answer.body
    stage.host.run_until_idle()
    assert [one["version"] for one in found(stage)["versions"]] == versions


def test_a_lost_version_is_told_once(make_stage: MakeNights) -> None:
    stage = make_stage(plan=KEEPING)
    stage.backup()
    retrain_daily(stage, 2)
    (older, *_) = [one for one in stage.replicas(MODEL, TARGET) if one.state is ReplicaState.RETIRING]
    stage.resource(TARGET).remove_model(older.target_model_id)
    stage.days_pass(1.1)
    run = stage.backup()
    assert [(one["finding"], one["target"]) for one in run["findings"]] == [("missing", TARGET)]
    assert "cannot be copied again" in run["findings"][0]["detail"]
    stage.days_pass(1.1)
    assert stage.backup()["findings"] == []


def test_dry_run_says_what_becomes_of_each_version(make_stage: MakeNights) -> None:
    stage = make_stage(plan={**KEEPING, "retention": {"keepVersions": 2}})
    stage.backup()
    retrain_daily(stage, 2)
    stage.days_pass(1.1)
    run = stage.backup(dryRun=True)
    decisions = stage.http("GET", f"/api/runs/{run['runId']}/decisions").body["decisions"]
    versions = [one["olderVersions"] for one in decisions if one["modelId"] == MODEL]
    assert [[one["reason"] for one in each] for each in versions] == [["kept", "surplus"]] * len(TARGETS)
    assert {name for name in stage.held(TARGET) if name.startswith(MODEL)} == {MODEL, f"{MODEL}.2", f"{MODEL}.3"}


def test_a_component_keeps_no_versions(make_stage: MakeNights) -> None:
    """Its newest copy takes the own id, which composed models refer to."""
    stage = make_stage(mixed_models()[2:], targets=[SECOND_TARGET], plan=KEEPING)
    stage.backup()
    for _ in range(3):
        stage.retrain(MODEL)
        stage.backup()
        stage.days_pass(1.1)
        stage.backup()
        stage.days_pass(1.1)
    stage.backup()
    kept = [one for one in stage.replicas(MODEL, SECOND_TARGET) if one.state is not ReplicaState.MISSING]
    assert [(one.target_model_id, str(one.state)) for one in kept] == [(MODEL, "ready")]
