"""What one copy costs: calls to the service, and events in the history."""

from __future__ import annotations

import pytest

from local.inprocess import SECOND_TARGET, SOURCE
from local.simulator import StoredModel
from local.simulator.models import classifier, v2_model, v3_model, v4_model
from local.simulator.seeds import model_uuid

from .conftest import MakeScene, Scene

MOST_EVENTS = 60


def events(scene: Scene) -> int:
    """Return the number of history events of the run, its lane, and the copy."""
    return sum(
        len(generation)
        for instance in scene.host.instances()
        for generation in scene.host.generations(instance.instance_id)
    )


@pytest.mark.parametrize(
    ("model", "most_calls"),
    [
        pytest.param(v2_model(model_uuid("invoices")), 6, id="v2.1"),
        # one call more: v4 finds the model, and its own version reads it
        pytest.param(v3_model("invoices", api_version="2022-08-31"), 7, id="2022-08-31"),
        pytest.param(v3_model("invoices"), 7, id="2023-07-31"),
        pytest.param(v4_model("invoices"), 6, id="2024-11-30"),
        # one call less: classifiers have no limit to read
        pytest.param(classifier("sorter"), 5, id="classifier"),
    ],
)
@pytest.mark.parametrize("tier", ["none", "S0"])
def test_a_copy_of_two_seconds_stays_in_its_budget(
    make_scene: MakeScene, model: StoredModel, most_calls: int, tier: str
) -> None:
    paced: dict[str, dict[str, object]] = (
        {name: {"rateLimits": {}} for name in (SOURCE, SECOND_TARGET)} if tier == "S0" else {}
    )
    scene = make_scene(model, limits=tier, settings=paced)
    copy = scene.copy_one(model.model_id, target=SECOND_TARGET, kind=model.kind)
    assert (copy["status"], copy["polls"]) == ("Succeeded", 1)
    operations = scene.operations()
    assert sum(map(len, operations.values())) <= most_calls, operations
    assert events(scene) <= MOST_EVENTS


def test_an_existing_copy_costs_one_call_to_each_side(make_scene: MakeScene) -> None:
    scene = make_scene(v4_model("invoices"))
    scene.copy_one("invoices", target=SECOND_TARGET)
    for name in (SOURCE, SECOND_TARGET):
        scene.resource(name).clear_requests()
    assert scene.copy_one("invoices", target=SECOND_TARGET)["code"] == "AlreadyThere"
    assert scene.operations() == {SOURCE: ["getModel"], SECOND_TARGET: ["getModel"]}
