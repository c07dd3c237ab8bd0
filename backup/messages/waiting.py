"""What a run waits for, as it is shown while it waits."""

from __future__ import annotations

from datetime import datetime

from backup.messages import Message


class Waiting(Message):
    """A wait of a run: its reason and its end."""

    what: str
    """What is waited for, in words."""
    code: str
    """The code of the failure that is waited out."""
    message: str
    since: datetime
    until: datetime
    """When the wait ends at the latest (UTC)."""
    over_at: datetime | None = None
    """When it was over; ``None`` while it lasts."""


class WaitNote(Message):
    """The input of ``note_wait``: a wait has begun at ``place`` (``waiting``), or is over there (``over_at``)."""

    run_id: str
    place: str
    """One wait is kept for each place: a copy, a list, a lane, or the run itself."""
    waiting: Waiting | None = None
    over_at: datetime | None = None


class Noted(Message):
    """The wait is noted."""

    ok: bool = True
