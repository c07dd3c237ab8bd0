"""The models to begin with."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from local.simulator import FIRST_MODEL_ID, SEEDS


def test_demo_begins_with_articles_model_and_has_ten() -> None:
    """The demo begins with the articles model and has ten of v2."""
    made = SEEDS["demo"]()
    assert made[0].model_id == FIRST_MODEL_ID
    ready = [model for model in made if model.generation == "v2" and model.state == "ready"]
    assert len(ready) >= 10
    assert {model.state for model in made} == {"ready", "creating", "invalid"}


def test_demo_has_every_version_classifier() -> None:
    """The demo has every version a classifier and a composed model."""
    made = SEEDS["demo"]()
    versions = {"v2.0-preview", "v2.0", "v2.1", "2022-08-31", "2023-07-31", "2024-11-30"}
    assert {model.api_version for model in made} == versions
    assert [model.model_id for model in made if model.kind == "classifier"] == ["mail-sorter"]
    assert [model.model_id for model in made if "classifierId" in model.content] == ["incoming-mail-v4"]


def test_night_has_24_ready_models() -> None:
    """The night has 24 ready models of mixed generations."""
    made = SEEDS["night"]()
    assert len(made) == 24
    assert {model.state for model in made} == {"ready"}
    assert Counter(model.generation for model in made) == {"v2": 6, "v3": 6, "v4": 12}


@pytest.mark.parametrize("name", ["demo", "night", "all"])
def test_seeds_are_same_every_time(name: str) -> None:
    """Seeds are the same every time and name only what is there."""
    made = SEEDS[name]()
    assert made == SEEDS[name]()
    known = {(model.kind, model.model_id) for model in made}
    assert len(known) == len(made)
    for model in made:
        if "classifierId" in model.content:
            assert ("classifier", model.content["classifierId"]) in known
            assert {("model", item["modelId"]) for item in model.content["docTypes"].values()} <= known
        assert model.trained < datetime(2026, 11, 23, tzinfo=UTC)
