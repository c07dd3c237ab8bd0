"""Records in rows: one shape for what was read, one way to read all rows, one way to change a row that others change as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from catalog.store import CatalogUnavailable, Row, RowChanged, Store, Table

T = TypeVar("T")

TRIES = 200
"""Far more than there are workers: each conflict means that another worker's change was written."""


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A record together with the row that it was read from."""

    record: T
    row: Row


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
    """Give all the rows that :meth:`catalog.store.Store.scan` lists, ``page_size`` of them (at most 1000) per call."""
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


def retry_on_conflict(attempt: Callable[[], T], *also: type[Exception]) -> T:
    """Call ``attempt`` (read, compute, compare-and-swap) until it meets no conflict. Raises ``CatalogUnavailable`` after 200 tries."""
    for _ in range(TRIES):
        try:
            return attempt()
        except (RowChanged, *also):  # type: ignore[misc]  # mypy does not see through an unpacked tuple of types
            continue
    raise CatalogUnavailable("a row changes faster than it can be written")
