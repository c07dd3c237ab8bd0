"""Park a copy that ends for now: the claim keeps its state, and the next owner may take it over at once."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.messages import Message
from backup.messages.copy import ParkInput
from backup.names import PARK_CLAIM
from claims.step import StepContext
from wiring.events import Event
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, PARK_CLAIM, ParkInput)
def park_claim(services: Services, step: ParkInput) -> Message:
    """End the lease and keep the claim's state. ``ParkInput`` in, ``StepDone`` out."""
    work = StepContext.open(services, step)
    work.save(work.claim.parked(services.now()))
    work.emit(Event.PARKED, state=work.claim.state, code=step.code, targetModel=work.claim.target_model_id)
    return work.done()
