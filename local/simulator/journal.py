"""The journal of a resource: all requests, in order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any

KEPT = 200_000


@dataclass(slots=True)
class Entry:
    """One request. ``status`` is ``None`` until the answer, and stays ``None`` if the connection was cut."""

    id: int
    time: datetime
    method: str
    path: str
    query: str
    operation: str
    api_version: str | None
    model_id: str | None = None
    status: int | None = None
    fault: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the entry as the admin route ``GET /_sim/requests`` answers it: without headers, so without keys."""
        body: dict[str, Any] = {
            "id": self.id,
            "time": self.time.isoformat().replace("+00:00", "Z"),
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
            "operation": self.operation,
        }
        if self.api_version is not None:
            body["apiVersion"] = self.api_version
        if self.model_id is not None:
            body["modelId"] = self.model_id
        if self.fault is not None:
            body["fault"] = self.fault
        return body


class Journal:
    """The last requests of one resource, without admin requests; the oldest are dropped when there are too many."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._last = 0

    def begin(
        self, time: datetime, method: str, path: str, query: str, operation: str, api_version: str | None
    ) -> Entry:
        """Add a request that arrives, and return its entry, to be completed later."""
        self._last += 1
        entry = Entry(self._last, time, method, path, query, operation, api_version)
        self._entries.append(entry)
        return entry

    def entries(self, operation: str | None = None) -> list[Entry]:
        """Return the requests, oldest first; only those of ``operation`` if it is not ``None``."""
        return [entry for entry in list(self._entries) if operation is None or entry.operation == operation]

    def clear(self) -> None:
        """Remove all entries; ids continue to count."""
        self._entries.clear()
