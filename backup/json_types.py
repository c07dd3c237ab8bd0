"""The types of plain JSON data, as it crosses the durable boundary, the HTTP boundary and the catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""Any JSON value, read-only."""

JsonObject: TypeAlias = Mapping[str, Json]
"""A JSON object, read-only."""
