"""Rows up to the longest: whole or not at all, and compared as any other, on every database."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from catalog.store import LONGEST_DATA, Row, RowChanged, RowExists, RowTooLong, Store, Table
from catalog.tables import TableStore
from local.flaky_proxy import LOST_AFTER, LOST_BEFORE, Fault, FlakyProxy

CLAIMS = Table.CLAIMS
ROOM = LONGEST_DATA - len('{"text":""}') - 10


def longest(character: str = "x") -> dict[str, str]:
    """Return what fills a row: JSON escapes some characters, and others are longer when they are sent."""
    return {"text": character * (ROOM // {"é": 3, "中": 3, "😀": 6, '"': 2, "\\": 2, "\x01": 6}.get(character, 1))}


def read(store: Store, key: str = "k") -> Row:
    row = store.get(CLAIMS, "p", key)
    assert row is not None
    return row


@pytest.mark.parametrize("character", ["x", "é", "中", "😀", '"', "\\", "\x01"])
def test_the_longest_row_fits_in_any_script(store: Store, character: str) -> None:
    key = "k" * 400
    row = store.insert(CLAIMS, "p", key, longest(character))
    assert store.get(CLAIMS, "p", key) == row
    assert row.data == longest(character)
    assert store.scan(CLAIMS).rows == (row,)


@pytest.mark.parametrize("text", ["x" * (ROOM + 11), "😀" * (ROOM // 6 + 3)])
def test_a_row_that_is_too_long_is_not_written(store: Store, text: str) -> None:
    """Neither a new one, nor in place of one that exists, nor together with others that would fit."""
    row = store.insert(CLAIMS, "p", "k", {"n": 1})
    for write in (
        lambda: store.insert(CLAIMS, "p", "new", {"text": text}),
        lambda: store.replace(row, {"text": text}),
        lambda: store.ensure(CLAIMS, "p", {"a": {"n": 2}, "new": {"text": text}}),
    ):
        with pytest.raises(RowTooLong, match=r"480,\d{3} characters; 480,000 are allowed"):
            write()
    assert store.scan(CLAIMS).rows == (row,)


def test_a_long_row_is_changed_by_comparison(store: Store) -> None:
    stale = store.insert(CLAIMS, "p", "k", longest())
    with pytest.raises(RowExists):
        store.insert(CLAIMS, "p", "k", longest("y"))
    fresh = store.replace(stale, longest("é"))
    with pytest.raises(RowChanged):
        store.replace(stale, longest("z"))
    assert read(store) == fresh
    store.ensure(CLAIMS, "p", {"k": longest("z")})
    assert read(store) == fresh
    with pytest.raises(RowChanged):
        store.delete(stale)


def test_a_row_that_shrinks_keeps_no_old_data(store: Store) -> None:
    row = store.replace(store.insert(CLAIMS, "p", "k", longest()), {"n": 1})
    assert read(store) == row
    assert dict(read(store).data) == {"n": 1}


def test_a_reader_never_sees_half_of_a_row(open_store: Callable[[], Store], store: Store) -> None:
    """While two writers change it, between short and long, every reader finds what one of them wrote."""
    store.insert(CLAIMS, "p", "k", {"text": "0" * 100})
    seen: list[str] = []
    won = {"1": 0, "2": 0}

    def write(writer: str) -> None:
        mine = open_store()
        for length in (400_000, 50, 200_000, 16_000, 16_001, 480_000 - 20):
            try:
                mine.replace(read(mine), {"text": writer * length})
            except RowChanged:
                continue
            won[writer] += 1

    def look() -> None:
        mine = open_store()
        while any(writer.is_alive() for writer in writers):
            seen.append(str(read(mine).data["text"]))

    writers = [threading.Thread(target=write, args=(writer,)) for writer in won]
    reader = threading.Thread(target=look)
    for thread in (*writers, reader):
        thread.start()
    for thread in (*writers, reader):
        thread.join(60)
        assert not thread.is_alive()
    assert sum(won.values()) >= 6, "of two writers at most one loses"
    lengths = {100, 400_000, 50, 200_000, 16_000, 16_001, 480_000 - 20}
    assert all(len(set(text)) == 1 and len(text) in lengths for text in seen)


@pytest.mark.parametrize("fault", [LOST_AFTER, LOST_BEFORE], ids=["afterTheWrite", "beforeTheWrite"])
def test_a_write_of_a_long_row_breaks_off(proxied: TableStore, proxy: FlakyProxy, fault: Fault) -> None:
    """The connection breaks before or after the service has the row: it is sent again, and stands there once and whole."""
    row = proxied.insert(CLAIMS, "p", "k", {"n": 1})
    proxy.faults = [fault]
    changed = proxied.replace(row, longest())
    assert read(proxied) == changed


def test_rows_of_older_versions_are_read(store: Store) -> None:
    """They held up to 30,000 characters, on Table Storage in two properties."""
    row = store.insert(CLAIMS, "p", "k", {"text": "x" * 29_900})
    assert read(store) == row
