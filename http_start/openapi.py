"""The OpenAPI document: made from the operations of the HTTP functions, and from the types of what they take and answer."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import get_original_bases

from http_start.answers import ENDPOINTS, REFUSING, Endpoint
from http_start.body import LONGEST_BODY
from http_start.operations import Operation, Parameter, Reply
from http_start.problems import ProblemBody

VERSION = "0.1.0"
"""Of the app."""

SERVER = {
    "url": "https://{app}.azurewebsites.net/api",
    "variables": {"app": {"default": "my-function-app", "description": "The name of the function app."}},
}
"""In the file; the app itself names the address that it was asked at."""

_TEXT = f"""\
Copies custom models of Azure Form Recognizer (Document Intelligence) to other regions, and tells where a model can be used now.

Every call needs the function key. Requests name resources and plans of `backup.json`, never endpoints or keys. Moments are in UTC. A body
may have {LONGEST_BODY // 1024} KiB, unless its call says more, and is not compressed; a field that occurs twice is refused. Errors are
`application/problem+json` (RFC 9457), each with a `code`. Answers may get new fields: ignore those that you do not know. The platform may
answer 5xx at limits of its own.
"""

_OF_STATUS = {
    400: "The request is wrong: `detail` and `errors` say what to change.",
    401: "The function key is missing or wrong. On Azure this answer has no body.",
    404: "There is no such thing, or the platform knows no such address; its answer may have no body on Azure.",
    409: "There is nothing to start.",
    413: "The body is too large.",
    415: "The body is compressed.",
    503: "Something that the app needs does not work now: ask again.",
}
_HEADERS_OF_PROBLEMS = {409: ("Location", False), 503: ("Retry-After", True)}
_TAGS = {
    "runs": "Start something, and watch it.",
    "plans": "What is copied where, and when.",
    "models": "Find a model, and keep the mapping.",
    "health": "Find out what is wrong.",
}

_HEADERS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "Location": (
        {"type": "string", "format": "uri"},
        "The address of the run.",
    ),
    "Retry-After": ({"type": "integer", "minimum": 0}, "After how many seconds to ask again."),
    "ETag": ({"type": "string"}, "Send it back as `If-None-Match`."),
    "Cache-Control": ({"type": "string"}, "Whether the answer may be kept, and how long."),
}
_NAMES = {
    "ProblemBody": "Problem",
    "FindingView": "HealthFinding",
    "ReportView": "DoctorReport",
    "DiagnosisView": "DoctorCheckResult",
    "Check": "DoctorCheck",
    "Code": "DoctorCode",
    "Status": "DoctorStatus",
    "Action": "DecisionAction",
    "Reason": "DecisionReason",
    "RowAction": "CopyAction",
    "Step": "CopyStep",
    "Usable": "PartStatus",
    "Useless": "UselessApp",
}
"""Of types whose names say too little, or too much, outside the module that they are in."""

EXAMPLES = Path(__file__).with_name("examples.json")
"""By the id of an operation: its ``body``, and the answer of each status, as a run of the app took and gave them."""


class _Schemas(GenerateJsonSchema):
    """Omits the titles of fields, which would repeat their names. A field has the docstring of the class that it is inherited from."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  the same for every field
        return False

    def typed_dict_schema(self, schema: Any) -> dict[str, Any]:
        made = super().typed_dict_schema(schema)
        for base in get_original_bases(schema["cls"]):
            for name, field in _fields(base).items():
                if "description" in field:
                    made["properties"][name].setdefault("description", field["description"])
        return made


@functools.cache
def _fields(kind: Any) -> Mapping[str, Mapping[str, Any]]:
    if not getattr(kind, "__annotations__", None):
        return {}
    fields: Mapping[str, Mapping[str, Any]] = TypeAdapter(kind).json_schema(schema_generator=_Schemas)["properties"]
    return fields


def document(server: Mapping[str, Any] = SERVER) -> dict[str, Any]:
    """Return the document. ``server`` says where the API is (OpenAPI's Server Object)."""
    made = _document()
    return {name: [server] if name == "servers" else value for name, value in made.items()}


@functools.cache
def _document() -> dict[str, Any]:
    operations = [endpoint.operation for endpoint in ENDPOINTS.values()]
    types = dict.fromkeys([ProblemBody, *(kind for operation in operations for kind in _types(operation))])
    adapters = [(kind, "validation", TypeAdapter(kind)) for kind in types]
    made, definitions = TypeAdapter.json_schemas(
        adapters,  # type: ignore[arg-type]  # any hashable is a key
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schemas,
    )
    schemas = {kind: _renamed(schema) for (kind, _), schema in made.items()}
    examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS.values():
        described = _operation(endpoint, schemas, examples.get(endpoint.operation.id, {}))
        paths.setdefault(f"/{endpoint.route}", {})[endpoint.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Form Recognizer model backup",
            "version": VERSION,
            "description": _TEXT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [],
        "security": [{"header": []}, {"query": []}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": {_NAMES.get(name, name): _renamed(schema) for name, schema in definitions["$defs"].items()},
            "securitySchemes": {
                "header": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-functions-key",
                    "description": "The function key.",
                },
                "query": {"type": "apiKey", "in": "query", "name": "code", "description": "The function key."},
            },
        },
    }


def _renamed(schema: Any) -> Any:
    """Return a schema whose references are by the names of ``_NAMES``. It has no titles: they would repeat the names."""
    if isinstance(schema, list):
        return [_renamed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        place, _, name = schema["$ref"].rpartition("/")
        schema = {**schema, "$ref": f"{place}/{_NAMES.get(name, name)}"}
    return {name: _renamed(value) for name, value in schema.items() if name != "title" or not isinstance(value, str)}


def _types(operation: Operation) -> Iterator[Any]:
    """Give every type that an operation names."""
    yield from (parameter.kind for parameter in operation.parameters)
    yield from (reply.body for reply in operation.replies.values() if reply.body is not None)
    if operation.body is not None:
        yield operation.body


def _operation(endpoint: Endpoint, schemas: Mapping[Any, Any], examples: Mapping[str, Any]) -> dict[str, Any]:
    operation = endpoint.operation
    described: dict[str, Any] = {"operationId": operation.id, "tags": [operation.tag], "summary": operation.summary}
    if operation.parameters:
        described["parameters"] = [_parameter(one, schemas[one.kind]) for one in operation.parameters]
    if operation.body is not None:
        content = _content("application/json", schemas[operation.body], examples.get("body"))
        described["requestBody"] = {"required": not operation.body_is_optional, "content": content}
    answers = {status: _reply(reply, schemas, examples.get(str(status))) for status, reply in operation.replies.items()}
    answers |= {
        status: _problem(status, codes, schemas[ProblemBody], examples.get(str(status)))
        for status, codes in problems(endpoint).items()
    }
    described["responses"] = {str(status): answers[status] for status in sorted(answers)}
    return described


def _parameter(parameter: Parameter, schema: Mapping[str, Any]) -> dict[str, Any]:
    default = {} if parameter.default is None else {"default": parameter.default}
    required = {"required": True} if parameter.place == "path" else {}
    about = {"name": parameter.name, "in": parameter.place, **required, "description": parameter.says}
    return {**about, "schema": {**schema, **default}}


def _reply(reply: Reply, schemas: Mapping[Any, Any], example: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"description": reply.says}
    headers = dict.fromkeys(reply.headers, True) | dict.fromkeys(reply.more_headers, False)
    if headers:
        described["headers"] = {name: _header(name, is_required=required) for name, required in headers.items()}
    if reply.body is not None:
        described["content"] = _content("application/json", schemas[reply.body], example)
    if reply.links:
        described["links"] = {
            name: {"operationId": name, "parameters": {"id": expression}} for name, expression in reply.links.items()
        }
    return described


def _problem(status: int, codes: Sequence[str], schema: Mapping[str, Any], example: Any) -> dict[str, Any]:
    of_codes = {**schema, "properties": {"code": {"enum": list(codes)}}}
    described: dict[str, Any] = {
        "description": _OF_STATUS[status],
        "content": _content("application/problem+json", of_codes, example),
    }
    if status in _HEADERS_OF_PROBLEMS:
        name, is_required = _HEADERS_OF_PROBLEMS[status]
        described["headers"] = {name: _header(name, is_required=is_required)}
    return described


def _header(name: str, *, is_required: bool) -> dict[str, Any]:
    schema, text = _HEADERS[name]
    return {"description": text, "required": is_required, "schema": schema}


def _content(media_type: str, schema: Any, example: Any) -> dict[str, Any]:
    return {media_type: {"schema": schema} if example is None else {"schema": schema, "example": example}}


def problems(endpoint: Endpoint) -> dict[int, list[str]]:
    """Return the codes of the problems that a call is answered with, by status: those of its operation, and those that follow from it."""
    operation = endpoint.operation
    codes: dict[int, list[str]] = {status: list(own) for status, own in operation.problems.items()}

    def more(status: int, *following: str) -> None:
        codes[status] = list(dict.fromkeys((*codes.get(status, ()), *following)))

    if operation.body is not None:
        more(400, "MalformedJson", "InvalidRequest", *(["UnknownField"] if operation.refuses_fields else []))
        more(413, "BodyTooLarge")
        more(415, "EncodedBody")
    if any(parameter.place == "query" for parameter in operation.parameters):
        more(400, "InvalidRequest")
    if endpoint.method in REFUSING and not operation.takes_others:
        more(400, "UnknownParameter")
    if endpoint.needs_services:
        more(503, "ConfigurationInvalid", "CatalogUnavailable")
    # of the platform
    more(400, "MalformedRequest")
    more(401, "Unauthorized")
    if "{" in endpoint.route:
        more(404, "UnknownRoute")
    return codes
