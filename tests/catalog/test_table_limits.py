"""The limits of Table Storage: characters, sizes, pages, and tables that do not exist yet."""

from __future__ import annotations

import uuid
from urllib.parse import unquote_plus

import pytest

from catalog.store import Row, RowChanged, Store, Table
from catalog.table_entities import KeyTooLong, escape, unescape
from catalog.table_service import TableService
from catalog.tables import TableStore
from local.azurite import Azurite, connection_string
from local.flaky_proxy import Fault, FlakyProxy

CLAIMS = Table.CLAIMS
EVERY_CHARACTER_REFUSED = "a/b\\c#d?e%f'g\"h i\tj\x7fk!l&m+n=o|p😀é\u0085"


def read(store: Store, key: str = "k") -> Row:
    row = store.get(CLAIMS, "p", key)
    assert row is not None
    return row


def test_keys_with_refused_characters_are_kept(tables: TableStore) -> None:
    odd = EVERY_CHARACTER_REFUSED
    row = tables.insert(CLAIMS, odd, odd, {"n": 1})
    tables.insert(CLAIMS, odd + "x", odd, {"n": 2})
    assert tables.get(CLAIMS, odd, odd) == row
    page = tables.scan(CLAIMS, partition=odd, key_prefix=odd[:5], limit=1)
    assert page.rows == (row,)
    assert tables.scan(CLAIMS, after=(odd, odd)).rows[0].data == {"n": 2}
    tables.ensure(CLAIMS, odd, {odd: {"n": 3}, "k": {}})
    assert tables.get(CLAIMS, odd, odd) == row
    tables.delete(tables.replace(row, {}))


@pytest.mark.parametrize("text", ["", "row-000001", "west|model|a.b_c~d", EVERY_CHARACTER_REFUSED, "!000021", "!!"])
def test_keys_survive_escaping(text: str) -> None:
    assert unescape(escape(text)) == text
    assert escape(text + "more").startswith(escape(text))


@pytest.mark.parametrize("text", ["row-000001", "west|model|a.b_c~d", "A-Z0-9"])
def test_ids_of_the_app_are_not_escaped(text: str) -> None:
    assert escape(text) == text


def test_a_key_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(KeyTooLong):
        escape("x" * 513)


def test_a_row_whose_key_is_too_long_does_not_exist(tables: TableStore) -> None:
    tables.insert(CLAIMS, "p", "k", {})
    assert tables.get(CLAIMS, "p", "x" * 600) is None
    assert tables.get(CLAIMS, "/" * 100, "k") is None
    assert tables.scan(CLAIMS, partition="x" * 600).rows == ()
    assert tables.scan(CLAIMS, partition="p", after=("p", "x" * 600)).rows == ()
    with pytest.raises(KeyTooLong):
        tables.insert(CLAIMS, "p", "x" * 600, {})


def test_the_longest_rows_are_ensured_in_batches(proxied: TableStore, proxy: FlakyProxy) -> None:
    """In UTF-16 and escaped, as they are sent, a transaction of them stays below its limit of 4 MiB."""
    rows = {f"{number:03d}": {"text": "é" * 29_900} for number in range(40)}
    rows |= {f"{number:03d}": {"text": "é" * 159_000} for number in range(40, 43)}
    proxy.seen.clear()
    proxied.ensure(CLAIMS, "p", rows)
    assert {row.key: row.data for row in proxied.scan(CLAIMS, partition="p").rows} == rows
    assert 4 <= len([request for request in proxy.seen if "$batch" in request]) <= 8


def test_a_list_continues_after_an_empty_answer(proxied: TableStore, proxy: FlakyProxy) -> None:
    """The service may return fewer rows with one answer than it has."""
    proxied.ensure(CLAIMS, "p", {f"{number}": {} for number in range(3)})
    # As the real service does at the border of two partition servers, or after five seconds: nothing yet, go on there.
    continuation = {"x-ms-continuation-NextPartitionKey": "p", "x-ms-continuation-NextRowKey": "0"}
    empty = Fault(status=200, headers={"Content-Type": "application/json", **continuation}, body=b'{"value": []}')
    proxy.faults = [empty, empty]
    page = proxied.scan(CLAIMS, partition="p")
    assert [row.key for row in page.rows] == ["0", "1", "2"]
    assert page.after is None


def test_reading_makes_no_tables(proxy: FlakyProxy, prefix: str) -> None:
    store = TableStore(TableService(connection_string(proxy.port)), prefix)
    assert store.get(CLAIMS, "p", "k") is None
    assert store.scan(CLAIMS).rows == ()
    with pytest.raises(RowChanged):
        store.replace(Row(CLAIMS, "p", "k", {}, "W/\"datetime'2026-01-01T00%3A00%3A00.0000000Z'\""), {})
    assert not [request for request in proxy.seen if request.startswith("POST")]


def test_the_first_write_of_any_kind_makes_the_table(tables: TableStore) -> None:
    tables.ensure(Table.RUNS, "p", {"k": {}})
    tables.insert(CLAIMS, "p", "k", {})
    assert tables.get(Table.RUNS, "p", "k") is not None


def test_two_catalogs_in_one_account_are_separate(azurite: Azurite, tables: TableStore) -> None:
    tables.insert(CLAIMS, "p", "k", {})
    other = TableStore(TableService(azurite.connection_string), f"t{uuid.uuid4().hex}")
    assert other.get(CLAIMS, "p", "k") is None


def test_a_scan_asks_for_a_range_of_keys(proxied: TableStore, proxy: FlakyProxy) -> None:
    """An ``or`` at the top of the filter would make the service read the whole table."""
    proxy.seen.clear()
    proxied.scan(CLAIMS, partition="p", key_prefix="row-", after=("p", "row-1"))
    proxied.scan(CLAIMS, after=("p", "k"))
    requests = [unquote_plus(request) for request in proxy.seen]
    assert "PartitionKey eq 'p' and RowKey ge 'row-' and RowKey lt 'row.' and RowKey gt 'row-1'" in requests[0]
    assert "PartitionKey ge 'p' and ( PartitionKey gt 'p' or RowKey gt 'k' )" in requests[1]
