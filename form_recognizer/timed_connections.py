"""Connections that keep the deadline of a call, and that note when its request is sent.

``requests`` has a time-out for each socket operation, but no limit for a whole call: a server that sends one byte every
few seconds could block a worker without end. And after many failures it does not say whether anything was sent, which
decides whether a call may be repeated. Only the socket knows both.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import urllib3
import urllib3.connection
from requests.adapters import HTTPAdapter

from form_recognizer.turns import FREE_BYTES, FREE_PROCESSOR_SECONDS, need_turn, pause_turn, take_turn

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


MOST_HEADER_BYTES = 256 * 1024
"""How long everything before an answer's body may be: interim answers and headers. The service sends a few KB."""

MOST_PROCESSOR_SECONDS = 1.0
"""How much processor time reading one answer may take: an answer of very many tiny pieces is not read to its end."""


class EndlessAnswer(OSError):
    """The answer takes more bytes, or more processor time, than an answer of the service ever does."""


class CallProgress:
    """One call as the socket sees it. ``deadline`` is in seconds of ``time.monotonic``.

    Until :meth:`allow_body`, at most ``MOST_HEADER_BYTES`` are read.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.is_sent = False
        self._bytes_left = MOST_HEADER_BYTES
        self._read = 0
        self._reading_since: float | None = None

    def allow_body(self, most: int) -> None:
        """Allow ``most`` bytes of body, and as much around it as a body in pieces may need."""
        self._bytes_left += most + MOST_HEADER_BYTES

    def count(self, size: int) -> None:
        """Count ``size`` bytes that were read, and wait for a turn if they are many.

        Raises ``EndlessAnswer`` if they are too many or took too much work, ``TimeoutError`` if there is no turn before the deadline.
        """
        self._bytes_left -= size
        self._read += size
        now = time.thread_time()
        self._reading_since = now if self._reading_since is None else self._reading_since
        spent = now - self._reading_since
        if self._bytes_left < 0 or spent > MOST_PROCESSOR_SECONDS:
            raise EndlessAnswer("the answer does not end")
        if self._read > FREE_BYTES or spent > FREE_PROCESSOR_SECONDS:
            need_turn()
        take_turn(self.remaining())

    def remaining(self) -> float:
        """Return the seconds that are left. Raises ``TimeoutError`` if none are."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the call's deadline has passed")
        return left


class _Current(threading.local):
    progress: CallProgress | None = None


_current = _Current()


@contextmanager
def following(progress: CallProgress) -> Iterator[None]:
    """Let all connections of this thread follow ``progress`` inside the block."""
    _current.progress = progress
    try:
        yield
    finally:
        _current.progress = None


class _TimedReader(io.RawIOBase):
    """Reads a socket. The time that is left until the deadline limits each read."""

    def __init__(self, sock: socket.socket, progress: CallProgress) -> None:
        self._sock = sock
        self._progress = progress
        self._read_timeout = sock.gettimeout()
        self._inner = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        pause_turn()
        left = self._progress.remaining()
        self._sock.settimeout(left if self._read_timeout is None else min(left, self._read_timeout))
        size = self._inner.readinto(buffer)
        self._progress.count(size or 0)
        return size

    def close(self) -> None:
        self._inner.close()
        super().close()


class _TimedSocket:
    """The part of a socket that ``http.client`` needs for an answer: a file to read from."""

    def __init__(self, sock: socket.socket, progress: CallProgress) -> None:
        self._sock = sock
        self._progress = progress

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(_TimedReader(self._sock, self._progress))


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        if progress := _current.progress:
            sock = _TimedSocket(sock, progress)
        super().__init__(sock, *args, **kwargs)


class _TimedConnection(http.client.HTTPConnection):
    response_class = _TimedResponse
    _opening = False

    def connect(self) -> None:
        self._opening = True
        try:
            super().connect()
        finally:
            self._opening = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        # While the connection is being opened, only a proxy's CONNECT is sent.
        if _current.progress and not self._opening:
            _current.progress.is_sent = True
        super().send(data)


class _HTTPConnection(_TimedConnection, urllib3.connection.HTTPConnection):
    pass


class _HTTPSConnection(_TimedConnection, urllib3.connection.HTTPSConnection):
    pass


class _HTTPConnectionPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSConnectionPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class TimedAdapter(HTTPAdapter):
    """An adapter whose connections keep the call's deadline. It never repeats a request."""

    _pool_classes: ClassVar[dict[str, Any]] = {"http": _HTTPConnectionPool, "https": _HTTPSConnectionPool}

    def __init__(self, pool_size: int) -> None:
        super().__init__(pool_connections=1, pool_maxsize=pool_size, max_retries=0, pool_block=False)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make the pool of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pool_classes
        return manager
