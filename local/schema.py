"""Writes what is made from types to standard output: the JSON Schema of ``backup.json``, or with ``api`` the OpenAPI document.

``make schema`` makes ``backup.schema.json`` and ``docs/openapi.json`` from it.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from backup.configuration.sections import Configuration
from http_start.openapi import document

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


if __name__ == "__main__":
    sys.stdout.write(api_document() if sys.argv[1:] == ["api"] else configuration_schema())
