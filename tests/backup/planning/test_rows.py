"""The rows of a backup run, and which suspects it deletes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from backup.document_models import Kind, ModelState
from backup.messages.copy import RowAction
from backup.planning.backup_plan import plan_backup
from backup.planning.rows import rows_of_plan, sort_suspects
from backup.records import Suspect
from backup.states import CopyStatus

from .test_backup_plan import LONG_GONE, NOW, REMOVING, STILL_THERE, V4, facts_of, model


def suspect(model_id: str = "lost", age_hours: float = 50, version: str | None = "v2.1", **facts: Any) -> Suspect:
    return Suspect(
        **{"target": "east", "kind": Kind.MODEL, **facts},
        model_id=model_id,
        seen_at=NOW - timedelta(hours=age_hours),
        run_id="run-0",
        source="west",
        source_model_id="m1",
        api_version=version,
    )


CREATING = model("lost", state=ModelState.CREATING)
READY = model("lost")


@pytest.mark.parametrize(
    ("listed", "one", "hours", "verdict"),
    [
        ([CREATING], suspect(), 48, "due"),
        ([CREATING], suspect(age_hours=47), 48, "kept"),
        ([CREATING], suspect(), None, "kept"),
        ([READY], suspect(), 48, "gone"),
        ([], suspect(), 48, "gone"),
        ([], suspect(version=V4), 48, "kept"),
        ([READY], suspect(version=V4), 48, "gone"),
        ([], suspect(age_hours=0.5), 48, "kept"),
        ([], suspect(kind=Kind.CLASSIFIER), 48, "kept"),
    ],
)
def test_a_suspect_is_deleted_kept_or_forgotten(
    listed: list[Any], one: Suspect, hours: int | None, verdict: str
) -> None:
    """v2 shows placeholders as ``creating``; later versions show nothing until a model is ready."""
    facts = facts_of(targets={"east": listed}, kinds=("model",))
    due, gone = sort_suspects(facts, [one], NOW - timedelta(hours=1), hours)
    assert (due, gone) == ([one] if verdict == "due" else [], [one] if verdict == "gone" else [])


@pytest.mark.parametrize("targets", [{"east": None}, {"north": []}])
def test_an_unread_target_says_nothing_of_suspects(targets: dict[str, Any]) -> None:
    facts = facts_of(targets=targets)
    assert sort_suspects(facts, [suspect()], NOW, 48) == ([], [])


def test_rows_come_in_the_order_of_their_work() -> None:
    """Copies, deletions, checks, suspects; then composed models, and last what ended before the run began."""
    source = [
        *STILL_THERE,
        model("a", classifier_id="c1"),
        model("c1", Kind.CLASSIFIER),
        model("new"),
        model("old", api_version="?"),
    ]
    facts = facts_of(source, LONG_GONE, deepCheck="all", **REMOVING)
    rows, workable = rows_of_plan(facts, plan_backup(facts), [suspect()], {})
    assert [row.row for row in rows] == list(range(len(rows)))
    assert [(row.action, row.model_id) for row in rows[:workable]] == [
        (RowAction.COPY, "c1"),
        (RowAction.COPY, "new"),
        (RowAction.DELETE, "gone"),
        (RowAction.CHECK, "m1"),
        (RowAction.CHECK, "m2"),
        (RowAction.CLEAR, "m1"),
        (RowAction.COPY, "a"),
    ]
    blocked = {row.model_id: (row.status, row.outcome and row.outcome.code) for row in rows[workable:]}
    assert blocked == {"old": (CopyStatus.NOT_COVERED, "NoCommonVersion")}


def test_a_blocked_row_says_why_the_list_failed() -> None:
    facts = facts_of([model()], targets={"east": None})
    (row,), workable = rows_of_plan(facts, plan_backup(facts), [], {"east": "AccessDenied: the key was refused"})
    assert workable == 0
    assert row.outcome is not None
    assert row.outcome.code == "TargetListFailed"
    assert str(row.outcome.message).startswith("AccessDenied: the key was refused; ")
