"""The client of the Form Recognizer (Document Intelligence) service: one interface, one class for each generation.

A method makes one attempt: nothing here waits, retries or follows a redirect. The caller decides what a failure means,
by the tree of errors in :mod:`form_recognizer.errors`. Orchestration and configuration do not belong here.
"""

from form_recognizer.credentials import ApiKey, Credential, EntraToken
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
    OperationUnknown,
    OutcomeUnknown,
    Permanent,
    RetryAfter,
    ServerError,
    ServiceBusy,
    ServiceError,
    Throttled,
    Unreachable,
    UnreadableAnswer,
    UntrustedAddress,
    VersionRetired,
    VersionUnsupported,
)
from form_recognizer.factory import open_service
from form_recognizer.service import CopyTarget, ModelService
from form_recognizer.transport import ResourceConnection, Timeouts, Transport

__all__ = [
    "AccessDenied",
    "ApiKey",
    "BadRequest",
    "CopyRefused",
    "CopyTarget",
    "Credential",
    "EntraToken",
    "ModelExists",
    "ModelLimitReached",
    "ModelNotFound",
    "ModelNotReady",
    "ModelService",
    "NoAnswer",
    "OperationNotFound",
    "OperationUnknown",
    "OutcomeUnknown",
    "Permanent",
    "ResourceConnection",
    "RetryAfter",
    "ServerError",
    "ServiceBusy",
    "ServiceError",
    "Throttled",
    "Timeouts",
    "Transport",
    "Unreachable",
    "UnreadableAnswer",
    "UntrustedAddress",
    "VersionRetired",
    "VersionUnsupported",
    "open_service",
]
