"""Calls of the Durable Functions runtime: starting a run, with the same answer for every kind, and reading its status."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from backup.json_types import Address, Described
from backup.messages import Message
from catalog.store import CatalogUnavailable
from http_start.answers import accepted, run_address
from http_start.operations import Reply
from http_start.problems import ProblemCode, unavailable
from wiring.orchestrations import Holder, holder_of
from wiring.services import Services

_logger = logging.getLogger(__name__)


class Started(Described):
    """A run that was accepted."""

    runId: str
    """The id of the run."""
    statusUrl: Address
    """Where to ask for its status."""
    cancelUrl: Address
    """Where to POST to cancel it."""


LINKS = {"getRun": "$response.body#/runId", "cancelRun": "$response.body#/runId", "listCopies": "$response.body#/runId"}
STARTED = Reply(
    "The run was accepted. Ask for its status until that is 200.", Started, ("Location", "Retry-After"), links=LINKS
)
START_PROBLEMS: tuple[ProblemCode, ...] = ("StartFailed",)


async def start_run(
    req: func.HttpRequest, client: df.DurableOrchestrationClient, orchestrator: str, run_id: str, message: Message
) -> func.HttpResponse:
    """Start ``orchestrator`` as ``run_id``; answer 202 with the address of its status. Raises ``Problem`` (503)."""
    with _call(run_id, "StartFailed", "the Durable Functions runtime did not accept the run; try again"):
        await client.start_new(orchestrator, instance_id=run_id, client_input=message.to_json())
    address = run_address(req, run_id)
    body: Started = {"runId": run_id, "statusUrl": address, "cancelUrl": f"{address}/cancel"}
    return accepted(req, run_id, body)


async def runtime_status(client: df.DurableOrchestrationClient, run_id: str) -> Any:
    """Return the status of a run's orchestration, ``None`` if the runtime does not have it. Raises ``Problem`` (503)."""
    with _call(run_id, "RuntimeUnavailable", "the Durable Functions runtime does not answer; try again"):
        status = await client.get_status(run_id, show_input=True)
    return status if status and status.runtime_status is not None else None


async def plan_holder(app: Services, client: df.DurableOrchestrationClient, plan: str) -> Holder | None:
    """Return the run that holds a plan, or ``None``. Raises ``Problem`` (503) and ``CatalogUnavailable``."""
    with _call(plan, "RuntimeUnavailable", "the Durable Functions runtime does not answer; try again"):
        return await holder_of(app, client, plan)


@contextmanager
def _call(subject: str, code: ProblemCode, detail: str) -> Iterator[None]:
    try:
        yield
    except CatalogUnavailable:
        raise
    except Exception as error:
        _logger.exception("%s: %s", code, subject)
        raise unavailable(code, detail) from error
