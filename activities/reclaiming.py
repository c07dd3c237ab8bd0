"""Ids of v3 and later that a lost answer of ours may have left blocked in a target: they are had back when they are of no use to anybody.

Nothing tells whose placeholder blocks an id: ours, or that of somebody who was faster. But it does not stay useful. An authorization ends
after an hour, a training after ten at most, and what they end in can be seen. An id that was refused all of that time and longer, and
shows nothing still, is dead for whoever made it.
"""

from __future__ import annotations

from datetime import timedelta

from activities.authorizing import Attempted
from activities.envelope import fields
from activities.placeholders import delete_if_there
from backup.records import Suspect
from catalog.store import RowChanged
from catalog.suspects import KnownSuspect
from form_recognizer import RetryAfter
from wiring.events import Event, emit

DEAD_AFTER = timedelta(hours=20)
"""Twice the longest training (neural models: ten hours), and short enough for the night after the one in which it happened."""


def reclaim(attempted: Attempted, target_model_id: str) -> bool:
    """Delete a dead placeholder under an id that the target just refused and shows nothing under; return whether to ask again.

    Only where an answer of ours was lost for this very id. Announced first, and done once: a step that comes late finds the announcement.
    """
    known = _known(attempted, target_model_id)
    if known is None:
        return False
    suspect, now = known.suspect, attempted.services.now()
    if suspect.deleting:
        # what became of its deletion is not known: asking tells
        return True
    since = suspect.blocked_since
    if since is None or now - since < DEAD_AFTER:
        note_blocked(attempted, target_model_id)
        return False
    suspects = attempted.services.catalogue.suspects
    try:
        known = suspects.change(known, suspect.model_copy(update={"deleting": True}))
    except RowChanged:
        return False
    try:
        delete_if_there(attempted.service, target_model_id)
    except RetryAfter:
        # it was not deleted
        suspects.change(known, suspect)
        raise
    emit(Event.RECLAIMED, targetModel=target_model_id, blockedSince=since, **fields(attempted.step))
    return True


def note_blocked(attempted: Attempted, target_model_id: str) -> None:
    """Remember since when a suspected id is known to be in the way. One that was deleted and is in the way still begins anew."""
    known = _known(attempted, target_model_id)
    if known is None or (known.suspect.blocked_since is not None and not known.suspect.deleting):
        return
    blocked: Suspect = known.suspect.model_copy(update={"blocked_since": attempted.services.now(), "deleting": False})
    attempted.services.catalogue.suspects.change(known, blocked)


def _known(attempted: Attempted, target_model_id: str) -> KnownSuspect | None:
    order = attempted.step.order
    return attempted.services.catalogue.suspects.get(order.target, target_model_id, order.kind)
