"""Target ids of v3 and later, which we choose: the source's own where it is free, a fallback id where it is not.

An id belongs to whoever authorized it first, and a placeholder cannot be seen: the only way to find out is to ask. What a refusal (409)
means:

- a ready model with the same content: it is the copy; verify and record it;
- a ready model with other content: not ours; use a fallback id;
- nothing visible: a placeholder of unknown owner; use a fallback id. Where an answer of ours was lost for this very id, the placeholder
  may be ours: it is reported as a suspect and left alone.

A component of a composed model cannot have a fallback id: the composed model refers to it by its own. It waits until the placeholder is
stale. A placeholder of unknown owner is stale after 90 minutes: its authorization ends after an hour (copy-api.md 3.2), a copy that began
within that hour takes seconds, and a training or a composition under way is in the target's list of operations. The stale placeholder is
deleted once, announced first, and the id is asked for again. The copy waits for that within its deadline.
"""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import timedelta

from backup.codes import Code
from backup.document_models import ModelDetails, ModelState
from backup.names import fallback_ids
from backup.records import Suspect
from backup.states import ClaimState, ReplicaState
from catalog.store import RowChanged, Stored
from claims.authorization import authorize
from claims.deletions import delete_stale_placeholder, state_of, sweep
from claims.lost_answers import suspect_lost_id
from claims.step import Refused, StepContext, at_work, find_claim
from form_recognizer import CopyTarget, ModelExists
from wiring.events import Event

STALE_AFTER = timedelta(minutes=90)
"""The life of an authorization, and half an hour for a copy that began at its end."""

GIVEN_UP_FOR = timedelta(minutes=2)
"""How long an id that was given up is not asked for again: a copy may still be running into it."""

LOOK_AGAIN_AFTER = timedelta(minutes=5)
"""When to look again at an id whose end is unknown."""


def authorize_under_chosen_id(work: StepContext) -> None:
    """Authorize under the first id that is free, or find the copy there. Raises ``Refused`` where no id is free."""
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
        Code.MODEL_EXISTS, f'"{order.target}" holds another model, or an invisible placeholder, under {wanted}{others}'
    )


def _occupied(work: StepContext) -> set[str]:
    """Return the ids under which the target holds older copies of this model according to the catalog: no need to ask."""
    order = work.order
    replicas = work.services.catalog.replicas.of_model(
        order.mapped_source, order.kind, order.mapped_model_id, order.target
    )
    in_place = {ReplicaState.READY, ReplicaState.RETIRING, ReplicaState.DELETING}
    return {stored.record.target_model_id for stored in replicas if stored.record.state in in_place}


def _reserve(work: StepContext, target_model_id: str) -> bool:
    order = work.order
    return work.services.catalog.target_ids.reserve(
        order.target,
        order.kind,
        target_model_id,
        order.mapped_source,
        order.mapped_model_id,
        burned_too=bool(order.own_id_only),
    )


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
    if existing is not None:
        _forget_lost_id(work, target_model_id)
        return _adopt(work, existing)
    if work.claim.lost_id == target_model_id:
        suspect_lost_id(work)
        work.save(work.claim.replace(lost_id=None))
    if not _clear_stale_placeholder(work, target_model_id):
        return False
    try:
        authorize(work, wanted)
    except ModelExists:
        raise _still_blocked(work, target_model_id) from None
    return True


def _forget_lost_id(work: StepContext, target_model_id: str) -> None:
    """Drop ``target_model_id`` as a lost id: a visible model is no placeholder of ours."""
    work.services.catalog.suspects.forget(work.order.target, target_model_id, work.order.kind)
    if work.claim.lost_id == target_model_id:
        work.save(work.claim.replace(lost_id=None))


def _adopt(work: StepContext, existing: ModelDetails) -> bool:
    """Go straight to verifying where ``existing`` is the copy; return whether it is."""
    if existing.summary.state is not ModelState.READY or existing.digest() != work.claim.digest:
        return False
    model_id = existing.summary.model_id
    suspect_lost_id(work, unless=model_id)
    work.renew(work.claim.move(ClaimState.VERIFYING, target_model_id=model_id, lost_id=None))
    return True


def _reread(work: StepContext) -> None:
    """Read the claim again after a refusal was written into it. Raises ``Refused`` where another delivery has changed it."""
    work.reread()
    if work.claim.state is not ClaimState.CLAIMED:
        raise at_work()
    work.require_idle()


def _sweep_given_up(work: StepContext, target_model_id: str) -> None:
    """Clear away an id that an earlier attempt gave up and that this copy needs.

    Raises ``Refused`` (``IdBlocked``) while a copy may still be running into it, and where it cannot be cleared away now. One that is
    ready stays.
    """
    given_up = [entry.given_up_at for entry in work.claim.superseded if entry.target_model_id == target_model_id]
    if not given_up:
        return
    left = given_up[0] + GIVEN_UP_FOR - work.now()
    if left > timedelta(0):
        raise _blocked(work, target_model_id, left)
    sweep(work, only=target_model_id)
    is_left = work.claim.is_superseded(target_model_id)
    if is_left and state_of(work.target(), target_model_id) is not ModelState.READY:
        raise _blocked(work, target_model_id, LOOK_AGAIN_AFTER)


def _clear_stale_placeholder(work: StepContext, target_model_id: str) -> bool:
    """Delete a stale placeholder under an id that the target just refused; return whether to ask for the id again.

    Only where an answer of ours was lost for this very id, and the copy cannot use another one. Raises ``Refused`` (``IdBlocked``) while
    the placeholder may still be used by its owner.
    """
    suspect = _note_blocked(work, target_model_id)
    if suspect is None or not work.order.own_id_only:
        return False
    if suspect.record.deleting:
        # the outcome of its deletion is unknown: asking for the id tells
        return True
    left = (suspect.record.blocked_since or work.now()) + STALE_AFTER - work.now()
    if left <= timedelta(0) and not work.target().is_making(target_model_id):
        delete_stale_placeholder(work, suspect)
        return True
    raise _blocked(work, target_model_id, left if left > timedelta(0) else LOOK_AGAIN_AFTER)


def _note_blocked(work: StepContext, target_model_id: str) -> Stored[Suspect] | None:
    """Write since when a suspected id blocks this copy; return the suspect, if there is one."""
    stored = _find_suspect(work, target_model_id)
    if stored is None or stored.record.blocked_since is not None:
        return stored
    return work.services.catalog.suspects.change(stored, stored.record.replace(blocked_since=work.now()))


def _still_blocked(work: StepContext, target_model_id: str) -> Refused:
    """Start the wait again for an id that is refused although its placeholder was deleted; return what to raise."""
    stored = _find_suspect(work, target_model_id)
    if stored is not None:
        again = stored.record.replace(blocked_since=work.now(), deleting=False)
        work.services.catalog.suspects.change(stored, again)
    return _blocked(work, target_model_id, STALE_AFTER)


def _find_suspect(work: StepContext, target_model_id: str) -> Stored[Suspect] | None:
    return work.services.catalog.suspects.get(work.order.target, target_model_id, work.order.kind)


def _blocked(work: StepContext, target_model_id: str, left: timedelta) -> Refused:
    order = work.order
    if work.is_cancelled():
        return Refused(Code.CANCELLED, f"the run was cancelled while it waited for id {target_model_id}")
    # park the claim: a copy that can use a fallback id may take it over meanwhile
    found = find_claim(work.services, order)
    if found is not None and found.record.is_held_by(work.step):
        with suppress(RowChanged):
            work.services.catalog.claims.save(found, found.record.parked(work.now()))
    minutes = math.ceil(left.total_seconds() / 60)
    return Refused(
        Code.ID_BLOCKED,
        f'a placeholder of unknown owner blocks {order.kind} id {target_model_id} in "{order.target}"; '
        f"the app retries in {minutes} minutes",
        retry_after=left.total_seconds(),
    )
