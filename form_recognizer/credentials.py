"""What proves to the service that the app may call it: a key, or an Entra ID token if an identity is configured."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

COGNITIVE_SERVICES_SCOPE = "https://cognitiveservices.azure.com/.default"
"""The scope of an Entra ID token in the public cloud. Sovereign clouds have one of their own."""


class CredentialUnavailableError(Exception):
    """There is no key or token to send. The text says why, and holds no part of a secret."""


class AuthHeader(NamedTuple):
    """The header that carries the credential, and the bare secret in it, which must never be shown."""

    name: str
    value: str
    secret: str

    def __repr__(self) -> str:
        return f"AuthHeader(name={self.name!r}, value='[redacted]')"


class Credential(Protocol):
    """Gives the header that authenticates one call."""

    def header(self) -> AuthHeader:
        """Return the header for a call that is made now. Raises ``CredentialUnavailableError``."""


class ApiKey:
    """A resource key, in ``Ocp-Apim-Subscription-Key``.

    ``read`` is called for every call, so that a rotated key is used at once.
    """

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read

    def header(self) -> AuthHeader:
        """Return the key's header. White space around the key is dropped: secrets stored from a file end in a newline."""
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
    """What ``azure-identity``'s credentials can do: they cache and renew their tokens themselves."""

    def get_token(self, *scopes: str) -> AccessToken:
        """Return a token that is valid now."""


class EntraToken:
    """An Entra ID token, in ``Authorization: Bearer``.

    ``source`` is a credential of ``azure-identity`` (managed identity on Azure). The resource needs its custom
    subdomain for it, and the identity the role "Cognitive Services User".
    """

    def __init__(self, source: TokenSource, scope: str = COGNITIVE_SERVICES_SCOPE) -> None:
        self._source = source
        self._scope = scope

    def header(self) -> AuthHeader:
        """Return the header with a token that is valid now."""
        try:
            token = self._source.get_token(self._scope).token
        except Exception as error:  # noqa: BLE001 - its errors are azure-identity's and azure-core's, on which this package does not depend
            reason = type(error).__name__
        else:
            _refuse_unsendable(token, "its Entra ID token")
            return AuthHeader("Authorization", f"Bearer {token}", token)
        # Raised out here, so that the original, whose text may quote the answer of the token service, is not attached.
        raise CredentialUnavailableError(f"no Entra ID token could be had for it ({reason})")

    def __repr__(self) -> str:
        return f"EntraToken(scope={self._scope!r})"


def _refuse_unsendable(secret: str, what: str) -> None:
    """Refuse what cannot stand in a header, before an HTTP library does so with the value in its message."""
    if not secret or not all("!" <= character <= "~" for character in secret):
        raise CredentialUnavailableError(
            f"{what} holds characters that no key has (it may have been pasted with other text)"
        )
