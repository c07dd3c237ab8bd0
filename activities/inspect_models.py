"""Step 1: check source and target, take the claim, and reserve a slot. Nothing is written to the service."""

from __future__ import annotations

from datetime import timedelta

import azure.durable_functions as df

from activities.envelope import activity
from backup.codes import Code
from backup.messages import Message
from backup.messages.copy import Inspected, InspectInput, RowAction
from backup.names import INSPECT_MODELS
from claims.adoption import find_adoptable
from claims.components import COMPONENTS_PER_CALL, missing_components, next_turn
from claims.inspection import existing_copy, require_room, require_route, require_usable
from claims.source_model import find_source
from claims.step import Refused, find_claim, has_ended, require_not_cancelled, step_fields
from claims.taking import require_recordable, resume, take
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()

EXPIRY_WARNING = timedelta(days=30)
"""A copy expires with its source: the app warns this long before."""


@activity(blueprint, INSPECT_MODELS, InspectInput)
def inspect_models(services: Services, step: InspectInput) -> Message:
    """Check whether and how the copy can be made, and claim it. ``InspectInput`` in, ``Inspected`` out."""
    order = step.order
    if has_ended(services, order):
        raise Refused(Code.CLAIM_LOST, "this copy has ended already")
    found = find_claim(services, order)
    resumed = resume(services, step, found) if found is not None else None
    if resumed is not None:
        return resumed
    require_not_cancelled(services, order, "this copy was authorized")
    source = find_source(services, order)
    require_usable(order, source, services.now())
    copy_id = existing_copy(services, order, source)
    adopted = find_adoptable(services, step, source) if copy_id is None else None
    if copy_id is None and adopted is None and order.action is RowAction.ADOPT:
        raise Refused(Code.NOT_ADOPTED, f'"{order.target}" holds no copy of {order.kind} {order.model_id} to adopt')
    if copy_id is None and adopted is None:
        require_route(services, order)
    if copy_id is None:
        require_recordable(services, step, found, source)
    # a restored model needs its components as well: a copy that exists is not enough
    if copy_id is None or order.origin is not None:
        first = step.first_component or 0
        missing = missing_components(services, order, source, first, adopted=adopted is not None)
        if missing:
            return Inspected(missing_components=missing, api_version=source.api_version)
        following = first + COMPONENTS_PER_CALL
        if following < len(source.details.components):
            return Inspected(next_component=following, not_before=next_turn(services, order, first))
    if copy_id is not None:
        return Inspected(already_there=True, target_model_id=copy_id, api_version=source.api_version)
    if adopted is None:
        require_room(services, order, source)
    inspected = take(services, step, found, source, adopted)
    expires = source.details.summary.expires
    if expires is not None and expires - services.now() <= EXPIRY_WARNING:
        emit(Event.EXPIRES_SOON, expiresAt=expires.isoformat(), **step_fields(step))
    return inspected
