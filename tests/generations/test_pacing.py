"""Pacing: the app keeps to the limits of a resource, and uses them fully."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

import pytest

from backup.document_models import Kind
from backup.messages.copy import CopyOrder, CopyProgress
from backup.names import COPY_MODEL
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE, TARGET
from local.simulator import StoredModel
from local.simulator.models import classifier, v2_model, v3_model, v4_model
from local.simulator.seeds import RECEIPT, model_uuid

from .conftest import MakeScene, Scene

MANAGE_PER_SECOND = 5
V4 = [v4_model(f"model-{number:03d}") for number in range(100)]
V3 = [v3_model(f"model-{number:03d}") for number in range(40)]
CLASSIFIERS = [classifier(f"sorter-{number:02d}") for number in range(30)]
V2 = [v2_model(model_uuid(f"model {number}")) for number in range(5)]
F0 = {"managePerSecond": 1, "getPerSecond": 1, "listPerSecond": 1}
MOST_REFUSED = 0.02
SPARE = 1.3
LAST_COPY_SECONDS = 2.5


def paced(
    make_scene: MakeScene, models: Iterable[StoredModel], tier: str = "S0", rates: Mapping[str, float] | None = None
) -> Scene:
    """Return a scene with rate limits: the service throttles, and the app paces itself as by default."""
    settings = {name: {"rateLimits": rates or {}} for name in REGIONS}
    return make_scene(*models, limits=tier, settings=settings, copy_seconds=(1.0, 2.0))


def refused_share(scene: Scene) -> float:
    statuses = Counter(entry.status for name in REGIONS for entry in scene.resource(name).requests())
    return statuses[429] / statuses.total()


def ids(models: Iterable[StoredModel]) -> list[str]:
    return [model.model_id for model in models]


@pytest.mark.parametrize(
    ("models", "target"),
    [
        pytest.param(V4, TARGET, id="v4"),
        pytest.param(V3, TARGET, id="v3"),
        pytest.param(CLASSIFIERS, SECOND_TARGET, id="classifiers"),
    ],
)
def test_many_copies_use_the_limits_of_their_route(
    make_scene: MakeScene, models: list[StoredModel], target: str
) -> None:
    """At most two calls in a hundred are refused, and the run takes little longer than the limits allow."""
    scene = paced(make_scene, models)
    began = scene.clock.now()
    run = scene.copy(ids(models), [target], kind=models[0].kind)
    assert (run["status"], run["progress"]["done"]) == ("Succeeded", len(models))
    assert refused_share(scene) <= MOST_REFUSED
    # a copy needs one managing call in each resource; the last copy takes two seconds more
    assert scene.clock.now() - began <= timedelta(seconds=max(SPARE * len(models) / MANAGE_PER_SECOND, 12))


def test_v2_copies_take_one_minute_each(make_scene: MakeScene) -> None:
    """And no call is refused."""
    scene = paced(make_scene, V2)
    began = scene.clock.now()
    assert scene.copy(ids(V2))["status"] == "Succeeded"
    assert refused_share(scene) == 0
    assert scene.clock.now() - began <= timedelta(minutes=SPARE * 4)


def test_two_sources_share_what_their_target_allows(make_scene: MakeScene) -> None:
    scene = paced(make_scene, V4[:25])
    for number in range(25):
        scene.resource(SECOND_TARGET).put_model(v4_model(f"other-{number:02d}"))
    began = scene.clock.now()
    runs = [
        scene.start_run(ids(V4[:25])),
        scene.start_run([f"other-{number:02d}" for number in range(25)], source=SECOND_TARGET),
    ]
    scene.host.run_until_idle()
    assert [scene.run(run)["status"] for run in runs] == ["Succeeded", "Succeeded"]
    assert refused_share(scene) <= MOST_REFUSED
    assert scene.clock.now() - began <= timedelta(seconds=SPARE * 50 / MANAGE_PER_SECOND + LAST_COPY_SECONDS)


def test_two_targets_share_what_their_source_allows(make_scene: MakeScene) -> None:
    scene = paced(make_scene, V4[:25])
    began = scene.clock.now()
    assert scene.copy(ids(V4[:25]), [TARGET, SECOND_TARGET])["status"] == "Succeeded"
    assert refused_share(scene) <= MOST_REFUSED
    assert scene.clock.now() - began <= timedelta(seconds=SPARE * 50 / MANAGE_PER_SECOND + LAST_COPY_SECONDS)


def test_existing_copies_are_found_within_the_limits(make_scene: MakeScene) -> None:
    """What is there already is found out without being throttled."""
    scene = paced(make_scene, V4)
    for model in V4:
        scene.target.put_model(model)
    assert scene.copy(ids(V4))["status"] == "Succeeded"
    for name in REGIONS:
        scene.resource(name).clear_requests()
    began = scene.clock.now()
    run = scene.copy(ids(V4))
    assert {copy["code"] for copy in run["copies"]} == {"AlreadyThere"}
    assert refused_share(scene) <= MOST_REFUSED
    assert scene.clock.now() - began <= timedelta(seconds=15), "each resource is read once for each model"


def test_a_free_resource_is_called_within_its_limits(make_scene: MakeScene) -> None:
    scene = paced(make_scene, V4[:10], "F0", F0)
    run = scene.copy(ids(V4[:10]))
    assert run["status"] == "Succeeded"
    assert refused_share(scene) <= 0.2, "only the average of single reads is planned"


def test_a_cancelled_run_does_not_wait_for_its_turns(make_scene: MakeScene) -> None:
    """And its turns are free for the next run."""
    models = [v2_model(model_uuid(f"model {number}")) for number in range(20)]
    scene = paced(make_scene, models)
    run = scene.start_run(ids(models))
    scene.host.run_until_idle(limit=timedelta(seconds=10))
    assert scene.http("POST", f"/api/runs/{run}/cancel").status in {200, 202}
    began = scene.clock.now()
    scene.host.run_until_idle()
    assert scene.clock.now() - began <= timedelta(minutes=6), "the last turn is twenty minutes away"
    statuses = Counter(copy["status"] for copy in scene.run(run)["copies"])
    assert statuses == {"Succeeded": 1, "Cancelled": 19}
    assert len(scene.journal(TARGET, "authorizeCopy")) == 1
    again = scene.copy(ids(models)[5:7])
    assert again["status"] == "Succeeded", "the turns are free again"


def recreated(scene: Scene, run_id: str) -> str:
    """Copy a model, train it again, and start to copy it under the same id; return the instance, which waits for its turn."""
    scene.copy_one("invoices")
    scene.source.put_model(v4_model("invoices", fields=RECEIPT))
    scene.services.catalog.slots.reserve(SOURCE, "manage", 1000, scene.clock.now())
    order = CopyOrder(
        run_id=run_id,
        row=0,
        source=SOURCE,
        target=TARGET,
        kind=Kind.MODEL,
        model_id="invoices",
        subject_id="invoices",
        recreate=True,
        deadline_seconds=7200,
        patience_seconds=300,
    )
    instance = scene.host.start_new(COPY_MODEL, CopyProgress(order=order).to_json(), run_id)
    scene.host.run_until_idle(limit=timedelta(seconds=500))
    return instance


def test_an_old_copy_stays_until_the_turn_of_the_new(make_scene: MakeScene) -> None:
    """An old copy is not deleted before the turn of the new one."""
    scene = paced(make_scene, [v4_model("invoices")])
    instance = recreated(scene, "one")
    assert scene.target.model("invoices") is not None
    scene.host.run_until_idle()
    assert scene.host.status(instance).output["targetModelId"] == "invoices"
    assert len(scene.journal(TARGET, "deleteModel")) == 1


def test_an_old_copy_stays_if_the_run_is_cancelled(make_scene: MakeScene) -> None:
    """An old copy is not deleted for a run that was cancelled."""
    scene = paced(make_scene, [v4_model("invoices")])
    instance = recreated(scene, "one")
    scene.services.catalog.runs.cancel("one", scene.clock.now())
    scene.host.run_until_idle()
    assert scene.host.status(instance).output["status"] == "Cancelled"
    assert scene.target.model("invoices") is not None
    assert not scene.journal(TARGET, "deleteModel")
    assert scene.places("invoices")[TARGET] == "invoices"
