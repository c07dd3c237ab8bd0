"""Answers of the service: bodies, headers and the error envelopes of each generation."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = dict[str, Any]

UTF8_JSON = "application/json; charset=utf-8"
PLAIN_JSON = "application/json"  # v3 and later send errors without a charset (recorded)


@dataclass(slots=True)
class Answer:
    """One HTTP answer, before a fault changes it."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_answer(body: Json, status: int = 200, **headers: str) -> Answer:
    """Return an answer with a JSON body; ``headers`` have underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, dump(body), {"Content-Type": UTF8_JSON, **named})


def dump(body: Json) -> bytes:
    """Return JSON without spaces, as the service writes it."""
    try:
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair can be sent escaped only
        return json.dumps(body, separators=(",", ":")).encode()


class ServiceError(Exception):
    """A refused request: raised at any depth, and answered in :mod:`local.simulator.door`."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"answered {answer.status}")
        self.answer = answer


def gateway_error(status: int, message: str, **headers: str) -> ServiceError:
    """Refuse at the gateway: there, in every generation, the code is the status, and there is no innererror."""
    return ServiceError(json_answer({"error": {"code": str(status), "message": message}}, status, **headers))


def resource_not_found() -> ServiceError:
    """Refuse a path without a route, also a path with an empty id (recorded)."""
    return gateway_error(404, "Resource not found")


def access_denied() -> ServiceError:
    """Refuse a missing or wrong key."""
    return gateway_error(
        401,
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for "
        "an active subscription and use a correct regional API endpoint for your resource.",
    )


def subdomain_needed() -> ServiceError:
    """Refuse a token at a regional endpoint (azure-sdk-for-net#12789, 2020-08)."""
    text = (
        "Please provide a custom subdomain for token authentication, otherwise API key is required. (Please see "
        "https://aka.ms/cogsvc-authenticatewithtoken)"
    )
    return ServiceError(json_answer({"error": {"code": "BadRequest", "message": text}}, 400))


def version_retired() -> ServiceError:
    """Refuse a retired version (seen for v2.0 since summer 2026)."""
    body = {"error": {"code": "Gone", "message": "The requested API version has been retired."}}
    return ServiceError(json_answer(body, 410))


def too_many_requests(operation: str, window: int, retry_after: int, version: str, tier: str) -> ServiceError:
    """Refuse by a rate limit; ``window`` and ``retry_after`` are in seconds. Text and headers are recorded on an S0
    resource."""
    message = (
        f"Requests to the {operation} Operation under Form Recognizer API ({version}) have exceeded [call] rate limit "
        f"of your current FormRecognizer {tier} pricing tier. Please retry after {retry_after} seconds. Please contact "
        "Azure support service if you would like to further increase the default rate limit."
    )
    return gateway_error(429, message, Retry_After=str(retry_after), policy_id=f"ResourceRateLimitBy{window}s")


def v2_error(status: int, code: str, message: str) -> ServiceError:
    """Refuse in v2, where codes are numbers in strings."""
    return ServiceError(json_answer({"error": {"code": code, "message": message}}, status))


def v2_model_not_found(model_id: str) -> ServiceError:
    """Refuse an unknown v2 id (recorded, code 1022)."""
    return v2_error(404, "1022", f"Model with 'id={model_id}' not found.")


_OUTER_MESSAGES = {
    "InvalidRequest": "Invalid request.",
    "InvalidArgument": "Invalid argument.",
    "NotFound": "Resource not found.",
    "Conflict": "The request could not be completed due to a conflict.",
    "Forbidden": "Access forbidden due to policy or other configuration.",
    "InternalServerError": "An unexpected error occurred.",
}


def v3_error(status: int, code: str, inner_code: str, inner_message: str) -> ServiceError:
    """Refuse in v3 and later: the code is a word, and ``innererror`` holds the reason (in v2: ``innerError``)."""
    body = {
        "error": {
            "code": code,
            "message": _OUTER_MESSAGES[code],
            "innererror": {"code": inner_code, "message": inner_message},
        }
    }
    return ServiceError(Answer(status, dump(body), {"Content-Type": PLAIN_JSON}))


def v3_not_found(inner_code: str = "ModelNotFound") -> ServiceError:
    """Refuse an unknown model, classifier or operation."""
    messages = {
        "ModelNotFound": "The requested model was not found.",
        "OperationNotFound": "The requested operation was not found.",
    }
    return v3_error(404, "NotFound", inner_code, messages[inner_code])


def seconds(moment: datetime) -> str:
    """Return a time as in most answers: whole seconds, Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def seven_digits(moment: datetime) -> str:
    """Return a time with up to seven fractional digits, as in v2 after a copy has ended (no trailing zeros)."""
    fraction = f"{moment.microsecond:06d}0".rstrip("0")
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}Z" if fraction else "Z")
