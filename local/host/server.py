"""HTTP: requests and answers as plain values, and the aiohttp server."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from aiohttp import StreamReader, web
from multidict import CIMultiDict

from local.host import loop

_log = logging.getLogger("local.host.server")

# Larger than the limit of the app, so that the app itself answers a body that is too large for it.
BODY_LIMIT_BYTES = 1024 * 1024
# How much is read and parsed of one connection before the others have their turn.
_READ_BYTES = 16 * 1024
# How many bytes may be around those of a body, beside as many again as it has: a usual chunk has thousands, and ten around it.
_MOST_WASTE_BYTES = 64 * 1024
# How long the rest of a body that is too large is read and thrown away, so that its sender sees the answer.
_LINGER_S = 3.0
DEEPEST_JSON = 64
"""The extension's limit (MaxDepth of Newtonsoft.Json)."""
_HOST = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)
_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "[::1]"}


@dataclass(slots=True, repr=False)  # keys are among the headers and in the query
class WebRequest:
    """A request. Header names ignore case; the last value of a repeated query parameter counts, as in Azure Functions."""

    method: str
    path: str
    """Percent-encoded, so that an encoded slash is not a separator."""
    origin: str
    """The scheme and authority in the caller's URL."""
    url: str
    query: dict[str, str]
    headers: CIMultiDict[str]
    body: bytes
    remote: str = "127.0.0.1"

    @property
    def is_local(self) -> bool:
        """Whether a process of this machine sent it, and not a web page in a browser."""
        try:
            loopback = ipaddress.ip_address(self.remote).is_loopback
        except ValueError:
            loopback = False
        # a browser sends an Origin for a page's request, and the name of the page's host if that was rebound to loopback
        authority = urlsplit(self.origin).netloc
        name = authority if authority.endswith("]") else authority.rsplit(":", 1)[0]
        return loopback and "Origin" not in self.headers and name.lower() in _LOOPBACK_NAMES

    @classmethod
    def make(
        cls, method: str, path: str, base_url: str, *, json_body: object, body: bytes | None, headers: Mapping[str, str]
    ) -> Self:
        """Return a request for a call without a socket."""
        split = urlsplit(path)
        all_headers: CIMultiDict[str] = CIMultiDict(headers)
        if json_body is not None:
            body = json.dumps(json_body).encode()
            all_headers.setdefault("Content-Type", "application/json")
        return cls(
            method.upper(),
            split.path,
            base_url,
            base_url + path,
            _query(split.query),
            all_headers,
            body or b"",
        )


@dataclass(slots=True)
class Answer:
    """An answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()

    @classmethod
    def of_json(cls, status: int, value: object, headers: Mapping[str, str] | None = None) -> Self:
        """Return an answer with a JSON body."""
        return cls(
            status, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        )

    @classmethod
    def problem(cls, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> Self:
        """Return an answer with an RFC 9457 problem. ``code`` is stable, like the codes of the app: callers may depend on it."""
        body = {
            "type": f"urn:embedded-host:problem:{code}",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "code": code,
            "detail": detail,
        }
        return cls(status, json.dumps(body).encode(), {"Content-Type": "application/problem+json", **(headers or {})})


Handler = Callable[[WebRequest], Awaitable[Answer]]


class Server:
    """An HTTP server on the function loop.

    Args:
        handler: answers every request.
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
    """

    def __init__(self, handler: Handler, host: str, port: int) -> None:
        self._handler = handler
        self._host = host
        self._port = port
        self._runner: web.ServerRunner | None = None
        self.base_url = ""

    def start(self) -> None:
        """Begin to listen; raises ``OSError`` if the port is in use."""
        loop.submit(self._start()).result()

    def stop(self) -> None:
        """Stop listening; requests under way have one second to end."""
        runner = self._runner
        if runner is not None:
            loop.submit(runner.cleanup()).result()

    async def _start(self) -> None:
        runner = web.ServerRunner(_Connections(self._handle, access_log=None), shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, self._host, self._port)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        port = runner.addresses[0][1]
        name = "127.0.0.1" if self._host in ("0.0.0.0", "") else f"[{self._host}]" if ":" in self._host else self._host  # noqa: S104 - compared
        self.base_url = f"http://{name}:{port}"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if _HOST.fullmatch(request.host) is None or not request.raw_path.isascii():
            return _response(_malformed("the Host header or the path has characters that cannot be there"))
        try:
            body = await _body(request)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever aiohttp finds wrong with a body
            _log.info("the body of a request cannot be read: %s", type(error).__name__)
            return _response(_malformed("the body ends too early, or is not in the chunks that its headers tell"))
        if body is None:
            detail = (
                f"a request body may have at most {BODY_LIMIT_BYTES} bytes, in chunks of more than a few bytes each"
            )
            return _response(Answer.problem(413, "BodyTooLarge", detail))
        origin = f"{request.scheme}://{request.host}"
        target = request.raw_path if request.raw_path.startswith("/") else request.rel_url.raw_path_qs
        web_request = WebRequest(
            request.method,
            request.rel_url.raw_path,
            origin,
            origin + target,
            _query(target.partition("?")[2]),
            CIMultiDict((name, _text(value)) for name, value in request.headers.items()),
            body,
            request.remote or "",
        )
        try:
            answer = await self._handler(web_request)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - the server continues
            _log.exception("%s %s failed", request.method, request.path)
            answer = Answer.problem(500, "HostFailed", "the host failed; its log has the details")
        return _response(answer)


class _Connection(web.RequestHandler):
    """A connection that reads in small pieces, and answers a malformed request with a problem.

    ``is_wasteful``: the body came in chunks that are hardly larger than what is around them. They cost more to parse than anything else,
    so the rest is thrown away unread.
    """

    is_wasteful = False
    _received = 0
    _body: StreamReader | None = None

    def begin(self, body: StreamReader) -> None:
        """Begin to count what comes around the bytes of a body."""
        self._received, self._body = 0, body

    def data_received(self, data: bytes) -> None:
        """See :class:`aiohttp.web.RequestHandler`."""
        if self.is_wasteful:
            return
        self._received += len(data)
        super().data_received(data)
        body = self._body
        if body is not None and not body.is_eof() and self._received > _MOST_WASTE_BYTES + 2 * body.total_bytes:
            self.is_wasteful = True
            body.feed_data(b" ")  # wakes the reader

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`aiohttp.web.RequestHandler`."""
        # a piece is parsed in one go, and the worst ones (chunks of one byte) cost a tenth of a millisecond a kilobyte
        selector: Any = transport
        selector.max_size = _READ_BYTES
        super().connection_made(transport)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """See :class:`aiohttp.web.RequestHandler`."""
        if status >= 500:
            super().handle_error(request, status, exc, message)  # which logs it
            answer = Answer.problem(500, "HostFailed", "the host failed; its log has the details")
        else:
            # the message of the exception repeats the line, which may hold a key
            _log.warning("a malformed request from %s was refused: %s", request.remote, type(exc).__name__)
            answer = _malformed("the method is unknown, or a line is malformed or too long", status)
        response = _response(answer)
        response.force_close()
        return response


class _Connections(web.Server):
    """Makes these connections and their requests."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], **options: Any) -> None:
        # as on Azure, a compressed body reaches the function as it is: to unpack it here would cost what the sender likes
        self._options = {**options, "auto_decompress": False, "lingering_time": _LINGER_S}
        super().__init__(handler, request_factory=self._request, **self._options)

    def __call__(self) -> web.RequestHandler:
        """See :class:`aiohttp.web.Server`."""
        return _Connection(self, loop=asyncio.get_running_loop(), **self._options)

    @staticmethod
    def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        protocol.begin(payload)
        return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())


async def _body(request: web.BaseRequest) -> bytes | None:
    """Return the body of a request; ``None`` if it is too large or wasteful."""
    connection: Any = request.protocol
    body = bytearray()
    while piece := await request.content.readany():
        body += piece
        if len(body) > BODY_LIMIT_BYTES or connection.is_wasteful:
            return None
    return bytes(body)


def _response(answer: Answer) -> web.Response:
    headers: CIMultiDict[str] = CIMultiDict(answer.headers)
    for cookie in answer.cookies:
        headers.add("Set-Cookie", cookie)
    return web.Response(status=answer.status, body=answer.body, headers=headers)


def _query(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))


def _malformed(wrong: str, status: int = 400) -> Answer:
    """Return the answer to what is not HTTP/1.1. It does not repeat the request, which may hold a key."""
    return Answer.problem(status, "MalformedRequest", f"this is not HTTP/1.1: {wrong}")


def _text(value: str) -> str:
    """Return the value of a header without half characters: aiohttp makes those of bytes that are not UTF-8."""
    return value.encode(errors="surrogateescape").decode(errors="replace")


def json_body(request: WebRequest) -> Any:
    """Return the JSON value of the body, ``None`` if it is empty; raises ``ValueError``, which says what is wrong with it."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise ValueError("the body is compressed (Content-Encoding); send it as it is")
    text = json_text(request)
    if text is None:
        return None
    too_deep = f"the body is nested more than {DEEPEST_JSON} levels deep"
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(too_deep) from None
    if not _is_shallow(value):
        raise ValueError(too_deep)
    return value


def json_text(request: WebRequest) -> str | None:
    """Return the body as text, ``None`` if it is empty; raises ``ValueError``."""
    try:
        return request.body.decode("utf-8-sig").strip() or None
    except UnicodeDecodeError:
        raise ValueError("the body is not UTF-8") from None


def _is_shallow(value: object) -> bool:
    """Tell whether a JSON value is not nested too deeply for everything that reads it later."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(DEEPEST_JSON):
        if not level:
            return True
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
    return not level
