"""Reading a JSON body into a record, with problems that say which field is wrong and what would be right."""

from __future__ import annotations

import json
from typing import TypeVar

import azure.functions as func
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from backup.configuration_problems import problems_of
from http_start.problems import Problem

LONGEST_BODY = 64 * 1024
MOST_MODELS = 100


class Body(BaseModel):
    """A request body: ``camelCase``, and a field that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, hide_input_in_errors=True, strict=True)


Record = TypeVar("Record", bound=Body)


def read_body(request: func.HttpRequest, kind: type[Record], hint: str) -> Record:
    """Return the body of ``request``. ``hint`` says what a good one has. Raises ``Problem``."""
    body = request.get_body()
    if len(body) > LONGEST_BODY:
        detail = f"the body has {len(body)} bytes and may have {LONGEST_BODY}: ask for fewer models at once"
        raise Problem(413, "BodyTooLarge", detail)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Problem(400, "MalformedJson", f"the body is not JSON{where}; send an object with {hint}") from None
    models = document.get("models") if isinstance(document, dict) else None
    if isinstance(models, list) and len(models) > MOST_MODELS:
        raise Problem(
            400,
            "TooManyModels",
            f"{len(models)} models are named; name {MOST_MODELS} at most, or leave it to a plan to back up the whole resource",
            [{"pointer": "#/models", "detail": f"at most {MOST_MODELS}"}],
        )
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise _problem_of(error, kind) from None


def _problem_of(error: ValidationError, kind: type[Body]) -> Problem:
    details = error.errors(include_url=False, include_input=False)
    found = problems_of(details)
    errors = [{"pointer": "#/" + one.field.replace(".", "/"), "detail": f"{one.wrong}; {one.right}"} for one in found]
    unknown = any(one["type"] == "extra_forbidden" for one in details)
    if unknown:
        fields = ", ".join(to_camel(name) for name in kind.model_fields)
        for entry, one in zip(errors, details, strict=False):
            if one["type"] == "extra_forbidden":
                entry["detail"] = f"there is no such field; the fields are {fields}"
    said = "; ".join(f"{entry['pointer'].removeprefix('#/') or 'the body'}: {entry['detail']}" for entry in errors)
    return Problem(400, "UnknownField" if unknown else "InvalidRequest", said, errors)
