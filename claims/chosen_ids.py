"""Target ids of v3 and later, which the app chooses: the source's own id if it is free, else a fallback id.

An id belongs to the user who authorized it first, and a placeholder is not shown: only a request tells whether an id is free. What a
refusal (409) means, and when a stale placeholder is deleted, is explained in docs/claims.md.
"""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import timedelta

from backup.codes import Code
from backup.document_models import ModelDetails, ModelState
from backup.names import fallback_ids
from backup.states import ClaimState, ReplicaState
from catalog.store import RowChanged
from claims.authorization import authorize
from claims.deletions import delete_stale_placeholder, sweep
from claims.inspection import is_ready
from claims.lost_answers import state_of, suspect_lost_id
from claims.step import Refused, StepContext, at_work, require_not_cancelled
from form_recognizer import CopyTarget, ModelExists
from wiring.events import Event

STALE_AFTER = timedelta(minutes=90)
"""When a placeholder is stale: its authorization ends after an hour (copy-api.md 3.2), and a copy that began then takes seconds."""

SETTLED_AFTER = timedelta(minutes=2)
"""When no copy can arrive any more under an id that was given up."""

CHECK_AGAIN_AFTER = timedelta(minutes=5)
"""When to ask again for an id that is blocked for an unknown time."""


def authorize_under_chosen_id(work: StepContext) -> None:
    """Authorize under the first free id, or find the copy there. Raises ``Refused`` if no id is free."""
    order = work.order
    wanted = order.wanted_id
    occupied = _occupied(work)
    if order.own_id_only:
        _sweep_given_up(work, wanted)
    for target_model_id in [wanted] if order.own_id_only else fallback_ids(wanted):
        if target_model_id in occupied or not _reserve(work, target_model_id):
            continue
        if _authorize_under(work, target_model_id):
            if target_model_id != wanted:
                work.emit(Event.FALLBACK_ID, wanted=wanted, targetModel=target_model_id)
            return
        _reread(work)
    others = "" if order.own_id_only else " and under every fallback id for it"
    raise Refused(
        Code.MODEL_EXISTS,
        f'"{order.target}" holds another model, or an invisible placeholder, under {wanted}{others}; '
        "delete it, or ask for another targetModelId",
    )


def _occupied(work: StepContext) -> set[str]:
    """Return the ids under which the target holds older copies of this model, by the catalog: they need not be requested."""
    order = work.order
    replicas = work.services.catalog.replicas.of_model(
        order.mapped_source, order.kind, order.mapped_model_id, order.target
    )
    in_place = {ReplicaState.READY, ReplicaState.RETIRING, ReplicaState.DELETING}
    return {stored.record.target_model_id for stored in replicas if stored.record.state in in_place}


def _reserve(work: StepContext, target_model_id: str) -> bool:
    order, target_ids = work.order, work.services.catalog.target_ids
    owner = (order.mapped_source, order.mapped_model_id)
    return target_ids.reserve(order.target, order.kind, target_model_id, *owner, burned_too=bool(order.own_id_only))


def _authorize_under(work: StepContext, target_model_id: str) -> bool:
    """Try one id; return whether the claim is authorized, or ready to verify."""
    wanted = CopyTarget(target_model_id, work.claim.description, work.claim.tags)
    if target_model_id not in work.claim.taken_ids:
        try:
            authorize(work, wanted)
        except ModelExists:
            _reread(work)
        else:
            return True
    existing = work.target().find_model(target_model_id)
    is_lost = work.claim.lost_id == target_model_id
    if existing is None and is_lost:
        suspect_lost_id(work)
    if is_lost:
        work.save(work.claim.replace(lost_id=None))
    if existing is not None:
        # a visible model is no placeholder of this copy
        work.services.catalog.suspects.forget(work.order.target, target_model_id, work.order.kind)
        return _adopt(work, existing)
    if not _clear_stale_placeholder(work, target_model_id):
        return False
    try:
        authorize(work, wanted)
    except ModelExists:
        raise _still_blocked(work, target_model_id) from None
    return True


def _adopt(work: StepContext, existing: ModelDetails) -> bool:
    """Verify ``existing`` next if it is the copy; return whether it is."""
    if not is_ready(existing, work.claim.digest):
        return False
    model_id = existing.summary.model_id
    suspect_lost_id(work, unless=model_id)
    work.renew(work.claim.move(ClaimState.VERIFYING, target_model_id=model_id, lost_id=None))
    return True


def _reread(work: StepContext) -> None:
    """Read the claim again after a refusal was written into it. Raises ``Refused`` if another delivery has changed it."""
    work.reread()
    if work.claim.state is not ClaimState.CLAIMED:
        raise at_work()
    work.require_idle()


def _sweep_given_up(work: StepContext, target_model_id: str) -> None:
    """Sweep an id that an earlier attempt gave up and that this copy needs. A ready model stays.

    Raises ``Refused`` (``IdBlocked``) while a copy may still arrive under the id, and if its placeholder cannot be deleted now.
    """
    given_up_at = [entry.given_up_at for entry in work.claim.superseded if entry.target_model_id == target_model_id]
    if not given_up_at:
        return
    left = given_up_at[0] + SETTLED_AFTER - work.now()
    if left > timedelta(0):
        raise _blocked(work, target_model_id, left)
    sweep(work, only=target_model_id)
    is_left = work.claim.is_superseded(target_model_id)
    if is_left and state_of(work.target(), target_model_id) is not ModelState.READY:
        raise _blocked(work, target_model_id, CHECK_AGAIN_AFTER)


def _clear_stale_placeholder(work: StepContext, target_model_id: str) -> bool:
    """Delete a stale placeholder under an id that the target just refused; return whether to request the id again.

    Only if the id is a suspect, and the copy may have no other id. Raises ``Refused`` (``IdBlocked``) while the placeholder is not stale.
    """
    suspects, order = work.services.catalog.suspects, work.order
    stored = suspects.get(order.target, target_model_id, order.kind)
    if stored is None:
        return False
    if stored.record.blocked_since is None:
        stored = suspects.change(stored, stored.record.replace(blocked_since=work.now()))
    if not order.own_id_only:
        return False
    if stored.record.deleting:
        # the outcome of its deletion is unknown: the next request tells
        return True
    left = (stored.record.blocked_since or work.now()) + STALE_AFTER - work.now()
    if left > timedelta(0) or work.target().is_making(target_model_id):
        raise _blocked(work, target_model_id, left if left > timedelta(0) else CHECK_AGAIN_AFTER)
    delete_stale_placeholder(work, stored)
    return True


def _still_blocked(work: StepContext, target_model_id: str) -> Refused:
    """Begin the wait again for an id that is refused although its placeholder was deleted; return what to raise."""
    suspects, order = work.services.catalog.suspects, work.order
    stored = suspects.get(order.target, target_model_id, order.kind)
    if stored is not None:
        suspects.change(stored, stored.record.replace(blocked_since=work.now(), deleting=False))
    return _blocked(work, target_model_id, STALE_AFTER)


def _blocked(work: StepContext, target_model_id: str, left: timedelta) -> Refused:
    """Park the claim, so that a copy which can use a fallback id may take it over; return what to raise."""
    order = work.order
    require_not_cancelled(work.services, order, f"id {target_model_id} was free")
    with suppress(Refused, RowChanged):
        work.reread()
        work.save(work.claim.parked(work.now()))
    minutes = math.ceil(left.total_seconds() / 60)
    return Refused(
        Code.ID_BLOCKED,
        f'a placeholder of unknown owner blocks {order.kind} id {target_model_id} in "{order.target}"; the app asks for the id again in '
        f"{minutes} minutes, and deletes the placeholder once it is stale (after 90 minutes)",
        retry_after=left.total_seconds(),
    )
