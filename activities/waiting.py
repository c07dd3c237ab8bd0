"""Noting what a run waits for, so that ``GET /api/runs/{id}`` shows it. No service calls."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.messages import Message
from backup.messages.waiting import Noted, WaitNote
from backup.names import NOTE_WAIT
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, NOTE_WAIT, WaitNote)
def note_wait(services: Services, note: WaitNote) -> Message:
    """Write that a wait has begun or ended. ``WaitNote`` in, ``Noted`` out."""
    services.catalog.waits.note(note)
    return Noted()
