"""What tests of more than one room need."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from local.azurite import Azurite, AzuriteMissing


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """An emulator of Table Storage for the whole session; each test uses tables of its own.

    Missing, it fails the tests, unless ``WITHOUT_AZURITE`` says that this is known: ``make test`` sets it where there is no npm.
    """
    try:
        running = Azurite()
    except AzuriteMissing as missing:
        if os.environ.get("WITHOUT_AZURITE"):
            pytest.skip(str(missing))
        raise
    yield running
    running.stop()
