"""What the catalog needs of a database: one contract, tested on every implementation."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.sqlite import SqliteStore
from catalog.store import CatalogUnavailable, Row, RowChanged, RowExists, Store, Table, retry_on_conflict

CLAIMS = Table.CLAIMS
SPAWN = multiprocessing.get_context("spawn")
"""Tests have threads, and a process with threads cannot be forked safely."""


def read(store: Store, partition: str = "p", key: str = "k", table: Table = CLAIMS) -> Row:
    row = store.get(table, partition, key)
    assert row is not None
    return row


def listed(
    store: Store,
    *,
    partition: str | None = None,
    partition_prefix: str | None = None,
    key_prefix: str | None = None,
    after: tuple[str, str] | None = None,
) -> list[tuple[str, str]]:
    page = store.scan(
        CLAIMS, partition=partition, partition_prefix=partition_prefix, key_prefix=key_prefix, after=after
    )
    return [(row.partition, row.key) for row in page.rows]


def test_a_row_is_read_as_it_was_written(store: Store) -> None:
    data = {"text": "größe ✓ 'quoted' \"twice\" \\ \n", "number": 1.5, "nested": {"list": [1, None, True]}, "empty": {}}
    written = store.insert(CLAIMS, "p", "k", data)
    assert read(store) == written
    assert dict(read(store).data) == data


def test_a_row_that_is_not_there_is_none(store: Store) -> None:
    store.insert(CLAIMS, "p", "k", {})
    assert store.get(CLAIMS, "p", "other") is None
    assert store.get(CLAIMS, "other", "k") is None
    assert store.get(Table.SLOTS, "p", "k") is None


@pytest.mark.parametrize("key", ["model|forms-west|a.b_c~d", "a%b_c", "A", "UPPER|lower", "x" * 200])
def test_keys_are_compared_exactly(store: Store, key: str) -> None:
    """Their case matters, and wildcards mean nothing."""
    store.insert(CLAIMS, key, key, {"n": 1})
    assert store.get(CLAIMS, key.swapcase(), key.swapcase()) is None
    assert read(store, key, key).data == {"n": 1}


def test_a_row_is_inserted_once(store: Store) -> None:
    store.insert(CLAIMS, "p", "k", {"n": 1})
    with pytest.raises(RowExists):
        store.insert(CLAIMS, "p", "k", {"n": 2})
    assert read(store).data == {"n": 1}


def test_only_the_latest_version_can_be_changed(store: Store) -> None:
    stale = store.insert(CLAIMS, "p", "k", {"n": 1})
    fresh = store.replace(stale, {"n": 2})
    with pytest.raises(RowChanged):
        store.replace(stale, {"n": 3})
    assert read(store) == fresh
    assert store.replace(fresh, {"n": 4}).data == {"n": 4}


def test_a_change_to_the_same_content_is_a_change(store: Store) -> None:
    stale = store.insert(CLAIMS, "p", "k", {"n": 1})
    store.replace(stale, {"n": 1})
    with pytest.raises(RowChanged):
        store.replace(stale, {"n": 2})


def test_only_the_latest_version_can_be_deleted(store: Store) -> None:
    stale = store.insert(CLAIMS, "p", "k", {"n": 1})
    fresh = store.replace(stale, {"n": 2})
    with pytest.raises(RowChanged):
        store.delete(stale)
    store.delete(fresh)
    assert store.get(CLAIMS, "p", "k") is None
    with pytest.raises(RowChanged):
        store.delete(fresh)


@pytest.mark.parametrize("act", ["replace", "delete"])
def test_a_row_written_after_its_deletion_is_a_new_row(store: Store, act: str) -> None:
    old = store.insert(CLAIMS, "p", "k", {"n": 1})
    store.delete(old)
    store.insert(CLAIMS, "p", "k", {"n": 1})
    with pytest.raises(RowChanged):
        store.replace(old, {"n": 9}) if act == "replace" else store.delete(old)
    assert read(store).data == {"n": 1}


def test_a_deleted_row_cannot_be_changed(store: Store) -> None:
    old = store.insert(CLAIMS, "p", "k", {"n": 1})
    store.delete(old)
    with pytest.raises(RowChanged):
        store.replace(old, {"n": 2})
    assert store.get(CLAIMS, "p", "k") is None


def test_ensuring_writes_only_the_missing_rows(store: Store) -> None:
    before = store.insert(CLAIMS, "p", "b", {"n": "kept"})
    store.ensure(CLAIMS, "p", {"a": {"n": 1}, "b": {"n": 2}, "c": {"n": 3}})
    assert read(store, key="b") == before
    assert (read(store, key="a").data, read(store, key="c").data) == ({"n": 1}, {"n": 3})
    version = read(store, key="a").etag
    store.ensure(CLAIMS, "p", {"a": {"n": 9}})
    assert read(store, key="a").etag == version


def test_more_rows_are_ensured_than_a_batch_takes(store: Store) -> None:
    """Table Storage takes 100 rows at a time."""
    store.insert(CLAIMS, "p", "row-000150", {"n": "kept"})
    store.ensure(CLAIMS, "p", {f"row-{number:06d}": {"n": number} for number in range(250)})
    assert len(listed(store)) == 250
    assert read(store, key="row-000150").data == {"n": "kept"}
    store.ensure(CLAIMS, "p", {})


def test_rows_are_listed_in_order_of_partition_and_key(store: Store) -> None:
    for partition, key in [("b", "2"), ("a", "9"), ("b", "10"), ("a", "1"), ("B", "1")]:
        store.insert(CLAIMS, partition, key, {})
    store.insert(Table.SLOTS, "a", "5", {})
    assert listed(store) == [("B", "1"), ("a", "1"), ("a", "9"), ("b", "10"), ("b", "2")]
    assert listed(store, partition="b") == [("b", "10"), ("b", "2")]
    assert listed(store, partition="c") == []


def test_prefixes_have_no_wildcards(store: Store) -> None:
    keys = ["row-1", "row-2", "row", "rowboat", "row-", "Row-1", "r%w-1", "r_w-1", "row.", "row,"]
    for key in keys:
        store.insert(CLAIMS, "west|model|a", key, {})
    store.insert(CLAIMS, "west2|model|a", "row-1", {})
    assert [key for _, key in listed(store, partition="west|model|a", key_prefix="row-")] == ["row-", "row-1", "row-2"]
    assert [key for _, key in listed(store, partition="west|model|a", key_prefix="r%")] == ["r%w-1"]
    assert {partition for partition, _ in listed(store, partition_prefix="west|")} == {"west|model|a"}
    assert listed(store, partition_prefix="west|", key_prefix="row-2") == [("west|model|a", "row-2")]


def test_pages_join_into_the_whole_list(store: Store) -> None:
    """Also where a page ends exactly at the end of the list."""
    expected = [(partition, f"{number:03d}") for partition in "abc" for number in range(7)]
    for partition in "abc":
        store.ensure(CLAIMS, partition, {f"{number:03d}": {} for number in range(7)})
    for limit in (1, 2, 7, 20, 21, 22):
        places: list[tuple[str, str]] = []
        after, pages = None, 0
        for _ in range(50):
            page = store.scan(CLAIMS, after=after, limit=limit)
            places += [(row.partition, row.key) for row in page.rows]
            pages += 1
            after = page.after
            if after is None:
                break
            assert len(page.rows) == limit
        assert places == expected
        assert pages <= -(-len(expected) // limit) + 1


def test_a_list_continues_behind_a_deleted_row(store: Store) -> None:
    store.ensure(CLAIMS, "p", {f"{number}": {} for number in range(6)})
    page = store.scan(CLAIMS, limit=3)
    store.delete(read(store, key="2"))
    store.insert(CLAIMS, "p", "0a", {})
    assert [row.key for row in store.scan(CLAIMS, after=page.after).rows] == ["3", "4", "5"]


def test_a_list_of_a_partition_continues_at_the_key(store: Store) -> None:
    store.ensure(CLAIMS, "p", {f"row-{number:02d}": {} for number in range(5)})
    store.ensure(CLAIMS, "q", {"row-00": {}})
    rest = listed(store, partition="p", key_prefix="row-", after=("p", "row-02"))
    assert rest == [("p", "row-03"), ("p", "row-04")]


def test_a_page_never_has_more_than_a_thousand_rows(store: Store) -> None:
    store.ensure(CLAIMS, "p", {f"{number:05d}": {} for number in range(1001)})
    page = store.scan(CLAIMS, limit=5000)
    assert len(page.rows) == 1000
    assert page.after is not None
    assert [row.key for row in store.scan(CLAIMS, after=page.after).rows] == ["01000"]


def test_rows_stay_when_the_database_is_opened_again(open_store: Callable[[], Store]) -> None:
    open_store().insert(CLAIMS, "p", "k", {"n": 1})
    assert read(open_store()).data == {"n": 1}


def count_up(open_store: Callable[[], Store], times: int) -> None:
    """Add one to a shared number ``times`` times, by compare-and-swap."""
    store = open_store()

    def add_one() -> None:
        row = store.get(CLAIMS, "p", "number")
        assert row is not None
        store.replace(row, {"n": row.data["n"] + 1})

    for _ in range(times):
        retry_on_conflict(add_one)


def run_all(workers: list[threading.Thread] | list[BaseProcess]) -> None:
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()


def test_threads_that_write_at_once_lose_nothing(open_store: Callable[[], Store], store: Store) -> None:
    store.insert(CLAIMS, "p", "number", {"n": 0})
    run_all([threading.Thread(target=count_up, args=(lambda: store, 50)) for _ in range(6)])
    assert read(store, key="number").data == {"n": 300}


def test_processes_that_write_at_once_lose_nothing(open_store: Callable[[], Store], store: Store) -> None:
    store.insert(CLAIMS, "p", "number", {"n": 0})
    processes: list[BaseProcess] = [SPAWN.Process(target=count_up, args=(open_store, 150)) for _ in range(2)]
    run_all(processes)
    assert [process.exitcode for process in processes] == [0, 0]
    assert read(store, key="number").data == {"n": 300}


def claim_all(open_store: Callable[[], Store], owner: str, gate: Barrier) -> None:
    """Insert fifty rows under the name ``owner`` while the other process inserts them too."""
    store = open_store()
    gate.wait(30)
    for number in range(50):
        try:
            store.insert(CLAIMS, "p", f"{number:02d}", {"owner": owner})
        except RowExists:
            continue
        store.insert(CLAIMS, owner, f"{number:02d}", {})


def test_of_two_processes_one_inserts_a_row(open_store: Callable[[], Store], store: Store) -> None:
    gate = SPAWN.Barrier(2)
    processes: list[BaseProcess] = [
        SPAWN.Process(target=claim_all, args=(open_store, owner, gate)) for owner in ("x", "y")
    ]
    run_all(processes)
    assert [process.exitcode for process in processes] == [0, 0]
    for number in range(50):
        key = f"{number:02d}"
        owner = read(store, key=key).data["owner"]
        winners = {name for name in ("x", "y") if store.get(CLAIMS, name, key) is not None}
        assert winners == {owner}


def test_endless_conflicts_end_with_an_error() -> None:
    def conflict() -> None:
        raise RowChanged("another writer was first")

    with pytest.raises(CatalogUnavailable):
        retry_on_conflict(conflict)


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    path.write_text("this is no database, and long enough to be noticed as none " * 20)
    with pytest.raises(CatalogUnavailable, match=r"catalog\.sqlite"):
        SqliteStore(path)


operations = st.lists(
    st.tuples(
        st.sampled_from(["insert", "replace", "stale", "delete", "ensure"]), st.sampled_from("ab"), st.integers(0, 9)
    ),
    max_size=30,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations)
def test_any_calls_leave_what_a_dictionary_would_hold(
    open_store: Callable[[], Store], steps: list[tuple[str, str, int]]
) -> None:
    store = open_store()
    for row in store.scan(CLAIMS).rows:
        store.delete(row)
    model: dict[str, int] = {}
    first_seen: dict[str, Row] = {}
    for act, key, number in steps:
        present = store.get(CLAIMS, "p", key)
        assert (present.data["n"] if present else None) == model.get(key)
        if act == "insert" and present is None:
            first_seen[key] = store.insert(CLAIMS, "p", key, {"n": number})
            model[key] = number
        elif act == "replace" and present is not None:
            store.replace(present, {"n": number})
            model[key] = number
        elif act == "stale" and key in first_seen and (present is None or present.etag != first_seen[key].etag):
            with pytest.raises(RowChanged):
                store.replace(first_seen[key], {"n": number})
        elif act == "delete" and present is not None:
            store.delete(present)
            del model[key]
        elif act == "ensure":
            store.ensure(CLAIMS, "p", {key: {"n": number}})
            model.setdefault(key, number)
    assert {row.key: row.data["n"] for row in store.scan(CLAIMS).rows} == model
