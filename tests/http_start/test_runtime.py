"""A platform that does not answer is said to be that, and not an error of ours."""

from __future__ import annotations

import asyncio
import json

import azure.durable_functions as df
import pytest

from http_start.problems import Problem
from http_start.starting import runtime_status
from local.host import sdk


def test_runtime_that_does_not_answer_is_503_with_time() -> None:
    """A runtime that does not answer is a 503 with a time to come back."""
    with pytest.raises(Problem) as refused:
        asyncio.run(_asked())
    assert (refused.value.status, refused.value.code) == (503, "RuntimeUnavailable")
    assert refused.value.headers["Retry-After"] == "10"


async def _asked() -> None:
    nowhere = {"rpcBaseUrl": "http://127.0.0.1:9/durabletask/", "managementUrls": {"id": "x"}, "taskHubName": "h"}
    async with sdk.own_session():
        client = df.DurableOrchestrationClient(json.dumps({**nowhere, "creationUrls": {}}))
        await runtime_status(client, "copies-1")
