"""A platform that does not answer is said to be that, and not an error of ours."""

from __future__ import annotations

import asyncio
import json

import azure.durable_functions as df
import pytest
from azure.durable_functions.models.utils import http_utils

from http_start.problems import Problem
from http_start.starting import runtime_status


def test_a_runtime_that_does_not_answer_is_a_503_with_a_time_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    # the SDK's session is global and belongs to one event loop: the hosts of other tests keep theirs
    monkeypatch.setattr(http_utils, "_client_session", None)
    nowhere = {"rpcBaseUrl": "http://127.0.0.1:9/durabletask/", "managementUrls": {"id": "x"}, "taskHubName": "h"}
    client = df.DurableOrchestrationClient(json.dumps({**nowhere, "creationUrls": {}}))
    with pytest.raises(Problem) as refused:
        asyncio.run(_asked(client))
    assert (refused.value.status, refused.value.code) == (503, "RuntimeUnavailable")
    assert refused.value.headers["Retry-After"] == "10"


async def _asked(client: df.DurableOrchestrationClient) -> None:
    try:
        await runtime_status(client, "copies-1")
    finally:
        await (await http_utils._get_session()).close()
