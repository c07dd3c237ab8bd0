"""How the catalog's rows, batches and questions look to Azure Table Storage."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from catalog.store import LONGEST_DATA
from catalog.table_keys import after_prefix, escape

Entity = dict[str, str]

PIECE = 16_000
"""Characters in one property: Table Storage takes 64 KiB in UTF-16, where a character has two or four bytes."""

ROWS_A_BATCH = 100
BYTES_A_BATCH = 2 * 1024 * 1024
"""Table Storage takes 100 rows and 4 MiB in one transaction; the rest is room for keys and the envelope."""


def entity_of(partition: str, key: str, data: Mapping[str, Any]) -> Entity:
    """Return a row for one write, which gets a name of its own. Raises ``ValueError`` where it is too large, or its key too long."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    if len(text) > LONGEST_DATA:
        raise ValueError(f"a row of {len(text)} characters; {LONGEST_DATA} are allowed")
    entity = {"PartitionKey": escape(partition), "RowKey": escape(key), "write": uuid.uuid4().hex}
    for number, start in enumerate(range(0, len(text), PIECE)):
        entity[f"data{number}"] = text[start : start + PIECE]
    return entity


def pieces(entity: Mapping[str, Any]) -> Iterator[str]:
    """Go through the parts of a row's text, as it was read."""
    number = 0
    while (name := f"data{number}") in entity:
        yield str(entity[name])
        number += 1


def batches(entities: Sequence[Entity]) -> Iterator[Sequence[Entity]]:
    """Go through ``entities`` of one partition in portions that one transaction takes."""
    batch: list[Entity] = []
    size = 0
    for entity in entities:
        length = len(json.dumps(entity))
        if batch and (len(batch) == ROWS_A_BATCH or size + length > BYTES_A_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(entity)
        size += length
    if batch:
        yield batch


def question(
    partition: str | None, partition_prefix: str | None, key_prefix: str | None, after: tuple[str, str] | None
) -> tuple[str, dict[str, str]]:
    """Return an OData filter and its parameters.

    Table Storage turns comparisons that are joined by ``and`` into a range to read; an ``or`` at the top would make it read all.
    """
    conditions: list[str] = []
    values: dict[str, str] = {}

    def compare(column: str, operator: str, value: str) -> str:
        name = f"v{len(values)}"
        values[name] = value
        return f"{column} {operator} @{name}"

    if partition is not None:
        conditions.append(compare("PartitionKey", "eq", escape(partition)))
    for column, prefix in (("PartitionKey", partition_prefix), ("RowKey", key_prefix)):
        if prefix:
            conditions.append(compare(column, "ge", escape(prefix)))
            conditions.append(compare(column, "lt", after_prefix(escape(prefix))))
    if after is not None and after[0] == partition:
        conditions.append(compare("RowKey", "gt", escape(after[1])))
    elif after is not None:
        conditions.append(compare("PartitionKey", "ge", escape(after[0])))
        later = compare("PartitionKey", "gt", escape(after[0]))
        conditions.append(f"( {later} or {compare('RowKey', 'gt', escape(after[1]))} )")
    return " and ".join(conditions), values
