"""The inside of the Durable SDK: no other module imports from inside ``azure.durable_functions`` (tests/test_rooms.py).

This module loads with 1.x and with 2.x. The host needs 1.x, because 2.x has another protocol (docs/decisions/0006). With 2.x, tests can
still load the app and drive its generators.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from local.host.errors import NotSupportedError

VERSION = version("azure-functions-durable")

_http: Any = None
_codec: Any
if VERSION.startswith("1."):
    from azure.durable_functions.models.utils import df_serialization as _codec
    from azure.durable_functions.models.utils import http_utils as _http
else:
    # 1.7 uses the same codec with a new enough azure-functions
    from azure.functions import _durable_functions as _codec


def refusal() -> str | None:
    """Return why the host cannot run with the installed SDK, or ``None`` if it can."""
    if VERSION.startswith("1."):
        return None
    return (
        f"the embedded host needs protocol 1.x (JSON), and azure-functions-durable {VERSION} has another: "
        "install azure-functions-durable>=1.7,<2"
    )


def require_protocol_1() -> None:
    """Raise :class:`NotSupportedError` if the installed SDK does not have protocol 1.x."""
    reason = refusal()
    if reason is not None:
        raise NotSupportedError(reason)


def dumps(value: object) -> str:
    """Serialize a value as the SDK does for inputs and results; raises ``TypeError`` if it cannot be written as JSON."""
    return str(_codec.df_dumps(value))


def loads(text: str) -> Any:
    """Return the value of a text of :func:`dumps`."""
    return _codec.df_loads(text)


async def close_session() -> None:
    """Close the HTTP session of the SDK's client, which belongs to the first event loop that used it. 2.x has no session."""
    if _http is not None:
        await _http._close_session()


@asynccontextmanager
async def own_session() -> AsyncIterator[None]:
    """Use a separate HTTP session in the running event loop inside the block; the session of another loop is kept."""
    if _http is None:
        yield
        return
    others, _http._client_session = _http._client_session, None
    try:
        yield
    finally:
        await close_session()
        _http._client_session = others
