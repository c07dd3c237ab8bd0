"""Reading a JSON body into a record, with problems that say which field is wrong and what would be right."""

from __future__ import annotations

import json
import re
from typing import TypeVar
from urllib.parse import quote

import azure.functions as func
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from backup.configuration.checks import first_repeated
from backup.configuration.problems import HIDDEN, in_words, path_of, root_errors
from backup.json_types import Json
from http_start.problems import MOST_ERRORS, Problem, refuse, wrong_input

LONGEST_BODY = 64 * 1024
MOST_MODELS = 100


class Body(BaseModel):
    """A request body: ``camelCase``, and unknown fields are refused."""

    model_config = ConfigDict(
        extra="forbid", alias_generator=to_camel, hide_input_in_errors=True, strict=True, use_attribute_docstrings=True
    )


Record = TypeVar("Record", bound=Body)


def read_body(
    request: func.HttpRequest,
    kind: type[Record],
    hint: str,
    *,
    longest: int = LONGEST_BODY,
    most_models: int | None = MOST_MODELS,
) -> Record:
    """Return the body of ``request``, of ``longest`` bytes at most. ``hint`` says what a right one has. Raises ``Problem``."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise Problem(415, "EncodedBody", "the body is compressed (Content-Encoding); send it as it is")
    body = request.get_body()
    if len(body) > longest:
        detail = f"the body has {len(body)} bytes, and {longest} are allowed; name fewer models"
        raise Problem(413, "BodyTooLarge", detail)
    document = _parsed(body, hint)
    models = document.get("models") if isinstance(document, dict) else None
    if most_models is not None and isinstance(models, list) and len(models) > most_models:
        right = f"name {most_models} at most, or back up the whole resource with a plan"
        raise wrong_input("TooManyModels", [("#/models", f"{len(models)} models are named; {right}")])
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        errors = root_errors(error.errors(include_url=False, include_input=False))
    unknown = f"unknown field; the fields are {', '.join(map(to_camel, kind.model_fields))}"
    details = [
        (_pointer(*entry["loc"]), unknown if _is_unknown(entry) else "; ".join(in_words(entry, "docs/http-api.md")))
        for entry in errors[:MOST_ERRORS]
    ]
    raise wrong_input("UnknownField" if any(map(_is_unknown, errors)) else "InvalidRequest", details)


def _parsed(body: bytes, hint: str) -> Json:
    wrong: list[tuple[dict[str, Json], str, str]] = []

    def checked(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        owner = dict(pairs)
        # JSON readers silently keep the last of two equal names, so the first one would be ignored
        if repeated := first_repeated(name for name, _ in pairs):
            wrong.append((owner, repeated, "occurs twice in one object; write it once"))
        broken = "holds half of a character (a lone surrogate); correct its spelling"
        wrong.extend((owner, name, broken) for name in owner if re.search(r"[\ud800-\udfff]", name))
        return owner

    try:
        document: Json = json.loads(body, object_pairs_hook=checked)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Problem(400, "MalformedJson", f"the body is not JSON{where}; send an object with {hint}") from None
    refuse(
        "InvalidRequest",
        (
            (_pointer(name) if owner is document else "#", f"the name {path_of(name)} {detail}")
            for owner, name, detail in wrong
        ),
    )
    return document


def _pointer(*location: int | str) -> str:
    """Return a JSON pointer as a fragment (RFC 6901). It ends before a name that must not be repeated."""
    pointer = "#"
    for part in location:
        if path_of(part) == HIDDEN:
            return pointer
        pointer += "/" + quote(str(part).replace("~", "~0").replace("/", "~1"))
    return pointer


def _is_unknown(error: ErrorDetails) -> bool:
    return error["type"] == "extra_forbidden"
