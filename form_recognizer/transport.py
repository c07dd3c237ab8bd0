"""One HTTP call to one resource: pooled, bounded in time and size, authenticated, never repeated and never redirected."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy

import requests
import urllib3.exceptions
from requests.auth import AuthBase

from backup.json_types import Json, JsonObject
from form_recognizer.addresses import Endpoint
from form_recognizer.answers import Answer
from form_recognizer.credentials import AuthHeader, Credential, CredentialUnavailableError
from form_recognizer.errors import AccessDenied, NoAnswer, ServiceError, Unreachable, UnreadableAnswer
from form_recognizer.timed_connections import CallProgress, TimedAdapter, following

USER_AGENT = "form-recognizer-model-backup/0.1.0"

_CHUNK = 65_536
_NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one call, in seconds.

    ``connect`` is for each address that the host's name stands for, ``read`` for the wait between two pieces of the
    answer, ``total`` for all of it from the start of connecting to the last byte. Only looking up the host's name is
    outside: the system resolver cannot be interrupted.
    """

    connect: float = 10.0
    read: float = 30.0
    total: float = 90.0

    def __post_init__(self) -> None:
        if min(self.connect, self.read, self.total) <= 0:
            raise ValueError("every time-out must be more than 0 seconds")


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``address`` is absolute and has been checked; ``secrets`` are what the service's words must not bring back to light."""

    method: str
    address: str
    body: JsonObject | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)


class Transport:
    """The way to one resource. Safe to use from many threads; keeps up to ``pool_size`` connections open.

    Certificates are always verified: against the bundle that ``REQUESTS_CA_BUNDLE`` names, where it is set when the transport is made. A
    proxy is taken from the environment likewise. ``max_body`` bounds an answer's body in bytes, after unpacking.
    """

    def __init__(
        self,
        endpoint: str,
        credential: Credential,
        *,
        timeouts: Timeouts | None = None,
        pool_size: int = 16,
        max_body: int = 16 * 1024 * 1024,
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

    def send(self, call: Call, resource: str) -> Answer:
        """Make one call; ``resource`` is the name that errors carry. Every status is returned, not raised.

        Raises ``AccessDenied`` where there is no credential to send, ``Unreachable`` where nothing was sent,
        ``NoAnswer`` where something was sent and no status came back.
        """
        auth = self._auth_header(resource)
        request = self._prepare(call, auth)
        progress = CallProgress(time.monotonic() + self._timeouts.total)
        failure: Exception
        with following(progress):
            try:
                response = self._session.send(
                    request,
                    stream=True,
                    timeout=(
                        min(self._timeouts.connect, self._timeouts.total),
                        min(self._timeouts.read, self._timeouts.total),
                    ),
                    allow_redirects=False,
                    proxies=dict(self._proxies),
                    verify=self._verify,
                )
            except _NETWORK_ERRORS as error:
                failure = error
            else:
                return self._receive(response, resource, (auth.secret, *call.secrets))
        # Outside the except block: the exceptions of requests hold the request with its headers, and must not hang on
        # to ours.
        raise self._no_answer(failure, progress, resource)

    def _auth_header(self, resource: str) -> AuthHeader:
        reason: str
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

    def _receive(self, response: requests.Response, resource: str, secrets: tuple[str, ...]) -> Answer:
        body = bytearray()
        flaw: ServiceError | None = None
        try:
            for piece in _unpacked(response, self._max_body + 1):
                body += piece
                if len(body) > self._max_body:
                    flaw = _flaw(UnreadableAnswer, f"is larger than {self._max_body} bytes", response, resource)
                    break
            else:
                response.raw.release_conn()
        except (TimeoutError, urllib3.exceptions.ReadTimeoutError):
            flaw = _flaw(NoAnswer, "did not come in time", response, resource)
        except (*_NETWORK_ERRORS, zlib.error, ValueError):
            flaw = _flaw(
                UnreadableAnswer, "was cut short, or is packed in a way that was not asked for", response, resource
            )
        finally:
            response.raw.close()
        return Answer(resource, response.status_code, response.headers, bytes(body), flaw, secrets)

    def _no_answer(self, error: Exception, progress: CallProgress, resource: str) -> ServiceError:
        reason = _reason(error)
        if not progress.on_its_way:
            return Unreachable(
                f"{resource} cannot be reached at {self.endpoint.origin}: {reason}. Nothing was sent. "
                "Check the endpoint, the network rules and whether the region is down.",
                resource=resource,
            )
        return NoAnswer(
            f"{resource} did not answer: {reason}, after the request was on its way. The call may have taken effect.",
            resource=resource,
        )


@dataclass(frozen=True, slots=True)
class ResourceConnection:
    """A resource of the configuration and the way to it. Every API version and kind of the resource shares it."""

    name: str
    transport: Transport


class _Session(requests.Session):
    """A session that does not even look where a redirect leads: requests would read the whole body to prepare the next request."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        del resp


class _HeaderAuth(AuthBase):
    """Sets the credential's header. That there is an auth object at all keeps requests from reading .netrc."""

    def __init__(self, header: AuthHeader) -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._header.name] = self._header.value
        return request


def _unpacked(response: requests.Response, limit: int) -> Iterator[bytes]:
    """Yield the body, unpacked, in pieces of bounded size: a small packed body can be a very large one."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    # Of a body that says it is too large, one byte too many is enough.
    piece_size = min(_CHUNK, limit)
    pieces: Iterator[bytes] = response.raw.stream(piece_size, decode_content=False)
    if encoding in ("", "identity"):
        yield from pieces
        return
    if encoding not in ("gzip", "x-gzip"):
        raise ValueError("an encoding that was not asked for")
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    for piece in pieces:
        yield unpacker.decompress(piece, limit)
        while unpacker.unconsumed_tail:
            yield unpacker.decompress(unpacker.unconsumed_tail, limit)
    if not unpacker.eof:
        raise ValueError("the packed body does not end")


def _flaw(leaf: type[ServiceError], what: str, response: requests.Response, resource: str) -> ServiceError:
    return leaf(
        f"{resource} answered {response.status_code}, but the body {what}. The call may have taken effect.",
        resource=resource,
        status=response.status_code,
    )


def _reason(error: Exception) -> str:
    """Say why a call failed, by the kinds of exception in its chain: their texts may hold addresses with queries or proxy passwords."""
    chain = list(_chain(error))
    for cause in chain:
        match cause:
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
    """Yield an exception and what it wraps, the innermost first: requests and urllib3 keep causes in ``reason`` and
    ``args``.
    """
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop()
        if isinstance(current, BaseException) and current not in found:
            found.append(current)
            waiting += [current.__context__, current.__cause__, *current.args, getattr(current, "reason", None)]
    return reversed(found)


def _plain(value: Json) -> Json:
    """Let ``json`` write read-only mappings and sequences."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
