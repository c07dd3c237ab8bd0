"""A write whose answer is lost is sent again: the app's own success is no conflict, another writer's is one."""

from __future__ import annotations

import pytest

from catalog.store import Row, RowChanged, RowExists, Store, Table
from catalog.tables import TableStore
from local.flaky_proxy import DELAYED, LOST_AFTER, LOST_BEFORE, Fault, FlakyProxy

CLAIMS = Table.CLAIMS


def read(store: Store, key: str = "k") -> Row:
    row = store.get(CLAIMS, "p", key)
    assert row is not None
    return row


@pytest.mark.parametrize("fault", [LOST_AFTER, Fault(forward=True, status=503), Fault(forward=True, status=500)])
def test_an_insert_whose_answer_is_lost_succeeds(
    proxied: TableStore, proxy: FlakyProxy, tables: TableStore, fault: Fault
) -> None:
    proxy.faults = [fault]
    row = proxied.insert(CLAIMS, "p", "k", {"n": 1})
    assert read(tables) == row
    assert proxied.replace(row, {"n": 2}).data == {"n": 2}


@pytest.mark.parametrize("fault", [LOST_AFTER, Fault(forward=True, status=503), Fault(forward=True, status=504)])
def test_a_change_whose_answer_is_lost_succeeds(
    proxied: TableStore, proxy: FlakyProxy, tables: TableStore, fault: Fault
) -> None:
    row = proxied.insert(CLAIMS, "p", "k", {"n": 1})
    proxy.faults = [fault]
    changed = proxied.replace(row, {"n": 2})
    assert read(tables) == changed
    proxied.replace(changed, {"n": 3})


def test_a_deletion_whose_answer_is_lost_succeeds(proxied: TableStore, proxy: FlakyProxy, tables: TableStore) -> None:
    row = proxied.insert(CLAIMS, "p", "k", {"n": 1})
    proxy.faults = [LOST_AFTER]
    proxied.delete(row)
    assert tables.get(CLAIMS, "p", "k") is None


def test_an_insert_after_another_one_conflicts(proxied: TableStore, proxy: FlakyProxy, tables: TableStore) -> None:
    """Also where the answer to it is lost."""
    tables.insert(CLAIMS, "p", "k", {"n": 1})
    proxy.faults = [LOST_AFTER]
    with pytest.raises(RowExists):
        proxied.insert(CLAIMS, "p", "k", {"n": 1})


def test_an_insert_by_another_between_tries_conflicts(
    proxied: TableStore, proxy: FlakyProxy, tables: TableStore
) -> None:
    """Even where the other writer wrote the same content."""
    proxy.faults = [LOST_BEFORE]
    proxy.between = lambda: tables.insert(CLAIMS, "p", "k", {"n": 1})
    with pytest.raises(RowExists):
        proxied.insert(CLAIMS, "p", "k", {"n": 1})


@pytest.mark.parametrize("fault", [LOST_BEFORE, LOST_AFTER])
def test_a_change_by_another_between_tries_conflicts(
    proxied: TableStore, proxy: FlakyProxy, tables: TableStore, fault: Fault
) -> None:
    row = proxied.insert(CLAIMS, "p", "k", {"n": 1})
    proxy.faults = [fault]
    proxy.between = lambda: tables.replace(read(tables), {"n": 2})
    with pytest.raises(RowChanged):
        proxied.replace(row, {"n": 2})


def test_a_row_written_by_another_is_not_deleted(proxied: TableStore, proxy: FlakyProxy, tables: TableStore) -> None:
    """The deletion's answer was lost, and it is sent again."""
    row = proxied.insert(CLAIMS, "p", "k", {"n": 1})
    proxy.faults = [LOST_AFTER]
    proxy.between = lambda: tables.insert(CLAIMS, "p", "k", {"n": "another"})
    with pytest.raises(RowChanged):
        proxied.delete(row)
    assert read(tables).data == {"n": "another"}


def test_rows_are_ensured_once_when_the_answer_is_lost(
    proxied: TableStore, proxy: FlakyProxy, tables: TableStore
) -> None:
    rows = {f"{number:03d}": {"n": number} for number in range(120)}
    proxy.faults = [LOST_AFTER, None, None, LOST_AFTER]
    proxied.ensure(CLAIMS, "p", rows)
    assert {row.key: row.data for row in tables.scan(CLAIMS, partition="p").rows} == rows


def test_ensuring_ends_while_others_insert_its_rows(proxied: TableStore, proxy: FlakyProxy, tables: TableStore) -> None:
    keys = iter("012345")

    def insert_first() -> None:
        proxy.between = insert_first
        key = next(keys, None)
        if key is not None:
            tables.insert(CLAIMS, "p", key, {"n": "another"})

    # after each read of the keys, another writer inserts one more row, so each batch is refused
    tables.insert(CLAIMS, "p", "6", {"n": "another"})
    proxy.between = insert_first
    proxy.faults = [DELAYED] * 20
    proxied.ensure(CLAIMS, "p", {f"{number}": {"n": "app"} for number in range(8)})
    written = {row.key: row.data["n"] for row in tables.scan(CLAIMS, partition="p").rows}
    assert written == {**dict.fromkeys("0123456", "another"), "7": "app"}
    assert [request.split()[0] for request in proxy.seen] == ["POST", "GET"] * 3 + ["POST"] * 2


def test_a_conflict_at_the_first_try_costs_no_read(proxied: TableStore, proxy: FlakyProxy, tables: TableStore) -> None:
    row = proxied.insert(CLAIMS, "p", "k", {})
    proxy.seen.clear()
    with pytest.raises(RowExists):
        proxied.insert(CLAIMS, "p", "k", {})
    tables.replace(row, {})
    with pytest.raises(RowChanged):
        proxied.replace(row, {})
    assert [request.split()[0] for request in proxy.seen] == ["POST", "PUT"]
