"""What v3 and v4 have in common: models as JSON, page tokens, addresses, and reading bodies."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any

from local.simulator.answers import Answer, Json, ServiceError, dump, seconds, v3_error
from local.simulator.call import Call
from local.simulator.models import StoredModel
from local.simulator.versions import V3_BASE, V4_BASE, Generation, is_at_least

MODEL_ID = re.compile(r"^[a-zA-Z0-9][a-zA-Z0-9._~-]{1,63}$")

_PREBUILT = {
    "prebuilt-businessCard": "Extract key information from business cards.",
    "prebuilt-document": "Extract text, tables, structure, and key-value pairs from documents.",
    "prebuilt-idDocument": "Extract key information from passports and ID cards.",
    "prebuilt-invoice": "Extract key information from invoices.",
    "prebuilt-layout": "Extract text and layout information from documents.",
    "prebuilt-read": "Extract text from documents.",
    "prebuilt-receipt": "Extract key information from receipts.",
    "prebuilt-tax.us.w2": "Extract key information from IRS US W2 tax forms.",
}
_NOT_IN_V4 = {"prebuilt-businessCard", "prebuilt-document"}  # v4.0 has neither


def prebuilt_models(api_version: str) -> list[StoredModel]:
    """Return Microsoft's own models, which every list shows, in the order of their ids."""
    created = datetime.fromisoformat(api_version).replace(tzinfo=UTC)
    return [
        StoredModel(model_id, api_version, {"docTypes": {}}, created=created, trained=created, description=text)
        for model_id, text in _PREBUILT.items()
        if api_version < "2024" or model_id not in _NOT_IN_V4
    ]


def base_path(generation: Generation) -> str:
    """Return the first segment of every path."""
    return V4_BASE if generation == "v4" else V3_BASE


def address(call: Call, path: str) -> str:
    """Return the absolute address of ``path`` in this resource, with the caller's api-version."""
    return f"{call.base}{base_path(call.route.generation)}/{path}?api-version={call.route.version}"


def model_summary(model: StoredModel, api_version: str) -> Json:
    """Return a model or classifier as in lists."""
    body: Json = {
        "classifierId" if model.kind == "classifier" else "modelId": model.model_id,
        "createdDateTime": seconds(model.created),
        "apiVersion": model.api_version,
    }
    if model.description is not None:
        body["description"] = model.description
    if model.tags and model.kind == "model":
        body["tags"] = model.tags
    if model.expires is not None:
        body["expirationDateTime"] = seconds(model.expires)
    if is_at_least(api_version, "2024-11-30"):
        if not model.model_id.startswith("prebuilt-"):
            body["modifiedDateTime"] = seconds(model.trained)
        if model.kind == "model":
            body |= {
                name: model.content[name] for name in ("buildMode", "classifierId", "split") if name in model.content
            }
    return body


def model_details(model: StoredModel, api_version: str) -> Json:
    """Return a model or classifier with all its members."""
    body = model_summary(model, api_version)
    body["docTypes"] = _v2_doc_types(model) if model.generation == "v2" else model.content.get("docTypes", {})
    for name in ("warnings", "trainingHours"):
        if name in model.content and is_at_least(api_version, "2024-11-30"):
            body[name] = model.content[name]
    return body


def _v2_doc_types(model: StoredModel) -> Json:
    """Return the docTypes of a v2 model in later versions: one for each of its trainings."""
    results = model.content.get("composedTrainResults") or [model.content.get("trainResult", {})]
    shown: Json = {}
    for result in results:
        fields = {item["fieldName"]: item["accuracy"] for item in result.get("fields", [])}
        shown[f"custom:{result.get('modelId', model.model_id)}"] = {
            "buildMode": "template",
            "fieldSchema": {name: {"type": "string"} for name in fields},
            "fieldConfidence": fields,
        }
    return shown


def page_token(last: str) -> str:
    """Return the token of the page after the item ``last``."""
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def read_page_token(call: Call) -> str:
    """Return the last item of the page before, or an empty text for the first page."""
    token = call.query.get("nextLink", "")
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as wrong:
        raise invalid_parameter("nextLink", "It is not a token of this service.") from wrong


def read_body(call: Call) -> dict[str, Any]:
    """Return the JSON object of a POST; raises the refusal if there is none."""
    if not call.is_json:
        body = {"error": {"code": "UnsupportedMediaType", "message": "Request content type is not supported."}}
        raise ServiceError(Answer(415, dump(body), {"Content-Type": "application/json"}))
    if not call.body.strip():
        raise parameter_missing("body")
    try:
        value = call.json_body()
    except ValueError as wrong:
        raise invalid_parameter("body", "It is not valid JSON.") from wrong
    if not isinstance(value, dict):
        raise invalid_parameter("body", "It is not a JSON object.")
    return value


def read_new_id(body: dict[str, Any], name: str) -> str:
    """Return the id for a new model; raises the refusal if it is not allowed."""
    value = read_text(body, name)
    if not MODEL_ID.match(value) or value.startswith("prebuilt-"):
        raise invalid_parameter(name, f"It must match {MODEL_ID.pattern} and not begin with prebuilt-.")
    return value


def read_text(body: dict[str, Any], name: str) -> str:
    """Return a required string; raises the refusal if it is missing."""
    value = body.get(name)
    if value is None or value == "":
        raise parameter_missing(name)
    if not isinstance(value, str):
        raise invalid_parameter(name, "It must be a string.")
    return value


def read_labels(body: dict[str, Any]) -> tuple[str | None, dict[str, str] | None]:
    """Return description and tags; both are optional."""
    description, tags = body.get("description"), body.get("tags")
    if description is not None and (not isinstance(description, str) or len(description) > 4096):
        raise invalid_parameter("description", "It must be a string of at most 4096 characters.")
    if tags is not None and (not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values())):
        raise invalid_parameter("tags", "They must map names to strings.")
    return description, tags or None


def parameter_missing(name: str) -> ServiceError:
    """Refuse a body without a required member."""
    return v3_error(400, "InvalidArgument", "ParameterMissing", f"The parameter {name} is required.")


def invalid_parameter(name: str, details: str) -> ServiceError:
    """Refuse a member with a wrong value."""
    return v3_error(400, "InvalidArgument", "InvalidParameter", f"The parameter {name} is invalid: {details}")
