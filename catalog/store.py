"""Rows with compare-and-swap: the whole of what the catalog asks of a database.

Modelled on what Azure Table Storage can do: a row has a partition and a key, is read or changed by both, carries an entity tag
that every change replaces, and can be listed in the order of partition and key. Nothing else is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from backup.messages import Message

R = TypeVar("R", bound=Message)


class Table(StrEnum):
    """The tables of the catalog. The names are legal table names of Azure Table Storage."""

    CLAIMS = "claims"
    TARGET_IDS = "targetids"
    SLOTS = "slots"
    REPLICAS = "replicas"
    RUNS = "runs"
    SUSPECTS = "suspects"
    RUN_INDEX = "runindex"
    PLANS = "plans"
    REACHABILITY = "reachability"


LONGEST_DATA = 30_000
"""Characters of JSON that a row may hold: what Azure Table Storage takes in a property, and a little less."""


class CatalogUnavailable(Exception):
    """The database cannot be reached, or does not answer in time. Nothing was changed, as far as anyone can tell."""


class RowExists(Exception):
    """A row that should be new is there already."""


class RowChanged(Exception):
    """A row was changed or deleted by somebody else since it was read."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it was read. ``etag`` is what a change of it is compared with."""

    table: Table
    partition: str
    key: str
    data: Mapping[str, Any]
    etag: str


@dataclass(frozen=True, slots=True)
class Stored(Generic[R]):
    """A record together with the row that it was read from."""

    record: R
    row: Row


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list. ``after`` is where the next part starts, or ``None`` at the end."""

    rows: tuple[Row, ...]
    after: tuple[str, str] | None


class Store(Protocol):
    """A database of rows. Every method may raise ``CatalogUnavailable``; every method is safe to call from any thread.

    ``data`` is a JSON object of at most 30,000 characters.
    """

    def get(self, table: Table, partition: str, key: str) -> Row | None:
        """Return a row, or ``None`` where there is none."""

    def insert(self, table: Table, partition: str, key: str, data: Mapping[str, Any]) -> Row:
        """Write a new row. Raises ``RowExists``."""

    def replace(self, row: Row, data: Mapping[str, Any]) -> Row:
        """Change the row if it still is as ``row`` was read. Raises ``RowChanged``."""

    def delete(self, row: Row) -> None:
        """Delete the row if it still is as ``row`` was read. Raises ``RowChanged``."""

    def ensure(self, table: Table, partition: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Write those of ``rows`` (by key) that are not there yet, and leave the others as they are."""

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
        """Return up to ``limit`` rows (at most 1000) in the order of partition and key, those behind ``after``.

        ``partition`` and ``partition_prefix`` exclude each other; with neither, the whole table is listed.
        """


def scan_all(
    store: Store,
    table: Table,
    *,
    partition: str | None = None,
    partition_prefix: str | None = None,
    key_prefix: str | None = None,
    after: tuple[str, str] | None = None,
    page_size: int = 1000,
) -> Iterator[Row]:
    """Go through all the rows that :meth:`Store.scan` lists, ``page_size`` of them (at most 1000) with each call."""
    while True:
        page = store.scan(
            table,
            partition=partition,
            partition_prefix=partition_prefix,
            key_prefix=key_prefix,
            after=after,
            limit=page_size,
        )
        yield from page.rows
        after = page.after
        if after is None:
            return
