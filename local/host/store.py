"""The state file: one SQLite database with the whole state of a host.

Only the engine's thread writes, in transactions of whole episodes; other threads use :class:`~local.host.reader.Reader`.
``synchronous=NORMAL`` is enough: the operating system has every committed transaction, so a killed process loses nothing. If the machine
loses power, the last commits may be lost, but the file stays consistent. A lock on a file next to the database keeps a second host out; the
system removes the lock when the process ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from local.host.errors import StateInUseError
from local.host.protocol import event_text
from local.host.reader import COLUMNS, SELECT_HISTORY, SELECT_INSTANCE, Reader, events_of, instance_of
from local.host.records import ActivityJob, Instance, Message, TimerRow

_SCHEMA = """
CREATE TABLE IF NOT EXISTS instances (
    instance_id TEXT PRIMARY KEY, execution_id TEXT NOT NULL, name TEXT NOT NULL, version TEXT, status TEXT NOT NULL,
    input TEXT, output TEXT, custom_status TEXT, created TEXT NOT NULL, updated TEXT NOT NULL,
    parent_id TEXT, parent_execution TEXT, parent_task INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS instances_by_created ON instances (created, instance_id);
CREATE TABLE IF NOT EXISTS history (
    instance_id TEXT NOT NULL, seq INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (instance_id, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, instance_id TEXT NOT NULL, execution_id TEXT, event TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS activities (
    instance_id TEXT NOT NULL, execution_id TEXT NOT NULL, task_id INTEGER NOT NULL, name TEXT NOT NULL, input TEXT,
    PRIMARY KEY (instance_id, execution_id, task_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS timers (
    instance_id TEXT NOT NULL, execution_id TEXT NOT NULL, timer_id INTEGER NOT NULL, fire_at TEXT NOT NULL,
    PRIMARY KEY (instance_id, execution_id, timer_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS generations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, instance_id TEXT NOT NULL, events TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS schedules (name TEXT PRIMARY KEY, status TEXT NOT NULL) WITHOUT ROWID;
"""
_SCHEMA_VERSION = 1


class Store:
    """The state file, opened for one host.

    Args:
        path: the database file; made if absent.

    Raises:
        StateInUseError: another process uses it, another version of this host wrote it, or it is no state file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_file = _take_lock(path)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # only the owner may read it: histories are clear text
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
        except sqlite3.DatabaseError as error:
            raise StateInUseError(
                f"{path} cannot be used as state file: {error}. Move it away, or name another"
            ) from None
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA busy_timeout=10000")
        schema = self._db.execute("PRAGMA user_version").fetchone()[0]
        if schema not in (0, _SCHEMA_VERSION):
            raise StateInUseError(
                f"{path.name} was written by another version of this host (schema {schema}); use another file"
            )
        self._db.executescript(_SCHEMA + f"PRAGMA user_version={_SCHEMA_VERSION};")
        self.reader = Reader(path)

    def close(self) -> None:
        """Close the file and release its lock."""
        self.reader.close()
        self._db.close()
        os.close(self._lock_file)

    # -- transactions: the engine's thread only

    def begin(self) -> None:
        """Start a transaction."""
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Commit the transaction."""
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Roll the transaction back, if there is one."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def load(self, instance_id: str) -> Instance | None:
        """Return an instance with its history, or ``None``."""
        row = self._db.execute(SELECT_INSTANCE, (instance_id,)).fetchone()
        if row is None:
            return None
        instance = instance_of(row)
        instance.texts = [text for (text,) in self._db.execute(SELECT_HISTORY, (instance_id,))]
        instance.history = events_of(instance.texts)
        return instance

    def save(self, instance: Instance) -> None:
        """Write the row of an instance, without its history."""
        self._db.execute(
            f"INSERT OR REPLACE INTO instances ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 - constant columns
            (
                instance.instance_id,
                instance.execution_id,
                instance.name,
                instance.version,
                instance.status.value,
                instance.input,
                instance.created,
                instance.updated,
                instance.output,
                instance.custom_status,
                instance.parent_id,
                instance.parent_execution,
                instance.parent_task,
            ),
        )

    def update(self, instance: Instance) -> None:
        """Write the fields that change, of an instance that :meth:`save` has written."""
        self._db.execute(
            "UPDATE instances SET execution_id=?, status=?, input=?, output=?, custom_status=?, updated=?"
            " WHERE instance_id=?",
            (
                instance.execution_id,
                instance.status.value,
                instance.input,
                instance.output,
                instance.custom_status,
                instance.updated,
                instance.instance_id,
            ),
        )

    def append_history(self, instance_id: str, seq: int, text: str) -> None:
        """Add the events of an episode to a history, as one row: a row for each event would cost three times as much."""
        self._db.execute("INSERT INTO history (instance_id, seq, event) VALUES (?,?,?)", (instance_id, seq, text))

    def clear_execution(self, instance_id: str) -> None:
        """Delete history, work and timers of an instance: for a new generation, or a purge."""
        for table in ("history", "activities", "timers"):
            self._db.execute(f"DELETE FROM {table} WHERE instance_id=?", (instance_id,))  # noqa: S608 - constant names

    def drop_work(self, instance_id: str) -> None:
        """Delete work and timers of an instance that has ended; its history stays."""
        for table in ("activities", "timers"):
            self._db.execute(f"DELETE FROM {table} WHERE instance_id=?", (instance_id,))  # noqa: S608 - constant names

    def delete_instance(self, instance_id: str) -> None:
        """Delete an instance with everything that belongs to it."""
        self.clear_execution(instance_id)
        self._db.execute("DELETE FROM inbox WHERE instance_id=?", (instance_id,))
        self._db.execute("DELETE FROM generations WHERE instance_id=?", (instance_id,))
        self._db.execute("DELETE FROM instances WHERE instance_id=?", (instance_id,))

    def put_messages(self, messages: Iterable[Message]) -> None:
        """Write messages that were not delivered in their transaction."""
        for message in messages:
            cursor = self._db.execute(
                "INSERT INTO inbox (instance_id, execution_id, event) VALUES (?,?,?)",
                (message.instance_id, message.execution_id, event_text(message.event)),
            )
            message.seq = cursor.lastrowid

    def delete_messages(self, seqs: Iterable[int]) -> None:
        """Delete delivered messages."""
        self._db.executemany("DELETE FROM inbox WHERE seq=?", [(seq,) for seq in seqs])

    def put_activity(self, job: ActivityJob) -> None:
        """Write a scheduled activity."""
        self._db.execute(
            "INSERT INTO activities (instance_id, execution_id, task_id, name, input) VALUES (?,?,?,?,?)",
            (job.instance_id, job.execution_id, job.task_id, job.name, job.input),
        )

    def delete_activity(self, job: ActivityJob) -> bool:
        """Delete an activity that has ended; return whether its row was still there."""
        cursor = self._db.execute(
            "DELETE FROM activities WHERE instance_id=? AND execution_id=? AND task_id=?",
            (job.instance_id, job.execution_id, job.task_id),
        )
        return cursor.rowcount > 0

    def put_timer(self, timer: TimerRow) -> None:
        """Arm a timer."""
        self._db.execute(
            "INSERT INTO timers (instance_id, execution_id, timer_id, fire_at) VALUES (?,?,?,?)",
            (timer.instance_id, timer.execution_id, timer.timer_id, timer.fire_at),
        )

    def delete_timer(self, instance_id: str, execution_id: str, timer_id: int) -> None:
        """Disarm a timer."""
        self._db.execute(
            "DELETE FROM timers WHERE instance_id=? AND execution_id=? AND timer_id=?",
            (instance_id, execution_id, timer_id),
        )

    def archive(self, instance: Instance) -> None:
        """Keep the history of a generation that has ended."""
        events = f"[{','.join(instance.texts)}]"
        self._db.execute("INSERT INTO generations (instance_id, events) VALUES (?,?)", (instance.instance_id, events))

    def put_schedule(self, name: str, status: dict[str, Any]) -> None:
        """Write when a timer function ran last."""
        self._db.execute("INSERT OR REPLACE INTO schedules (name, status) VALUES (?,?)", (name, json.dumps(status)))

    # -- recovery

    def pending_messages(self) -> list[Message]:
        """Return all undelivered messages, oldest first."""
        rows = self._db.execute("SELECT seq, instance_id, execution_id, event FROM inbox ORDER BY seq")
        return [
            Message(instance_id, execution_id, json.loads(event), seq) for seq, instance_id, execution_id, event in rows
        ]

    def pending_activities(self) -> list[ActivityJob]:
        """Return all activities whose result is not recorded."""
        return [
            ActivityJob(*row)
            for row in self._db.execute("SELECT instance_id, execution_id, task_id, name, input FROM activities")
        ]

    def pending_timers(self) -> list[TimerRow]:
        """Return all armed timers."""
        return [
            TimerRow(*row)
            for row in self._db.execute("SELECT instance_id, execution_id, timer_id, fire_at FROM timers")
        ]


def _take_lock(path: Path) -> int:
    lock_path = path.with_name(path.name + ".lock")
    descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise StateInUseError(
            f"{path} is in use by another host (process {owner or 'unknown'}): stop it, or choose another --state file"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor
