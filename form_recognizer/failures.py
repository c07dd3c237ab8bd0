"""From an HTTP status and the service's own codes to the error that says what to do."""

from __future__ import annotations

from dataclasses import dataclass

from form_recognizer.answers import Answer, Fault
from form_recognizer.errors import (
    AccessDenied,
    BadRequest,
    CopyRefused,
    ModelExists,
    ModelLimitReached,
    ModelNotFound,
    ModelNotReady,
    NoAnswer,
    OperationNotFound,
    Permanent,
    ServerError,
    ServiceBusy,
    ServiceError,
    Throttled,
    VersionRetired,
    VersionUnsupported,
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a call tried, where that decides what a failure means.

    ``what`` completes "… could not": "copy model 33f4…". ``missing`` is the leaf for a 404 and ``conflict`` that for a
    409; both are ``BadRequest`` where the status makes no sense for the call. ``starts_copy`` makes 500 with code 1999
    a refusal.
    """

    what: str
    missing: type[Permanent] = BadRequest
    conflict: type[Permanent] = BadRequest
    starts_copy: bool = False


_BY_SERVICE_CODE: dict[str, tuple[type[Permanent], str]] = {
    "ModelNotReady": (ModelNotReady, "it is a placeholder, or still being built"),
    "DocumentModelLimit": (ModelLimitReached, "the resource is full: delete models there, or have its limit raised"),
    "NotSupportedApiVersion": (
        VersionUnsupported,
        "the model was built with another API version: add that version to the resource's apiVersions",
    ),
}

_CAUSES: dict[type[ServiceError], str] = {
    ModelNotFound: "there is no such model",
    OperationNotFound: "there is no such operation: it ended too long ago (they are kept for a day), or never was",
    ModelExists: "the id is taken there, by a model or by a placeholder that an earlier authorization left",
    CopyRefused: "the service refuses to copy with this authorization: authorize anew",
}

# The service answers an unknown source model so on v2 (recorded 2020-06), which no repetition heals.
_COPY_FAILED_FOR_GOOD = "1999"


def failure_of(answer: Answer, attempt: Attempt) -> ServiceError:
    """Return the error for an answer that is not a success."""
    fault = answer.fault()
    leaf, cause = _classify(answer, fault, attempt)
    retry_after = answer.retry_after(fault.message)
    if leaf is Throttled and retry_after is not None:
        cause += f", wait {retry_after:g} s"
    said = f" The service says: {fault.message}" if fault.message else ""
    return leaf(
        f"{answer.resource} could not {attempt.what} ({answer.status}): {cause}.{said}",
        resource=answer.resource,
        status=answer.status,
        service_code=fault.code,
        request_id=answer.request_id,
        retry_after=retry_after,
    )


def _classify(answer: Answer, fault: Fault, attempt: Attempt) -> tuple[type[ServiceError], str]:
    status = answer.status
    if status >= 500:
        return _server_side(answer, fault, attempt)
    if status in (401, 403):
        return AccessDenied, ("access is denied: check its key or role assignment, or its network rules")
    if status == 408:
        return NoAnswer, "the request did not arrive whole in time"
    if status == 410:
        return VersionRetired, "the service has retired this API version: configure a newer one"
    if status == 429:
        return Throttled, "too many calls"
    for code in reversed(fault.codes):
        if status == 400 and code in _BY_SERVICE_CODE:
            return _BY_SERVICE_CODE[code]
    if status == 404:
        return _not_found(fault, attempt)
    if status == 409:
        return attempt.conflict, _CAUSES.get(attempt.conflict, "it conflicts with something there")
    return BadRequest, "the service does not accept the request: check the configuration of the resource"


def _server_side(answer: Answer, fault: Fault, attempt: Attempt) -> tuple[type[ServiceError], str]:
    if answer.status == 500 and attempt.starts_copy and _COPY_FAILED_FOR_GOOD in fault.codes:
        return CopyRefused, "the service will not copy this model: mostly there is no such model in the source"
    if answer.status == 503 and answer.retry_after() is not None:
        return ServiceBusy, "the service is busy"
    return ServerError, "the service failed, and the call may have had its effect"


def _not_found(fault: Fault, attempt: Attempt) -> tuple[type[ServiceError], str]:
    # The gateway, which knows paths and no models, answers so; about a model the service itself sends 1022 (v2) or
    # NotFound with an innererror. What it says about an operation that it forgot is not recorded: there any 404 is
    # taken for that.
    from_gateway = attempt.missing is ModelNotFound and fault.codes == ("404",)
    if attempt.missing is BadRequest or from_gateway:
        return BadRequest, "nothing is at this path: check the resource's endpoint and API version"
    return attempt.missing, _CAUSES[attempt.missing]
