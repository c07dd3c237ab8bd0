"""Reads the app's events from the host's log while the host writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LOGGER = " form_recognizer_backup: "
"""The name of the app's logger: the host prints it before the JSON of an event."""


class EventLog:
    """Follows one log file. An event is a JSON object with the member ``event``, and ``run`` if it belongs to a run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new_events(self, run_id: str) -> Iterator[dict[str, Any]]:
        """Yield the run's events that were written since the last call."""
        with self._path.open("rb") as log:
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):
                    return  # half written: the next call reads the whole line
                self._offset += len(line)
                event = _event(line.decode(errors="replace"))
                if event is not None and event.get("run") == run_id:
                    yield event


def _event(line: str) -> dict[str, Any] | None:
    _, logger, text = line.partition(_LOGGER)
    if not logger:
        return None
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
