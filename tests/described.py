"""Compares answers of the app with its OpenAPI document: each must be described, with every field."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

import function_app
from http_start.openapi import document
from local.conformance import strict
from local.inprocess import Answer

assert function_app.app, "its modules register what the document describes"


@functools.cache
def described() -> dict[str, Any]:
    """Return the document; its answers have no fields but those that it names."""
    return strict(document())


@functools.cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Return the paths of the document as patterns, those without parameters first."""
    paths = sorted(described()["paths"], key=lambda path: path.count("{"))
    return [
        (re.compile("/api" + re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "/?", re.IGNORECASE), path)
        for path in paths
    ]


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """Return the operation that answers ``path`` (with or without a query), or ``None``."""
    for pattern, template in _patterns():
        operation: dict[str, Any] | None = described()["paths"][template].get(method.lower())
        if operation is not None and pattern.fullmatch(path.partition("?")[0]):
            return operation
    return None


@functools.cache
def _validator(operation: str, status: str, media_type: str) -> Draft202012Validator:
    (found,) = [
        one for path in described()["paths"].values() for one in path.values() if one["operationId"] == operation
    ]
    schema = found["responses"][status]["content"][media_type]["schema"]
    return Draft202012Validator({"components": described()["components"], **schema}, format_checker=None)


def check(method: str, path: str, status: int, headers: Mapping[str, str], body: Any) -> str:
    """Fail unless this answer is described. Return the operation and the status, such as ``getRun 200``."""
    where = f"{method} {path}: {status}"
    operation = operation_of(method, path)
    if operation is None:
        assert status == 404, f"{where}: no operation has this path"
        return "404"
    answer = operation["responses"].get(str(status))
    assert answer is not None, f"{where}: this status is not described: {body}"
    sent = {name.lower() for name in headers}
    for name, header in answer.get("headers", {}).items():
        assert name.lower() in sent or not header["required"], f"{where}: has no header {name}"
    if "content" not in answer:
        assert not body, f"{where}: no body is described"
    else:
        media_type = headers["content-type"].partition(";")[0]
        assert media_type in answer["content"], f"{where}: {media_type} is not described"
        errors = sorted(_validator(operation["operationId"], str(status), media_type).iter_errors(body), key=str)
        assert not errors, f"{where}: {errors[0].json_path}: {errors[0].message}"
    return f"{operation['operationId']} {status}"


def checked(method: str, path: str, answer: Answer) -> Answer:
    """Return ``answer`` if it is described; otherwise fail."""
    check(method, path, answer.status, answer.headers, answer.body)
    return answer


def check_raw(method: str, path: str, status: int, headers: Mapping[str, str], raw: bytes) -> str:
    """The same with a body as it was sent."""
    return check(method, path, status, headers, json.loads(raw) if raw else None)
