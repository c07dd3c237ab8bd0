"""Every way in which a call to the service can fail, and what the caller should do about it.

::

    ServiceError
    ├── RetryAfter               the service did nothing: wait (``retry_after`` seconds if it names a time), then repeat
    │   ├── Throttled             429
    │   ├── ServiceBusy           503 with Retry-After
    │   ├── Unreachable           no connection: name not found, refused, TLS failed, timed out while connecting
    │   └── AccessDenied          401, 403: key, identity or network rules are wrong; a person may be correcting them
    ├── Permanent                a repetition cannot help
    │   ├── BadRequest            400 and every other 4xx without an error of its own
    │   ├── ModelNotFound         404 for a model
    │   ├── OperationNotFound     404 for an operation: it ended more than a day ago, or never existed
    │   ├── ModelNotReady         400 ModelNotReady: the model is a placeholder
    │   ├── ModelExists           409 for an authorization (v3 and later)
    │   ├── ModelLimitReached     400 DocumentModelLimit
    │   ├── VersionUnsupported    400 NotSupportedApiVersion: the model is of another generation
    │   ├── VersionRetired        410
    │   ├── CopyRefused           409 for a copy, or 500 with code 1999: the service refuses this authorization
    │   └── UntrustedAddress      an address in the answer leads to another host; it is not followed
    └── OutcomeUnknown           the call may have taken effect: check before a repetition (a read: repeat it)
        ├── NoAnswer              timed out or cut off after the request was sent; 408
        ├── ServerError           500, 502, 503 without Retry-After, 504
        ├── UnreadableAnswer      no JSON, not the documented fields, cut short, or too large
        └── OperationUnknown      202 for a copy, without an operation that can be trusted

Every error has a ``code``, which is documented and does not change, and a ``message``, which says what happened and
what to do. No message holds a key, a token or the body of a request.
"""

from __future__ import annotations


class ServiceError(Exception):
    """A call to the service failed. Only the leaves of the tree are raised.

    Parameters
    ----------
    message: fit for a person and for a log.
    resource: the resource's name in the configuration.
    status: the HTTP status, if there was an answer.
    service_code: the code in the service's own error.
    request_id: the id by which the service's support finds the call.
    retry_after: seconds to wait, if the service named a time.
    target_model_id: the placeholder that a failed authorization left in the target, if the answer names it.
    """

    def __init__(
        self,
        message: str,
        *,
        resource: str = "",
        status: int | None = None,
        service_code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        target_model_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.resource = resource
        self.status = status
        self.service_code = service_code
        self.request_id = request_id
        self.retry_after = retry_after
        self.target_model_id = target_model_id
        self.flaw: str | None = None
        """What is wrong with an answer that cannot be used, in a few words."""

    @property
    def code(self) -> str:
        """The name of the class."""
        return type(self).__name__


class RetryAfter(ServiceError):
    """The service did nothing: wait, then repeat the call."""


class Permanent(ServiceError):
    """A repetition of the call cannot help."""


class OutcomeUnknown(ServiceError):
    """The call may have taken effect: check before a repetition. A read can simply be repeated."""


class Throttled(RetryAfter):
    """429: too many calls. ``retry_after`` comes from the header or from the text of the error."""


class ServiceBusy(RetryAfter):
    """503 with Retry-After."""


class Unreachable(RetryAfter):
    """No connection was made, so nothing was sent."""


class AccessDenied(RetryAfter):
    """401 or 403, or there is no usable key or token to send."""


class BadRequest(Permanent):
    """400 and every other 4xx without an error of its own, a redirect, or an id that no model can have."""


class ModelNotFound(Permanent):
    """404 for a model."""


class OperationNotFound(Permanent):
    """404 for an operation: it ended more than a day ago, or never existed."""


class ModelNotReady(Permanent):
    """400 ModelNotReady: the model is a placeholder that no copy has filled."""


class ModelExists(Permanent):
    """409 for an authorization (v3 and later): a model or a placeholder has the id."""


class ModelLimitReached(Permanent):
    """400 DocumentModelLimit: the resource holds as many models as it may."""


class VersionUnsupported(Permanent):
    """400 NotSupportedApiVersion: the model is of another generation."""


class VersionRetired(Permanent):
    """410: the service has retired this API version."""


class CopyRefused(Permanent):
    """409 for a copy, or 500 with code 1999: the service refuses this authorization."""


class UntrustedAddress(Permanent):
    """An address in the answer leads to another host, or out of the API; it is not followed."""


class NoAnswer(OutcomeUnknown):
    """Timed out or cut off after the request was sent; also 408 from a gateway."""


class ServerError(OutcomeUnknown):
    """500, 502, 503 without Retry-After, 504, and every other 5xx."""


class UnreadableAnswer(OutcomeUnknown):
    """No JSON, not the documented fields, cut short, or too large."""


class OperationUnknown(OutcomeUnknown):
    """202 for a copy, without an operation that can be trusted: the copy was accepted."""
