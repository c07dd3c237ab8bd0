"""The state of each resource by the app's last call to it: noted with every call and probe, written to the catalog when it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from backup.codes import Code
from backup.lookup import REACHABLE
from catalog.resources import REFRESH, ReachabilityTable
from catalog.store import CatalogUnavailable
from form_recognizer import NoAnswer, Transport, Unreachable
from form_recognizer.answers import Answer
from form_recognizer.transport import Call
from wiring.calls import note_call

FRESH_FOR = timedelta(seconds=5)


class Reachability:
    """The state of each resource, remembered in this process and shared through the catalog."""

    def __init__(self, table: ReachabilityTable) -> None:
        """Share states through ``table``."""
        self._table = table
        self._lock = threading.Lock()
        self._noted: dict[str, tuple[str, datetime]] = {}
        self._read: tuple[datetime, dict[str, dict[str, Any]]] | None = None

    def note(self, resource: str, state: str, now: datetime, message: str | None = None) -> None:
        """Record the state that an ordinary call showed. If the catalog does not answer, the state is written with a later call."""
        with self._lock:
            last = self._noted.get(resource)
            # a failure is written at once: another worker may have noted since that the resource works
            if last is not None and last[0] == state == REACHABLE and now - last[1] < REFRESH:
                return
        self._record(resource, state, now, lambda: self._table.note(resource, state, now, message))

    def note_probe(
        self, resource: str, state: str, now: datetime, message: str | None, skew_seconds: int | None
    ) -> None:
        """Record the state that a probe found, whatever this process noted last: another worker may have noted otherwise since."""
        self._record(resource, state, now, lambda: self._table.note_probe(resource, state, now, message, skew_seconds))

    def announce(self, resource: str, *, is_working: bool, now: datetime) -> str | None:
        """See :meth:`catalog.resources.ReachabilityTable.announce`."""
        return self._table.announce(resource, is_working=is_working, now=now)

    def _record(self, resource: str, state: str, now: datetime, write: Callable[[], None]) -> None:
        with self._lock:
            self._noted[resource] = (state, now)
        try:
            write()
        except CatalogUnavailable:
            with self._lock:
                self._noted.pop(resource, None)
        with self._lock:
            self._read = None

    def all(self, now: datetime) -> dict[str, dict[str, Any]]:
        """Return the states by resource, read from the catalog at most every five seconds."""
        with self._lock:
            if self._read is not None and abs(now - self._read[0]) < FRESH_FOR:
                return self._read[1]
        states = self._table.all()
        with self._lock:
            self._read = (now, states)
        return states


class WatchedTransport(Transport):
    """A transport that reports the result of each call."""

    def __init__(self, note: Callable[[str, str, str | None], None], *args: Any, **kwargs: Any) -> None:
        """Call ``note`` with the resource, its state (``reachable``, or the code of the failure), and what happened, in words."""
        super().__init__(*args, **kwargs)
        self._note = note

    def send(self, call: Call, resource: str) -> Answer:
        """See :class:`form_recognizer.Transport`."""
        try:
            answer = super().send(call, resource)
        except (Unreachable, NoAnswer) as error:
            if isinstance(error, NoAnswer):
                note_call(resource)
            self._note(resource, error.code, error.message)
            raise
        note_call(resource, answer.status)
        self._note(resource, *state_of(answer))
        return answer


def state_of(answer: Answer) -> tuple[str, str | None]:
    """Return the state of the resource that sent ``answer``, and what is wrong with it, in words.

    401, 403 and 429 are about the app's key and pace, and 410 about a version. v2 answers 500 with the code 1999 to a copy of a model that
    it does not have (recorded).
    """
    if answer.status >= 500 and answer.reported_error().code != "1999":
        return Code.SERVER_ERROR, f"{answer.resource} answered {answer.status}. Check the region's health."
    if answer.body_flaw is not None and answer.body_flaw[0] is NoAnswer:
        return (
            Code.NO_ANSWER,
            f"{answer.resource} began to answer, and did not end in time. Check the region's health.",
        )
    return REACHABLE, None
