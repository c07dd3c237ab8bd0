"""Lists of any length are kept whole, and only old runs are deleted, a bounded number of rows at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backup.document_models import Kind
from backup.messages.run import RunClosing
from backup.records import RunRow
from catalog import housekeeping
from catalog.catalog import Catalog
from catalog.store import Store, Table

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def rows(count: int) -> list[RunRow]:
    return [
        RunRow(row=number, source="forms-a", target="forms-b", kind=Kind.MODEL, model_id=f"model-{number}")
        for number in range(count)
    ]


def ended_run(catalog: Catalog, run_id: str, started: datetime, count: int = 3) -> None:
    catalog.runs.open_rows(run_id, rows(count), started)
    catalog.runs.close(RunClosing(run_id=run_id), started + timedelta(minutes=5))


def test_entries_of_any_length_are_kept_in_order(store: Store) -> None:
    runs = Catalog(store).runs
    entries = [{"text": "x" * length, "number": number} for number, length in enumerate([10, 20_000, 15_000, 5] * 20)]
    runs.write_chunks("run-1", "decision", entries)
    assert list(runs.read_chunks("run-1", "decision-")) == entries


def test_writing_a_list_again_changes_nothing(store: Store) -> None:
    runs = Catalog(store).runs
    for _ in range(2):
        runs.write_chunks("run-1", "decision", [{"number": number} for number in range(500)])
    assert len(list(runs.read_chunks("run-1", "decision-"))) == 500


def test_only_old_runs_that_ended_are_deleted(store: Store) -> None:
    catalog = Catalog(store)
    ended_run(catalog, "old", NOW - timedelta(days=40))
    ended_run(catalog, "new", NOW - timedelta(days=3))
    catalog.runs.open_rows("stuck", rows(2), NOW - timedelta(days=50))
    assert catalog.housekeeping.delete_runs_before(NOW - timedelta(days=30)) == 1
    assert catalog.runs.find("old") is None
    assert list(catalog.runs.rows("old")) == []
    assert {record.run_id for record in catalog.runs.newest(None, 10)[0]} == {"new", "stuck"}


def test_a_large_run_is_deleted_by_several_calls(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "ROWS_PER_CALL", 10)
    catalog = Catalog(store)
    ended_run(catalog, "large", NOW - timedelta(days=40), count=25)
    calls = 0
    while catalog.housekeeping.delete_runs_before(NOW - timedelta(days=30)) == 0:
        calls += 1
        assert calls < 5
    assert calls >= 2
    assert catalog.runs.newest(None, 10)[0] == []
    assert store.scan(Table.RUNS, partition="large").rows == ()
