"""Announced calls: a record says until when a call that changes the target can last, so that no second delivery repeats it meanwhile."""

from __future__ import annotations

from datetime import datetime

from backup.messages import Message


class Announcing(Message):
    """A record in which a call is announced before it is made."""

    call_ends_at: datetime | None = None
    """Until when the announced call can last: before that its answer is not lost, only late."""

    def is_call_under_way(self, now: datetime) -> bool:
        """Tell whether the announced call may still be under way, in another delivery of the step."""
        return self.call_ends_at is not None and now < self.call_ends_at
