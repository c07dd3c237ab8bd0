"""What authenticates a call to the service: a key, or an Entra ID token."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol


class CredentialUnavailableError(Exception):
    """There is no key or token to send. The text says why, without any part of a secret."""


class AuthHeader(NamedTuple):
    """The header of the credential, and the secret in it, which must never be shown."""

    name: str
    value: str
    secret: str

    def __repr__(self) -> str:
        return f"AuthHeader(name={self.name!r}, value='[redacted]')"


class Credential(Protocol):
    """What can authenticate a call."""

    def header(self) -> AuthHeader:
        """Return the header for one call. Raises ``CredentialUnavailableError``."""


class ApiKey:
    """A resource key. ``read`` is called for every call, so that a rotated key is used at once."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read

    def header(self) -> AuthHeader:
        """Return the key's header, without white space around the key: a key from a file may end in a newline."""
        key = self._read().strip()
        if not key:
            raise CredentialUnavailableError("its key is empty")
        _refuse_unsendable(key, "its key")
        return AuthHeader("Ocp-Apim-Subscription-Key", key, key)

    def __repr__(self) -> str:
        return "ApiKey([redacted])"


class AccessToken(Protocol):
    """A token as ``azure-identity`` returns it."""

    @property
    def token(self) -> str:
        """The bearer token."""


class TokenSource(Protocol):
    """A credential of ``azure-identity``, which caches and renews its tokens itself."""

    def get_token(self, *scopes: str) -> AccessToken:
        """Return a token that is valid now."""


class EntraToken:
    """An Entra ID token.

    The resource needs its custom subdomain, and the identity of ``source`` a role that allows the call (docs/roles.md).
    """

    def __init__(self, source: TokenSource, scope: str) -> None:
        self._source = source
        self._scope = scope

    def header(self) -> AuthHeader:
        """Return the header with a token that is valid now."""
        try:
            token = self._source.get_token(self._scope).token
        except Exception as error:  # noqa: BLE001 - this package does not depend on azure-identity, whose errors these are
            reason = type(error).__name__
        else:
            _refuse_unsendable(token, "its Entra ID token")
            return AuthHeader("Authorization", f"Bearer {token}", token)
        # Raised outside the except block: the text of the original may quote the answer of the token service.
        raise CredentialUnavailableError(f"could not get an Entra ID token for it ({reason})")

    def __repr__(self) -> str:
        return f"EntraToken(scope={self._scope!r})"


def _refuse_unsendable(secret: str, what: str) -> None:
    """Refuse a secret that no header can hold, before an HTTP library does so with the secret in its message."""
    if not secret or not all("!" <= character <= "~" for character in secret):
        raise CredentialUnavailableError(
            f"{what} has characters that no key has: check that no other text was pasted with it"
        )
