"""Read a replica whole and compare it with what was verified (``deepCheck``)."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.codes import Code
from backup.messages import Message
from backup.messages.copy import Failure, ReplicaDone, StepInput
from backup.names import CHECK_REPLICA
from backup.states import ReplicaState
from claims.inspection import is_ready
from claims.step import has_ended, require_not_cancelled, step_fields
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, CHECK_REPLICA, StepInput)
def check_replica(services: Services, step: StepInput) -> Message:
    """Compare a replica with what was verified. ``StepInput`` in, ``ReplicaDone`` out, or ``Drifted``."""
    order, replicas = step.order, services.catalog.replicas
    stored = replicas.subject_of(order)
    # one that is missing may have been found so by another delivery of this step, whose answer was not recorded
    if stored is None or stored.record.state is ReplicaState.DELETING:
        return ReplicaDone(changed=False)
    if has_ended(services, order):
        return ReplicaDone(changed=False)
    require_not_cancelled(services, order, "this replica was read")
    replica = stored.record
    service = services.model_service(replica.target, replica.api_version, replica.kind)
    found = service.find_model(replica.target_model_id)
    if is_ready(found, replica.digest):
        return ReplicaDone(changed=False)
    detail = "is missing" if found is None else "differs from what was verified"
    follows = "the next run copies it again" if replica.orphaned_at is None else "its source model is missing as well"
    if replica.retired_at is not None:
        follows = "it is an older version, which cannot be copied again"
    if replica.state is not ReplicaState.MISSING:
        replicas.put(replica.replace(state=ReplicaState.MISSING), stored)
        emit(Event.FINDING, finding="drifted", targetModel=replica.target_model_id, detail=detail, **step_fields(step))
    return Failure.of(
        Code.DRIFTED, f'{replica.kind} {replica.target_model_id} in "{replica.target}" {detail}; {follows}'
    )
