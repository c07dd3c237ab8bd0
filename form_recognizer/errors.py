"""Every way in which a call to the service can fail, and what the caller should do about it.

::

    ServiceError
    ├── RetryAfter            nothing was done: wait (``retry_after`` seconds where the service says), then repeat
    │   ├── Throttled             429
    │   ├── ServiceBusy           503 with Retry-After
    │   ├── Unreachable           no connection: name not found, refused, TLS failed, timed out while connecting
    │   └── AccessDenied          401, 403: key, identity or network rules refuse the call; a person can mend it
    ├── Permanent                repeating cannot help; nothing more will happen on its own
    │   ├── BadRequest            400 and every other 4xx without a leaf of its own
    │   ├── ModelNotFound         404 for a model
    │   ├── OperationNotFound     404 for an operation: it ended too long ago, or never was
    │   ├── ModelNotReady         400 ModelNotReady: the model is a placeholder
    │   ├── ModelExists           409 on authorize (v3 and later)
    │   ├── ModelLimitReached     400 DocumentModelLimit
    │   ├── VersionUnsupported    400 NotSupportedApiVersion: the model is of another generation
    │   ├── VersionRetired        410
    │   ├── CopyRefused           409 on copy, or 500 with code 1999: the service will not copy with this authorization
    │   └── UntrustedAddress      an address in the answer leads to another host: it is not followed
    └── OutcomeUnknown                  the call may have taken effect: reconcile before repeating (a read: repeat)
        ├── NoAnswer              timed out or cut off after the request was on its way; 408
        ├── ServerError           500, 502, 503 without Retry-After, 504
        ├── UnreadableAnswer      not JSON, not the promised shape, cut short, or larger than the bound
        └── OperationUnknown      202 for a copy, without an operation to check on

Every error carries a ``code`` that is stable and documented, a ``message`` that says what happened and what to change,
and the service's request id where it sent one. No message ever holds a key, a token or a request body.
"""

from __future__ import annotations


class ServiceError(Exception):
    """A call to the service failed. Raised as one of its leaves, never itself.

    ``message`` is fit for a person and for a log. ``resource`` is the resource's name in the configuration. ``status``
    is the HTTP status where there was an answer, ``service_code`` the code in the service's own error, ``request_id``
    the id under which the service's support finds the call. ``retry_after`` is in seconds, where the service named a
    time to wait. ``target_model_id`` is the id of the placeholder that a failed authorization left in the target, as
    far as the answer still names it: the caller should discard it.
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

    @property
    def code(self) -> str:
        """The stable, documented name of this failure: the name of its class."""
        return type(self).__name__


class RetryAfter(ServiceError):
    """Nothing was done: wait, then repeat the call."""


class Permanent(ServiceError):
    """Repeating the call cannot help."""


class OutcomeUnknown(ServiceError):
    """The call may have taken effect: reconcile before repeating it. A read may simply be repeated."""


class Throttled(RetryAfter):
    """429: too many calls. ``retry_after`` is what the service asks for, in the header or in the words of its message."""


class ServiceBusy(RetryAfter):
    """503 with Retry-After: the service refuses for the moment and says for how long."""


class Unreachable(RetryAfter):
    """No connection was made, so nothing was sent: name not found, refused, TLS failed, timed out while connecting."""


class AccessDenied(RetryAfter):
    """401 or 403, or there is no usable key or token to send: a person may be mending it."""


class BadRequest(Permanent):
    """400 and every other 4xx without a leaf of its own, a redirect, or an id that no model can have."""


class ModelNotFound(Permanent):
    """404 for a model."""


class OperationNotFound(Permanent):
    """404 for an operation: it ended too long ago, or never was."""


class ModelNotReady(Permanent):
    """400 ModelNotReady: the model is a placeholder that no copy has filled."""


class ModelExists(Permanent):
    """409 on authorize (v3 and later): the id is taken, by a model or by a placeholder."""


class ModelLimitReached(Permanent):
    """400 DocumentModelLimit: the resource holds as many models as it may."""


class VersionUnsupported(Permanent):
    """400 NotSupportedApiVersion: the model is of another generation; or the kind does not exist in this version."""


class VersionRetired(Permanent):
    """410: the service has retired this API version."""


class CopyRefused(Permanent):
    """409 on copy, or 500 with code 1999: the service will not copy with this authorization."""


class UntrustedAddress(Permanent):
    """An address in the answer leads to another host, or out of the API: it is not followed."""


class NoAnswer(OutcomeUnknown):
    """Timed out or cut off after the request was on its way (also 408, where a gateway says so)."""


class ServerError(OutcomeUnknown):
    """500, 502, 503 without Retry-After, 504, and every other 5xx."""


class UnreadableAnswer(OutcomeUnknown):
    """Not JSON, not the promised shape, cut short, or larger than the bound."""


class OperationUnknown(OutcomeUnknown):
    """202 for a copy, without an operation to check on: the copy was accepted."""
