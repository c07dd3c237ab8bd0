"""Compare-and-swap in a loop, for changes that make sense whatever others changed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from catalog.store import CatalogUnavailable, RowChanged

T = TypeVar("T")

TRIES = 200
"""Far more than there are workers: each failed try means that somebody else's succeeded."""


def retry_on_conflict(attempt: Callable[[], T], *also: type[Exception]) -> T:
    """Call ``attempt`` (read, compute, compare-and-swap) until nobody was faster. Raises ``CatalogUnavailable`` after 200 tries."""
    for _ in range(TRIES):
        try:
            return attempt()
        except (RowChanged, *also):  # type: ignore[misc]  # mypy does not see through an unpacked tuple of types
            continue
    raise CatalogUnavailable("a row changes faster than it can be written")
