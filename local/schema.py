"""Writes what is made from types to standard output: the JSON Schema of ``backup.json``, with ``api`` the OpenAPI document, or with
``events`` the JSON Schema of the log's lines.

``make schema`` makes ``backup.schema.json``, ``docs/openapi.json`` and ``docs/events.schema.json`` from it.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from backup.configuration.sections import Configuration
from http_start.openapi import document
from wiring.event_lines import lines_schema

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Untitled(GenerateJsonSchema):
    """Omits the titles: they would repeat the name of each field."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  the same for every field
        return False


def configuration_schema() -> str:
    """Return the schema as the text of ``backup.schema.json``."""
    schema = Configuration.model_json_schema(schema_generator=_Untitled)
    for field in schema["properties"].values():
        if "patternProperties" in field:
            field["additionalProperties"] = False  # pydantic gives the pattern of the names, but does not refuse others
    return json.dumps({"$schema": _DIALECT, **schema}, indent=2, ensure_ascii=False) + "\n"


def api_document() -> str:
    """Return the OpenAPI document as the text of ``docs/openapi.json``."""
    import_module("function_app")  # its modules register what the document describes
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def events_schema() -> str:
    """Return the schema of a line of the log as the text of ``docs/events.schema.json``."""
    schema = lines_schema(_Untitled)
    for definition in schema["$defs"].values():
        if "description" in definition:  # with the line breaks of the code
            definition["description"] = " ".join(definition["description"].split())
    return json.dumps({"$schema": _DIALECT, **schema}, indent=1, ensure_ascii=False) + "\n"


_WRITERS = {"": configuration_schema, "api": api_document, "events": events_schema}

if __name__ == "__main__":
    sys.stdout.write(_WRITERS["".join(sys.argv[1:])]())
