"""The seeded models."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from local.simulator import FIRST_MODEL_ID, SEEDS


def test_the_demo_begins_with_the_model_of_the_article() -> None:
    """And has ten ready v2 models."""
    models = SEEDS["demo"]()
    assert models[0].model_id == FIRST_MODEL_ID
    ready = [model for model in models if model.generation == "v2" and model.state == "ready"]
    assert len(ready) >= 10
    assert {model.state for model in models} == {"ready", "creating", "invalid"}


def test_the_demo_has_models_of_every_version() -> None:
    """And a classifier and a composed model."""
    models = SEEDS["demo"]()
    versions = {"v2.0-preview", "v2.0", "v2.1", "2022-08-31", "2023-07-31", "2024-11-30"}
    assert {model.api_version for model in models} == versions
    assert [model.model_id for model in models if model.kind == "classifier"] == ["mail-sorter"]
    assert [model.model_id for model in models if "classifierId" in model.content] == ["incoming-mail-v4"]


def test_the_night_has_24_models_of_all_generations() -> None:
    models = SEEDS["night"]()
    assert len(models) == 24
    assert {model.state for model in models} == {"ready"}
    assert Counter(model.generation for model in models) == {"v2": 6, "v3": 6, "v4": 12}


@pytest.mark.parametrize("name", ["demo", "night", "all"])
def test_seeds_are_always_the_same(name: str) -> None:
    """And composed models name only seeded models."""
    models = SEEDS[name]()
    assert models == SEEDS[name]()
    ids = {(model.kind, model.model_id) for model in models}
    assert len(ids) == len(models)
    for model in models:
        if "classifierId" in model.content:
            assert ("classifier", model.content["classifierId"]) in ids
            assert {("model", item["modelId"]) for item in model.content["docTypes"].values()} <= ids
        assert model.trained < datetime(2026, 11, 23, tzinfo=UTC)
