"""What a run shows about its plan: what each target has, and which findings follow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backup.codes import Code
from backup.configuration.sections import Plan
from backup.coverage import TargetCoverage, coverage, findings_of_end, findings_of_rows, states_in_targets
from backup.document_models import Kind
from backup.messages.copy import CopyOutcome, RowAction
from backup.planning.decisions import Action, Decision, Finding, Reason
from backup.records import RunRecord, RunRow
from backup.states import CopyStatus, RunStatus

NOW = datetime(2026, 5, 4, 2, 0, tzinfo=UTC)
OLD, NEW = "2026-05-01T00:00:00Z", "2026-05-03T00:00:00"


def run(status: RunStatus = RunStatus.SUCCEEDED, **more: Any) -> RunRecord:
    return RunRecord(run_id="nightly-1", kind="backup", status=status, started_at=NOW, plan="nightly", **more)


def decision(model_id: str, action: Action, reason: Reason = Reason.NEW, target: str = "east") -> Decision:
    return Decision(target=target, kind=Kind.MODEL, model_id=model_id, action=action, reason=reason)


def row(
    model_id: str,
    status: CopyStatus,
    code: str | None = None,
    trained: str | None = OLD,
    action: RowAction = RowAction.COPY,
) -> RunRow:
    outcome = CopyOutcome(status=status, code=code, message="so it is", started_at=NOW, ended_at=NOW) if code else None
    return RunRow(
        row=1,
        source="west",
        target="east",
        kind=Kind.MODEL,
        model_id=model_id,
        status=status,
        outcome=outcome,
        trained=trained,
        action=action,
    )


FAILED, NOT_COVERED = CopyStatus.FAILED, CopyStatus.NOT_COVERED
COPY, SKIP, BLOCKED = Action.COPY, Action.SKIP, Action.BLOCKED


@pytest.mark.parametrize(
    ("decisions", "rows", "expected"),
    [
        ([decision("a", SKIP)], [], TargetCoverage(models=1, covered=1)),
        ([decision("a", COPY)], [row("a", CopyStatus.SUCCEEDED)], TargetCoverage(models=1, covered=1)),
        (
            [decision("a", COPY), decision("b", COPY)],
            [row("a", FAILED, Code.SERVER_ERROR, NEW), row("b", FAILED, Code.SERVER_ERROR, OLD)],
            TargetCoverage(models=2, failing=2, lacking_since=datetime(2026, 5, 1, tzinfo=UTC)),
        ),
        (
            [decision("a", COPY)],
            [row("a", FAILED, Code.SERVER_ERROR, "yesterday")],
            TargetCoverage(models=1, failing=1, lacking_since=NOW),
        ),
        ([decision("a", BLOCKED)], [row("a", NOT_COVERED, Code.OTHER_CLOUD)], TargetCoverage(models=1, not_covered=1)),
        ([decision("a", BLOCKED, Reason.NOT_READY)], [], TargetCoverage(models=1, in_training=1)),
        (
            [decision("a", COPY)],
            [row("a", CopyStatus.STILL_COPYING, Code.CHILD_LOST)],
            TargetCoverage(models=1, failing=1, lacking_since=datetime(2026, 5, 1, tzinfo=UTC)),
        ),
        # a check or a deletion that fails takes nothing away from what the target has
        (
            [decision("a", SKIP)],
            [row("a", FAILED, Code.SERVER_ERROR, action=RowAction.CHECK)],
            TargetCoverage(models=1, covered=1),
        ),
    ],
)
def test_what_a_target_has(decisions: list[Decision], rows: list[RunRow], expected: TargetCoverage) -> None:
    assert coverage(run(), states_in_targets(decisions, rows)).targets == {"east": expected}


@pytest.mark.parametrize("trained", [None, "yesterday", "2026-09-14T08:30:12Z"])
def test_model_without_a_date_lacks_for_ever(trained: str | None) -> None:
    """A date that is none, or later than the run by a wrong clock, keeps no target from breaking its promise."""
    plan = Plan.model_validate({"source": "west", "targets": ["east"], "rpoHours": 24})
    failed = [row("a", FAILED, Code.SERVER_ERROR, trained)]
    seen = coverage(run(), states_in_targets([decision("a", COPY)], failed))
    for days in (1, 2):
        next_run = run().replace(started_at=NOW + timedelta(days=days))
        seen = coverage(next_run, states_in_targets([decision("a", COPY)], failed), seen)
    assert seen.targets["east"].lacking_since == NOW
    assert seen.rpo("east", plan, NOW + timedelta(days=2)) is False


def test_models_that_are_gone_from_the_source_do_not_count() -> None:
    gone = [decision("a", Action.ORPHAN, Reason.KEPT), decision("b", Action.DELETE, Reason.REMOVED)]
    assert coverage(run(), states_in_targets(gone, [])).targets == {}


@pytest.mark.parametrize(
    ("record", "code", "cause"),
    [
        (run(), None, None),
        (run(RunStatus.CANCELLED), None, None),
        (run(RunStatus.FAILED, code="SourceListFailed", message="no answer"), "PlanFailing", "SourceListFailed"),
        (
            run(RunStatus.PARTIALLY_FAILED, failures={"Throttled": 1, "ServerError": 3}),
            "PlanPartlyFailing",
            "ServerError",
        ),
    ],
)
def test_how_a_run_ended_says_something_of_its_plan(record: RunRecord, code: str | None, cause: str | None) -> None:
    assert [(one.code, one.cause) for one in findings_of_end(record)] == ([(code, cause)] if code else [])


def found(
    rows: Sequence[RunRow] = (), decisions: Sequence[Decision] = (), in_plan: Sequence[Finding] = ()
) -> list[tuple[str, str]]:
    return [(str(one.code), one.subject) for one in findings_of_rows(run(), rows, decisions, in_plan)]


def test_each_model_that_is_lacking_is_found() -> None:
    rows = [
        row("a", FAILED, Code.SERVER_ERROR),
        row("b", NOT_COVERED, Code.KIND_UNSUPPORTED),
        row("c", CopyStatus.SUCCEEDED, Code.ALREADY_THERE),
        row("d", CopyStatus.CANCELLED, Code.CANCELLED),
    ]
    assert found(rows) == [("CopyFailing", "east model a"), ("NotCovered", "east model b")]


def test_a_target_that_cannot_be_listed_is_found_once() -> None:
    rows = [row(f"m{number}", FAILED, Code.TARGET_LIST_FAILED) for number in range(50)]
    assert found(rows) == [("TargetFailing", "nightly east")]


def test_deletions_that_are_withheld_are_found_once() -> None:
    withheld = [decision(f"m{number}", Action.ORPHAN, Reason.GUARDED) for number in range(50)]
    assert found(decisions=withheld) == [("DeletionWithheld", "nightly east")]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("missing", "ReplicaLost"), ("expiresSoon", "ModelExpires"), ("rpoBreached", None), ("drifted", None)],
)
def test_what_the_plan_found_is_told(kind: str, expected: str | None) -> None:
    """A breached RPO is found by the coverage, which knows the hour; a drifted replica has a row that failed."""
    one = Finding(finding=kind, target="east", kind=Kind.MODEL, model_id="a", detail="so it is")
    assert found(in_plan=[one]) == ([(expected, "east model a")] if expected else [])


@pytest.mark.parametrize(("hours_later", "rpo_hours", "expected"), [(-3, 24, True), (0, 24, False), (0, None, None)])
def test_the_promise_of_a_target(hours_later: int, rpo_hours: int | None, expected: bool | None) -> None:
    """The model was trained 26 hours before the run."""
    plan = Plan.model_validate({"source": "west", "targets": ["east"], "rpoHours": rpo_hours})
    seen = coverage(run(), states_in_targets([decision("a", COPY)], [row("a", FAILED, Code.SERVER_ERROR, NEW)]))
    assert seen.rpo("east", plan, NOW + timedelta(hours=hours_later)) is expected
