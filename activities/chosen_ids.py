"""From v3 on the target id is ours to choose: the source's own where it is free, a fallback id where it is not.

An id is taken for good by whoever authorized it first, and a placeholder cannot be seen: the only way to find out is to ask. The rules
for what a refusal (409) means:

- a ready model with the same content: it is the copy; verify and record it;
- a ready model with other content: not ours to touch; fall back;
- nothing to be seen: a placeholder, and nothing tells whose. Fall back. Where an answer of ours was lost for this very id it may be our
  own: then it is reported as a suspect, and left alone until it is of no use to anybody (``activities.reclaiming``).

What a composed model refers to is of no use under another id: then there is no falling back.
"""

from __future__ import annotations

from activities.authorizing import Attempted, what_was_authorized
from activities.envelope import Refused, fields
from activities.fence import find_claim, save
from activities.lost_authorization import suspect_lost_id
from activities.reclaiming import note_blocked_still, reclaim, sweep_first
from backup.claims import Claim
from backup.codes import Code
from backup.document_models import ModelDetails, ModelState
from backup.messages import Failure, Message
from backup.names import fallback_ids
from backup.states import ClaimState, ReplicaState
from catalog.claims import HeldClaim
from form_recognizer import CopyTarget, ModelExists, ModelNotFound
from wiring.events import Event, emit


def authorize_under_chosen_id(attempted: Attempted, held: HeldClaim) -> Message:
    """Authorize under the first id that can be had; return ``Authorized`` or a failure."""
    services, step = attempted.services, attempted.step
    order = step.order
    wanted = order.wanted_id
    occupied = _occupied(attempted)
    if order.own_id_only:
        held = sweep_first(attempted, held, wanted)
    candidates = [wanted] if order.own_id_only else fallback_ids(wanted)
    for target_model_id in candidates:
        if target_model_id in occupied:
            continue
        if not services.catalogue.target_ids.reserve(
            order.target,
            order.kind,
            target_model_id,
            order.mapped_source,
            order.mapped_model_id,
            burned_too=bool(order.own_id_only),
        ):
            continue
        found = _authorize_one(attempted, held, target_model_id)
        if found is not None:
            if target_model_id != wanted:
                emit(Event.FALLBACK_ID, wanted=wanted, targetModel=target_model_id, **fields(step))
            return what_was_authorized(found)
        held = _again(attempted)
    others = "" if order.own_id_only else " and under every fallback id for it"
    said = f'"{order.target}" holds something else, or a placeholder that nobody can see, under {wanted}{others}'
    return Failure.of(Code.MODEL_EXISTS, said)


def _occupied(attempted: Attempted) -> set[str]:
    """Return the ids under which the target holds older versions of this model, as far as we recorded them: no need to ask."""
    order = attempted.step.order
    replicas = attempted.services.catalogue.replicas
    known = replicas.of_model(order.mapped_source, order.kind, order.mapped_model_id, order.target)
    in_place = {ReplicaState.READY, ReplicaState.RETIRING, ReplicaState.DELETING}
    return {one.replica.target_model_id for one in known if one.replica.state in in_place}


def _authorize_one(attempted: Attempted, held: HeldClaim, target_model_id: str) -> HeldClaim | None:
    """Try one id; return the claim with the authorization, or ready to verify, or ``None`` where the id cannot be had."""
    target = CopyTarget(target_model_id, held.claim.description, held.claim.tags)
    if target_model_id not in held.claim.taken_ids:
        try:
            return attempted.authorize(held, target)
        except ModelExists:
            held = _again(attempted)
    existing = _visible(attempted, target_model_id)
    if existing is not None:
        held = _nothing_is_lost_there(attempted, held, target_model_id)
        return _adopted(attempted, held, existing) if _is_the_copy(held.claim, existing) else None
    if held.claim.lost_id == target_model_id:
        suspect_lost_id(attempted.services, held.claim, attempted.step)
        held = save(attempted.services, held, held.claim.model_copy(update={"lost_id": None}), attempted.step)
    if not reclaim(attempted, target_model_id):
        return None
    try:
        return attempted.authorize(held, target)
    except ModelExists:
        raise note_blocked_still(attempted, target_model_id) from None


def _nothing_is_lost_there(attempted: Attempted, held: HeldClaim, target_model_id: str) -> HeldClaim:
    """Return the claim without ``target_model_id`` as its lost id: a model is to be seen there, and no placeholder of ours is that."""
    attempted.services.catalogue.suspects.forget(held.claim.target, target_model_id, held.claim.kind)
    if held.claim.lost_id != target_model_id:
        return held
    return save(attempted.services, held, held.claim.model_copy(update={"lost_id": None}), attempted.step)


def _visible(attempted: Attempted, target_model_id: str) -> ModelDetails | None:
    try:
        return attempted.service.get_model(target_model_id)
    except ModelNotFound:
        return None


def _is_the_copy(claim: Claim, existing: ModelDetails) -> bool:
    return existing.summary.state is ModelState.READY and existing.digest() == claim.digest


def _adopted(attempted: Attempted, held: HeldClaim, existing: ModelDetails) -> HeldClaim:
    """Go straight to verifying: the target holds the copy already."""
    suspect_lost_id(attempted.services, held.claim, attempted.step, unless=existing.summary.model_id)
    claim = held.claim.move(ClaimState.VERIFYING, target_model_id=existing.summary.model_id, lost_id=None)
    return save(attempted.services, held, claim.renewed(attempted.services.now(), attempted.step), attempted.step)


def _again(attempted: Attempted) -> HeldClaim:
    """Return the claim as it is after a refusal was written into it."""
    found = find_claim(attempted.services, attempted.step.order)
    if found is None or not found.claim.is_held_by(attempted.step):
        raise Refused(Failure.of(Code.CLAIM_MOVED, "the claim went on without this step"))
    if found.claim.state is not ClaimState.CLAIMED:
        raise Refused(Failure.of(Code.LOOKING, "another delivery of this step is at work", retry_after=1.0))
    return found
