"""What the catalog asks of a database: one contract, run on every implementation."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

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


def listed(store: Store, **conditions: Any) -> list[tuple[str, str]]:
    return [(row.partition, row.key) for row in store.scan(CLAIMS, **conditions).rows]


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
def test_keys_that_users_can_cause_are_kept_apart(store: Store, key: str) -> None:
    store.insert(CLAIMS, key, key, {"n": 1})
    assert store.get(CLAIMS, key.swapcase(), key.swapcase()) is None
    assert read(store, key, key).data == {"n": 1}


def test_a_row_is_inserted_once(store: Store) -> None:
    store.insert(CLAIMS, "p", "k", {"n": 1})
    with pytest.raises(RowExists):
        store.insert(CLAIMS, "p", "k", {"n": 2})
    assert read(store).data == {"n": 1}


def test_only_who_read_the_latest_version_may_change_it(store: Store) -> None:
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


def test_only_who_read_the_latest_version_may_delete_it(store: Store) -> None:
    stale = store.insert(CLAIMS, "p", "k", {"n": 1})
    fresh = store.replace(stale, {"n": 2})
    with pytest.raises(RowChanged):
        store.delete(stale)
    store.delete(fresh)
    assert store.get(CLAIMS, "p", "k") is None
    with pytest.raises(RowChanged):
        store.delete(fresh)


@pytest.mark.parametrize("act", ["replace", "delete"])
def test_a_row_that_was_deleted_and_written_anew_is_another_row(store: Store, act: str) -> None:
    old = store.insert(CLAIMS, "p", "k", {"n": 1})
    store.delete(old)
    store.insert(CLAIMS, "p", "k", {"n": 1})
    with pytest.raises(RowChanged):
        store.replace(old, {"n": 9}) if act == "replace" else store.delete(old)
    assert read(store).data == {"n": 1}


def test_a_row_that_is_gone_cannot_be_changed_back_into_being(store: Store) -> None:
    old = store.insert(CLAIMS, "p", "k", {"n": 1})
    store.delete(old)
    with pytest.raises(RowChanged):
        store.replace(old, {"n": 2})
    assert store.get(CLAIMS, "p", "k") is None


def test_ensuring_writes_what_is_missing_and_leaves_what_is_there(store: Store) -> None:
    before = store.insert(CLAIMS, "p", "b", {"n": "kept"})
    store.ensure(CLAIMS, "p", {"a": {"n": 1}, "b": {"n": 2}, "c": {"n": 3}})
    assert read(store, key="b") == before
    assert (read(store, key="a").data, read(store, key="c").data) == ({"n": 1}, {"n": 3})
    version = read(store, key="a").etag
    store.ensure(CLAIMS, "p", {"a": {"n": 9}})
    assert read(store, key="a").etag == version


def test_more_rows_are_ensured_than_fit_into_one_transaction_of_table_storage(store: Store) -> None:
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


def test_prefixes_choose_by_their_very_characters(store: Store) -> None:
    keys = ["row-1", "row-2", "row", "rowboat", "row-", "Row-1", "r%w-1", "r_w-1", "row.", "row,"]
    for key in keys:
        store.insert(CLAIMS, "west|model|a", key, {})
    store.insert(CLAIMS, "west2|model|a", "row-1", {})
    assert [key for _, key in listed(store, partition="west|model|a", key_prefix="row-")] == ["row-", "row-1", "row-2"]
    assert [key for _, key in listed(store, partition="west|model|a", key_prefix="r%")] == ["r%w-1"]
    assert {partition for partition, _ in listed(store, partition_prefix="west|")} == {"west|model|a"}
    assert listed(store, partition_prefix="west|", key_prefix="row-2") == [("west|model|a", "row-2")]


def test_pages_join_into_the_whole_list_even_where_one_ends_exactly_at_its_end(store: Store) -> None:
    expected = [(partition, f"{number:03d}") for partition in "abc" for number in range(7)]
    for partition in "abc":
        store.ensure(CLAIMS, partition, {f"{number:03d}": {} for number in range(7)})
    for limit in (1, 2, 7, 20, 21, 22):
        found: list[tuple[str, str]] = []
        after, pages = None, 0
        for _ in range(50):
            page = store.scan(CLAIMS, after=after, limit=limit)
            found += [(row.partition, row.key) for row in page.rows]
            pages += 1
            after = page.after
            if after is None:
                break
            assert len(page.rows) == limit
        assert found == expected
        assert pages <= -(-len(expected) // limit) + 1


def test_a_list_goes_on_behind_a_row_that_was_deleted_meanwhile(store: Store) -> None:
    store.ensure(CLAIMS, "p", {f"{number}": {} for number in range(6)})
    page = store.scan(CLAIMS, limit=3)
    store.delete(read(store, key="2"))
    store.insert(CLAIMS, "p", "0a", {})
    assert [row.key for row in store.scan(CLAIMS, after=page.after).rows] == ["3", "4", "5"]


def test_within_one_partition_a_list_goes_on_from_the_key(store: Store) -> None:
    store.ensure(CLAIMS, "p", {f"row-{number:02d}": {} for number in range(5)})
    store.ensure(CLAIMS, "q", {"row-00": {}})
    found = listed(store, partition="p", key_prefix="row-", after=("p", "row-02"))
    assert found == [("p", "row-03"), ("p", "row-04")]


def test_a_page_never_has_more_than_a_thousand_rows(store: Store) -> None:
    store.ensure(CLAIMS, "p", {f"{number:05d}": {} for number in range(1001)})
    page = store.scan(CLAIMS, limit=5000)
    assert len(page.rows) == 1000
    assert page.after is not None
    assert [row.key for row in store.scan(CLAIMS, after=page.after).rows] == ["01000"]


def test_what_was_written_is_there_for_whoever_opens_the_database_next(open_store: Callable[[], Store]) -> None:
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


def claim_all(open_store: Callable[[], Store], owner: str, gate: Any) -> None:
    """Insert fifty rows under the name ``owner``, as fast as the other process does."""
    store = open_store()
    gate.wait(30)
    for number in range(50):
        try:
            store.insert(CLAIMS, "p", f"{number:02d}", {"owner": owner})
        except RowExists:
            continue
        store.insert(CLAIMS, owner, f"{number:02d}", {})


def test_of_two_processes_that_insert_the_same_row_exactly_one_succeeds(
    open_store: Callable[[], Store], store: Store
) -> None:
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


def test_a_change_that_never_holds_ends_with_an_error_instead_of_looping() -> None:
    def beaten() -> None:
        raise RowChanged("somebody was faster")

    with pytest.raises(CatalogUnavailable):
        retry_on_conflict(beaten)


def test_a_database_that_cannot_be_opened_is_unavailable_and_not_a_crash(tmp_path: Path) -> None:
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
def test_any_sequence_of_calls_leaves_what_a_dictionary_would_hold(
    open_store: Callable[[], Store], steps: list[tuple[str, str, int]]
) -> None:
    store = open_store()
    for row in store.scan(CLAIMS).rows:
        store.delete(row)
    model: dict[str, int] = {}
    first_seen: dict[str, Row] = {}
    for act, key, number in steps:
        there = store.get(CLAIMS, "p", key)
        assert (there.data["n"] if there else None) == model.get(key)
        if act == "insert" and there is None:
            first_seen[key] = store.insert(CLAIMS, "p", key, {"n": number})
            model[key] = number
        elif act == "replace" and there is not None:
            store.replace(there, {"n": number})
            model[key] = number
        elif act == "stale" and key in first_seen and (there is None or there.etag != first_seen[key].etag):
            with pytest.raises(RowChanged):
                store.replace(first_seen[key], {"n": number})
        elif act == "delete" and there is not None:
            store.delete(there)
            del model[key]
        elif act == "ensure":
            store.ensure(CLAIMS, "p", {key: {"n": number}})
            model.setdefault(key, number)
    assert {row.key: row.data["n"] for row in store.scan(CLAIMS).rows} == model
