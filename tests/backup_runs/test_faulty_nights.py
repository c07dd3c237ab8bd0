"""Nights on which the service does everything that it can do wrong, now and then, and the calm night after them."""

from __future__ import annotations

from collections import Counter

import pytest

from backup.codes import Code
from backup.document_models import Kind
from backup.states import ClaimState, ReplicaState
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE, TARGET
from local.simulator import StoredModel, seeds
from local.simulator.faults import KINDS
from tests.nights import MakeNights, Nights, rows

TARGETS = (TARGET, SECOND_TARGET)
REAL_SECONDS = {"delay": 0.01, "timeoutBefore": 0.01, "timeoutAfter": 0.01, "hold": 0.01, "slowBody": 0.02}
"""Faults wait in real time; how long does not matter here, only what they do to the connection."""


def at_every_call(stage: Nights, probability: float) -> None:
    """Put every kind of fault on every resource, each at ``probability`` of its calls."""
    for name in REGIONS:
        for kind in KINDS:
            options = {"seconds": REAL_SECONDS[kind]} if kind in REAL_SECONDS else {}
            stage.resource(name).inject("*", kind, count=None, probability=probability, **options)


def is_known(stage: Nights, target: str, model: StoredModel) -> bool:
    """Tell whether the catalog knows whose a model of a target is: a replica's, a claim's, or a suspect's."""
    catalog = stage.services.catalog
    replicas = {(one.target, str(one.kind), one.target_model_id) for one in catalog.replicas.all()}
    named = {(one.target, one.model_id) for one in catalog.suspects.of_target(target)}
    for source_model in seeds.night():
        held = catalog.claims.get(target, Kind(source_model.kind), SOURCE, source_model.model_id)
        if held is not None:
            claim = held.record
            ids = {claim.target_model_id, claim.announced_id, claim.lost_id}
            ids |= {entry.target_model_id for entry in claim.superseded}
            named |= {(target, one) for one in ids if one is not None}
    return (target, model.kind, model.model_id) in replicas or (target, model.model_id) in named


def check_nothing_unknown_or_doubled(stage: Nights) -> None:
    """Nothing is there that nobody knows, and nothing twice. A copy that retires is there for a day beside its successor."""
    retiring = {
        (one.target, one.kind, one.target_model_id)
        for one in stage.services.catalog.replicas.all()
        if one.state is ReplicaState.RETIRING
    }
    for target in TARGETS:
        held = stage.resource(target).models()
        unknown = [model.model_id for model in held if not is_known(stage, target, model)]
        assert unknown == [], f"nobody knows what {unknown} in {target} are"
        used = [model for model in held if (target, Kind(model.kind), model.model_id) not in retiring]
        copies = Counter((model.kind, model.copy_of) for model in used if model.state == "ready")
        assert [name for name, count in copies.items() if count > 1] == [], "something was copied twice"


@pytest.mark.parametrize("seed", [1, 2, 7, 8])
def test_with_every_fault_on_run_ends(make_stage: MakeNights, seed: int) -> None:
    """With every fault on a run ends and the next calm one heals the rest."""
    stage = make_stage(seeds.night(), copies={"patienceSeconds": 120}, seed=seed)
    at_every_call(stage, 0.05)
    wrong_night = stage.backup()
    assert wrong_night["status"] in {"Succeeded", "PartiallyFailed", "Failed"}
    assert wrong_night["endedAt"]
    for target, name, status, code in rows(wrong_night):
        assert status == "Succeeded" or code in set(Code), (target, name, status, code)
    check_nothing_unknown_or_doubled(stage)

    for name in REGIONS:
        stage.resource(name).clear_faults()
    stage.days_pass(1)
    left = [row for row in stage.backup()["copies"] if row["status"] != "Succeeded"]
    assert {row["code"] for row in left} <= {"KindUnsupported"}, left
    check_nothing_unknown_or_doubled(stage)
    for model in seeds.night():
        needs_classifiers = model.kind == "classifier" or "classifierId" in model.content
        places = stage.look_up(model.model_id, model.kind)
        reached = {place["resource"] for place in places}
        assert reached >= ({SOURCE, SECOND_TARGET} if needs_classifiers else {SOURCE, *TARGETS})
        for place in places:
            there = stage.resource(place["resource"]).model(place["modelId"], model.kind)
            assert there is not None
            assert there.state == "ready"

    stage.days_pass(1)
    run = stage.backup()
    assert (run["counts"]["copy"], run["counts"]["replace"], run["counts"]["skip"]) == (0, 0, 45)
    ready = [one for one in stage.services.catalog.replicas.all() if one.state is ReplicaState.READY]
    assert len(ready) == 45
    for one in ready:
        held = stage.services.catalog.claims.get(one.target, one.kind, SOURCE, one.model_id)
        assert held is None or held.record.state is ClaimState.RELEASED
