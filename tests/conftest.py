"""What tests of more than one room need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.azurite import Azurite


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """An emulator of Table Storage for the whole session; each test uses tables of its own. Missing, it fails the tests."""
    running = Azurite()
    yield running
    running.stop()
