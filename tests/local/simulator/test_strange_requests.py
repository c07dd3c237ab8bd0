"""The simulator answers every request as a service does, and never crashes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.simulator import ManualClock, Simulator, v2_model, v4_model

from .conftest import SOURCE

MODEL = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
SEGMENTS = [
    "formrecognizer", "documentintelligence", "v2.1", "v2.0", "custom", "models", "copy", "copyResults", "copyAuthorization", "compose",
    "documentModels", "documentModels:authorizeCopy", "documentModels:compose", "documentClassifiers", "operations", "info",
    "documentClassifiers:authorizeCopy", f"{MODEL}", f"{MODEL}:copyTo", "invoices", "invoices:copyTo", "", "%2F", ":", "a:b:c", "..",
]  # fmt: skip
MEMBERS = [
    "modelId", "classifierId", "description", "tags", "modelIds", "componentModels", "docTypes", "copyAuthorization", "accessToken",
    "targetResourceId", "targetResourceRegion", "targetModelId", "targetModelLocation", "expirationDateTime",
]  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from([MODEL, "invoices", SOURCE.resource_id])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=3),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """One resource with models of two generations."""
    with Simulator([SOURCE], ManualClock()) as simulator:
        simulator.resource("source").put_model(v2_model(MODEL))
        simulator.resource("source").put_model(v4_model("invoices"))
        yield simulator.endpoint("source")


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "PUT"]),
    path=st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=6),
    query=st.sampled_from(
        [
            "",
            "op=full",
            "op=summary",
            "op=full&nextLink=%FF",
            "api-version=2024-11-30",
            "api-version=2023-07-31&nextLink=!!",
            "api-version=",
        ]
    ),
    body=VALUES | st.dictionaries(st.sampled_from(MEMBERS), VALUES, max_size=6),
)
def test_no_request_makes_it_crash(endpoint: str, method: str, path: list[str], query: str, body: object) -> None:
    headers = {"Ocp-Apim-Subscription-Key": SOURCE.key, "Content-Type": "application/json"}
    url = f"{endpoint}/{'/'.join(path)}?{query}"
    answer = requests.request(method, url, data=json.dumps(body), headers=headers, timeout=5)
    assert answer.status_code != 500 or answer.json()["error"]["code"] == "1999"
    assert "apim-request-id" in answer.headers


@pytest.mark.parametrize("key", [b"\xe9", "ключ".encode(), b"\xff\xfe"])
def test_a_key_that_is_not_ascii_is_a_wrong_key(endpoint: str, key: bytes) -> None:
    headers = {"Ocp-Apim-Subscription-Key": key}
    assert requests.get(f"{endpoint}/formrecognizer/v2.1/custom/models", headers=headers, timeout=5).status_code == 401


@pytest.mark.parametrize("body", [b"\xff\xfe", b"[" * 5000, b"1e999", b'"text"', b"null"])
def test_no_body_makes_it_crash(endpoint: str, body: bytes) -> None:
    headers = {"Ocp-Apim-Subscription-Key": SOURCE.key, "Content-Type": "application/json"}
    for path in (
        "documentintelligence/documentModels:authorizeCopy?api-version=2024-11-30",
        f"formrecognizer/v2.1/custom/models/{MODEL}/copy",
    ):
        assert requests.post(f"{endpoint}/{path}", data=body, headers=headers, timeout=5).status_code == 400
