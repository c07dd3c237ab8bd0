"""What each run waits for: one row for each place of the run where something waits or has waited."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from backup.messages.waiting import Waiting, WaitNote
from catalog.store import Store, Table, put, retry_on_conflict, scan_all

PREFIX = "wait-"


class WaitTable:
    """The waits of the runs, in the partition of each run."""

    def __init__(self, store: Store) -> None:
        """Keep waits in ``store``."""
        self._store = store

    def note(self, note: WaitNote) -> None:
        """Write that a wait has begun, or is over. A note that is delivered again or late changes nothing.

        A wait that is over keeps its row until the run is purged: by it, a late note of its beginning is recognized.
        """

        def attempt() -> None:
            row = self._store.get(Table.RUNS, note.run_id, PREFIX + note.place)
            known = Waiting.parse(row.data) if row else None
            after = _begun(known, note.waiting) if note.waiting else _over(known, note.over_at)
            if after is not None and after != known:
                put(self._store, Table.RUNS, note.run_id, PREFIX + note.place, after.to_json(), row)

        retry_on_conflict(attempt)

    def of_run(self, run_id: str) -> Iterator[Waiting]:
        """Go through what a run waits for now."""
        for row in scan_all(self._store, Table.RUNS, partition=run_id, key_prefix=PREFIX):
            waiting = Waiting.parse(row.data)
            if waiting.over_at is None:
                yield waiting


def _begun(known: Waiting | None, begun: Waiting) -> Waiting | None:
    """Return what is known once ``begun`` is noted: a wait that began before the one known, or before that was over, is noted late."""
    return known if known is not None and begun.since < (known.over_at or known.since) else begun


def _over(known: Waiting | None, moment: datetime | None) -> Waiting | None:
    """Return what is known once the wait is over: one that began later is not meant."""
    if known is None or moment is None or known.over_at is not None or known.since > moment:
        return known
    return known.replace(over_at=moment)
