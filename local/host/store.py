"""The state file: one SQLite database with everything that must survive the process.

One thread writes (the engine's), in transactions that hold whole episodes; others read through a second connection, which in
WAL mode sees the last commit and never waits. ``synchronous=NORMAL`` is enough: a committed transaction is in the operating
system's hands, so a killed process loses nothing; a machine that loses power may lose the last commits, never consistency.
A lock on a file next to the database keeps a second host out, and goes away with its process however that ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from local.host.errors import StateInUseError
from local.host.protocol import Event, event_text

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


class RuntimeStatus(StrEnum):
    """The statuses of an instance, with the names that the management API uses."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    COMPLETED = "Completed"
    FAILED = "Failed"
    TERMINATED = "Terminated"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more will happen to the instance."""
        return self in (RuntimeStatus.COMPLETED, RuntimeStatus.FAILED, RuntimeStatus.TERMINATED)


@dataclass(slots=True)
class Instance:
    """An orchestration instance. Payloads are JSON texts, times are texts of :func:`~local.host.protocol.format_time`."""

    instance_id: str
    execution_id: str
    name: str
    version: str | None
    status: RuntimeStatus
    input: str | None
    created: str
    updated: str
    output: str | None = None
    custom_status: str | None = None
    parent_id: str | None = None
    parent_execution: str | None = None
    parent_task: int | None = None
    history: list[Event] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """``history`` as JSON: one text for each episode, its events with commas between them and marked as played."""


@dataclass(slots=True)
class Message:
    """An event on its way to an instance. ``execution_id`` is ``None`` when any generation may have it."""

    instance_id: str
    execution_id: str | None
    event: Event
    seq: int | None = None
    """Its row, once it has one."""
    waiting: bool = True
    """It was not delivered yet."""


@dataclass(frozen=True, slots=True)
class ActivityJob:
    """One activity to run; ``input`` is JSON text."""

    instance_id: str
    execution_id: str
    task_id: int
    name: str
    input: str | None


@dataclass(frozen=True, slots=True)
class TimerRow:
    """An armed durable timer."""

    instance_id: str
    execution_id: str
    timer_id: int
    fire_at: str


_COLUMNS = (
    "instance_id, execution_id, name, version, status, input, created, "
    "updated, output, custom_status, parent_id, parent_execution, parent_task"
)

_SELECT_ONE = f"SELECT {_COLUMNS} FROM instances WHERE instance_id=?"  # noqa: S608 - constant columns
_SELECT_HISTORY = "SELECT event FROM history WHERE instance_id=? ORDER BY seq"


class Store:
    """The state file, opened for one host.

    Args:
        path: the database file; made when absent.

    Raises:
        StateInUseError: another process has it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_file = _take_lock(path)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # histories are clear text: for their owner only
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA busy_timeout=10000")
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, _SCHEMA_VERSION):
            raise StateInUseError(
                f"{path.name} was written by another version of this host (schema {found}); use another file"
            )
        self._db.executescript(_SCHEMA + f"PRAGMA user_version={_SCHEMA_VERSION};")
        self._reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._reader_lock = threading.Lock()

    def close(self) -> None:
        """Close the file and let others have it."""
        with self._reader_lock:
            self._reader.close()
        self._db.close()
        os.close(self._lock_file)

    # -- transactions: the engine's thread only

    def begin(self) -> None:
        """Start a transaction."""
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the transaction durable."""
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Give the transaction up."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def load(self, instance_id: str) -> Instance | None:
        """Return an instance with its history, or ``None``."""
        row = self._db.execute(_SELECT_ONE, (instance_id,)).fetchone()
        if row is None:
            return None
        instance = _instance(row)
        instance.texts = [text for (text,) in self._db.execute(_SELECT_HISTORY, (instance_id,))]
        instance.history = _events(instance.texts)
        return instance

    def save(self, instance: Instance) -> None:
        """Write an instance's row (not its history)."""
        self._db.execute(
            f"INSERT OR REPLACE INTO instances ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 - constant columns
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
        """Write what changes of an instance that :meth:`save` has written before."""
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
        """Add the events of an episode to an instance's history: a row for each event would cost three times as much."""
        self._db.execute("INSERT INTO history (instance_id, seq, event) VALUES (?,?,?)", (instance_id, seq, text))

    def clear_execution(self, instance_id: str) -> None:
        """Drop history, work and timers of an instance: a new generation begins, or it is purged."""
        for table in ("history", "activities", "timers"):
            self._db.execute(f"DELETE FROM {table} WHERE instance_id=?", (instance_id,))  # noqa: S608 - constant names

    def drop_work(self, instance_id: str) -> None:
        """Drop work and timers of an instance that has ended; its history stays."""
        for table in ("activities", "timers"):
            self._db.execute(f"DELETE FROM {table} WHERE instance_id=?", (instance_id,))  # noqa: S608 - constant names

    def delete_instance(self, instance_id: str) -> None:
        """Drop an instance and everything about it."""
        self.clear_execution(instance_id)
        self._db.execute("DELETE FROM inbox WHERE instance_id=?", (instance_id,))
        self._db.execute("DELETE FROM generations WHERE instance_id=?", (instance_id,))
        self._db.execute("DELETE FROM instances WHERE instance_id=?", (instance_id,))

    def put_messages(self, messages: Iterable[Message]) -> None:
        """Write messages that were not delivered within their transaction."""
        for message in messages:
            cursor = self._db.execute(
                "INSERT INTO inbox (instance_id, execution_id, event) VALUES (?,?,?)",
                (message.instance_id, message.execution_id, event_text(message.event)),
            )
            message.seq = cursor.lastrowid

    def delete_messages(self, seqs: Iterable[int]) -> None:
        """Drop delivered messages."""
        self._db.executemany("DELETE FROM inbox WHERE seq=?", [(seq,) for seq in seqs])

    def put_activity(self, job: ActivityJob) -> None:
        """Write a scheduled activity."""
        self._db.execute(
            "INSERT INTO activities (instance_id, execution_id, task_id, name, input) VALUES (?,?,?,?,?)",
            (job.instance_id, job.execution_id, job.task_id, job.name, job.input),
        )

    def delete_activity(self, job: ActivityJob) -> bool:
        """Drop an activity that has ended; ``False`` when it was not wanted any more."""
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
        """Keep the history of a generation that is over."""
        events = f"[{','.join(instance.texts)}]"
        self._db.execute("INSERT INTO generations (instance_id, events) VALUES (?,?)", (instance.instance_id, events))

    def put_schedule(self, name: str, status: dict[str, Any]) -> None:
        """Remember when a timer function last ran."""
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

    # -- reading: any thread

    def read_instance(self, instance_id: str) -> Instance | None:
        """Return an instance as last committed, without its history."""
        with self._reader_lock:
            row = self._reader.execute(_SELECT_ONE, (instance_id,)).fetchone()
        return None if row is None else _instance(row)

    def read_history(self, instance_id: str) -> list[Event]:
        """Return an instance's history as last committed."""
        with self._reader_lock:
            rows = self._reader.execute(_SELECT_HISTORY, (instance_id,)).fetchall()
        return _events(text for (text,) in rows)

    def read_generations(self, instance_id: str) -> list[list[Event]]:
        """Return the histories that :meth:`archive` kept of an instance, oldest first."""
        with self._reader_lock:
            sql = "SELECT events FROM generations WHERE instance_id=? ORDER BY seq"
            rows = self._reader.execute(sql, (instance_id,)).fetchall()
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
            prefix: what their ids start with.
            created_from: earliest creation, inclusive.
            created_to: latest creation, inclusive.
            statuses: runtime statuses to keep; none means all.
            after: (created, instance id) of the last one already seen.
            limit: how many at most; -1 for all.
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
        sql = f"SELECT {_COLUMNS} FROM instances WHERE {' AND '.join(where)} ORDER BY created, instance_id LIMIT ?"  # noqa: S608 - values are bound
        with self._reader_lock:
            rows = self._reader.execute(sql, (*values, limit)).fetchall()
        return [_instance(row) for row in rows]

    def read_schedule(self, name: str) -> dict[str, Any] | None:
        """Return what :meth:`put_schedule` wrote."""
        with self._reader_lock:
            row = self._reader.execute("SELECT status FROM schedules WHERE name=?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])


def _instance(row: tuple[Any, ...]) -> Instance:
    values = list(row)
    values[4] = RuntimeStatus(values[4])
    return Instance(*values)


def _events(texts: Iterable[str]) -> list[Event]:
    events: list[Event] = json.loads(f"[{','.join(texts)}]")
    return events


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
