"""Runs that stop early: the record says why, users see it, and what has ended stays as it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from backup.pacing import CRASH_TRIES
from catalog.sqlite import SqliteStore
from catalog.store import Row, Table
from local.inprocess import TARGET
from local.simulator import seeds

from .conftest import Driven, MakeStage

MODELS = [seeds.FIRST_MODEL_ID, seeds.model_uuid("Shop receipts"), seeds.model_uuid("Purchase orders")]


class FailingStore(SqliteStore):
    """A catalog whose writes to the table of runs fail, some of them."""

    rows_fail = False
    """Whether the rows of a run cannot be written."""
    takes_until_failure: int | None = None
    """After how many changes of a run's record the next ones fail, until every try of one step is used up."""
    failures = 0

    def ensure(self, table: Table, partition: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """See :class:`catalog.store.Store`."""
        if self.rows_fail and table is Table.RUNS:
            raise OSError("no space left on device")
        super().ensure(table, partition, rows)

    def replace(self, row: Row, data: Mapping[str, Any]) -> Row:
        """See :class:`catalog.store.Store`."""
        if self.takes_until_failure is not None and (row.table, row.key) == (Table.RUNS, "run"):
            self.takes_until_failure -= 1
            if self.takes_until_failure < 0 and self.failures < CRASH_TRIES:
                self.failures += 1
                raise OSError("no space left on device")
        return super().replace(row, data)


@pytest.fixture
def store(tmp_path: Path) -> FailingStore:
    return FailingStore(tmp_path / "catalog.sqlite")


@pytest.fixture
def stage(make_stage: MakeStage, store: FailingStore) -> Driven:
    return make_stage(store=lambda: store, copies={"concurrency": 1})


def ends(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the ``runEnded`` events."""
    lines = [json.loads(line) for line in caplog.messages if line.startswith("{")]
    return [line for line in lines if line["event"] == "runEnded"]


def test_a_run_without_rows_is_closed_and_listed(
    stage: Driven, store: FailingStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The rows cannot be written: the run fails, with the reason in the list, in its view and in the log."""
    store.rows_fail = True
    with caplog.at_level("INFO"):
        run = stage.copy(MODELS)
    assert (run["status"], run["code"], run["copies"]) == ("Failed", "StepCrashed", [])
    assert "no space left on device" in run["message"]
    assert run["endedAt"]
    (listed,) = stage.http("GET", "/api/runs").body["runs"]
    assert (listed["runId"], listed["status"]) == (run["runId"], "Failed")
    assert [(event["status"], event["code"]) for event in ends(caplog)] == [("Failed", "StepCrashed")]


def test_a_lane_that_takes_no_row_says_why(
    stage: Driven, store: FailingStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The first copy is recorded as it ended; the others end with the lane's reason, not as lost."""
    store.takes_until_failure = 1
    with caplog.at_level("INFO"):
        run = stage.copy(MODELS)
    assert store.failures == CRASH_TRIES
    assert (run["status"], run["code"]) == ("PartiallyFailed", "StepCrashed")
    assert [(row["status"], row["code"]) for row in run["copies"]] == [
        ("Succeeded", None),
        ("Failed", "StepCrashed"),
        ("Failed", "StepCrashed"),
    ]
    for row in run["copies"][1:]:
        assert (
            "the run stopped before this copy began: activity take_row ended with an unexpected error" in row["message"]
        )
        assert row["startedAt"]
    assert [(event["status"], event["code"]) for event in ends(caplog)] == [("PartiallyFailed", "StepCrashed")]
    assert len(stage.resource(TARGET).requests("authorizeCopy")) == 1


def test_a_run_that_stopped_early_can_be_asked_for_again(stage: Driven, store: FailingStore) -> None:
    store.takes_until_failure = 1
    stage.copy(MODELS)
    again = stage.copy(MODELS)
    assert {row["status"] for row in again["copies"]} == {"Succeeded"}
