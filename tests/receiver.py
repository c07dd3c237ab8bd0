"""A receiver of notices: a real HTTP server on loopback that answers as a test says, and keeps what it was sent."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

SECRET = "3f9c0d51a7be4e1c8d2b60f4a9e7c135"
SIGNATURE = "mQ7Zs0Yt4Lr9Xc2Vb6Nw8Hj1Kd5Fg3Pa7Te0Ru4Oi2"


@dataclass(frozen=True)
class Taken:
    """One request that arrived whole."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object that was sent."""
        value: dict[str, Any] = json.loads(self.raw)
        return value


class Receiver:
    """Takes every notice with 202, unless a test says otherwise. Its address holds two secrets: in the path, and in the query.

    Args:
        tls: the context of an HTTPS server; HTTP without it.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.taken: list[Taken] = []
        self._script: list[bytes | Callable[[], object]] = []
        self._always: bytes = _answer(202)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.port: int = self._server.server_address[1]
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.address = f"{scheme}://127.0.0.1:{self.port}/hooks/{SECRET}?sp=%2Ftriggers&sig={SIGNATURE}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def answer(self, status: int, *headers: str, body: bytes = b"") -> None:
        """Answer the next request so."""
        self._script.append(_answer(status, *headers, body=body))

    def always(self, status: int, *headers: str) -> None:
        """Answer every request so for which there is no other answer."""
        self._always = _answer(status, *headers)

    def raw(self, answer: bytes) -> None:
        """Answer the next request with these bytes, and close the connection."""
        self._script.append(answer)

    def hang(self) -> None:
        """Take the next request and never answer it."""
        self._script.append(self._closing.wait)

    @property
    def notices(self) -> list[dict[str, Any]]:
        """The JSON objects that arrived, in order."""
        return [each.body for each in self.taken]

    @property
    def told(self) -> list[tuple[str, list[str]]]:
        """What the notices (format ``json``) say in short: kind, and the codes of their lines."""
        return [(notice["kind"], [line["code"] for line in notice["lines"]]) for notice in self.notices]

    def forget(self) -> None:
        """Forget what arrived."""
        self.taken.clear()

    def secrets(self) -> tuple[str, ...]:
        """What must not be written anywhere."""
        return self.address, SECRET, SIGNATURE

    def _next(self, taken: Taken) -> bytes | Callable[[], object]:
        with self._lock:
            self.taken.append(taken)
            return self._script.pop(0) if self._script else self._always

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                answer = receiver._next(Taken(self.path, dict(self.headers.items()), raw))
                self.close_connection = True
                if callable(answer):
                    answer()
                    return
                try:
                    self.wfile.write(answer)
                except OSError:
                    return  # the app has read enough

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
                """Write nothing."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Write nothing: a client that does not trust the certificate goes away."""


def _answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


def refused_address() -> str:
    """Return an address on loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}/hooks/{SECRET}?sig={SIGNATURE}"
