"""Ids of v3 and later that a lost answer of ours may have left blocked in a target, and that a composed model refers to.

Other copies fall back on another id. A part of a composed model cannot: its id is had back when it is of no use to anybody.

Nothing tells whose placeholder blocks an id: ours, or that of somebody who was faster. But it does not stay useful. Its authorization
ends after an hour (copy-api.md 3.2), a copy that began within that hour takes seconds, and a training or a composition that is under way
is in the resource's list of operations. An id that was refused for ninety minutes, shows nothing, and that nothing is under way for, is
dead for whoever made it. The copy waits for that as long as its deadline lets it.
"""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import timedelta

from activities.authorizing import Attempted
from activities.envelope import Refused, fields
from activities.fence import find_claim, is_cancelled
from activities.leftovers import sweep
from activities.placeholders import delete_if_there, state_of
from backup.codes import Code
from backup.document_models import ModelState
from backup.messages import Failure
from catalog.claims import HeldClaim
from catalog.store import RowChanged
from catalog.suspects import KnownSuspect
from form_recognizer import RetryAfter
from wiring.events import Event, emit

DEAD_AFTER = timedelta(minutes=90)
"""The life of an authorization, and half an hour for a copy that began at its end."""

GIVEN_UP_FOR = timedelta(minutes=2)
"""How long an id that was given up is not asked for again: a copy may be running into it still."""


LOOK_AGAIN_AFTER = timedelta(minutes=5)
"""When to look again at what nobody knows the end of."""


def sweep_first(attempted: Attempted, held: HeldClaim, target_model_id: str) -> HeldClaim:
    """Clear an id away that an earlier attempt gave up, and that this copy is of no use without; return the claim.

    A copy may be running into it for a moment longer: until then, and where it cannot be cleared away now, raises ``Refused``
    (``IdBlocked``). One that got ready after all stays.
    """
    given_up = [one.given_up_at for one in held.claim.superseded if one.target_model_id == target_model_id]
    if not given_up:
        return held
    left = given_up[0] + GIVEN_UP_FOR - attempted.services.now()
    if left > timedelta(0):
        raise _blocked(attempted, target_model_id, left)
    held = sweep(attempted.services, held, attempted.step, only=target_model_id)
    is_left = held.claim.is_superseded(target_model_id)
    if is_left and state_of(attempted.service, target_model_id) is not ModelState.READY:
        raise _blocked(attempted, target_model_id, LOOK_AGAIN_AFTER)
    return held


def reclaim(attempted: Attempted, target_model_id: str) -> bool:
    """Delete a dead placeholder under an id that the target just refused and shows nothing under; return whether to ask again.

    Only where an answer of ours was lost for this very id, and the copy is of no use under another one. Announced first, and done once: a
    step that comes late finds the announcement. Raises ``Refused`` (``IdBlocked``) where the placeholder may still be of use to somebody.
    """
    known = note_blocked(attempted, target_model_id)
    if known is None or not attempted.step.order.own_id_only:
        return False
    if known.suspect.deleting:
        # what became of its deletion is not known: asking tells
        return True
    since = known.suspect.blocked_since or attempted.services.now()
    left = since + DEAD_AFTER - attempted.services.now()
    if left <= timedelta(0) and not attempted.service.is_making(target_model_id):
        return _deleted(attempted, known)
    raise _blocked(attempted, target_model_id, left if left > timedelta(0) else LOOK_AGAIN_AFTER)


def _deleted(attempted: Attempted, known: KnownSuspect) -> bool:
    suspects, suspect = attempted.services.catalogue.suspects, known.suspect
    try:
        announced = suspects.change(known, suspect.model_copy(update={"deleting": True}))
    except RowChanged:
        return False
    try:
        delete_if_there(attempted.service, suspect.model_id)
    except RetryAfter:
        # it was not deleted
        suspects.change(announced, suspect)
        raise
    since = suspect.blocked_since
    emit(Event.RECLAIMED, targetModel=suspect.model_id, blockedSince=since, **fields(attempted.step))
    return True


def _blocked(attempted: Attempted, target_model_id: str, left: timedelta) -> Refused:
    services, order = attempted.services, attempted.step.order
    if is_cancelled(services, order):
        return Refused(Failure.of(Code.CANCELLED, f"the run was cancelled while {target_model_id} was waited for"))
    # while it is waited for, a copy that can fall back may take the claim over
    found = find_claim(services, order)
    if found is not None and found.claim.is_held_by(attempted.step):
        with suppress(RowChanged):
            services.catalogue.claims.save(found, found.claim.parked(services.now()))
    minutes = math.ceil(left.total_seconds() / 60)
    when = f"it can be had back {minutes} minutes from now or later"
    said = f'{order.kind} {target_model_id} is blocked in "{order.target}" by what a call without an answer may have left; {when}'
    return Refused(Failure.of(Code.ID_BLOCKED, said, retry_after=left.total_seconds()))


def note_blocked(attempted: Attempted, target_model_id: str) -> KnownSuspect | None:
    """Remember since when a suspected id is known to be in the way, and return the suspect, if there is one."""
    known = _known(attempted, target_model_id)
    if known is None or known.suspect.blocked_since is not None:
        return known
    blocked = known.suspect.model_copy(update={"blocked_since": attempted.services.now()})
    return attempted.services.catalogue.suspects.change(known, blocked)


def note_blocked_still(attempted: Attempted, target_model_id: str) -> Refused:
    """Remember that an id is in the way although its deletion was asked for: the time begins anew. Returns what to raise."""
    known = _known(attempted, target_model_id)
    if known is not None:
        again = known.suspect.model_copy(update={"blocked_since": attempted.services.now(), "deleting": False})
        attempted.services.catalogue.suspects.change(known, again)
    return _blocked(attempted, target_model_id, DEAD_AFTER)


def _known(attempted: Attempted, target_model_id: str) -> KnownSuspect | None:
    order = attempted.step.order
    return attempted.services.catalogue.suspects.get(order.target, target_model_id, order.kind)
