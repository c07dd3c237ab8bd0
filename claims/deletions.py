"""Everything that the app may delete in a target. No other module calls ``delete_model``.

The rule:

1. **A placeholder** that the target authorized for a claim (its ``owned_id``, or a superseded one), if the same activity has just read
   that it is not ready. A ready model is verified instead.
2. **A late copy** under a superseded id, if a verified copy exists and the late one holds what was being copied.
3. **A replica** in the catalog, if its content still equals what was verified.
4. **A suspect**: from v3 on a stale placeholder that blocks a component of a composed model; on v2 one that is still ``creating`` after
   ``deleteSuspectsAfterHours``.

A deletion is announced, so that another delivery of the step waits for it. From v3 on an id is deleted once at most: a deleted id is free
for other users.
"""

from __future__ import annotations

from backup.claim import Superseded
from backup.codes import Code
from backup.document_models import Kind, ModelState
from backup.messages import Message
from backup.messages.copy import Failure, ReplicaDone, StepInput
from backup.records import Replica, Suspect
from backup.states import ReplicaState
from catalog.store import Stored
from claims.lost_answers import add_suspect, state_of, suspect_lost_id
from claims.step import StepContext, at_work, step_fields
from form_recognizer import ModelNotFound, ModelService, RetryAfter, ServiceError
from wiring.events import Event, emit
from wiring.services import Services


def _delete_if_there(service: ModelService, model_id: str) -> bool:
    """Delete a model; return whether there was one. The only call of the app that deletes a model."""
    try:
        service.delete_model(model_id)
    except ModelNotFound:
        return False
    return True


# 1. placeholders


def remove_placeholder(work: StepContext) -> bool:
    """Delete the placeholder of a claim that is ``discarding``; return false if it is ready.

    An id that the target did not authorize for this copy is not deleted, and a superseded one not yet: a copy may still arrive under it.
    """
    claim, target = work.claim, work.target()
    state = state_of(target, work.target_model_id)
    if state is ModelState.READY:
        return False
    owned_id = claim.owned_id
    if owned_id is None or claim.is_superseded(owned_id):
        return True
    if not target.generation.shows_placeholders:
        # if this does not free the id, the next authorization under it is refused, and the id becomes a suspect
        suspect_lost_id(work, unless=owned_id)
        claim = claim.replace(owned_id=None, lost_id=owned_id)
    elif state is None:
        return True
    with work.deletion(claim):
        _delete_if_there(target, owned_id)
    return True


def remove_unclaimed_placeholder(work: StepContext, target_model_id: str) -> None:
    """Delete a placeholder that was just authorized and that no claim will name.

    If that fails, the placeholder is reported as a suspect: the failure that led here matters more.
    """
    target = work.target()
    try:
        if state_of(target, target_model_id) is ModelState.READY:
            return
        _delete_if_there(target, target_model_id)
    except ServiceError as error:
        emit(Event.SUSPECT_FOUND, target=target.resource, targetModel=target_model_id, code=error.code)
        return
    emit(Event.DISCARDED, target=target.resource, targetModel=target_model_id)
    work.services.catalog.suspects.forget(work.order.target, target_model_id, work.order.kind)


# 1 and 2. superseded ids


def sweep(work: StepContext, only: str | None = None) -> None:
    """Delete what must not stay under superseded ids: all of them, or ``only`` one. What fails stays in the claim for the next time."""
    for entry in work.claim.superseded:
        if only in {None, entry.target_model_id}:
            try:
                _sweep_one(work, entry)
            except ServiceError as error:
                found = {"target": work.order.target, "targetModel": entry.target_model_id}
                emit(Event.STEP_FAILED, step="sweep", code=error.code, **found)


def _sweep_one(work: StepContext, entry: Superseded) -> None:
    claim, target, target_model_id = work.claim, work.target(), entry.target_model_id
    if target_model_id == claim.target_model_id and claim.verified_at is not None:
        # it became ready, and is the copy
        return work.save(claim.without_superseded(entry))
    is_shown = target.generation.shows_placeholders
    found = target.find_model(target_model_id)
    if found is None and entry.deleting:
        # the outcome of its deletion is unknown: it is not deleted again, and stays reported
        add_suspect(work, target_model_id)
    if found is None and (is_shown or entry.deleting):
        return work.save(claim.without_superseded(entry))
    is_ready = found is not None and found.summary.state is ModelState.READY
    is_late_copy = claim.verified_at is not None and found is not None and found.digest() == entry.digest
    if is_ready and (entry.deleting or not is_late_copy):
        return None
    with work.deletion(claim if is_shown else claim.with_deleting(entry)):
        _delete_if_there(target, target_model_id)
    emit(Event.SWEPT, target=claim.target, targetModel=target_model_id)
    return work.save(work.claim.without_superseded(entry))


# 3. replicas


def delete_recorded(services: Services, step: StepInput, stored: Stored[Replica]) -> Message:
    """Delete a replica if it still is what was verified. It is announced first: the lookup must not name it any more."""
    replica, replicas = stored.record, services.catalog.replicas
    if replica.is_call_under_way(services.now()):
        raise at_work()
    service = services.model_service(replica.target, replica.api_version, replica.kind)
    found = service.find_model(replica.target_model_id)
    missing = replica.replace(state=ReplicaState.MISSING, call_ends_at=None)
    if found is not None and found.digest() != replica.digest:
        replicas.put(missing, stored)
        return Failure.of(
            Code.NOT_OURS,
            f'{replica.kind} {replica.target_model_id} in "{replica.target}" was changed since it was verified, so it is not deleted',
        )
    deleting = replica.replace(state=ReplicaState.DELETING, call_ends_at=services.now() + services.longest_call())
    stored = replicas.put(deleting, stored)
    try:
        was_there = found is not None and _delete_if_there(service, replica.target_model_id)
    except ServiceError:
        replicas.put(deleting.replace(call_ends_at=None), stored)
        raise
    replicas.put(missing, stored)
    emit(Event.REPLICA_DELETED, targetModel=replica.target_model_id, wasThere=was_there, **step_fields(step))
    return ReplicaDone(changed=True)


# 4. suspects


def delete_stale_placeholder(work: StepContext, stored: Stored[Suspect]) -> None:
    """Delete a stale placeholder that blocks an id (v3 and later)."""
    suspects, suspect = work.services.catalog.suspects, stored.record
    with work.deletion(work.claim):
        announced = suspects.change(stored, suspect.replace(deleting=True))
        try:
            _delete_if_there(work.target(), suspect.model_id)
        except RetryAfter:
            # it was not deleted
            suspects.change(announced, suspect)
            raise
    work.emit(Event.RECLAIMED, targetModel=suspect.model_id, blockedSince=suspect.blocked_since)


def delete_lost_v2_placeholder(services: Services, step: StepInput, stored: Stored[Suspect]) -> bool:
    """Delete a v2 suspect whose time is up, if it is still ``creating``; return whether it was deleted.

    v2 never uses an id twice, so deleting it again does no harm.
    """
    suspects, suspect = services.catalog.suspects, stored.record
    if suspect.is_call_under_way(services.now()):
        raise at_work()
    service = services.model_service(step.order.target, suspect.api_version or "", Kind.MODEL)
    if state_of(service, suspect.model_id) is not ModelState.CREATING:
        return False
    announced = suspects.change(stored, suspect.replace(call_ends_at=services.now() + services.longest_call()))
    try:
        _delete_if_there(service, suspect.model_id)
    except ServiceError:
        suspects.change(announced, suspect)
        raise
    emit(Event.SUSPECT_DELETED, targetModel=suspect.model_id, seenAt=suspect.seen_at, **step_fields(step))
    return True
