"""Errors as RFC 9457 problem details that say what to change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import azure.functions as func

TITLES = {
    "MalformedJson": "The body is not JSON",
    "BodyTooLarge": "The body is too large",
    "InvalidRequest": "The request cannot be carried out as it is",
    "UnknownField": "The request has a field that does not exist",
    "UnknownParameter": "The request has a query parameter that does not exist",
    "UnknownResource": "The request names a resource that is not configured",
    "SameSourceAndTarget": "A model cannot be copied onto its own resource",
    "ImpossibleModelId": "No model can have this id",
    "TooManyModels": "Too many models in one request",
    "UnknownPlan": "The request names a plan that is not configured",
    "UnknownModel": "The catalog does not know this model",
    "PlanAlreadyRunning": "Another run of this plan is under way",
    "UnknownRun": "This run does not exist",
    "CopyInProgress": "Every model asked for is being copied already",
    "ConfigurationInvalid": "The app's configuration cannot be used",
    "CatalogUnavailable": "The catalog does not answer",
    "RuntimeUnavailable": "The Durable Functions runtime does not answer",
    "StartFailed": "The run could not be started",
}


class Problem(Exception):
    """A request that is answered with an error. ``code`` is one of ``TITLES``."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        """Say what is wrong (``detail``), where (``errors``: ``pointer`` or ``parameter``, and ``detail``), and what else helps."""
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.more = more

    def response(self) -> func.HttpResponse:
        """Return it as ``application/problem+json``."""
        body: dict[str, Any] = {
            "type": f"urn:form-recognizer-model-backup:problem:{self.code}",
            "title": TITLES[self.code],
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = self.errors
        return func.HttpResponse(
            json.dumps({**body, **self.more}, ensure_ascii=False),
            status_code=self.status,
            headers=self.headers,
            mimetype="application/problem+json",
        )
