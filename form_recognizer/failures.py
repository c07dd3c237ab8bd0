"""The error for an answer that is not a success, by its HTTP status and the service's own codes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from form_recognizer.answers import Answer, ReportedError
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
class Purpose:
    """What a call is for, and what its failures mean.

    ``action`` completes "… could not": "copy model 33f4…". ``missing`` is the error for a 404 and ``conflict`` that for
    a 409; both are ``BadRequest`` if the call cannot have that status. ``starts_copy`` makes 500 with code 1999 a
    refusal.
    """

    action: str
    missing: type[Permanent] = BadRequest
    conflict: type[Permanent] = BadRequest
    starts_copy: bool = False


_BY_SERVICE_CODE: dict[str, tuple[type[Permanent], str]] = {
    "ModelNotReady": (ModelNotReady, "it is a placeholder, or still in training"),
    "DocumentModelLimit": (ModelLimitReached, "the resource is full: delete models there, or ask for a higher limit"),
    "NotSupportedApiVersion": (
        VersionUnsupported,
        "the model was built with another API version: add that version to the resource's apiVersions",
    ),
}

V2_CODES: dict[str, str | None] = {
    "1022": None,  # recorded, with 404: azure-sdk-for-java, FormRecognizerClientTestBase
    "1027": "NotSupportedApiVersion",  # v2.0 reads a model of v2.1: azure-sdk-for-net#14607; analysis: Microsoft Q&A 323545
}
"""The numbers of v2 that have one meaning wherever they were seen: one of the codes above, or a model that is missing (``None``).

Others do not tell: 1001 is a model that is missing, not ready or of another version, and 1002 any request that is wrong.
docs/generations.md lists what was seen of them.
"""

# What other numbers mean is told by the words, which are plain. Each pattern stands for one of the codes above, or for a model that is
# missing (``None``).
_BY_WORDS: tuple[tuple[re.Pattern[str], str | None], ...] = (
    (re.compile(r"\bmodel\b.*\b(not found|does not exist|doesn't exist)", re.IGNORECASE), None),
    (
        re.compile(r"\bmodel\b.*\b(not ready|not in (a )?ready|being trained|still training)", re.IGNORECASE),
        "ModelNotReady",
    ),
    (
        re.compile(r"more than \d+ models|\bmodels? (count )?(limit|quota)|(limit|quota) of models", re.IGNORECASE),
        "DocumentModelLimit",
    ),
    (
        re.compile(r"(incompatible|unsupported|different|not supported).*\bAPI version", re.IGNORECASE),
        "NotSupportedApiVersion",
    ),
    (
        re.compile(r"\bAPI version.*(incompatible|not compatible|unsupported|not supported)", re.IGNORECASE),
        "NotSupportedApiVersion",
    ),
)

_CAUSES: dict[type[ServiceError], str] = {
    ModelNotFound: "the resource does not have this model",
    OperationNotFound: "the service does not know this operation: it keeps operations for a day",
    ModelExists: "a model, or a placeholder of an earlier authorization, has this id",
    CopyRefused: "the service refuses this authorization: ask for a new one",
}

# v2 answers this for a source model that it does not have (recorded 2020-06): a repetition cannot help.
_COPY_FAILED_FOR_GOOD = "1999"


def failure_of(answer: Answer, purpose: Purpose) -> ServiceError:
    """Return the error for an answer that is not a success."""
    reported = answer.reported_error()
    leaf, cause = _classify(answer, reported, purpose)
    retry_after = answer.retry_after(reported.message)
    if leaf is Throttled and retry_after is not None:
        cause += f", wait {retry_after:.10g} s"
    quote = f" The service says: {reported.message}" if reported.message else ""
    return answer.error(
        leaf,
        f"{answer.resource} could not {purpose.action} ({answer.status}): {cause}.{quote}",
        service_code=reported.code,
        retry_after=retry_after,
    )


def _classify(answer: Answer, reported: ReportedError, purpose: Purpose) -> tuple[type[ServiceError], str]:
    status = answer.status
    if status >= 500:
        return _server_side(answer, reported, purpose)
    if status in (401, 403):
        return AccessDenied, "access is denied: check the resource's key or role assignment, and its network rules"
    if status == 408:
        return NoAnswer, "the request did not arrive whole in time"
    if status == 410:
        return VersionRetired, "the service has retired this API version: configure a later one"
    if status == 429:
        return Throttled, "too many calls"
    for code in reversed(reported.codes):
        if status == 400 and code in _BY_SERVICE_CODE:
            return _BY_SERVICE_CODE[code]
    if status == 400 and (told := _by_number(reported, purpose)):
        return told
    if status == 404:
        return _not_found(reported, purpose)
    if status == 409:
        return purpose.conflict, _CAUSES.get(purpose.conflict, "it conflicts with the state of the resource")
    return BadRequest, "the service refuses the request as wrong: check the configuration of the resource"


def _by_number(reported: ReportedError, purpose: Purpose) -> tuple[type[ServiceError], str] | None:
    """Return what a numbered error says by its number or its words; ``None`` if nothing that is known, or several things at once."""
    if not any(code.isdigit() for code in reported.codes):
        return None
    told = {V2_CODES[code] for code in reported.codes if code in V2_CODES}
    if not told:
        told = {word for pattern, word in _BY_WORDS if pattern.search(reported.message or "")}
    if len(told) != 1:
        return None
    word = told.pop()
    if word is not None:
        return _BY_SERVICE_CODE[word]
    return None if purpose.missing is BadRequest else (purpose.missing, _CAUSES[purpose.missing])


def _server_side(answer: Answer, reported: ReportedError, purpose: Purpose) -> tuple[type[ServiceError], str]:
    if answer.status == 500 and purpose.starts_copy and _COPY_FAILED_FOR_GOOD in reported.codes:
        return CopyRefused, "the service refuses to copy this model: as a rule, the source does not have it"
    if answer.status == 503 and answer.retry_after() is not None:
        return ServiceBusy, "the service is busy"
    return ServerError, "the service failed, and the call may have taken effect"


def _not_found(reported: ReportedError, purpose: Purpose) -> tuple[type[ServiceError], str]:
    # 404 as the code comes from the gateway, which knows paths and no models; for a model the service sends 1022 (v2)
    # or NotFound with an innererror. For an operation it is not recorded, so every 404 counts.
    from_gateway = purpose.missing is ModelNotFound and reported.codes == ("404",)
    if purpose.missing is BadRequest or from_gateway:
        return BadRequest, "nothing is at this path: check the resource's endpoint and API version"
    return purpose.missing, _CAUSES[purpose.missing]
