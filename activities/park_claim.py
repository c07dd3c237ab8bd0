"""A copy that cannot go on for now: keep its operation and id in the claim, and let whoever asks next take it over at once."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.envelope import answer, fields
from activities.fence import held_claim, save
from backup.messages import Discarded, Message, ParkInput
from backup.names import PARK_CLAIM
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


@blueprint.function_name(PARK_CLAIM)
@blueprint.activity_trigger(input_name="step")
def park_claim(step: dict) -> dict[str, Any]:  # type: ignore[type-arg]  # the worker refuses dict[str, Any] here
    """End the lease without ending the copy. ``ParkInput`` in, ``Discarded`` out."""
    return answer(PARK_CLAIM, ParkInput, _park, step)


def _park(services: Services, step: ParkInput) -> Message:
    held = held_claim(services, step)
    save(services, held, held.claim.parked(services.now()), step)
    emit(Event.PARKED, state=held.claim.state, code=step.code, targetModel=held.claim.target_model_id, **fields(step))
    return Discarded(attempt=held.claim.attempt)
