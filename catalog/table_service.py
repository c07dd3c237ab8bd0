"""Calls to Azure Table Storage: time-outs, retries, and the messages of failures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import ContentDecodePolicy, SansIOHTTPPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableClient

from catalog.store import CatalogUnavailable

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
TOTAL_SECONDS = 12.0
"""No try begins later than this. An activity must not wait long: the orchestrator does, with a durable timer."""

LIMITS: dict[str, Any] = {
    "retry_total": 3,
    "retry_connect": 3,
    "retry_read": 3,
    "retry_status": 3,
    "retry_backoff_factor": 0.3,  # waits of 0, 0.6 and 1.2 seconds
    "retry_backoff_max": 2,
    "timeout": TOTAL_SECONDS,
    "permit_redirects": False,  # the service sends none; following one would give the signature to another host
}

CONNECTIONS = 64
"""Kept open, for threads that work at the same time: lanes and HTTP calls."""

MALFORMED = (AttributeError, KeyError, TypeError, ValueError)
"""What the client library raises on an answer that is not in the service's format, such as a proxy's page with status 200."""

RETRIED_METHODS = frozenset({"GET", "PUT", "POST", "DELETE"})
"""POST as well: each row names the write that made it, so an insert that is sent twice is recognized."""

_QUIET = logging.getLogger("catalog.table_service.http")
_QUIET.setLevel(logging.WARNING)  # the client library writes two lines at INFO for every call


class Tries:
    """How often a request was sent, and the status of the last answer (``None`` before the first)."""

    def __init__(self) -> None:
        """Start with no try."""
        self.count = 0
        self.status: int | None = None

    @property
    def repeated(self) -> bool:
        """Whether an earlier try may have succeeded."""
        return self.count > 1


class _Watch(SansIOHTTPPolicy[Any, Any]):
    """Runs behind the retry policy: counts tries, and hides from that policy how long the server asks to wait."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Count a try in the call's ``tries``, if it has one."""
        tries = request.context.options.pop("tries", None) or request.context.get("tries")
        if tries is not None:
            request.context["tries"] = tries
            tries.count += 1
            tries.status = None

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        """Keep the status; remove how long the server asks to wait."""
        tries = request.context.get("tries")
        if tries is not None:
            tries.status = response.http_response.status_code
        for header in ("Retry-After", "retry-after-ms", "x-ms-retry-after-ms"):
            response.http_response.headers.pop(header, None)


class TableService:
    """One storage account. Opening it makes no calls. Its clients share one pool of connections and may be used by any thread."""

    def __init__(
        self, connection: str | None = None, *, endpoint: str = "", identity: TokenCredential | None = None
    ) -> None:
        """Open the account of a ``connection`` string, or the one at ``endpoint`` as ``identity``.

        Raises ``ValueError`` where the client library cannot parse them; its message may contain them.
        """
        self._connection = connection
        self._endpoint = endpoint
        self._identity = identity
        session = requests.Session()
        for scheme in ("https://", "http://"):
            session.mount(scheme, requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=CONNECTIONS))
        self._transport = RequestsTransport(
            session=session, connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS
        )
        self.url = self.table("anything").url
        """The account's address. It may contain a shared access signature, so messages use :attr:`host`."""
        self.host = urlsplit(self.url).netloc

    def table(self, name: str) -> TableClient:
        """Return a client of the table called ``name``."""
        options = {**LIMITS, "transport": self._transport, "per_retry_policies": [_Watch()], "logger": _QUIET}
        if self._connection is not None:
            return TableClient.from_connection_string(self._connection, name, **options)
        return TableClient(self._endpoint, name, credential=self._identity, **options)

    def malformed(self) -> CatalogUnavailable:
        """Return the error for an answer that is not in the service's format."""
        return CatalogUnavailable(f"the catalog at {self.host} cannot be used: its answer is malformed")

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Raise ``CatalogUnavailable`` in place of the client library's errors. The message contains no secrets."""
        try:
            yield
        except AzureError as error:
            # the library's own text repeats addresses, which may contain a signature
            raise CatalogUnavailable(
                f"the catalog at {self.host} cannot be used: {_reason(error)}",
                status=error.status_code if isinstance(error, HttpResponseError) else None,
                service_code=error_code(error) if isinstance(error, HttpResponseError) else "",
            ) from None


def error_code(error: HttpResponseError) -> str:
    """Return the service's code for an error, such as ``TableNotFound``, or an empty text."""
    code: Any = getattr(error, "error_code", None)
    if code is None and error.response is not None:
        # the client library decodes the body for some calls only
        try:
            response: Any = error.response
            body = ContentDecodePolicy.deserialize_from_http_generics(response)
            code = body["odata.error"]["code"]
        except (*MALFORMED, AzureError):
            code = getattr(error.response, "headers", {}).get("x-ms-error-code")
    return str(getattr(code, "value", code) or "")


def _reason(error: AzureError) -> str:
    if isinstance(error, HttpResponseError) and error.status_code:
        answer = f"it answered {error.status_code} {error_code(error)}".rstrip()
        if error.status_code in (401, 403):
            return f"{answer}; check the connection string, or that the identity has the role Storage Table Data Contributor"
        return answer
    if isinstance(error, ClientAuthenticationError):
        return "could not get an access token; check the managed identity"
    if isinstance(error, ServiceRequestError):
        return "no connection"
    return "no answer in time, or a malformed one"
