"""What the catalog remembers of a plan: its state, and its last runs, on every database."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from backup.codes import Code
from backup.records import PlanState, RunRecord
from backup.states import RunStatus
from catalog.catalog import Catalog
from catalog.plans import PlanTable
from catalog.store import Store

NOW = datetime(2026, 5, 4, 2, tzinfo=UTC)
STATE = PlanState(first_seen_at=NOW, schedule="0 0 2 * * *", settled=NOW, settled_as="the plan was not there yet")


@pytest.fixture
def plans(store: Store) -> PlanTable:
    return Catalog(store).plans


def run(day: int, status: RunStatus = RunStatus.SUCCEEDED, **more: object) -> RunRecord:
    started = NOW + timedelta(days=day)
    record = RunRecord(run_id=f"run-{day}", kind="backup", plan="nightly", status=status, started_at=started)
    return record.replace(ended_at=started + timedelta(hours=1), counts={"copy": 3}, **more)


def test_a_plan_that_was_never_seen(plans: PlanTable) -> None:
    assert plans.state("nightly") is None
    assert plans.runs("nightly").last is None


def test_a_state_is_kept_as_it_was_written(plans: PlanTable) -> None:
    plans.change_state("nightly", lambda _: STATE)
    paused = plans.change_state("nightly", lambda known: (known or STATE).replace(paused_at=NOW, pause_reason="moving"))
    assert plans.state("nightly") == paused
    assert paused.paused_at == NOW
    assert plans.state("other") is None


def test_no_change_of_a_state_is_lost(plans: PlanTable) -> None:
    """Two workers that change it at once follow each other."""
    moments = [NOW + timedelta(days=day) for day in range(1, 9)]

    def settle(moment: datetime) -> None:
        plans.change_state("nightly", lambda known: (known or STATE).with_settled(moment, f"{moment:%d}"))

    workers = [threading.Thread(target=settle, args=(moment,)) for moment in moments]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    state = plans.state("nightly")
    assert state is not None
    assert (state.settled, state.settled_as) == (moments[-1], f"{moments[-1]:%d}")


def test_the_last_and_the_last_good_run(plans: PlanTable) -> None:
    plans.note_run(run(1))
    plans.note_run(run(2, RunStatus.PARTIALLY_FAILED, not_covered=2))
    found = plans.runs("nightly")
    assert (found.last, found.last_good) != (None, None)
    assert found.last is not None
    assert found.last_good is not None
    assert (found.last.run_id, found.last.not_covered, found.last.counts) == ("run-2", 2, {"copy": 3})
    assert found.last_good.run_id == "run-1"


def test_a_run_that_is_told_late_or_again(plans: PlanTable) -> None:
    """It does not hide a later one."""
    for record in (run(2), run(1), run(1, RunStatus.FAILED, code="SourceListFailed"), run(2)):
        plans.note_run(record)
    found = plans.runs("nightly")
    assert found.last == found.last_good
    assert found.last is not None
    assert found.last.run_id == "run-2"


@pytest.mark.parametrize(
    "record",
    [
        run(1, dry_run=True),
        run(1).replace(plan=None),
        run(1, RunStatus.FAILED, code=Code.PLAN_RUNNING),
    ],
    ids=["dry run", "no plan", "gave way"],
)
def test_runs_that_a_plan_does_not_remember(plans: PlanTable, record: RunRecord) -> None:
    plans.note_run(record)
    assert plans.runs("nightly").last is None


def test_state_and_runs_hold_no_plan(plans: PlanTable) -> None:
    plans.change_state("nightly", lambda _: STATE)
    plans.note_run(run(1))
    assert plans.holder("nightly", NOW) is None
    assert plans.claim("nightly", "run-2", NOW) == "run-2"
    assert plans.state("nightly") == STATE
