"""The catalog's keys, rows, batches and queries in the form of Azure Table Storage."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from catalog.store import after_prefix, text_of

Entity = dict[str, str]

LONGEST_KEY = 512
"""Characters of a key after escaping. Table Storage takes 1 KiB, which it counts in UTF-16 (Azure Storage documentation)."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._~|,:;=@+-]")
_ESCAPED = re.compile(r"!([0-9a-f]{6})")

PIECE = 16_000
"""Characters in one property: Table Storage takes 64 KiB in UTF-16, where a character has two or four bytes."""

ROWS_A_BATCH = 100
BYTES_A_BATCH = 2 * 1024 * 1024
"""Table Storage takes 100 rows and 4 MiB in one transaction; keys and the envelope need some of it."""


class KeyTooLong(ValueError):
    """A partition or key is longer than Table Storage can hold."""


def escape(text: str) -> str:
    """Return ``text`` as a key. A text that begins with another still does so as a key.

    Table Storage refuses ``/ \\ # ?`` and control characters; some clients change quotes, per cents and spaces. All of them become
    ``!`` and six hexadecimal digits, and so does ``!``. The ids of models, resources and runs contain none of these, so their rows
    have the same order as on SQLite. Raises ``KeyTooLong``.
    """
    key = _UNSAFE.sub(lambda match: f"!{ord(match[0]):06x}", text)
    if len(key) > LONGEST_KEY:
        raise KeyTooLong(f"a key of {len(key)} characters; Table Storage takes {LONGEST_KEY}")
    return key


def unescape(key: str) -> str:
    """Return the text that :func:`escape` made ``key`` of."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), key)


def entity_of(partition: str, key: str, data: Mapping[str, Any]) -> Entity:
    """Return a row for one write, with a new name for the write. Raises ``RowTooLong`` or ``KeyTooLong``."""
    text = text_of(data)
    entity = {"PartitionKey": escape(partition), "RowKey": escape(key), "write": uuid.uuid4().hex}
    for number, start in enumerate(range(0, len(text), PIECE)):
        entity[f"data{number}"] = text[start : start + PIECE]
    return entity


def text_in(entity: Mapping[str, Any]) -> str:
    """Return the JSON text of a row that was read."""
    pieces: list[str] = []
    while (name := f"data{len(pieces)}") in entity:
        pieces.append(str(entity[name]))
    return "".join(pieces)


def batches(entities: Sequence[Entity]) -> Iterator[Sequence[Entity]]:
    """Go through ``entities`` of one partition, as many at a time as one transaction takes."""
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


def query_of(
    partition: str | None, partition_prefix: str | None, key_prefix: str | None, after: tuple[str, str] | None
) -> tuple[str, dict[str, str]]:
    """Return an OData filter and its parameters.

    Table Storage reads only a range where comparisons are joined by ``and``; with an ``or`` at the top it reads the whole table.
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
