"""All databases of the catalog, each as an empty store and as a function that another process can call to open it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from catalog.sqlite import SqliteStore
from catalog.store import Store, Table
from catalog.table_service import TableService
from catalog.tables import TableStore
from local.azurite import Azurite, connection_string
from local.flaky_proxy import FlakyProxy

OpenStore = Callable[[], Store]


def sqlite_store(folder: Path, request: pytest.FixtureRequest) -> OpenStore:
    """Return how to open a file in ``folder``."""
    return partial(SqliteStore, folder / "catalog.sqlite")


def table_storage(folder: Path, request: pytest.FixtureRequest) -> OpenStore:
    """Return how to open tables with a new prefix, on the emulator of the session."""
    connection = request.getfixturevalue("azurite").connection_string
    prefix = f"t{uuid.uuid4().hex}"
    return partial(open_tables, connection, prefix)


def open_tables(connection: str, prefix: str) -> Store:
    """Open the tables that begin with ``prefix``."""
    return TableStore(TableService(connection), prefix)


DATABASES: list[Callable[[Path, pytest.FixtureRequest], OpenStore]] = [sqlite_store, table_storage]
"""One entry for each implementation: it makes an empty database, and returns a function that opens it."""


@pytest.fixture(params=DATABASES, ids=lambda database: database.__name__)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """A function that opens the database of this test; a second call opens it again, as another process would."""
    opened: OpenStore = request.param(tmp_path, request)
    return opened


@pytest.fixture
def store(open_store: OpenStore) -> Store:
    """An empty database."""
    return open_store()


@pytest.fixture
def prefix() -> str:
    """The prefix of this test's tables."""
    return f"t{uuid.uuid4().hex}"


@pytest.fixture
def tables(azurite: Azurite, prefix: str) -> TableStore:
    """Table Storage, without faults."""
    return TableStore(TableService(azurite.connection_string), prefix)


@pytest.fixture
def proxied(proxy: FlakyProxy, prefix: str, tables: TableStore) -> TableStore:
    """The same tables through the proxy, which makes the faults. The table of claims exists already."""
    tables.insert(Table.CLAIMS, "elsewhere", "k", {})
    return TableStore(TableService(connection_string(proxy.port)), prefix)
