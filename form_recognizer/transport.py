"""One HTTP call to one resource: pooled, bounded in time and size, authenticated, never repeated, never redirected."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import ssl
import threading
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy

import requests
import urllib3.exceptions
from requests.auth import AuthBase

from backup.json_types import Json, JsonObject
from form_recognizer.addresses import Endpoint
from form_recognizer.answers import Answer
from form_recognizer.credentials import AuthHeader, Credential, CredentialUnavailableError
from form_recognizer.errors import AccessDenied, NoAnswer, OutcomeUnknown, ServiceError, Unreachable, UnreadableAnswer
from form_recognizer.redaction import note_key
from form_recognizer.timed_connections import CallProgress, EndlessAnswer, TimedAdapter, following
from form_recognizer.turns import FREE_BYTES, need_turn, take_turn, taking_turns

USER_AGENT = "form-recognizer-model-backup/0.1.0"

_CHUNK = 65_536
_NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one call, in seconds.

    ``connect`` counts for each address of the host, ``read`` between two pieces of the answer, ``total`` from the start
    of connecting to the last byte. The lookup of the host's name is not limited: the system resolver cannot be
    interrupted.
    """

    connect: float = 10.0
    read: float = 30.0
    total: float = 90.0

    def __post_init__(self) -> None:
        if min(self.connect, self.read, self.total) <= 0:
            raise ValueError("every time-out must be more than 0 seconds")


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``address`` is absolute and checked; ``secrets`` are redacted where an error quotes the service."""

    method: str
    address: str
    body: JsonObject | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    brings_token: bool = False
    """Whether the answer is an authorization, with an access token in its body."""


class Transport:
    """Sends calls to one resource. Safe to use from many threads; keeps up to ``pool_size`` connections open.

    Certificates are always verified, against the bundle of ``REQUESTS_CA_BUNDLE`` if it is set. A proxy is taken from
    the environment. Both are read when the transport is made. ``max_body`` limits a body, in bytes after unpacking.
    """

    def __init__(
        self,
        endpoint: str,
        credential: Credential,
        *,
        timeouts: Timeouts | None = None,
        pool_size: int = 16,
        max_body: int = 8 * 1024 * 1024,
    ) -> None:
        self.endpoint = Endpoint.parse(endpoint)
        self._credential = credential
        self._timeouts = timeouts or Timeouts()
        self._max_body = max_body
        self._session = _Session()
        self._session.headers.clear()
        self._session.headers.update(
            {
                "User-Agent": USER_AGENT,
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "Connection": "keep-alive",
            }
        )
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = TimedAdapter(pool_size)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        environment = self._session.merge_environment_settings(
            self.endpoint.address("/"), {}, stream=True, verify=None, cert=None
        )
        self._proxies, self._verify = environment["proxies"], environment["verify"]

    def __repr__(self) -> str:
        return f"Transport({self.endpoint.origin!r})"

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()

    @taking_turns
    def send(self, call: Call, resource: str) -> Answer:
        """Make one call and return its answer, whatever its status; ``resource`` is its name in errors.

        Raises ``AccessDenied`` if there is no credential to send, ``Unreachable`` if nothing was sent, ``NoAnswer`` if
        something was sent and no status came back.
        """
        auth, limits = self._auth_header(resource), self._timeouts
        note_key(auth.secret)
        request = self._prepare(call, auth)
        progress = CallProgress(time.monotonic() + limits.total)
        failure: Exception
        with following(progress), _unlogged():
            try:
                response = self._session.send(
                    request,
                    stream=True,
                    timeout=(min(limits.connect, limits.total), min(limits.read, limits.total)),
                    allow_redirects=False,
                    proxies=dict(self._proxies),
                    verify=self._verify,
                )
            except _NETWORK_ERRORS as error:
                failure = error
            else:
                progress.allow_body(self._max_body)
                return self._receive(response, resource, call, (auth.secret, *call.secrets), progress)
        # Outside the except block: the exceptions of requests hold the request with its headers, so they must not become
        # the context of this one.
        raise self._no_answer(failure, progress, resource)

    def _auth_header(self, resource: str) -> AuthHeader:
        try:
            return self._credential.header()
        except CredentialUnavailableError as error:
            reason = str(error)
        raise AccessDenied(
            f"{resource} cannot be called: {reason}. Check its key setting or its identity.", resource=resource
        )

    def _prepare(self, call: Call, auth: AuthHeader) -> requests.PreparedRequest:
        headers = {**call.headers, "x-ms-client-request-id": str(uuid.uuid4())}
        data = None
        if call.body is not None:
            data = json.dumps(call.body, default=_plain, allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        return self._session.prepare_request(
            requests.Request(call.method, call.address, headers=headers, data=data, auth=_HeaderAuth(auth))
        )

    def _receive(
        self,
        response: requests.Response,
        resource: str,
        call: Call,
        secrets: tuple[str, ...],
        progress: CallProgress,
    ) -> Answer:
        body = bytearray()
        flaw: tuple[type[OutcomeUnknown], str] | None = None
        try:
            for piece in _unpacked(response, self._max_body + 1):
                body += piece
                if len(body) > FREE_BYTES:
                    need_turn()
                    take_turn(progress.remaining())
                if len(body) > self._max_body:
                    flaw = UnreadableAnswer, f"its body is larger than {self._max_body} bytes"
                    body.clear()
                    break
            else:
                response.raw.release_conn()
        except (TimeoutError, urllib3.exceptions.ReadTimeoutError):
            flaw = NoAnswer, "its body did not come in time"
        except MemoryError:
            flaw = UnreadableAnswer, "its body is too large for this machine"
        except (*_NETWORK_ERRORS, zlib.error, ValueError):
            flaw = UnreadableAnswer, "its body was cut short, or has an encoding that was not requested"
        finally:
            response.raw.close()
        return Answer(resource, response.status_code, response.headers, bytes(body), flaw, secrets, call.brings_token)

    def _no_answer(self, error: Exception, progress: CallProgress, resource: str) -> ServiceError:
        reason = _reason(error)
        if not progress.is_sent:
            return Unreachable(
                f"{resource} cannot be reached at {self.endpoint.origin}: {reason}. Nothing was sent. "
                "Check the endpoint, the network rules and the region's health.",
                resource=resource,
            )
        return NoAnswer(
            f"{resource} did not answer: {reason}, after the request was sent. "
            "The call may have taken effect; the app finds out before it repeats it.",
            resource=resource,
        )


@dataclass(frozen=True, slots=True)
class ResourceConnection:
    """A resource of the configuration and its transport, which all its API versions and kinds share."""

    name: str
    transport: Transport


class _Session(requests.Session):
    """A session that ignores redirects. Otherwise requests reads the whole body to prepare the next request."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        del resp


class _HeaderAuth(AuthBase):
    """Sets the credential's header. Without an auth object, requests would read .netrc."""

    def __init__(self, header: AuthHeader) -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._header.name] = self._header.value
        return request


class _Silence(threading.local, logging.Filter):
    """Drops the log lines of one thread while it sends."""

    is_on = False

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the line does not matter
        return not self.is_on


_silence = _Silence()
# they write addresses with their query: at level DEBUG each one, and at WARNING the bytes of strange headers
for _name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.response"):
    logging.getLogger(_name).addFilter(_silence)


@contextmanager
def _unlogged() -> Iterator[None]:
    _silence.is_on = True
    try:
        yield
    finally:
        _silence.is_on = False


def _unpacked(response: requests.Response, limit: int) -> Iterator[bytes]:
    """Yield the unpacked body in pieces of bounded size: a small packed body can unpack to a very large one."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    # One byte more than the limit is enough to refuse a body.
    piece_size = min(_CHUNK, limit)
    pieces: Iterator[bytes] = response.raw.stream(piece_size, decode_content=False)
    if encoding in ("", "identity"):
        yield from pieces
        return
    packed = 0
    if encoding not in ("gzip", "x-gzip"):
        raise ValueError("an encoding that was not requested")
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    for piece in pieces:
        packed += len(piece)
        if packed > limit or unpacker.eof:
            raise ValueError("the packed body does not end where it says")
        yield unpacker.decompress(piece, piece_size)
        while unpacker.unconsumed_tail:
            yield unpacker.decompress(unpacker.unconsumed_tail, piece_size)
    if not unpacker.eof:
        raise ValueError("the packed body does not end")


def _reason(error: Exception) -> str:
    """Return why a call failed, by the types in its chain of exceptions: their texts may hold queries or passwords."""
    chain = list(_chain(error))
    for cause in chain:
        match cause:
            case EndlessAnswer():
                return "its answer does not end"
            case socket.gaierror():
                return "its host name cannot be resolved"
            case ConnectionRefusedError():
                return "the connection is refused"
            case ssl.SSLCertVerificationError():
                return f"its TLS certificate is not trusted ({cause.verify_message})"
            case ssl.SSLError():
                return "the TLS connection failed"
            case urllib3.exceptions.ProxyError():
                return "the proxy failed"
            case TimeoutError() | urllib3.exceptions.TimeoutError() | requests.Timeout():
                return "it timed out"
            case ConnectionResetError() | BrokenPipeError() | http.client.RemoteDisconnected():
                return "the connection was cut"
    return f"the connection failed ({type(chain[-1]).__name__})"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes, the innermost first; requests and urllib3 keep some in ``reason`` and ``args``."""
    chain: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        current = queue.pop()
        if isinstance(current, BaseException) and current not in chain:
            chain.append(current)
            queue += [current.__context__, current.__cause__, *current.args, getattr(current, "reason", None)]
    return reversed(chain)


def _plain(value: Json) -> Json:
    """Let ``json`` write read-only mappings and sequences."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
