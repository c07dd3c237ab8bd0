"""Errors as RFC 9457 problem details that say what to change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import azure.functions as func

TITLES = {
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
    "PlanAlreadyRunning": "Another run of this plan is under way",
    "UnknownRun": "This run does not exist",
    "CopyInProgress": "Every requested model is being copied already",
    "ConfigurationInvalid": "The app's configuration cannot be used",
    "CatalogUnavailable": "The catalog does not answer",
    "RuntimeUnavailable": "The Durable Functions runtime does not answer",
    "StartFailed": "The run could not be started",
}


@dataclass(eq=False)
class Problem(Exception):
    """A request that gets an error as its answer: ``code`` is one of ``TITLES``, ``detail`` says what is wrong and what to change.

    ``errors`` say it for single fields (``pointer``) or query parameters (``parameter``), each with its ``detail``.
    """

    status: int
    code: str
    detail: str
    errors: Sequence[Mapping[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    runs: Sequence[str] = ()
    """The addresses of the runs that block the request."""

    def response(self) -> func.HttpResponse:
        """Return it as ``application/problem+json``."""
        body: dict[str, Any] = {
            "type": f"urn:form-recognizer-model-backup:problem:{self.code}",
            "title": TITLES[self.code],
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        lists = {"errors": self.errors, "runs": self.runs}
        return func.HttpResponse(
            json.dumps(body | {name: entries for name, entries in lists.items() if entries}, ensure_ascii=False),
            status_code=self.status,
            headers=dict(self.headers),
            mimetype="application/problem+json",
        )


def wrong_input(code: str, errors: Sequence[tuple[str, str]]) -> Problem:
    """Return the problem (400) of fields or query parameters that are wrong. Its detail has the first five.

    ``errors`` are pairs of a place (a JSON pointer such as ``#/models/0``, or the name of a parameter) and what to change there.
    """
    details = [f"{unquote(place).lstrip('#/') or 'the body'}: {detail}" for place, detail in errors[:5]]
    kinds = ("pointer" if place.startswith("#") else "parameter" for place, _ in errors)
    entries = [{kind: place, "detail": detail} for kind, (place, detail) in zip(kinds, errors, strict=True)]
    return Problem(400, code, "; ".join(details), entries)


def refuse(code: str, errors: Iterable[tuple[str, str]]) -> None:
    """Raise :func:`wrong_input` if there are any errors."""
    if errors := list(errors):
        raise wrong_input(code, errors)


def unavailable(code: str, detail: str, retry_after: int = 10) -> Problem:
    """Return the problem (503) that something the app needs does not work now. ``retry_after`` is in seconds."""
    return Problem(503, code, detail, headers={"Retry-After": str(retry_after)})
