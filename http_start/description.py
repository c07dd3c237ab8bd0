"""``GET /api/openapi.json``: what this API takes and answers."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df
import azure.functions as func

from http_start.answers import base_address, endpoint, json_response
from http_start.openapi import document
from http_start.operations import Operation, Reply

blueprint = df.Blueprint()


@endpoint(
    blueprint,
    "get_openapi",
    "GET",
    "openapi.json",
    Operation(
        "getDescription",
        "health",
        "This document: what the API takes and answers",
        {200: Reply("An OpenAPI 3.1 document.", dict[str, Any])},
    ),
    needs=bool,
)
def get_openapi(req: func.HttpRequest, _app: object) -> func.HttpResponse:
    """Return the OpenAPI document, also while the configuration or the catalog cannot be used."""
    return json_response(document({"url": base_address(req), "description": "This app."}))
