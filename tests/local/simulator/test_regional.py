"""The endpoint that the resources of a region share."""

from __future__ import annotations

import pytest

from local.simulator import ResourceSpec
from local.simulator.models import v4_model

from .conftest import ACCOUNTS, SOURCE, TARGET, simulated

NEIGHBOUR = ResourceSpec("neighbour", SOURCE.region, ACCOUNTS + "neighbour", "neighbour-key")
MODELS = "/documentintelligence/documentModels"
VERSION = "?api-version=2024-11-30"


def test_the_key_chooses_the_resource() -> None:
    """Addresses in the answers are those of the endpoint that was called."""
    with simulated(SOURCE, NEIGHBOUR, TARGET) as service:
        service.source.put_model(v4_model("invoices"))
        region = service.simulator.regional_endpoint(SOURCE.region)
        assert service.call("source", "GET", f"{region}{MODELS}/invoices{VERSION}").status_code == 200
        assert service.call("neighbour", "GET", f"{region}{MODELS}/invoices{VERSION}").status_code == 404
        allowed = service.call(
            "neighbour", "POST", f"{region}{MODELS}:authorizeCopy{VERSION}", json={"modelId": "copy"}
        )
        assert allowed.json()["targetResourceId"] == NEIGHBOUR.resource_id
        assert allowed.json()["targetModelLocation"].startswith(f"{region}{MODELS}/copy")
        started = service.call("source", "POST", f"{region}{MODELS}/invoices:copyTo{VERSION}", json=allowed.json())
        assert started.headers["Operation-Location"].startswith(region)


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"Ocp-Apim-Subscription-Key": TARGET.key}, 401, "invalid subscription key"),
        ({}, 401, "invalid subscription key"),
        ({"Authorization": "Bearer token"}, 400, "Please provide a custom subdomain"),
    ],
)
def test_a_regional_endpoint_takes_keys_of_its_region(headers: dict[str, str], status: int, words: str) -> None:
    with simulated(SOURCE, NEIGHBOUR, TARGET) as service:
        region = service.simulator.regional_endpoint(SOURCE.region)
        answer = service.session.get(f"{region}{MODELS}{VERSION}", headers=headers, timeout=10)
        assert answer.status_code == status
        assert words in answer.json()["error"]["message"]
