"""What each run waits for: one row for each place of the run where something waits now."""

from __future__ import annotations

from collections.abc import Iterator

from backup.messages.waiting import Waiting, WaitNote
from catalog.store import RowChanged, Store, Table, put, scan_all

PREFIX = "wait-"


class WaitTable:
    """The waits of the runs, in the partition of each run."""

    def __init__(self, store: Store) -> None:
        """Keep waits in ``store``."""
        self._store = store

    def note(self, note: WaitNote) -> None:
        """Write that a wait has begun, or remove it. Repeating it changes nothing. A wait that was noted before keeps its beginning."""
        row = self._store.get(Table.RUNS, note.run_id, PREFIX + note.place)
        if note.waiting is not None:
            earlier = Waiting.parse(row.data).since if row else note.waiting.since
            waiting = note.waiting.replace(since=min(earlier, note.waiting.since))
            put(self._store, Table.RUNS, note.run_id, PREFIX + note.place, waiting.to_json(), row)
        elif row is not None:
            try:
                self._store.delete(row)
            except RowChanged:
                # another delivery of this step has removed it
                return

    def of_run(self, run_id: str) -> Iterator[Waiting]:
        """Go through what a run waits for."""
        for row in scan_all(self._store, Table.RUNS, partition=run_id, key_prefix=PREFIX):
            yield Waiting.parse(row.data)
