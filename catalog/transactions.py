"""Counting the calls to the catalog's database. In Azure, each of them is about one transaction of the storage account."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from catalog.store import Page, Row, Store, Table

ROWS_PER_TRANSACTION = 100
"""So many new rows of one partition Table Storage takes at once."""


@dataclass
class Transactions:
    """How many there were so far."""

    count: int = 0


_current: ContextVar[Transactions | None] = ContextVar("transactions", default=None)


@contextmanager
def counted_transactions() -> Iterator[Transactions]:
    """Count the transactions that the code in the body makes, on its own thread."""
    counted = Transactions()
    token = _current.set(counted)
    try:
        yield counted
    finally:
        _current.reset(token)


class CountedStore:
    """A store that counts what is asked of it. See :class:`catalog.store.Store`."""

    def __init__(self, store: Store) -> None:
        """Count the calls to ``store``."""
        self._store = store

    def get(self, table: Table, partition: str, key: str) -> Row | None:
        """See :class:`catalog.store.Store`; so are the others."""
        _note(1)
        return self._store.get(table, partition, key)

    def insert(self, table: Table, partition: str, key: str, data: Mapping[str, Any]) -> Row:
        """Count one."""
        _note(1)
        return self._store.insert(table, partition, key, data)

    def replace(self, row: Row, data: Mapping[str, Any]) -> Row:
        """Count one."""
        _note(1)
        return self._store.replace(row, data)

    def delete(self, row: Row) -> None:
        """Count one."""
        _note(1)
        self._store.delete(row)

    def ensure(self, table: Table, partition: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Count one for each hundred rows."""
        _note(math.ceil(len(rows) / ROWS_PER_TRANSACTION))
        self._store.ensure(table, partition, rows)

    def scan(self, table: Table, **where: Any) -> Page:
        """Count one."""
        _note(1)
        return self._store.scan(table, **where)


def _note(count: int) -> None:
    counted = _current.get()
    if counted is not None:
        counted.count += count
