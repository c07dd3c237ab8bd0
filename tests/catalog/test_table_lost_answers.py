"""A write whose answer is lost is sent again: our own success is no conflict, and somebody else's stays one."""

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
def test_our_own_insert_is_no_conflict_when_its_answer_is_lost(
    proxied: TableStore, proxy: FlakyProxy, tables: TableStore, fault: Fault
) -> None:
    proxy.faults = [fault]
    row = proxied.insert(CLAIMS, "p", "k", {"n": 1})
    assert read(tables) == row
    assert proxied.replace(row, {"n": 2}).data == {"n": 2}


@pytest.mark.parametrize("fault", [LOST_AFTER, Fault(forward=True, status=503), Fault(forward=True, status=504)])
def test_our_own_change_is_no_conflict_when_its_answer_is_lost(
    proxied: TableStore, proxy: FlakyProxy, tables: TableStore, fault: Fault
) -> None:
    row = proxied.insert(CLAIMS, "p", "k", {"n": 1})
    proxy.faults = [fault]
    changed = proxied.replace(row, {"n": 2})
    assert read(tables) == changed
    proxied.replace(changed, {"n": 3})


def test_our_own_deletion_is_no_conflict_when_its_answer_is_lost(
    proxied: TableStore, proxy: FlakyProxy, tables: TableStore
) -> None:
    row = proxied.insert(CLAIMS, "p", "k", {"n": 1})
    proxy.faults = [LOST_AFTER]
    proxied.delete(row)
    assert tables.get(CLAIMS, "p", "k") is None


def test_somebody_elses_insert_stays_a_conflict_when_our_answer_is_lost(
    proxied: TableStore, proxy: FlakyProxy, tables: TableStore
) -> None:
    tables.insert(CLAIMS, "p", "k", {"n": 1})
    proxy.faults = [LOST_AFTER]
    with pytest.raises(RowExists):
        proxied.insert(CLAIMS, "p", "k", {"n": 1})


def test_somebody_elses_insert_between_our_tries_is_a_conflict_even_with_the_same_content(
    proxied: TableStore, proxy: FlakyProxy, tables: TableStore
) -> None:
    proxy.faults = [LOST_BEFORE]
    proxy.between = lambda: tables.insert(CLAIMS, "p", "k", {"n": 1})
    with pytest.raises(RowExists):
        proxied.insert(CLAIMS, "p", "k", {"n": 1})


@pytest.mark.parametrize("fault", [LOST_BEFORE, LOST_AFTER])
def test_somebody_elses_change_between_our_tries_is_a_conflict(
    proxied: TableStore, proxy: FlakyProxy, tables: TableStore, fault: Fault
) -> None:
    row = proxied.insert(CLAIMS, "p", "k", {"n": 1})
    proxy.faults = [fault]
    proxy.between = lambda: tables.replace(read(tables), {"n": 2})
    with pytest.raises(RowChanged):
        proxied.replace(row, {"n": 2})


def test_a_row_that_somebody_wrote_anew_after_our_deletion_is_left_alone(
    proxied: TableStore, proxy: FlakyProxy, tables: TableStore
) -> None:
    row = proxied.insert(CLAIMS, "p", "k", {"n": 1})
    proxy.faults = [LOST_AFTER]
    proxy.between = lambda: tables.insert(CLAIMS, "p", "k", {"n": "theirs"})
    with pytest.raises(RowChanged):
        proxied.delete(row)
    assert read(tables).data == {"n": "theirs"}


def test_rows_are_ensured_once_when_the_answer_is_lost(
    proxied: TableStore, proxy: FlakyProxy, tables: TableStore
) -> None:
    rows = {f"{number:03d}": {"n": number} for number in range(120)}
    proxy.faults = [LOST_AFTER, None, None, LOST_AFTER]
    proxied.ensure(CLAIMS, "p", rows)
    found = {row.key: row.data for row in tables.scan(CLAIMS, partition="p").rows}
    assert found == rows


def test_rows_that_others_write_at_the_same_moment_do_not_keep_ours_from_being_written(
    proxied: TableStore, proxy: FlakyProxy, tables: TableStore
) -> None:
    theirs = iter("012345")

    def beat_us() -> None:
        proxy.between = beat_us
        key = next(theirs, None)
        if key is not None:
            tables.insert(CLAIMS, "p", key, {"n": "theirs"})

    # Whenever we have looked what is there, somebody inserts one more, so that each of our batches is refused.
    tables.insert(CLAIMS, "p", "6", {"n": "theirs"})
    proxy.between = beat_us
    proxy.faults = [DELAYED] * 20
    proxied.ensure(CLAIMS, "p", {f"{number}": {"n": "ours"} for number in range(8)})
    found = {row.key: row.data["n"] for row in tables.scan(CLAIMS, partition="p").rows}
    assert found == {**dict.fromkeys("0123456", "theirs"), "7": "ours"}
    assert [request.split()[0] for request in proxy.seen] == ["POST", "GET"] * 3 + ["POST"] * 2


def test_a_conflict_without_a_lost_answer_costs_no_second_look(
    proxied: TableStore, proxy: FlakyProxy, tables: TableStore
) -> None:
    row = proxied.insert(CLAIMS, "p", "k", {})
    proxy.seen.clear()
    with pytest.raises(RowExists):
        proxied.insert(CLAIMS, "p", "k", {})
    tables.replace(row, {})
    with pytest.raises(RowChanged):
        proxied.replace(row, {})
    assert [request.split()[0] for request in proxy.seen] == ["POST", "PUT"]
