"""The result of the app's last call to each resource: noted with every call, written to the catalog when it changes."""

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

FRESH_FOR = timedelta(seconds=5)


class Reachability:
    """The state of each resource, remembered in this process and shared through the catalog."""

    def __init__(self, table: ReachabilityTable) -> None:
        """Share states through ``table``."""
        self._table = table
        self._lock = threading.Lock()
        self._noted: dict[str, tuple[str, datetime]] = {}
        self._read: tuple[datetime, dict[str, dict[str, str]]] | None = None

    def note(self, resource: str, state: str, now: datetime) -> None:
        """Record the state that a call showed. If the catalog does not answer, the state is written with a later call."""
        with self._lock:
            last = self._noted.get(resource)
            if last is not None and last[0] == state and now - last[1] < REFRESH:
                return
            self._noted[resource] = (state, now)
            self._read = None
        try:
            self._table.note(resource, state, now)
        except CatalogUnavailable:
            with self._lock:
                self._noted.pop(resource, None)

    def all(self, now: datetime) -> dict[str, dict[str, str]]:
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

    def __init__(self, note: Callable[[str, str], None], *args: Any, **kwargs: Any) -> None:
        """Call ``note`` with the resource and its state: ``reachable``, or the code of the failure."""
        super().__init__(*args, **kwargs)
        self._note = note

    def send(self, call: Call, resource: str) -> Answer:
        """See :class:`form_recognizer.Transport`."""
        try:
            answer = super().send(call, resource)
        except (Unreachable, NoAnswer) as error:
            self._note(resource, error.code)
            raise
        self._note(resource, Code.SERVER_ERROR if _is_failing(answer) else REACHABLE)
        return answer


def _is_failing(answer: Answer) -> bool:
    """Tell whether an answer says that the resource does not work, for every caller.

    401, 403 and 429 are about the app's key and pace, and 410 about a version. v2 answers 500 with the code 1999 to a copy of a model that
    it does not have (recorded).
    """
    return answer.status >= 500 and answer.reported_error().code != "1999"
