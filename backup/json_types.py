"""The types of JSON data, as it crosses the durable boundary, the HTTP boundary and the catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict  # pydantic reads that of typing from Python 3.12 on only

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""Any JSON value, read-only."""

JsonObject: TypeAlias = Mapping[str, Json]
"""A JSON object, read-only."""

Moment: TypeAlias = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""A moment as answers hold it (``backup.moments.written``)."""
Address: TypeAlias = Annotated[str, Field(json_schema_extra={"format": "uri"})]
"""The address of a call of the app."""


@with_config(ConfigDict(use_attribute_docstrings=True))
class Described(TypedDict):
    """A JSON object of an answer. The OpenAPI document takes its fields, their types and their docstrings from its class."""
