"""Every way in which a call to the service can fail, and what the caller should do about it.

::

    ServiceError
    ├── RetryAfter            nothing was done: wait (``retry_after`` seconds where the service says), then repeat the call
    │   ├── Throttled             429
    │   ├── ServiceBusy           503 with Retry-After
    │   ├── Unreachable           no connection: name not found, refused, TLS failed, timed out while connecting
    │   └── AccessDenied          401, 403: the key, the identity or the network rules refuse us; a person may be mending it
    ├── GiveUp                repeating cannot help; nothing more will happen on its own
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
    └── Look                  the call may have had its effect: look before you repeat it (a read may simply be repeated)
        ├── NoAnswer              timed out or cut off after the request was on its way
        ├── ServerError           500, 502, 503 without Retry-After, 504
        ├── UnreadableAnswer      not JSON, not the promised shape, cut short, or larger than the bound
        └── OperationUnknown      202 for a copy, without an operation that we can ask about

Every error carries a ``code`` that is stable and documented, a ``message`` that says what happened and what to change, and the
service's request id where it sent one. No message ever holds a key, a token or a request body.
"""
