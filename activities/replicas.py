"""Deleting and checking replicas that we recorded: only what still is what we verified is ever deleted."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity, fields
from activities.fence import find_claim, has_ended, is_cancelled
from backup.codes import Code
from backup.document_models import ModelDetails, ModelState
from backup.messages import Failure, Message, ReplicaDone, RowAction, StepInput
from backup.names import CHECK_REPLICA, DELETE_REPLICA
from backup.states import ReplicaState
from catalog.replicas import KnownReplica
from form_recognizer import ModelNotFound, ModelService
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, DELETE_REPLICA, StepInput)
def delete_replica(services: Services, step: StepInput) -> Message:
    """Delete a replica, if it still is what we verified. ``StepInput`` in, ``ReplicaDone`` out."""
    known = _known(services, step)
    if known is None or known.replica.state is ReplicaState.MISSING:
        return ReplicaDone(changed=False)
    replica = known.replica
    subject = step.order.subject_fingerprint
    if has_ended(services, step.order) or (subject is not None and replica.fingerprint != subject):
        return ReplicaDone(changed=False)
    if (step.order.action is RowAction.DELETE or step.order.recreate) and is_cancelled(services, step.order):
        return Failure.of(Code.CANCELLED, "the run was cancelled before this replica was deleted")
    held = find_claim(services, step.order)
    if held is not None and held.claim.is_live(services.now()) and held.claim.owner != step.owner:
        return Failure.of(Code.COPY_IN_PROGRESS, f"run {held.claim.run_id} is copying this model: its replica stays")
    service = services.model_service(replica.target, replica.api_version, replica.kind)
    # announced first: the lookup must not name it any more when it goes
    known = _marked(services, known, ReplicaState.DELETING)
    found = _read(service, replica.target_model_id)
    if found is not None and found.digest() != replica.digest:
        _marked(services, known, ReplicaState.MISSING)
        return Failure.of(
            Code.NOT_OURS,
            f'{replica.kind} {replica.target_model_id} in "{replica.target}" is not what we verified, so it is not deleted',
        )
    if found is not None:
        try:
            service.delete_model(replica.target_model_id)
        except ModelNotFound:
            found = None
    _marked(services, known, ReplicaState.MISSING)
    emit(Event.REPLICA_DELETED, targetModel=replica.target_model_id, wasThere=found is not None, **fields(step))
    return ReplicaDone(changed=True)


@activity(blueprint, CHECK_REPLICA, StepInput)
def check_replica(services: Services, step: StepInput) -> Message:
    """Read a replica whole and compare it with what we verified. ``StepInput`` in, ``ReplicaDone`` out."""
    known = _known(services, step)
    if known is None or known.replica.state is not ReplicaState.READY:
        return ReplicaDone(changed=False)
    if is_cancelled(services, step.order):
        return Failure.of(Code.CANCELLED, "the run was cancelled before this replica was read")
    replica = known.replica
    service = services.model_service(replica.target, replica.api_version, replica.kind)
    found = _read(service, replica.target_model_id)
    if found is not None and found.summary.state is ModelState.READY and found.digest() == replica.digest:
        return ReplicaDone(changed=False)
    _marked(services, known, ReplicaState.MISSING)
    became = "is gone" if found is None else "is not what was verified any more"
    follows = "the next run copies it anew" if replica.orphaned_at is None else "its source model is gone as well"
    emit(Event.FINDING, finding="drifted", targetModel=replica.target_model_id, detail=became, **fields(step))
    return Failure.of(
        Code.DRIFTED,
        f'{replica.kind} {replica.target_model_id} in "{replica.target}" {became}; {follows}',
    )


def _known(services: Services, step: StepInput) -> KnownReplica | None:
    order = step.order
    if order.subject_id is None:
        return None
    return services.catalogue.replicas.get(
        order.mapped_source, order.kind, order.mapped_model_id, order.target, order.subject_id
    )


def _read(service: ModelService, model_id: str) -> ModelDetails | None:
    try:
        return service.get_model(model_id)
    except ModelNotFound:
        return None


def _marked(services: Services, known: KnownReplica, state: ReplicaState) -> KnownReplica:
    """Change the replica's state. Raises ``RowChanged`` where somebody changed its row meanwhile: then nothing more is done about it."""
    return services.catalogue.replicas.put(known.replica.model_copy(update={"state": state}), known)
