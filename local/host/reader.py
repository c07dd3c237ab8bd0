"""Reading the state file from any thread."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from local.host.errors import InstanceNotFoundError
from local.host.protocol import Event
from local.host.records import Instance, RuntimeStatus

COLUMNS = (
    "instance_id, execution_id, name, version, status, input, created, "
    "updated, output, custom_status, parent_id, parent_execution, parent_task"
)

SELECT_INSTANCE = f"SELECT {COLUMNS} FROM instances WHERE instance_id=?"  # noqa: S608 - constant columns
SELECT_HISTORY = "SELECT event FROM history WHERE instance_id=? ORDER BY seq"


class Reader:
    """Reads the last commit through a connection of its own: in WAL mode it never waits for the writer.

    Args:
        path: the database file, which must exist.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._db.close()

    def instance(self, instance_id: str) -> Instance | None:
        """Return an instance as last committed, without its history."""
        with self._lock:
            row = self._db.execute(SELECT_INSTANCE, (instance_id,)).fetchone()
        return None if row is None else instance_of(row)

    def existing(self, instance_id: str) -> Instance:
        """Return an instance as last committed, without its history; raises :class:`InstanceNotFoundError`."""
        instance = self.instance(instance_id)
        if instance is None:
            raise InstanceNotFoundError(f"no instance has the id '{instance_id}'")
        return instance

    def history(self, instance_id: str) -> list[Event]:
        """Return an instance's history as last committed."""
        with self._lock:
            rows = self._db.execute(SELECT_HISTORY, (instance_id,)).fetchall()
        return events_of(text for (text,) in rows)

    def generations(self, instance_id: str) -> list[list[Event]]:
        """Return the histories that :meth:`Store.archive` kept, oldest first."""
        with self._lock:
            sql = "SELECT events FROM generations WHERE instance_id=? ORDER BY seq"
            rows = self._db.execute(sql, (instance_id,)).fetchall()
        return [json.loads(text) for (text,) in rows]

    def query(
        self,
        *,
        prefix: str = "",
        created_from: str | None = None,
        created_to: str | None = None,
        statuses: Sequence[str] = (),
        after: tuple[str, str] | None = None,
        limit: int = -1,
    ) -> list[Instance]:
        """Return instances as last committed, oldest first.

        Args:
            prefix: the beginning of their ids.
            created_from: earliest creation, inclusive.
            created_to: latest creation, inclusive.
            statuses: the runtime statuses; empty for all.
            after: (created, instance id) of the last instance of the page before.
            limit: the largest number of instances; -1 for all.
        """
        where, values = ["1"], list[Any]()
        if prefix:
            where.append("substr(instance_id, 1, ?) = ?")
            values += [len(prefix), prefix]
        if created_from is not None:
            where.append("created >= ?")
            values.append(created_from)
        if created_to is not None:
            where.append("created <= ?")
            values.append(created_to)
        if statuses:
            where.append(f"status IN ({','.join('?' * len(statuses))})")
            values += statuses
        if after is not None:
            where.append("(created, instance_id) > (?, ?)")
            values += after
        sql = f"SELECT {COLUMNS} FROM instances WHERE {' AND '.join(where)} ORDER BY created, instance_id LIMIT ?"  # noqa: S608 - values are bound
        with self._lock:
            rows = self._db.execute(sql, (*values, limit)).fetchall()
        return [instance_of(row) for row in rows]

    def schedule(self, name: str) -> dict[str, Any] | None:
        """Return the status that :meth:`Store.put_schedule` wrote, or ``None``."""
        with self._lock:
            row = self._db.execute("SELECT status FROM schedules WHERE name=?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])


def instance_of(row: tuple[Any, ...]) -> Instance:
    """Return an instance from its row of the columns :data:`COLUMNS`, without its history."""
    values = list(row)
    values[4] = RuntimeStatus(values[4])
    return Instance(*values)


def events_of(texts: Iterable[str]) -> list[Event]:
    """Return the events of a history from its rows."""
    events: list[Event] = json.loads(f"[{','.join(texts)}]")
    return events
