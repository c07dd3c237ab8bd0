"""Delete a v2 placeholder that a lost answer may have left, where the configuration asks for that.

v2 chooses the id of a copy itself, so what a lost authorization left cannot be told from a training of somebody else: it is only
reported, unless ``copies.deleteSuspectsAfterHours`` says after how long it is deleted.
"""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.codes import Code
from backup.document_models import Kind
from backup.messages import Message
from backup.messages.copy import ReplicaDone, StepInput
from backup.names import CLEAR_SUSPECT
from claims.deletions import delete_lost_v2_placeholder
from claims.step import Refused, is_cancelled
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, CLEAR_SUSPECT, StepInput)
def clear_suspect(services: Services, step: StepInput) -> Message:
    """Delete one suspect, if it still is what it was. ``StepInput`` in, ``ReplicaDone`` out."""
    order = step.order
    assert order.subject_id is not None, "a row that clears something names it"
    suspects = services.catalog.suspects
    stored = suspects.get(order.target, order.subject_id, Kind.MODEL)
    hours = services.configuration.copies.delete_suspects_after_hours
    if stored is None or not stored.record.is_due(hours, services.now()):
        return ReplicaDone(changed=False)
    if is_cancelled(services, order):
        raise Refused(Code.CANCELLED, "the run was cancelled before this was deleted")
    suspect = stored.record
    is_ours = suspect.model_id in services.catalog.claims.ids_in(order.target)
    deleted = not is_ours and delete_lost_v2_placeholder(services, step, stored)
    suspects.forget(order.target, suspect.model_id)
    return ReplicaDone(changed=deleted)
