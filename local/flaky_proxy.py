"""A proxy in front of a local server that loses answers, or answers itself, on demand: it plays a bad network in tests."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Fault:
    """What happens to one request.

    ``forward``: the server handles the request. ``kept``: its answer is passed on; otherwise the answer is lost, or replaced by ``status``.
    """

    forward: bool = False
    kept: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


LOST_AFTER = Fault(forward=True)
LOST_BEFORE = Fault()
DELAYED = Fault(forward=True, kept=True)
"""The server's own answer, after the call of ``between``."""


class FlakyProxy:
    """Listens on its own port inside a ``with``. Each request uses up one of ``faults``; ``None`` is a request without a fault."""

    def __init__(self, upstream: int) -> None:
        """Forward to the server on port ``upstream``."""
        self.faults: list[Fault | None] = []
        self.fault_where: Callable[[str], Fault | None] | None = None
        """Chooses the fault, from method and path, when ``faults`` is empty."""
        self.seen: list[str] = []
        """Method and path of every request."""
        self.between: Callable[[], object] | None = None
        """Called once: at the next request with a fault, after the work and before the answer."""
        self._upstream = upstream
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> FlakyProxy:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                proxy.seen.append(f"{self.command} {self.path}")
                if proxy.faults:
                    fault = proxy.faults.pop(0)
                else:
                    fault = proxy.fault_where(proxy.seen[-1]) if proxy.fault_where is not None else None
                status, headers, content = 0, {}, b""
                if fault is None or fault.forward:
                    connection = http.client.HTTPConnection("127.0.0.1", proxy._upstream, timeout=30)
                    connection.request(self.command, self.path, body, dict(self.headers))
                    answer = connection.getresponse()
                    status, headers, content = answer.status, dict(answer.headers), answer.read()
                    connection.close()
                self.close_connection = True
                if fault is not None:
                    between, proxy.between = proxy.between, None
                    if between is not None:
                        between()
                    if not fault.kept:
                        if fault.status is None:
                            return
                        status, headers, content = fault.status, dict(fault.headers), fault.body
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("connection", "keep-alive", "transfer-encoding", "content-length"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        for method in ("GET", "POST", "PUT", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.answer)
        return Handler
