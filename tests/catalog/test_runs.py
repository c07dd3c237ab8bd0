"""Runs and their rows: each row is taken once, also when a call is delivered twice, and each has an outcome in the end."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from backup.codes import Code
from backup.document_models import Kind
from backup.messages.copy import CopyOrder, CopyOutcome, Exported, Origin, RowAction, RowTask
from backup.messages.run import RunClosing, RunRequest
from backup.records import RunRow
from backup.states import CopyStatus, RunStatus
from catalog.runs import RunTable, UnknownRun
from catalog.store import Store

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def request(models: int = 3, targets: int = 1) -> RunRequest:
    return RunRequest(
        run_id="run-1",
        source="west",
        targets=[f"target-{number}" for number in range(targets)],
        kind=Kind.MODEL,
        models=[f"model-{number:03d}" for number in range(models)],
        deadline_seconds=7200,
        patience_seconds=300,
        concurrency=4,
    )


def ended(status: CopyStatus = CopyStatus.SUCCEEDED) -> CopyOutcome:
    return CopyOutcome(status=status, started_at=NOW, ended_at=LATER, polls=2)


@pytest.fixture
def runs(store: Store) -> RunTable:
    return RunTable(store)


@pytest.fixture
def opened(runs: RunTable) -> RunTable:
    runs.open(request(), NOW)
    return runs


def take(runs: RunTable, sequence: int, *, lane: int = 0, finished: CopyOutcome | None = None) -> CopyOrder | None:
    return runs.take("run-1", lane, sequence, finished, NOW)


def model(order: CopyOrder | None) -> str | None:
    return order.model_id if order else None


def test_a_run_has_one_row_a_model_and_target(runs: RunTable) -> None:
    record = runs.open(request(models=2, targets=2), NOW)
    assert (record.total, record.status, record.started_at) == (4, RunStatus.RUNNING, NOW)
    assert [(row.target, row.model_id) for row in runs.rows("run-1")] == [
        ("target-0", "model-000"),
        ("target-0", "model-001"),
        ("target-1", "model-000"),
        ("target-1", "model-001"),
    ]


def test_opening_twice_resets_nothing(opened: RunTable) -> None:
    take(opened, 0)
    take(opened, 1, finished=ended())
    before, rows = opened.find("run-1"), list(opened.rows("run-1"))
    assert opened.open(request(), LATER) == before
    assert list(opened.rows("run-1")) == rows


def test_an_unknown_run_is_none_and_has_no_rows(runs: RunTable) -> None:
    assert runs.find("run-1") is None
    assert list(runs.rows("run-1")) == []
    with pytest.raises(UnknownRun):
        take(runs, 0)
    with pytest.raises(UnknownRun):
        runs.close(RunClosing(run_id="run-1"), NOW)


def test_each_row_is_taken_once(opened: RunTable) -> None:
    taken = [model(take(opened, number, lane=lane)) for lane, number in [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)]]
    assert taken == ["model-000", "model-001", "model-002", None, None]


def test_a_redelivered_taking_gets_the_same_row(opened: RunTable) -> None:
    first = take(opened, 0)
    take(opened, 0, lane=1)
    assert take(opened, 0) == first
    assert model(take(opened, 1)) == "model-002"


def test_a_redelivered_taking_at_the_end_gets_nothing(opened: RunTable) -> None:
    for number in range(3):
        take(opened, number)
    assert take(opened, 3) is None
    assert take(opened, 3) is None


def test_a_late_taking_gets_and_changes_nothing(opened: RunTable) -> None:
    """A late taking has a smaller number than the lane's last one."""
    take(opened, 0)
    take(opened, 1, finished=ended())
    before = opened.find("run-1")
    assert take(opened, 0) is None
    assert opened.find("run-1") == before
    assert model(take(opened, 2, finished=ended())) == "model-002"


def test_an_order_names_its_run_row_and_limits(opened: RunTable) -> None:
    order = take(opened, 0)
    assert order is not None
    assert (order.run_id, order.row, order.source, order.target) == ("run-1", 0, "west", "target-0")
    assert (order.deadline_seconds, order.patience_seconds) == (7200, 300)


def test_an_order_carries_the_whole_task_of_its_row(runs: RunTable) -> None:
    row = RunRow(
        row=0,
        source="west",
        target="north",
        kind=Kind.CLASSIFIER,
        model_id="a",
        target_model_id="b",
        action=RowAction.CHECK,
        subject_id="c",
        subject_fingerprint="f",
        recreate=True,
        own_id_only=True,
        origin=Origin(source="east", model_id="d"),
        candidates=["e"],
        exported=Exported(api_version="2024-11-30", fingerprint="f", digest="g"),
    )
    assert all(getattr(row, name) for name in RowTask.model_fields if name != "row"), "every field is set"
    runs.open_rows("run-1", [row], NOW, deadline_seconds=7200, patience_seconds=300)
    order = take(runs, 0)
    assert order is not None
    assert RowTask.parse(order.to_json()) == RowTask.parse(row.to_json())


def test_taking_a_row_writes_how_the_last_one_ended(opened: RunTable) -> None:
    take(opened, 0)
    started = opened.row("run-1", 0)
    assert started is not None
    assert (started.status, started.started_at) == (CopyStatus.RUNNING, NOW)
    take(opened, 1, finished=ended(CopyStatus.STILL_COPYING))
    row, record = opened.row("run-1", 0), opened.find("run-1")
    assert row is not None
    assert record is not None
    assert row.status is CopyStatus.STILL_COPYING
    assert row.outcome == ended(CopyStatus.STILL_COPYING)
    assert record.done == 1


def test_a_redelivered_taking_counts_a_row_once(opened: RunTable) -> None:
    take(opened, 0)
    for _ in range(3):
        take(opened, 1, finished=ended())
    record = opened.find("run-1")
    assert record is not None
    assert record.done == 1


def test_the_outcome_of_a_row_is_kept(opened: RunTable) -> None:
    take(opened, 0)
    take(opened, 1, finished=ended(CopyStatus.FAILED))
    opened.close(RunClosing(run_id="run-1"), LATER)
    take(opened, 1, finished=ended(CopyStatus.SUCCEEDED))
    row = opened.row("run-1", 0)
    assert row is not None
    assert row.status is CopyStatus.FAILED


def test_lanes_that_take_at_once_share_all_rows(runs: RunTable) -> None:
    runs.open(request(models=40), NOW)
    taken: list[str] = []

    def work(lane: int) -> None:
        sequence, finished = 0, None
        while (order := take(runs, sequence, lane=lane, finished=finished)) is not None:
            taken.append(order.model_id)
            sequence, finished = sequence + 1, ended()

    lanes = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join(60)
    assert sorted(taken) == [f"model-{number:03d}" for number in range(40)]
    record = runs.find("run-1")
    assert record is not None
    assert record.done == 40


def test_closing_counts_how_the_rows_ended(opened: RunTable) -> None:
    for number, status in enumerate([None, CopyStatus.SUCCEEDED, CopyStatus.FAILED, CopyStatus.SUCCEEDED]):
        take(opened, number, finished=ended(status) if status else None)
    record = opened.close(RunClosing(run_id="run-1"), LATER)
    assert (record.status, record.done, record.ended_at) == (RunStatus.PARTIALLY_FAILED, 3, LATER)


def test_rows_without_an_outcome_are_closed_as_lost(opened: RunTable) -> None:
    take(opened, 0)
    record = opened.close(RunClosing(run_id="run-1"), LATER)
    rows = list(opened.rows("run-1"))
    assert record.status is RunStatus.FAILED
    assert record.done == 3
    assert {row.outcome.code for row in rows if row.outcome} == {Code.CHILD_LOST}
    assert all(row.outcome is not None and row.outcome.ended_at == LATER for row in rows)


def test_closing_twice_keeps_the_first_end(opened: RunTable) -> None:
    first = opened.close(RunClosing(run_id="run-1"), LATER)
    assert opened.close(RunClosing(run_id="run-1"), LATER + timedelta(days=1)) == first


def test_a_run_can_be_cancelled_before_it_has_rows(runs: RunTable) -> None:
    assert runs.cancel("run-1", NOW).cancel_requested
    record = runs.open(request(), LATER)
    assert record.cancel_requested
    assert record.total == 3
    assert model(take(runs, 0)) == "model-000"


def test_cancelling_twice_is_cancelling_once(opened: RunTable) -> None:
    first = opened.cancel("run-1", NOW)
    assert opened.cancel("run-1", LATER) == first


def test_a_run_that_has_ended_cannot_be_cancelled(opened: RunTable) -> None:
    opened.close(RunClosing(run_id="run-1"), LATER)
    record = opened.cancel("run-1", LATER)
    assert not record.cancel_requested
    assert record.ended_at == LATER


@pytest.mark.parametrize(
    ("first", "limit", "expected"), [(0, 3, [0, 1, 2]), (3, 2, [3, 4]), (6, None, [6]), (7, 5, [])]
)
def test_rows_are_read_from_any_number_on(runs: RunTable, first: int, limit: int | None, expected: list[int]) -> None:
    runs.open(request(models=7), NOW)
    assert [row.row for row in runs.rows("run-1", first, limit)] == expected
