"""Read a replica whole and compare it with what was verified (``deepCheck``)."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.codes import Code
from backup.document_models import ModelState
from backup.messages import Message
from backup.messages.copy import Failure, ReplicaDone, StepInput
from backup.names import CHECK_REPLICA
from backup.states import ReplicaState
from claims.step import Refused, has_ended, is_cancelled, step_fields
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, CHECK_REPLICA, StepInput)
def check_replica(services: Services, step: StepInput) -> Message:
    """Compare a replica with what was verified. ``StepInput`` in, ``ReplicaDone`` out, or ``Drifted``."""
    replicas = services.catalog.replicas
    stored = replicas.subject_of(step.order)
    # one that is missing may have been found so by an earlier delivery of this step, whose answer was lost
    if stored is None or stored.record.state not in {ReplicaState.READY, ReplicaState.MISSING}:
        return ReplicaDone(changed=False)
    if has_ended(services, step.order):
        return ReplicaDone(changed=False)
    if is_cancelled(services, step.order):
        raise Refused(Code.CANCELLED, "the run was cancelled before this replica was read")
    replica = stored.record
    found = services.model_service(replica.target, replica.api_version, replica.kind).find_model(
        replica.target_model_id
    )
    if found is not None and found.summary.state is ModelState.READY and found.digest() == replica.digest:
        return ReplicaDone(changed=False)
    is_new = replica.state is ReplicaState.READY
    if is_new:
        replicas.put(replica.replace(state=ReplicaState.MISSING), stored)
    detail = "is missing" if found is None else "differs from what was verified"
    follows = "the next run copies it again" if replica.orphaned_at is None else "its source model is missing as well"
    if is_new:
        emit(Event.FINDING, finding="drifted", targetModel=replica.target_model_id, detail=detail, **step_fields(step))
    return Failure.of(
        Code.DRIFTED, f'{replica.kind} {replica.target_model_id} in "{replica.target}" {detail}; {follows}'
    )
