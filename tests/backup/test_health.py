"""Findings: which begin, which end, what they say together."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backup.document_models import Kind
from backup.health import FINDINGS, FindingCode, HealthFinding, Severity, changes, findings_view, model_finding, status

NOW = datetime(2026, 5, 4, 2, 0, tzinfo=UTC)
PAGE = Path(__file__).parents[2] / "docs" / "monitor.md"


def about(code: FindingCode, subject: str = "nightly", **more: Any) -> HealthFinding:
    return HealthFinding(code=code, subject=subject, message=f"{subject} is wrong", **more)


DOWN = about(FindingCode.RESOURCE_DOWN, "east")
FAILING = about(FindingCode.PLAN_FAILING, plan="nightly", cause="SourceListFailed")
UNCOVERED = about(FindingCode.NOT_COVERED, "east model mail")


def test_what_is_new_begins_and_what_is_gone_ends() -> None:
    known = [DOWN.replace(since=NOW - timedelta(days=1)), UNCOVERED]
    change = changes(known, [DOWN, FAILING], NOW)
    assert list(change.began) == [FAILING.replace(since=NOW)]
    assert list(change.ended) == [UNCOVERED]
    assert not changes(known, known, NOW)


def test_a_finding_may_know_when_it_began() -> None:
    since = NOW - timedelta(hours=5)
    assert changes([], [DOWN.replace(since=since)], NOW).began[0].since == since


def test_another_message_is_the_same_finding() -> None:
    assert not changes([DOWN], [DOWN.replace(message="another text", cause="NoAnswer")], NOW)


def test_a_plan_that_fails_for_another_cause_is_news() -> None:
    change = changes([FAILING], [FAILING.replace(cause="AccessDenied")], NOW)
    assert [finding.cause for finding in change.began] == ["AccessDenied"]
    assert [finding.cause for finding in change.ended] == ["SourceListFailed"]


@pytest.mark.parametrize(
    ("findings", "expected"),
    [([], "ok"), ([UNCOVERED], "ok"), ([UNCOVERED, DOWN], "degraded"), ([DOWN, FAILING, UNCOVERED], "failing")],
)
def test_the_worst_finding_is_the_status(findings: list[HealthFinding], expected: str) -> None:
    assert status(findings) == expected


def test_many_alike_are_listed_in_part() -> None:
    """The oldest first; the last one that is listed says how many more there are."""
    many = [
        model_finding(FindingCode.COPY_FAILING, "nightly", "east", Kind.MODEL, f"m{number:03d}", "no", since=NOW)
        for number in range(200)
    ]
    oldest = many[77].replace(since=NOW - timedelta(days=3))
    view = findings_view([UNCOVERED, *many[:77], oldest, *many[78:], FAILING])
    assert [one["code"] for one in view] == ["PlanFailing", *["CopyFailing"] * 5, "NotCovered"]
    assert view[1]["subject"] == "east model m077"
    assert [one.get("more") for one in view] == [None, None, None, None, None, 195, None]


def test_every_code_says_what_to_do() -> None:
    assert set(FINDINGS) == set(FindingCode)
    assert all(meaning.means and meaning.remedy for meaning in FINDINGS.values())
    assert about(FindingCode.RESOURCE_DOWN).advice == FINDINGS[FindingCode.RESOURCE_DOWN].remedy
    assert about(FindingCode.RESOURCE_DOWN, remedy="start it").view()["remedy"] == "start it"


def test_the_page_lists_every_finding() -> None:
    rows = re.findall(r"^\| `([A-Z]\w+)` \| (\w+) \| (.*) \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(str(code), str(one.severity), one.means, one.remedy) for code, one in FINDINGS.items()]
    assert {severity for _, severity, _, _ in rows} == {str(severity) for severity in Severity}
