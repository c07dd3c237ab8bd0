"""Reading a JSON body into a record, with problems that say which field is wrong and what would be right."""

from __future__ import annotations

import json
from typing import TypeVar
from urllib.parse import quote

import azure.functions as func
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from backup.configuration.checks import first_repeated
from backup.configuration.problems import HIDDEN, in_words, path_of, worth_telling
from backup.json_types import Json
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
    document = _parsed(body, hint)
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


def _parsed(body: bytes, hint: str) -> Json:
    wrong: list[tuple[dict[str, Json], str, str]] = []

    def checked(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        owner = dict(pairs)
        # JSON readers silently keep the last of two equal names: what was asked for first would not be done
        if repeated := first_repeated(name for name, _ in pairs):
            wrong.append((owner, repeated, "occurs twice in one object; write it once"))
        wrong.extend(
            (owner, name, "holds half of a character (a lone surrogate); correct its spelling")
            for name in owner
            if _is_broken(name)
        )
        return owner

    try:
        document: Json = json.loads(body, object_pairs_hook=checked)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Problem(400, "MalformedJson", f"the body is not JSON{where}; send an object with {hint}") from None
    if wrong:
        errors = [
            {"pointer": _pointer(name) if owner is document else "#", "detail": f"{path_of(name)} {detail}"}
            for owner, name, detail in wrong
        ]
        raise Problem(400, "InvalidRequest", "; ".join(entry["detail"] for entry in errors), errors)
    return document


def _problem_of(error: ValidationError, kind: type[Body]) -> Problem:
    details = worth_telling(error.errors(include_url=False, include_input=False))
    errors, messages = [], []
    for error_detail in details:
        wrong = "; ".join(in_words(error_detail, "docs/http-api.md"))
        if error_detail["type"] == "extra_forbidden":
            wrong = f"unknown field; the fields are {', '.join(to_camel(name) for name in kind.model_fields)}"
        errors.append({"pointer": _pointer(*error_detail["loc"]), "detail": wrong})
        messages.append(f"{path_of(*error_detail['loc']).replace('.', '/') or 'the body'}: {wrong}")
    unknown = any(entry["type"] == "extra_forbidden" for entry in details)
    return Problem(400, "UnknownField" if unknown else "InvalidRequest", "; ".join(messages), errors)


def _pointer(*location: int | str) -> str:
    """Return a JSON pointer as a fragment (RFC 6901), to where a name may be repeated at most."""
    pointer = "#"
    for part in location:
        if path_of(part) == HIDDEN:
            return pointer
        pointer += "/" + quote(str(part).replace("~", "~0").replace("/", "~1"))
    return pointer


def _is_broken(name: str) -> bool:
    """Tell whether ``name`` holds half of a surrogate pair, which JSON can write and no text can hold."""
    return any("\ud800" <= character <= "\udfff" for character in name)
