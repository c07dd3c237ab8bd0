"""Timers above runs of plans: see ``tests.nights``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from catalog.sqlite import SqliteStore
from catalog.store import CatalogUnavailable, Page, Row, Table
from tests.nights import MakeNights, Nights, make_stage, stage

__all__ = ["make_stage", "stage"]

THREE_PLANS: Mapping[str, Mapping[str, Any]] = {
    "first": {"include": ["claims"]},
    "second": {"include": ["invoices"]},
    "third": {"kinds": ["classifier"]},
}


class AbsentStore(SqliteStore):
    """A catalog that does not answer while ``is_away`` says so."""

    is_away: Callable[[], bool] = staticmethod(lambda: False)

    def _answer(self) -> None:
        if self.is_away():
            raise CatalogUnavailable("the catalog does not answer")

    def get(self, table: Table, partition: str, key: str) -> Row | None:
        """See :class:`catalog.store.Store`."""
        self._answer()
        return super().get(table, partition, key)

    def insert(self, table: Table, partition: str, key: str, data: Mapping[str, Any]) -> Row:
        """See :class:`catalog.store.Store`."""
        self._answer()
        return super().insert(table, partition, key, data)

    def replace(self, row: Row, data: Mapping[str, Any]) -> Row:
        """See :class:`catalog.store.Store`."""
        self._answer()
        return super().replace(row, data)

    def scan(self, table: Table, **options: Any) -> Page:
        """See :class:`catalog.store.Store`."""
        self._answer()
        return super().scan(table, **options)


@pytest.fixture
def scheduled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every night at 02:00, and a look at what is due every five minutes."""
    monkeypatch.setenv("BACKUP_SCHEDULE", "0 0 2 * * *")
    monkeypatch.setenv("PROBE_SCHEDULE", "0 */5 * * * *")
    monkeypatch.setenv("PURGE_SCHEDULE", "0 30 3 24 12 *")


@pytest.fixture
def three(scheduled: None, make_stage: MakeNights) -> Nights:
    """A stage with three plans, at midnight."""
    return make_stage(plans=THREE_PLANS)
