"""Calls of the Durable Functions runtime: starting a run, with the same answer for every kind, and reading its status."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from backup.messages import Message
from http_start.answers import accepted, run_address
from http_start.problems import unavailable

_logger = logging.getLogger(__name__)


async def start_run(
    req: func.HttpRequest, client: df.DurableOrchestrationClient, orchestrator: str, run_id: str, message: Message
) -> func.HttpResponse:
    """Start ``orchestrator`` as ``run_id``; answer 202 with the address of its status. Raises ``Problem`` (503)."""
    with _call(run_id, "StartFailed", "the Durable Functions runtime did not accept the run; try again"):
        await client.start_new(orchestrator, instance_id=run_id, client_input=message.to_json())
    address = run_address(req, run_id)
    return accepted(req, run_id, {"runId": run_id, "statusUrl": address, "cancelUrl": f"{address}/cancel"})


async def runtime_status(client: df.DurableOrchestrationClient, run_id: str) -> Any:
    """Return the status of a run's orchestration, ``None`` if the runtime does not have it. Raises ``Problem`` (503)."""
    with _call(run_id, "RuntimeUnavailable", "the Durable Functions runtime does not answer; try again"):
        status = await client.get_status(run_id, show_input=True)
    return status if status and status.runtime_status is not None else None


@contextmanager
def _call(run_id: str, code: str, detail: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        _logger.exception("%s: run %s", code, run_id)
        raise unavailable(code, detail) from error
