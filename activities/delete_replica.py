"""Delete a replica that is due, or that is recreated under its own id; only if it is what was verified."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.codes import Code
from backup.messages import Message
from backup.messages.copy import ReplicaDone, RowAction, StepInput
from backup.names import DELETE_REPLICA
from backup.states import ReplicaState
from claims.deletions import delete_recorded
from claims.step import Refused, find_claim, has_ended, require_not_cancelled
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, DELETE_REPLICA, StepInput)
def delete_replica(services: Services, step: StepInput) -> Message:
    """Delete a replica, unless it changed, or is in use and a copy of its model is under way. ``StepInput`` in, ``ReplicaDone`` out."""
    order = step.order
    stored = services.catalog.replicas.subject_of(order)
    if stored is None or stored.record.state is ReplicaState.MISSING or has_ended(services, order):
        return ReplicaDone(changed=False)
    if order.subject_fingerprint not in {None, stored.record.fingerprint}:
        # a later version was recorded under this id after the deletion was planned
        return ReplicaDone(changed=False)
    if order.action is RowAction.DELETE or order.recreate:
        require_not_cancelled(services, order, "this replica was deleted")
    # a copy under way leaves a replica alone that another one replaced, and its id
    is_replaced = stored.record.retired_at is not None and not order.recreate
    held = None if is_replaced else find_claim(services, order)
    if held is not None and held.record.is_live(services.now()) and held.record.owner != step.owner:
        raise Refused(Code.COPY_IN_PROGRESS, f"run {held.record.run_id} is copying this model, so its replica is kept")
    return delete_recorded(services, step, stored)
