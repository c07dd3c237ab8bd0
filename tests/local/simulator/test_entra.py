"""Bearer tokens: the real ManagedIdentityCredential and both SDKs, over http and https."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from azure.ai.documentintelligence import DocumentIntelligenceAdministrationClient
from azure.ai.documentintelligence.models import AuthorizeCopyRequest
from azure.ai.formrecognizer import DocumentModelAdministrationClient, FormTrainingClient
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import ManagedIdentityCredential

from local.simulator import Identity, ManualClock, Simulator, SystemClock, v2_model, v3_model, v4_model
from local.simulator.certificates import make_server_identity

from .conftest import SOURCE, TARGET

HEADER = "header-of-the-app"
AUDIENCE = "https://cognitiveservices.azure.com"
INFO = "/documentintelligence/info?api-version=2024-11-30"


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """Two resources; the app's identity has a role on both, a second identity only on the source."""
    identities = (Identity(HEADER), Identity(HEADER, client_id="narrow", resources=("source",)))
    with Simulator([SOURCE, TARGET], SystemClock(), identities=identities) as running:
        for name in running.names:
            running.resource(name).set_durations((0, 0))
        monkeypatch.setenv("IDENTITY_ENDPOINT", running.identity_endpoint)
        monkeypatch.setenv("IDENTITY_HEADER", HEADER)
        yield running


def read_token(simulator: Simulator, **query: str) -> requests.Response:
    params = {"resource": AUDIENCE, "api-version": "2019-08-01"} | query
    return requests.get(simulator.identity_endpoint, params=params, headers={"X-IDENTITY-HEADER": HEADER}, timeout=5)


def info(simulator: Simulator, name: str, token: str) -> requests.Response:
    return requests.get(simulator.endpoint(name) + INFO, headers={"Authorization": f"Bearer {token}"}, timeout=5)


def test_a_managed_identity_copies_with_every_sdk(simulator: Simulator) -> None:
    source = simulator.resource("source")
    source.put_model(v2_model("33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"))
    source.put_model(v3_model("receipts"))
    source.put_model(v4_model("invoices"))
    identity = ManagedIdentityCredential()
    endpoints = simulator.endpoint("source"), simulator.endpoint("target")
    # without enforce_https=False both SDKs refuse to send a token over http

    v2 = [FormTrainingClient(endpoint, identity, api_version="2.1", polling_interval=0.02) for endpoint in endpoints]
    permission = v2[1].get_copy_authorization(TARGET.resource_id, TARGET.region, enforce_https=False)
    v2[0].begin_copy_model("33f4d42c-cd2f-4e74-b990-a1aeafab5a5d", permission, enforce_https=False).result()
    v3 = [DocumentModelAdministrationClient(endpoint, identity, polling_interval=0.02) for endpoint in endpoints]
    v3_permission = v3[1].get_copy_authorization(model_id="receipts", enforce_https=False)
    v3[0].begin_copy_document_model_to("receipts", v3_permission, enforce_https=False).result()
    v4 = [DocumentIntelligenceAdministrationClient(endpoint, identity, polling_interval=0.02) for endpoint in endpoints]
    v4_permission = v4[1].authorize_model_copy(AuthorizeCopyRequest(model_id="invoices"), enforce_https=False)
    v4[0].begin_copy_model_to("invoices", v4_permission, enforce_https=False).result()

    assert [model.state for model in simulator.resource("target").models()] == ["ready"] * 3
    assert simulator.issuer.issued == 1  # the credential keeps its token


def test_sdks_refuse_tokens_over_http_by_themselves(simulator: Simulator) -> None:
    client = DocumentIntelligenceAdministrationClient(
        simulator.endpoint("source"), ManagedIdentityCredential(), retry_total=0
    )
    with pytest.raises(ServiceRequestError, match="non-TLS"):
        client.get_resource_details()


def test_https_works_with_the_authority_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = make_server_identity(tmp_path)
    with Simulator([SOURCE], identities=[Identity(HEADER)], tls=server.context) as running:
        monkeypatch.setenv("IDENTITY_ENDPOINT", running.identity_endpoint)
        monkeypatch.setenv("IDENTITY_HEADER", HEADER)
        endpoint = running.endpoint("source")
        client = DocumentIntelligenceAdministrationClient(
            endpoint, ManagedIdentityCredential(), connection_verify=str(server.authority)
        )
        assert endpoint.startswith("https://")
        assert client.get_resource_details().custom_document_models.count == 0
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(endpoint + INFO, timeout=5)


def test_a_user_assigned_identity_needs_its_client_id(simulator: Simulator) -> None:
    token = ManagedIdentityCredential(client_id="narrow").get_token(f"{AUDIENCE}/.default").token
    assert info(simulator, "source", token).status_code == 200


def test_a_token_without_a_role_is_refused(simulator: Simulator) -> None:
    token = read_token(simulator, client_id="narrow").json()["access_token"]
    refused = info(simulator, "target", token)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "PermissionDenied")


def test_a_token_for_another_audience_is_refused(simulator: Simulator) -> None:
    token = read_token(simulator, resource="https://vault.azure.net").json()["access_token"]
    refused = info(simulator, "source", token)
    assert refused.status_code == 401
    assert "audience is incorrect" in refused.json()["error"]["message"]


@pytest.mark.parametrize("authorization", ["Bearer made-up", "Bearer", "Basic source-key", ""])
def test_a_malformed_token_is_refused(simulator: Simulator, authorization: str) -> None:
    headers = {"Authorization": authorization}
    assert requests.get(simulator.endpoint("source") + INFO, headers=headers, timeout=5).status_code == 401


def test_a_token_expires_and_can_be_revoked() -> None:
    clock = ManualClock()
    with Simulator([SOURCE], clock, identities=[Identity(HEADER, token_seconds=60)]) as running:
        answer = read_token(running).json()
        assert answer["expires_on"] == str(int(clock.now().timestamp()) + 60)
        assert info(running, "source", answer["access_token"]).status_code == 200
        clock.advance(60)
        assert info(running, "source", answer["access_token"]).status_code == 401
        fresh = read_token(running).json()["access_token"]
        assert info(running, "source", fresh).status_code == 200
        requests.delete(running.admin_endpoint + "/_sim/tokens", timeout=5)
        assert info(running, "source", fresh).status_code == 401


@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        ({"api-version": "2017-09-01"}, HEADER, 400),
        ({"resource": ""}, HEADER, 400),
        ({"client_id": "unknown"}, HEADER, 401),
        ({}, "wrong", 401),
    ],
)
def test_the_identity_endpoint_checks_its_protocol(
    simulator: Simulator, query: dict[str, str], header: str, status: int
) -> None:
    params = {"resource": AUDIENCE, "api-version": "2019-08-01"} | query
    answer = requests.get(simulator.identity_endpoint, params=params, headers={"X-IDENTITY-HEADER": header}, timeout=5)
    assert answer.status_code == status
    assert "access_token" not in answer.json()


def test_a_wrong_identity_header_is_refused(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    with pytest.raises(ClientAuthenticationError):
        ManagedIdentityCredential().get_token(f"{AUDIENCE}/.default")
