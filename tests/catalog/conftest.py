"""Every database that the catalogue can be kept in, each as a fresh store and as a recipe that another process can follow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.sqlite import SqliteStore
from catalog.store import Store

OpenStore = Callable[[], Store]


def sqlite_store(folder: Path) -> OpenStore:
    """A file in ``folder``."""
    path = folder / "catalogue.sqlite"
    return lambda: SqliteStore(path)


DATABASES: list[Callable[[Path], OpenStore]] = [sqlite_store]
"""A new implementation is one more entry: from a folder of its own to a function that opens the same empty database each time."""


@pytest.fixture(params=DATABASES, ids=lambda database: database.__name__)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Opens the database of this test; a second call opens it again, as another process would."""
    opened: OpenStore = request.param(tmp_path)
    return opened


@pytest.fixture
def store(open_store: OpenStore) -> Store:
    """An empty database."""
    return open_store()
