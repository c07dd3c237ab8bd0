"""The app reports a Durable Functions runtime that does not answer as such, not as a failure of its own."""

from __future__ import annotations

import asyncio
import json

import azure.durable_functions as df
import pytest

from http_start.problems import Problem
from http_start.starting import runtime_status
from local.host import sdk


def test_unavailable_runtime_is_a_503() -> None:
    """With a time to ask again."""
    with pytest.raises(Problem) as refused:
        asyncio.run(_read_status())
    assert (refused.value.status, refused.value.code) == (503, "RuntimeUnavailable")
    assert refused.value.headers["Retry-After"] == "10"


async def _read_status() -> None:
    nowhere = {"rpcBaseUrl": "http://127.0.0.1:9/durabletask/", "managementUrls": {"id": "x"}, "taskHubName": "h"}
    async with sdk.own_session():
        client = df.DurableOrchestrationClient(json.dumps({**nowhere, "creationUrls": {}}))
        await runtime_status(client, "copies-1")
