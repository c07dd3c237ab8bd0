"""The client of the Form Recognizer (Document Intelligence) service, on ``requests``: one class per generation, one interface.

One method is one attempt: nothing here waits, retries or follows. What to do about a failure is the caller's to decide, by the leaf of the
error tree that :mod:`form_recognizer.errors` draws. Neither orchestration nor configuration belongs here.
"""

from form_recognizer.credentials import (
    COGNITIVE_SERVICES_SCOPE,
    ApiKey,
    AuthHeader,
    Credential,
    CredentialUnavailableError,
    EntraToken,
)
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
from form_recognizer.service import CopyTarget, ModelPage, ModelService
from form_recognizer.transport import ResourceConnection, Timeouts, Transport

__all__ = [
    "COGNITIVE_SERVICES_SCOPE",
    "AccessDenied",
    "ApiKey",
    "AuthHeader",
    "BadRequest",
    "CopyRefused",
    "CopyTarget",
    "Credential",
    "CredentialUnavailableError",
    "EntraToken",
    "ModelExists",
    "ModelLimitReached",
    "ModelNotFound",
    "ModelNotReady",
    "ModelPage",
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
