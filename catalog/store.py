"""Rows with compare-and-swap: all that the catalog needs of a database.

It needs no more than Azure Table Storage offers: a row has a partition and a key, is read and changed by both, carries an entity tag
that every change replaces, and is listed in the order of partition and key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, Self, TypeVar

from backup.messages import Message

R = TypeVar("R", bound=Message)
T = TypeVar("T")

LONGEST_DATA = 480_000
"""How long the JSON of a row may be (:func:`length_of`): a little less than an entity of Azure Table Storage takes, which is 1 MiB. A row
is one entity, so it is written and read as a whole."""

TRIES = 200
"""Far more than there are workers: each failed try means that another worker's change succeeded."""


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
    FINDINGS = "findings"
    NOTICES = "notices"


class CatalogUnavailable(Exception):
    """The database cannot be reached, or does not answer in time. A write may have been made even so.

    ``status`` and ``service_code`` are those of its answer, if there was one.
    """

    def __init__(self, message: str, *, status: int | None = None, service_code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.service_code = service_code


class Conflict(Exception):
    """Another writer was first. It names the row."""


class RowExists(Conflict):
    """A row that should be new exists already."""


class RowChanged(Conflict):
    """A row was changed or deleted since it was read."""


class RowTooLong(ValueError):
    """What should be written does not fit into a row. Nothing was written."""

    def __init__(self, length: int) -> None:
        super().__init__(f"a row of {length:,} characters; {LONGEST_DATA:,} are allowed")


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it was read. A change of it is compared with ``etag``."""

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

    @classmethod
    def of(cls, rows: Sequence[Row], limit: int) -> Self:
        """Return the first ``limit`` of ``rows``; one row more means that there is another page."""
        page = tuple(rows[:limit])
        return cls(page, (page[-1].partition, page[-1].key) if len(rows) > limit else None)


class Store(Protocol):
    """A database of rows. Every method may raise ``CatalogUnavailable``; every method is safe to call from any thread.

    ``data`` is a JSON object of at most 480,000 characters: every method that writes raises ``RowTooLong`` for a longer one. A row is
    written as a whole or not at all, and a reader sees it as it was before a change or after it.
    """

    def get(self, table: Table, partition: str, key: str) -> Row | None:
        """Return a row, or ``None`` where there is none."""

    def insert(self, table: Table, partition: str, key: str, data: Mapping[str, Any]) -> Row:
        """Write a new row. Raises ``RowExists``."""

    def replace(self, row: Row, data: Mapping[str, Any]) -> Row:
        """Change the row if it is unchanged since it was read. Raises ``RowChanged``."""

    def delete(self, row: Row) -> None:
        """Delete the row if it is unchanged since it was read. Raises ``RowChanged``."""

    def ensure(self, table: Table, partition: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Write those of ``rows`` (by key) that do not exist yet, and leave the others as they are."""

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
        """Return up to ``limit`` rows (at most 1000) behind ``after``, in the order of partition and key.

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
    """Go through all rows that :meth:`Store.scan` lists, ``page_size`` of them (at most 1000) with each call."""
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


def put(store: Store, table: Table, partition: str, key: str, data: Mapping[str, Any], row: Row | None) -> Row:
    """Write ``data`` over ``row``, or as a new row where ``row`` is ``None``. Raises ``Conflict``."""
    return store.insert(table, partition, key, data) if row is None else store.replace(row, data)


def retry_on_conflict(attempt: Callable[[], T]) -> T:
    """Call ``attempt`` (read, compute, write) until it has no conflict. Raises ``CatalogUnavailable`` after 200 tries.

    It is for changes that stay right when another worker changes the row first.
    """
    for _ in range(TRIES):
        try:
            return attempt()
        except Conflict:
            continue
    raise CatalogUnavailable("a row changes faster than it can be written")


def text_of(data: Mapping[str, Any]) -> str:
    """Return ``data`` as JSON. Raises ``RowTooLong`` where it is too long for a row, on every database alike."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    length = length_of(text)
    if length > LONGEST_DATA:
        raise RowTooLong(length)
    return text


def length_of(text: str) -> int:
    """Return the length of a row's JSON: a character of ASCII counts one, others two or three.

    It is half of the bytes that it takes: in UTF-16, as Table Storage counts, or in JSON with escapes, as it is sent, whichever is more.
    """
    stored = len(text.encode("utf-16-le", "surrogatepass"))
    sent = len(json.dumps(text))
    return (max(stored, sent) + 1) // 2


def after_prefix(prefix: str) -> str:
    """Return the first key behind all those that begin with ``prefix``, which is not empty."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
