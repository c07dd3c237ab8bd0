"""What the runtime says of orchestrations: which statuses are final, and whether the run that holds a plan is alive."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import azure.durable_functions as df

from wiring.services import Services

ENDED = {
    df.OrchestrationRuntimeStatus.Completed,
    df.OrchestrationRuntimeStatus.Failed,
    df.OrchestrationRuntimeStatus.Terminated,
    df.OrchestrationRuntimeStatus.Canceled,
}
"""The statuses of an orchestration that will do nothing more."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The run that holds a plan."""

    run_id: str
    is_alive: bool
    """Whether its orchestration goes on. If it has ended, or the runtime does not know it, the next run takes the plan over."""


async def holder_of(services: Services, client: df.DurableOrchestrationClient, plan: str) -> Holder | None:
    """Return the run that holds a plan, or ``None``. Raises ``CatalogUnavailable``, and what the client raises."""
    run_id = await asyncio.to_thread(services.catalog.plans.holder, plan, services.now())
    if run_id is None:
        return None
    status = await client.get_status(run_id)
    is_known = bool(status) and status.runtime_status is not None
    return Holder(run_id, is_alive=is_known and status.runtime_status not in ENDED)
