"""The findings of a scope: observed again and again, also late, twice, and by two workers at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backup.health import FindingCode, HealthFinding
from catalog.catalog import Catalog
from catalog.findings import FindingTable
from catalog.store import Store

NOW = datetime(2026, 5, 4, 2, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
DOWN = HealthFinding(code=FindingCode.RESOURCE_DOWN, subject="east", message="no answer")
PAUSED = HealthFinding(code=FindingCode.PLAN_PAUSED, subject="nightly", message="paused", plan="nightly")


@pytest.fixture
def findings(store: Store) -> FindingTable:
    return Catalog(store).findings


def test_a_finding_keeps_since_when_it_holds(findings: FindingTable) -> None:
    first = findings.observe("app", [DOWN], NOW, NOW)
    assert [one.key for one in first.began] == [DOWN.key]
    again = findings.observe("app", [DOWN.replace(message="still no answer")], LATER, LATER)
    assert not again
    (kept,) = findings.of("app")
    assert (kept.since, kept.message) == (NOW, "still no answer")


def test_what_is_not_found_any_more_ends(findings: FindingTable) -> None:
    findings.observe("app", [DOWN, PAUSED], NOW, NOW)
    change = findings.observe("app", [PAUSED], LATER, LATER)
    assert [(one.key, one.since) for one in change.ended] == [(DOWN.key, NOW)]
    assert [one.key for one in findings.of("app")] == [PAUSED.key]


def test_an_observation_that_comes_late_changes_nothing(findings: FindingTable) -> None:
    findings.observe("run|nightly", [PAUSED], LATER, LATER)
    assert not findings.compare("run|nightly", [DOWN], LATER, NOW)
    assert not findings.observe("run|nightly", [DOWN], LATER, NOW)
    assert [one.key for one in findings.of("run|nightly")] == [PAUSED.key]


def test_scopes_are_apart(findings: FindingTable) -> None:
    findings.observe("app", [DOWN], NOW, NOW)
    assert not findings.observe("plan|nightly", [], NOW, NOW)
    findings.observe("plan|nightly", [PAUSED], NOW, NOW)
    assert [(scope, one.key) for scope, one in findings.all()] == [("app", DOWN.key), ("plan|nightly", PAUSED.key)]
    assert findings.as_of("app") == NOW
    assert findings.as_of("resources") is None


def test_comparing_writes_nothing(findings: FindingTable) -> None:
    assert [one.key for one in findings.compare("app", [DOWN], NOW, NOW).began] == [DOWN.key]
    assert findings.of("app") == []


class Interrupted:
    """A store that lets somebody else act once, before its call number ``moment``."""

    def __init__(self, store: Store, moment: int, act: Callable[[], object]) -> None:
        self._store, self._left, self._act = store, moment, act

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == -1:
                self._act()
            return method(*args, **kwargs)

        return call


@pytest.mark.parametrize("moment", range(8))
def test_two_workers_observe_at_the_same_instant(store: Store, moment: int) -> None:
    """Before each call of the one, the other observes the same: nothing is lost, and nothing stays that has ended."""
    table = Catalog(store).findings
    table.observe("app", [PAUSED], NOW, NOW)
    interrupted: Any = Interrupted(store, moment, lambda: table.observe("app", [DOWN], LATER, LATER))
    FindingTable(interrupted).observe("app", [DOWN], LATER, LATER)
    assert [(one.key, one.since) for one in table.of("app")] == [(DOWN.key, LATER)]
    assert table.as_of("app") == LATER
