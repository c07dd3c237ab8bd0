"""The Durable SDK behind its public names: no other module imports from inside ``azure.durable_functions`` (tests/test_rooms.py).

It loads with 1.x and with 2.x. The host runs on 1.x alone, because 2.x speaks another protocol (docs/decisions/0006); with 2.x the app can
still be loaded and its generators be driven by tests.
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
    # where 1.7 takes its codec from, too, if azure-functions is new enough
    from azure.functions import _durable_functions as _codec


def refusal() -> str | None:
    """Return why the host cannot run with the installed SDK; ``None`` where it can."""
    if VERSION.startswith("1."):
        return None
    return (
        f"the embedded host speaks protocol 1.x (JSON), and azure-functions-durable {VERSION} does not; "
        "install azure-functions-durable>=1.7,<2"
    )


def require_protocol_1() -> None:
    """Raise :class:`NotSupportedError` where the installed SDK does not speak protocol 1.x."""
    reason = refusal()
    if reason is not None:
        raise NotSupportedError(reason)


def dumps(value: object) -> str:
    """Serialize a value as the SDK does for inputs and results; raises ``TypeError`` when it is not JSON-able."""
    return str(_codec.df_dumps(value))


def loads(text: str) -> Any:
    """Read what :func:`dumps` wrote."""
    return _codec.df_loads(text)


async def close_session() -> None:
    """Close the HTTP session of the SDK's client, which belongs to the first event loop that used it. 2.x has none."""
    if _http is not None:
        await _http._close_session()


@asynccontextmanager
async def own_session() -> AsyncIterator[None]:
    """Give the running event loop an HTTP session of its own, for the time of the block; that of another loop stays as it is."""
    if _http is None:
        yield
        return
    others, _http._client_session = _http._client_session, None
    try:
        yield
    finally:
        await close_session()
        _http._client_session = others
