"""What crosses the durable boundary: small typed records, JSON objects on the wire.

A record is parsed at the door of an activity or orchestrator and written as plain JSON when it leaves. Unknown fields are ignored, so that
work under way survives a newer or an older version of the app.
"""

from __future__ import annotations

import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Message(BaseModel):
    """A record that travels as JSON: ``camelCase`` outside, ``snake_case`` inside."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    @classmethod
    def parse(cls, data: object) -> Self:
        """Read a record from a JSON object, or from its text: the SDK's client encodes inputs twice."""
        return cls.model_validate(json.loads(data) if isinstance(data, str) else data)

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object, without the fields that are ``None``."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def replace(self, **fields: Any) -> Self:
        """Return this record with some fields changed. Raises ``TypeError`` for a name that is not a field of it."""
        unknown = fields.keys() - type(self).model_fields.keys()
        if unknown:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
        return self.model_copy(update=fields)
