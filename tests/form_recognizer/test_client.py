"""What the clients of all generations share."""

from __future__ import annotations

import pytest

from form_recognizer import BadRequest, ServerError, Throttled
from local.simulator import v2_model, v3_model, v4_model

from .conftest import Pair, Scripted

V2_ID = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
MODELS = {"v2.1": v2_model(V2_ID), "2023-07-31": v3_model("invoices"), "2024-11-30": v4_model("invoices")}


@pytest.mark.parametrize("api_version", MODELS)
def test_find_model_returns_the_model_or_none(pair: Pair, api_version: str) -> None:
    model_id = V2_ID if api_version == "v2.1" else "invoices"
    service = pair.service("source", api_version)
    assert service.find_model(model_id) is None
    pair.source.put_model(MODELS[api_version])
    assert service.find_model(model_id) == service.get_model(model_id)


@pytest.mark.parametrize("api_version", MODELS)
@pytest.mark.parametrize(("status", "error"), [(500, ServerError), (429, Throttled)])
def test_find_model_raises_every_other_error(
    scripted: Scripted, api_version: str, status: int, error: type[Exception]
) -> None:
    scripted.answer(status)
    with pytest.raises(error):
        scripted.service(api_version).find_model(V2_ID)


def test_find_model_raises_for_a_404_of_the_gateway(scripted: Scripted) -> None:
    """A wrong endpoint says nothing about the model."""
    scripted.answer(404, {"error": {"code": "404", "message": "Resource not found"}})
    with pytest.raises(BadRequest):
        scripted.service().find_model(V2_ID)
