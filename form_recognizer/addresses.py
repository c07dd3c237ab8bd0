"""The endpoint of a resource, and the addresses in its answers: which of them may be called."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

from backup.clouds import host_of

_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNSAFE = re.compile(r"[^\x21-\x7e]|\\")

OPERATION_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._~-]{0,127}", re.ASCII)
"""What the last segment of an operation's address may be. v2 sends a UUID, v3 and later ``31505674123_a49bbdd6-…``."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a resource: scheme, host, port, and the path before the API's own (mostly empty)."""

    scheme: str
    host: str
    port: int
    prefix: str

    @classmethod
    def parse(cls, address: str) -> Endpoint:
        """Read a configured endpoint. ``http`` is for loopback addresses only. Raises ``ValueError``."""
        parts = _split(address)
        if parts is None or parts.scheme not in _DEFAULT_PORTS or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(
                "an endpoint is written https://NAME.cognitiveservices.azure.com, without user, query or fragment"
            )
        host = parts.hostname or ""
        if parts.scheme == "http" and not _is_loopback(host):
            raise ValueError(f"the endpoint on {host} must be https: a key or model is never sent in clear text")
        return cls(parts.scheme, host, parts.port or _DEFAULT_PORTS[parts.scheme], parts.path.rstrip("/"))

    @property
    def origin(self) -> str:
        """Scheme, host and, if it is not the default, port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    def address(self, path: str, query: dict[str, str] | None = None) -> str:
        """Return the absolute address of ``path``, which begins with a slash."""
        return self.origin + self.prefix + path + ("?" + urlencode(query) if query else "")

    def resolve(self, address: str, base: str) -> str | None:
        """Return ``address`` as an absolute one at this endpoint if it leads here, below ``base``; otherwise ``None``.

        ``base`` is the API's first path segment, such as ``/formrecognizer``. The version segment may differ: in October
        2020 answers to calls of v2.1-preview.2 had addresses of v2.1-preview.1. In recordings an answer names the host that
        was called; another host that can be this account's (:meth:`backup.clouds.Host.may_be`) is replaced by this endpoint's,
        so that the key goes nowhere else.
        """
        if _UNSAFE.search(address):
            return None
        try:
            parts = _split(urljoin(self.origin + "/", address))
        except ValueError:
            return None
        if parts is None or "@" in parts.netloc or not self._can_be(*_origin(parts)):
            return None
        segments = unquote(parts.path).replace("\\", "/").split("/")
        if ".." in segments or "." in segments or not parts.path.startswith(f"{self.prefix}{base}/"):
            return None
        return self.origin + urlunsplit(("", "", parts.path, parts.query, ""))

    def _can_be(self, scheme: str, host: str | None, port: int | None) -> bool:
        here, there = host_of(self.host), host_of(host or "")
        is_ours = host == self.host or bool(here and there and here.may_be(there))
        return is_ours and (scheme, port) == (self.scheme, self.port)


def last_segment(address: str) -> str:
    """Return the last segment of an address's path, decoded; empty if there is none."""
    parts = _split(address)
    return unquote(parts.path.rstrip("/").rpartition("/")[2]) if parts else ""


def same_origin(address: str, other: str) -> bool:
    """Tell whether two addresses have the same scheme, host and port."""
    left, right = _split(address), _split(other)
    return left is not None and right is not None and _origin(left) == _origin(right)


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)


def with_query(address: str, name: str, value: str) -> str:
    """Return ``address`` with the query parameter ``name`` set to ``value``, and the other parameters as they are."""
    parts = urlsplit(address)
    # Not decoded and encoded again, because that could change a page token.
    others = [pair for pair in parts.query.split("&") if pair and unquote(pair.partition("=")[0]) != name]
    return urlunsplit(parts._replace(query="&".join([urlencode({name: value}), *others])))


def path_segment(text: str) -> str:
    """Return ``text`` as one segment of a path."""
    return quote(text, safe="~")


def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises where the port is not a number in range
    except ValueError:
        return None
    return parts if parts.hostname else None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
