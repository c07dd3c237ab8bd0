"""The store on SQLite: for the embedded host, shared by any number of processes and threads of one machine."""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from catalog.store import CatalogUnavailable, Page, Row, RowChanged, RowExists, Table, after_prefix, text_of

BUSY_TIMEOUT_SECONDS = 30.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    tbl TEXT NOT NULL, partition TEXT NOT NULL, key TEXT NOT NULL, etag TEXT NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (tbl, partition, key)
) WITHOUT ROWID
"""


class SqliteStore:
    """Rows in one SQLite file.

    Each thread has its own connection. With write-ahead logging, readers do not wait for a writer, and the file survives when the
    process is killed. A power cut may lose the last transactions. That loses no copy: before an activity repeats a call to the service,
    it checks whether the call was made already.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file at ``path``; its folder must exist."""
        self._path = path
        self._local = threading.local()
        with self._connection() as connection:
            connection.execute(SCHEMA)

    def get(self, table: Table, partition: str, key: str) -> Row | None:
        """See :class:`catalog.store.Store`."""
        with self._connection() as connection:
            entry = connection.execute(
                "SELECT data, etag FROM rows WHERE tbl = ? AND partition = ? AND key = ?", (table, partition, key)
            ).fetchone()
        return None if entry is None else Row(table, partition, key, json.loads(entry[0]), entry[1])

    def insert(self, table: Table, partition: str, key: str, data: Mapping[str, Any]) -> Row:
        """See :class:`catalog.store.Store`."""
        etag = uuid.uuid4().hex
        with self._connection() as connection:
            try:
                connection.execute(
                    "INSERT INTO rows VALUES (?, ?, ?, ?, ?)", (table, partition, key, etag, text_of(data))
                )
            except sqlite3.IntegrityError:
                raise RowExists(f"{table} {partition} {key}") from None
        return Row(table, partition, key, data, etag)

    def replace(self, row: Row, data: Mapping[str, Any]) -> Row:
        """See :class:`catalog.store.Store`."""
        etag = uuid.uuid4().hex
        with self._connection() as connection:
            changed = connection.execute(
                "UPDATE rows SET etag = ?, data = ? WHERE tbl = ? AND partition = ? AND key = ? AND etag = ?",
                (etag, text_of(data), row.table, row.partition, row.key, row.etag),
            ).rowcount
        if changed != 1:
            raise RowChanged(f"{row.table} {row.partition} {row.key}")
        return Row(row.table, row.partition, row.key, data, etag)

    def delete(self, row: Row) -> None:
        """See :class:`catalog.store.Store`."""
        with self._connection() as connection:
            deleted = connection.execute(
                "DELETE FROM rows WHERE tbl = ? AND partition = ? AND key = ? AND etag = ?",
                (row.table, row.partition, row.key, row.etag),
            ).rowcount
        if deleted != 1:
            raise RowChanged(f"{row.table} {row.partition} {row.key}")

    def ensure(self, table: Table, partition: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """See :class:`catalog.store.Store`."""
        values = [(table, partition, key, uuid.uuid4().hex, text_of(data)) for key, data in rows.items()]
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany("INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?, ?)", values)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def scan(
        self,
        table: Table,
        *,
        partition: str | None = None,
        partition_prefix: str | None = None,
        key_prefix: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int = 1000,
    ) -> Page:
        """See :class:`catalog.store.Store`."""
        where, values = ["tbl = ?"], [str(table)]
        if partition is not None:
            where.append("partition = ?")
            values.append(partition)
        for column, prefix in (("partition", partition_prefix), ("key", key_prefix)):
            if prefix:
                where.append(f"{column} >= ? AND {column} < ?")
                values += [prefix, after_prefix(prefix)]
        if after is not None:
            where.append("(partition, key) > (?, ?)")
            values += [after[0], after[1]]
        limit = min(limit, 1000)
        query = (
            f"SELECT partition, key, data, etag FROM rows WHERE {' AND '.join(where)} ORDER BY partition, key LIMIT ?"  # noqa: S608 - only the column names above
        )
        with self._connection() as connection:
            entries = connection.execute(query, (*values, limit + 1)).fetchall()
        return Page.of([Row(table, p, k, json.loads(data), etag) for p, k, data, etag in entries], limit)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
            if connection is None:
                connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                self._local.connection = connection
            yield connection
        except sqlite3.Error as error:
            raise CatalogUnavailable(f"the catalog file {self._path.name} cannot be used: {error}") from error
