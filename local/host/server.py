"""HTTP in and out: requests and answers as plain values, and the aiohttp server that carries them."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web
from multidict import CIMultiDict

from local.host import loop

_log = logging.getLogger("local.host.server")

# The app checks its own, smaller limits: whatever it may want to answer must reach it.
BODY_LIMIT_BYTES = 1024 * 1024
_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "[::1]"}


@dataclass(slots=True, repr=False)  # keys are among the headers and in the query
class WebRequest:
    """A request. Header names compare without case; of a repeated query parameter the last one counts, as in Functions."""

    method: str
    path: str
    """Still percent-encoded, so that an encoded slash is no separator."""
    origin: str
    """Scheme and authority that the caller used."""
    url: str
    query: dict[str, str]
    headers: CIMultiDict[str]
    body: bytes
    remote: str = "127.0.0.1"

    @property
    def is_local(self) -> bool:
        """Whether a process of this machine sent it, and not a web page in a browser here."""
        try:
            loopback = ipaddress.ip_address(self.remote).is_loopback
        except ValueError:
            loopback = False
        # a page can make a browser send requests here, but not without an Origin, and not under our name when it rebinds its own
        name = (
            urlsplit(self.origin).netloc.rsplit(":", 1)[0]
            if not self.origin.endswith("]")
            else urlsplit(self.origin).netloc
        )
        return loopback and "Origin" not in self.headers and name.lower() in _LOOPBACK_NAMES

    @classmethod
    def make(
        cls, method: str, path: str, base_url: str, *, json_body: object, body: bytes | None, headers: Mapping[str, str]
    ) -> Self:
        """Make a request without a socket."""
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
        """Answer with JSON."""
        return cls(
            status, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        )

    @classmethod
    def problem(cls, status: int, detail: str) -> Self:
        """Answer with an RFC 9457 problem."""
        body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
        return cls(status, json.dumps(body).encode(), {"Content-Type": "application/problem+json"})


Handler = Callable[[WebRequest], Awaitable[Answer]]


class Server:
    """An HTTP server on the process's function loop.

    Args:
        handler: answers every request.
        host: the address to listen on.
        port: 0 picks a free one.
    """

    def __init__(self, handler: Handler, host: str, port: int) -> None:
        self._handler = handler
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self.base_url = ""

    def start(self) -> None:
        """Begin to listen; raises ``OSError`` when the port is taken."""
        loop.submit(self._start()).result()

    def stop(self) -> None:
        """Stop listening; requests under way get a second."""
        runner = self._runner
        if runner is not None:
            loop.submit(runner.cleanup()).result()

    async def _start(self) -> None:
        app = web.Application(client_max_size=BODY_LIMIT_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
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

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _response(Answer.problem(413, f"a request body may have at most {BODY_LIMIT_BYTES} bytes"))
        origin = f"{request.scheme}://{request.host}"
        web_request = WebRequest(
            request.method,
            request.rel_url.raw_path,
            origin,
            origin + request.raw_path,
            _query(request.query_string),
            CIMultiDict(request.headers),
            body,
            request.remote or "",
        )
        try:
            answer = await self._handler(web_request)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - the server goes on
            _log.exception("%s %s failed", request.method, request.path)
            answer = Answer.problem(500, "the host failed; its log has the details")
        return _response(answer)


def _response(answer: Answer) -> web.Response:
    headers: CIMultiDict[str] = CIMultiDict(answer.headers)
    for cookie in answer.cookies:
        headers.add("Set-Cookie", cookie)
    return web.Response(status=answer.status, body=answer.body, headers=headers)


def _query(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))


def json_body(request: WebRequest) -> Any:
    """Return the body as JSON, ``None`` when it is empty; raises ``ValueError``."""
    return json.loads(request.body) if request.body.strip() else None
