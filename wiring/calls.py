"""Counting the calls to resources that a piece of work makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

TOO_MANY_REQUESTS = 429


@dataclass
class Calls:
    """How many calls were sent to each resource, and how many of them it answered with 429."""

    sent: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)


_current: ContextVar[Calls | None] = ContextVar("calls", default=None)


@contextmanager
def counted_calls() -> Iterator[Calls]:
    """Count the calls that the code in the body makes, on its own thread."""
    counted = Calls()
    token = _current.set(counted)
    try:
        yield counted
    finally:
        _current.reset(token)


def note_call(resource: str, status: int | None = None) -> None:
    """Count a call that was sent, with the ``status`` of its answer if there was one."""
    counted = _current.get()
    if counted is not None:
        counted.sent[resource] += 1
        if status == TOO_MANY_REQUESTS:
            counted.throttled[resource] += 1
