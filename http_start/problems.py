"""Errors as RFC 9457 problem details that say what to change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NotRequired, TypeAlias
from urllib.parse import unquote

import azure.functions as func

from backup.json_types import Described

ProblemCode: TypeAlias = Literal[
    "MalformedJson",
    "EncodedBody",
    "BodyTooLarge",
    "InvalidRequest",
    "UnknownField",
    "UnknownParameter",
    "UnknownResource",
    "SameSourceAndTarget",
    "ImpossibleModelId",
    "TooManyModels",
    "UnknownPlan",
    "NoPlans",
    "UnknownModel",
    "UnknownVersion",
    "PlanAlreadyRunning",
    "UnknownRun",
    "CopyInProgress",
    "ConfigurationInvalid",
    "CatalogUnavailable",
    "RuntimeUnavailable",
    "StartFailed",
]
PlatformCode: TypeAlias = Literal["MalformedRequest", "Unauthorized", "UnknownRoute"]
"""The codes of the embedded host, for what the platform refuses before the app is asked (``BodyTooLarge`` is one of them, too)."""

TITLES: Mapping[ProblemCode, str] = {
    "MalformedJson": "The body is not JSON",
    "EncodedBody": "The body is compressed",
    "BodyTooLarge": "The body is too large",
    "InvalidRequest": "The request has wrong values",
    "UnknownField": "The request has a field that does not exist",
    "UnknownParameter": "The request has a query parameter that does not exist",
    "UnknownResource": "The request names a resource that is not configured",
    "SameSourceAndTarget": "A model cannot be copied onto its own resource",
    "ImpossibleModelId": "The model id is impossible",
    "TooManyModels": "Too many models in one request",
    "UnknownPlan": "The request names a plan that is not configured",
    "NoPlans": "The configuration has no plans",
    "UnknownModel": "The catalog does not know this model",
    "UnknownVersion": "The catalog knows no usable copy of this version",
    "PlanAlreadyRunning": "Another run of this plan is under way",
    "UnknownRun": "This run does not exist",
    "CopyInProgress": "Every requested model is being copied already",
    "ConfigurationInvalid": "The app's configuration cannot be used",
    "CatalogUnavailable": "The catalog does not answer",
    "RuntimeUnavailable": "The Durable Functions runtime does not answer",
    "StartFailed": "The run could not be started",
}


class FieldError(Described):
    """What is wrong with one field of the body, or with one query parameter."""

    pointer: NotRequired[str]
    """The field, as a JSON pointer in a fragment (RFC 6901): ``#/models/0``."""
    parameter: NotRequired[str]
    """The query parameter."""
    detail: str
    """What to change there."""


class ProblemBody(Described):
    """An error (RFC 9457). An answer of the platform on Azure may have no body: decide by the status then."""

    type: str
    """A URN that ends with the code."""
    title: str
    """The code in words."""
    status: int
    """The HTTP status."""
    code: Literal[ProblemCode, PlatformCode]
    """What is wrong, as a word that does not change."""
    detail: str
    """What is wrong with this request, and what to change."""
    errors: NotRequired[list[FieldError]]
    """The fields or parameters that are wrong."""
    runs: NotRequired[list[str]]
    """The addresses of the runs that block the request."""


@dataclass(eq=False)
class Problem(Exception):
    """A request that gets an error as its answer: ``code`` is one of ``TITLES``, ``detail`` says what is wrong and what to change.

    ``errors`` say it for single fields (``pointer``) or query parameters (``parameter``), each with its ``detail``.
    """

    status: int
    code: ProblemCode
    detail: str
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    runs: Sequence[str] = ()
    """The addresses of the runs that block the request."""

    def response(self) -> func.HttpResponse:
        """Return it as ``application/problem+json``."""
        body: ProblemBody = {
            "type": f"urn:form-recognizer-model-backup:problem:{self.code}",
            "title": TITLES[self.code],
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = list(self.errors)
        if self.runs:
            body["runs"] = list(self.runs)
        return func.HttpResponse(
            json.dumps(body, ensure_ascii=False),
            status_code=self.status,
            headers=dict(self.headers),
            mimetype="application/problem+json",
        )


MOST_ERRORS = 100
"""How many errors one answer lists: every model of a request may have one."""


def wrong_input(code: ProblemCode, errors: Sequence[tuple[str, str]]) -> Problem:
    """Return the problem (400) of fields or query parameters that are wrong. It lists the first hundred, and its detail has five.

    ``errors`` are pairs of a place (a JSON pointer such as ``#/models/0``, or the name of a parameter) and what to change there.
    """
    errors = errors[:MOST_ERRORS]
    details = [f"{unquote(place).lstrip('#/') or 'the body'}: {detail}" for place, detail in errors[:5]]
    entries: list[FieldError] = [
        {"pointer": place, "detail": detail} if place.startswith("#") else {"parameter": place, "detail": detail}
        for place, detail in errors
    ]
    return Problem(400, code, "; ".join(details), entries)


def refuse(code: ProblemCode, errors: Iterable[tuple[str, str]]) -> None:
    """Raise :func:`wrong_input` if there are any errors."""
    if errors := list(errors):
        raise wrong_input(code, errors)


def unavailable(code: ProblemCode, detail: str, retry_after: int = 10) -> Problem:
    """Return the problem (503) that something the app needs does not work now. ``retry_after`` is in seconds."""
    return Problem(503, code, detail, headers={"Retry-After": str(retry_after)})
