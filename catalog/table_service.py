"""How the catalog talks to Azure Table Storage: how long it waits, how often it tries, and what it says when that fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
)
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import ContentDecodePolicy, SansIOHTTPPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableClient

from catalog.store import CatalogUnavailable

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
TOTAL_SECONDS = 12.0
"""No try begins later than this. An activity must not sit: the orchestrator waits, with a durable timer, for as long as it takes."""

LIMITS: dict[str, Any] = {
    "retry_total": 3,
    "retry_connect": 3,
    "retry_read": 3,
    "retry_status": 3,
    "retry_backoff_factor": 0.3,  # waits of 0, 0.6 and 1.2 seconds
    "retry_backoff_max": 2,
    "timeout": TOTAL_SECONDS,
    "permit_redirects": False,  # the service has none; following one would hand our signature to another host
}

CONNECTIONS = 64
"""Kept open for threads that work at the same time: lanes and HTTP calls."""

NONSENSE = (AttributeError, KeyError, TypeError, ValueError)
"""What the client library raises on an answer that is not in the service's format, such as a proxy's page with status 200."""

RETRIED_METHODS = frozenset({"GET", "PUT", "POST", "DELETE"})
"""POST as well: each row says which write made it, so an insert that is sent twice is recognized."""

_QUIET = logging.getLogger("catalog.table_service.http")
_QUIET.setLevel(logging.WARNING)  # the client library writes two lines at INFO for every call


class Tries:
    """How often a request was sent, and the last answer's status (``None`` while there was none)."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.count = 0
        self.status: int | None = None

    @property
    def repeated(self) -> bool:
        """Whether an earlier try may have done the work already."""
        return self.count > 1


class _Watch(SansIOHTTPPolicy[Any, Any]):
    """Sits behind the retry policy: counts tries, and keeps the retry policy from sleeping for as long as a server may ask."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Count a try in the ``tries`` that the call was given, if any."""
        tries = request.context.options.pop("tries", None) or request.context.get("tries")
        if tries is not None:
            request.context["tries"] = tries
            tries.count += 1
            tries.status = None

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        """Note the status; forget how long the server wants us to wait."""
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

        Raises ``ValueError`` where the client library cannot make sense of them; its message may hold what it was given.
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
        """The account's address; it may hold a shared access signature, so only :attr:`host` is for messages."""
        self.host = urlsplit(self.url).netloc

    def table(self, name: str) -> TableClient:
        """Return a client of the table called ``name``."""
        options = {**LIMITS, "transport": self._transport, "per_retry_policies": [_Watch()], "logger": _QUIET}
        if self._connection is not None:
            return TableClient.from_connection_string(self._connection, name, **options)
        return TableClient(self._endpoint, name, credential=self._identity, **options)

    def malformed(self) -> CatalogUnavailable:
        """Return the error for an answer that is not the service's."""
        return CatalogUnavailable(f"the catalog at {self.host} cannot be used: its answer makes no sense")

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Raise ``CatalogUnavailable`` instead of whatever the client library raises. The message holds no secrets."""
        try:
            yield
        except AzureError as error:
            # The library's own text is not passed on: it repeats addresses, which may carry a signature.
            raise CatalogUnavailable(f"the catalog at {self.host} cannot be used: {_reason(error)}") from None


def error_code(error: HttpResponseError) -> str:
    """Return the service's code for what went wrong, such as ``TableNotFound``, or an empty text."""
    code: Any = getattr(error, "error_code", None)
    if code is None and error.response is not None:
        # The client library decodes the body for some calls only.
        try:
            response: Any = error.response
            body = ContentDecodePolicy.deserialize_from_http_generics(response)
            code = body["odata.error"]["code"]
        except (*NONSENSE, AzureError):
            code = getattr(error.response, "headers", {}).get("x-ms-error-code")
    return str(getattr(code, "value", code) or "")


def _reason(error: AzureError) -> str:
    if isinstance(error, HttpResponseError) and error.status_code:
        said = f"it answered {error.status_code} {error_code(error)}".rstrip()
        if error.status_code in (401, 403):
            said += (
                "; the connection string, or the identity's role (Storage Table Data Contributor), does not let us in"
            )
        return said
    if isinstance(error, ClientAuthenticationError):
        return "no access token for it is to be had; check the managed identity"
    if isinstance(error, ServiceRequestError):
        return "no connection"
    return "no answer in time, or one that makes no sense"
