"""Everything that the app may delete in a target. No other module calls ``delete_model``.

The rule:

1. **A placeholder** that a claim of ours got from authorize (its ``owned_id``, or one that it gave up), after a look in the same activity
   that does not find it ready. A model that is ready is verified instead.
2. **A copy that came late** under an id that was given up, while a verified copy exists and it still holds what was being copied to it.
3. **A replica** that we recorded, while its content still equals what was verified.
4. **A suspect**: from v3 on a stale placeholder that blocks a component of a composed model; on v2 one that is still ``creating`` after
   ``deleteSuspectsAfterHours``.

Nothing else, ever. From v3 on a deleted id is free for others: there each id is deleted once at most, and its deletion is announced
first.
"""

from __future__ import annotations

from backup.claim import Superseded
from backup.codes import Code
from backup.document_models import Kind, ModelState
from backup.messages import Failure, Message, ReplicaDone, StepInput
from backup.records import Replica, Suspect
from backup.states import ReplicaState
from catalog.store import RowChanged, Stored
from claims.lost_answers import add_suspect, suspect_lost_id
from claims.step import StepContext, step_fields
from form_recognizer import ModelNotFound, ModelService, RetryAfter, ServiceError
from wiring.events import Event, emit
from wiring.services import Services


def state_of(service: ModelService, model_id: str) -> ModelState | None:
    """Return the state of what the target shows under an id; ``None`` for nothing: from v3 on a placeholder is not shown."""
    found = service.find_model(model_id)
    return found.summary.state if found else None


def _delete_if_there(service: ModelService, model_id: str) -> bool:
    try:
        service.delete_model(model_id)
    except ModelNotFound:
        return False
    return True


# 1. placeholders


def remove_placeholder(work: StepContext) -> bool:
    """Delete the placeholder of a claim that is ``discarding``, where it is ours and its fate is known; return false where it is ready.

    A copy may still be running into an id that was given up: that one is only looked at.
    """
    claim, target = work.claim, work.target()
    state = state_of(target, work.target_model_id)
    if state is ModelState.READY:
        return False
    if claim.owned_id is None or claim.is_superseded(claim.owned_id):
        return True
    if not target.generation.shows_placeholders:
        _delete_once(work, target, claim.owned_id)
    elif state is not None:
        _delete_if_there(target, claim.owned_id)
    return True


def _delete_once(work: StepContext, target: ModelService, owned_id: str) -> None:
    claim = work.claim
    # if this does not free the id, or the worker dies before it, the next authorization under it is refused, and the id becomes a suspect
    suspect_lost_id(work, unless=owned_id)
    work.save(claim.replace(owned_id=None, lost_id=owned_id))
    try:
        _delete_if_there(target, owned_id)
    except RetryAfter:
        work.save(claim)
        raise


def remove_orphan(work: StepContext, target_model_id: str) -> None:
    """Delete a placeholder that was authorized a moment ago and that no claim will ever name.

    A failure is reported as a suspect, for a person to clean up; it never hides the failure that led here.
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


# 1 and 2. ids that were given up


def sweep(work: StepContext, only: str | None = None) -> None:
    """Clear away ids that were given up before their fate was known: all of them, or ``only`` one.

    A placeholder that never became ready is deleted. One that became ready late is a second copy of ours: see rule 2. What cannot be
    looked at or deleted now stays in the claim for the next time.
    """
    if not work.claim.superseded:
        return
    # a claim that is swept is the row's, whatever order came for it
    target = work.target()
    for entry in work.claim.superseded:
        if only in {None, entry.target_model_id}:
            try:
                _sweep_one(work, target, entry)
            except ServiceError as error:
                _report_failed_sweep(work, entry, error)


def _sweep_one(work: StepContext, target: ModelService, entry: Superseded) -> None:
    claim, target_model_id = work.claim, entry.target_model_id
    if target_model_id == claim.target_model_id and claim.verified_at is not None:
        # it became ready after all, and is the copy
        return work.save(claim.without_superseded(entry))
    found = target.find_model(target_model_id)
    if found is None and target.generation.shows_placeholders:
        return work.save(claim.without_superseded(entry))
    if found is None and entry.deleting:
        # the outcome of its deletion is unknown: it is not deleted again, and stays reported
        add_suspect(work, target_model_id)
        return work.save(claim.without_superseded(entry))
    is_ready = found is not None and found.summary.state is ModelState.READY
    is_late_copy = claim.verified_at is not None and found is not None and found.digest() == entry.digest
    if is_ready and (entry.deleting or not is_late_copy):
        return None
    if not target.generation.shows_placeholders:
        work.save(claim.with_deleting(entry, deleting=True))
    try:
        _delete_if_there(target, target_model_id)
    except ServiceError as error:
        _report_failed_sweep(work, entry, error)
        if isinstance(error, RetryAfter):
            work.save(work.claim.with_deleting(entry, deleting=False))
        return None
    emit(Event.SWEPT, target=claim.target, targetModel=target_model_id)
    return work.save(work.claim.without_superseded(entry))


def _report_failed_sweep(work: StepContext, entry: Superseded, error: ServiceError) -> None:
    emit(
        Event.STEP_FAILED,
        step="sweep",
        code=error.code,
        target=work.order.target,
        targetModel=entry.target_model_id,
    )


# 3. replicas


def delete_recorded(services: Services, step: StepInput, stored: Stored[Replica]) -> Message:
    """Delete a replica, if it still is what was verified. Announced first: the lookup must not name it while it is being deleted."""
    replica = stored.record
    service = services.model_service(replica.target, replica.api_version, replica.kind)
    replicas = services.catalog.replicas
    stored = replicas.put(replica.replace(state=ReplicaState.DELETING), stored)
    found = service.find_model(replica.target_model_id)
    if found is not None and found.digest() != replica.digest:
        replicas.put(replica.replace(state=ReplicaState.MISSING), stored)
        return Failure.of(
            Code.NOT_OURS,
            f'{replica.kind} {replica.target_model_id} in "{replica.target}" was changed since it was verified, so it is not deleted',
        )
    was_there = found is not None and _delete_if_there(service, replica.target_model_id)
    replicas.put(replica.replace(state=ReplicaState.MISSING), stored)
    emit(Event.REPLICA_DELETED, targetModel=replica.target_model_id, wasThere=was_there, **step_fields(step))
    return ReplicaDone(changed=True)


# 4. suspects


def delete_stale_placeholder(work: StepContext, stored: Stored[Suspect]) -> bool:
    """Delete a stale placeholder that blocks an id (v3 and later); return false where another delivery is doing that."""
    suspects, suspect = work.services.catalog.suspects, stored.record
    try:
        announced = suspects.change(stored, suspect.replace(deleting=True))
    except RowChanged:
        return False
    try:
        _delete_if_there(work.target(), suspect.model_id)
    except RetryAfter:
        # it was not deleted
        suspects.change(announced, suspect)
        raise
    work.emit(Event.RECLAIMED, targetModel=suspect.model_id, blockedSince=suspect.blocked_since)
    return True


def delete_lost_v2_placeholder(services: Services, step: StepInput, suspect: Suspect) -> bool:
    """Delete a v2 suspect whose time is up, if it is still ``creating``; return whether it was deleted.

    v2 never gives an id out twice, so deleting it again, should this step be delivered again, does no harm.
    """
    service = services.model_service(step.order.target, suspect.api_version or "", Kind.MODEL)
    if state_of(service, suspect.model_id) is not ModelState.CREATING:
        return False
    _delete_if_there(service, suspect.model_id)
    emit(Event.SUSPECT_DELETED, targetModel=suspect.model_id, seenAt=suspect.seen_at, **step_fields(step))
    return True
