"""Starting a run: the same answer for every kind."""

from __future__ import annotations

import logging
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from backup.messages import Message
from http_start.answers import RETRY_AFTER_SECONDS, json_response, run_address
from http_start.problems import Problem

_logger = logging.getLogger(__name__)


async def start_run(
    req: func.HttpRequest, client: df.DurableOrchestrationClient, orchestrator: str, run_id: str, message: Message
) -> func.HttpResponse:
    """Start ``orchestrator`` as ``run_id``; answer 202 with the address of its status. Raises ``Problem`` (503)."""
    try:
        await client.start_new(orchestrator, instance_id=run_id, client_input=message.to_json())
    except Exception as error:
        _logger.exception("run %s could not be started", run_id)
        raise Problem(
            503,
            "StartFailed",
            "the Durable Functions runtime did not accept the run; try again",
            headers={"Retry-After": "10"},
        ) from error
    address = run_address(req, run_id)
    body = {"runId": run_id, "statusUrl": address, "cancelUrl": f"{address}/cancel"}
    return json_response(body, 202, {"Location": address, "Retry-After": str(RETRY_AFTER_SECONDS)})


async def runtime_status(client: df.DurableOrchestrationClient, run_id: str) -> Any:
    """Return what the platform knows of a run; falsy where it knows nothing. Raises ``Problem`` (503) where it does not answer."""
    try:
        return await client.get_status(run_id, show_input=True)
    except Exception as error:
        _logger.exception("the state of run %s could not be read", run_id)
        raise Problem(
            503,
            "RuntimeUnavailable",
            "the Durable Functions runtime does not answer; try again",
            headers={"Retry-After": "10"},
        ) from error
