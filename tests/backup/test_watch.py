"""What is wrong with a plan between its runs, in tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backup.configuration.sections import Plan
from backup.coverage import PlanCoverage, TargetCoverage
from backup.watch import GRACE, LATE, PlanWatch, findings_of_plan

NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def plan(**rules: Any) -> Plan:
    return Plan.model_validate({"source": "west", "targets": ["east", "north"], **rules})


def codes(now: datetime = NOW, rules: dict[str, Any] | None = None, **facts: Any) -> list[str]:
    """Return what is found of a plan that is well but for ``facts``."""
    known: dict[str, Any] = {
        "known_since": NOW - 30 * DAY,
        "last_good": NOW - 8 * HOUR,
        "settled": NOW - 8 * HOUR,
        "due": NOW - 8 * HOUR,
        "interval": DAY,
    }
    watch = PlanWatch(name="nightly", plan=plan(**(rules or {})), **(known | facts))
    return [str(finding.code) for finding in findings_of_plan(watch, now)]


def test_nothing_is_wrong_with_a_plan_that_is_well() -> None:
    assert codes() == []


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        # the plan runs daily, so it may be without a good run for a day and two hours
        ({"last_good": NOW - DAY - GRACE}, []),
        ({"last_good": NOW - DAY - GRACE - timedelta(seconds=1)}, ["PlanOverdue"]),
        ({"last_good": None}, ["PlanOverdue"]),
        ({"last_good": None, "known_since": NOW - HOUR}, []),
        # a run under way has the time of one promise
        ({"last_good": NOW - 2 * DAY, "under_way_since": NOW - 8 * HOUR}, []),
        ({"last_good": NOW - 3 * DAY, "under_way_since": NOW - 2 * DAY}, ["PlanOverdue"]),
        ({"paused_at": NOW - DAY, "paused_reason": "region moves"}, ["PlanPaused"]),
        ({"paused_at": NOW - 9 * DAY, "last_good": NOW - 9 * DAY}, ["PlanPaused", "PlanOverdue"]),
        ({"settled": NOW - DAY}, ["PlanNotStarted"]),
        ({"settled": None}, ["PlanNotStarted"]),
        ({"settled": None, "due": None}, []),
        ({"settled": NOW - DAY, "due": NOW - LATE}, []),
        ({"settled": NOW - DAY, "paused_at": NOW - DAY}, ["PlanPaused"]),
        ({"interval": None, "due": None}, ["ScheduleMissing"]),
    ],
)
def test_what_is_wrong_with_a_plan(facts: dict[str, Any], expected: list[str]) -> None:
    assert codes(**facts) == expected


@pytest.mark.parametrize(
    ("hours", "last_good", "expected"),
    [(6, NOW - 6 * HOUR, []), (6, NOW - 7 * HOUR, ["PlanOverdue"]), (72, NOW - 3 * DAY, [])],
)
def test_rpo_hours_are_the_promise(hours: int, last_good: datetime, expected: list[str]) -> None:
    assert codes(rules={"rpoHours": hours}, last_good=last_good) == expected


def seen(looked_at: datetime = NOW - HOUR, **east: Any) -> PlanCoverage:
    return PlanCoverage(
        run_id="nightly-1",
        looked_at=looked_at,
        targets={"east": TargetCoverage(**east), "north": TargetCoverage(models=1, covered=1)},
    )


@pytest.mark.parametrize(
    ("coverage", "expected"),
    [
        (seen(models=2, covered=1, failing=1, lacking_since=NOW - 25 * HOUR), ["RpoBreached"]),
        (seen(models=2, covered=1, failing=1, lacking_since=NOW - 23 * HOUR), []),
        (seen(models=2, covered=1, failing=1), []),
        (seen(models=2, covered=2), []),
        # nobody looked for longer than the promise: a model may be lacking that no run has seen
        (seen(looked_at=NOW - 25 * HOUR, models=2, covered=2), ["RpoBreached", "RpoBreached"]),
        (seen(models=2, not_covered=2), ["NothingCovered"]),
        (seen(models=2, not_covered=1, covered=1), []),
        (seen(), []),
    ],
)
def test_what_the_coverage_of_a_plan_says(coverage: PlanCoverage, expected: list[str]) -> None:
    assert codes(rules={"rpoHours": 24}, coverage=coverage) == expected


def test_without_rpo_hours_no_rpo_is_breached() -> None:
    assert codes(coverage=seen(models=2, failing=2, lacking_since=NOW - 90 * DAY)) == []


def test_each_finding_says_what_happened() -> None:
    watch = PlanWatch(
        name="nightly",
        plan=plan(rpoHours=24),
        known_since=NOW - 30 * DAY,
        last_good=NOW - 2 * DAY,
        interval=DAY,
        coverage=seen(models=3, covered=1, failing=2, lacking_since=NOW - 2 * DAY),
    )
    overdue, breached = findings_of_plan(watch, NOW)
    assert overdue.message == (
        "plan nightly is without a good run for more than 24 hours: its last good run began at 2026-05-02T10:00:00.000Z"
    )
    assert breached.message == (
        "east lacks 2 models; the oldest was trained at 2026-05-02T10:00:00.000Z; rpoHours is 24"
    )
