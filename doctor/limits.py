"""How long the doctor waits, and how it stops waiting for what cannot be interrupted."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from form_recognizer import Timeouts

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. ``whole`` limits the checks of app and resources: what has not ended by then is reported as such."""

    settings: float = 2.0
    """For building what the app works with, before the checks begin."""
    name: float = 3.0
    connect: float = 2.5
    certificate: float = 2.5
    token: float = 4.0
    call: Timeouts = field(default_factory=lambda: Timeouts(connect=2.5, read=3.0, total=4.0))
    versions: float = 4.0
    """After so long, no further API version of a resource is asked."""
    catalog: float = 5.0
    slow_catalog: float = 2.0
    whole: float = 11.0
    replicas: float = 1.5
    """For counting the copies that the catalog knows, after ``whole``."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what ``call`` returns, or raise what it raises; raise ``TimeoutError`` after ``seconds``.

    A call that lasts longer goes on in a thread of its own, which does not keep the process from ending. For what has no time-out: the
    system's resolver of names, and libraries that repeat calls by themselves.
    """
    outcomes: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcomes.put((call(), None))
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            outcomes.put((None, error))

    threading.Thread(target=run, name="doctor", daemon=True).start()
    try:
        value, error = outcomes.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # None only with an error, or if the call returns None
