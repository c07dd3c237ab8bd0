"""A copy that cannot go on for now: keep its operation and id in the claim, and let whoever asks next take it over at once."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity, fields
from activities.fence import held_claim, save
from backup.messages import Discarded, Message, ParkInput
from backup.names import PARK_CLAIM
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, PARK_CLAIM, ParkInput)
def park_claim(services: Services, step: ParkInput) -> Message:
    """End the lease without ending the copy. ``ParkInput`` in, ``Discarded`` out."""
    held = held_claim(services, step)
    save(services, held, held.claim.parked(services.now()), step)
    emit(Event.PARKED, state=held.claim.state, code=step.code, targetModel=held.claim.target_model_id, **fields(step))
    return Discarded(attempt=held.claim.attempt)
