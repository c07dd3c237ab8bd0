"""Delete a v2 suspect after ``copies.deleteSuspectsAfterHours``.

v2 chooses the id of a copy, so a placeholder that a lost authorization left looks like a training of another user: without that setting
it is only reported.
"""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.document_models import Kind
from backup.messages import Message
from backup.messages.copy import ReplicaDone, StepInput
from backup.names import CLEAR_SUSPECT
from claims.deletions import delete_lost_v2_placeholder
from claims.step import require_not_cancelled
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, CLEAR_SUSPECT, StepInput)
def clear_suspect(services: Services, step: StepInput) -> Message:
    """Delete one suspect, if it still is a placeholder. ``StepInput`` in, ``ReplicaDone`` out."""
    order = step.order
    assert order.subject_id is not None, "the row names the suspect"
    suspects = services.catalog.suspects
    stored = suspects.get(order.target, order.subject_id, Kind.MODEL)
    hours = services.configuration.copies.delete_suspects_after_hours
    if stored is None or not stored.record.is_due(hours, services.now()):
        return ReplicaDone(changed=False)
    require_not_cancelled(services, order, "this suspect was deleted")
    is_claimed = order.subject_id in services.catalog.claims.ids_in(order.target)
    deleted = not is_claimed and delete_lost_v2_placeholder(services, step, stored)
    suspects.forget(order.target, order.subject_id)
    return ReplicaDone(changed=deleted)
