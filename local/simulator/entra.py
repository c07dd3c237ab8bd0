"""A small Entra ID: it issues bearer tokens, as the identity endpoint of App Service does, and checks them.

The identity endpoint follows App Service's protocol (2019-08-01): the real ``ManagedIdentityCredential`` works with it when the
environment variables ``IDENTITY_ENDPOINT`` and ``IDENTITY_HEADER`` are set.
"""

from __future__ import annotations

import hmac
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from local.simulator.answers import Answer, Json, ServiceError, json_answer
from local.simulator.clock import Clock

AUDIENCE = "https://cognitiveservices.azure.com"
IDENTITY_PATH = "/msi/token"
PROTOCOL = "2019-08-01"


@dataclass(frozen=True, slots=True)
class Identity:
    """A managed identity. ``header`` is the secret that App Service gives the app.

    ``resources``: those on which the identity has a role; ``None`` for all. ``client_id``: for a user-assigned identity, whose
    requests must name it. ``token_seconds``: the lifetime of its tokens.
    """

    header: str = field(repr=False)
    client_id: str | None = None
    resources: tuple[str, ...] | None = None
    token_seconds: int = 86_400
    audience: str = AUDIENCE


@dataclass(slots=True)
class _Token:
    identity: Identity
    audience: str
    expires: datetime


class Issuer:
    """Issues tokens and checks them. Not thread safe: callers must hold the lock of the world."""

    def __init__(self, clock: Clock, rng: random.Random, identities: tuple[Identity, ...]) -> None:
        self._clock = clock
        self._rng = rng
        self._identities = identities
        self._tokens: dict[str, _Token] = {}
        self.issued = 0

    def revoke_all(self) -> None:
        """Make all issued tokens invalid."""
        self._tokens.clear()

    def token(self, method: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Answer the identity endpoint: ``GET ?resource=&api-version=2019-08-01`` with ``X-IDENTITY-HEADER``."""
        if method != "GET":
            return _refuse(405, "method_not_allowed", "The identity endpoint is read with GET.")
        if query.get("api-version") != PROTOCOL:
            return _refuse(400, "bad_request", f"api-version must be {PROTOCOL}.")
        audience = query.get("resource", "")
        if not audience:
            return _refuse(400, "bad_request", "resource is missing.")
        header = headers.get("X-IDENTITY-HEADER", "").encode(errors="surrogatepass")
        client_id = query.get("client_id")
        matching = [
            identity
            for identity in self._identities
            if hmac.compare_digest(identity.header.encode(), header) and identity.client_id == client_id
        ]
        if not matching:
            return _refuse(401, "unauthorized", "No managed identity has this header and client id.")
        return self._issue(matching[0], audience)

    def _issue(self, identity: Identity, audience: str) -> Answer:
        expires = self._clock.now() + timedelta(seconds=identity.token_seconds)
        text = f"{self._rng.getrandbits(512):0128x}"
        self._tokens[text] = _Token(identity, audience.removesuffix("/"), expires)
        self.issued += 1
        body: Json = {
            "access_token": text,
            "expires_on": str(int(expires.timestamp())),
            "resource": audience,
            "token_type": "Bearer",
        }
        if identity.client_id is not None:
            body["client_id"] = identity.client_id
        return json_answer(body)

    def check(self, authorization: str, resource: str) -> None:
        """Check a bearer token for a resource; raises the 401 of the gateway, or the 401 of a missing role."""
        scheme, _, text = authorization.partition(" ")
        token = self._tokens.get(text.strip()) if scheme.lower() == "bearer" else None
        if token is None or token.audience != token.identity.audience or self._clock.now() >= token.expires:
            raise _denied(
                "Unauthorized",
                f"Unauthorized. Access token is missing, invalid, audience is incorrect ({AUDIENCE}), or have expired.",
            )
        allowed = token.identity.resources
        if allowed is not None and resource not in allowed:
            raise _denied("PermissionDenied", "Principal does not have access to API/Operation.")


def _denied(code: str, message: str) -> ServiceError:
    shown = "401" if code == "Unauthorized" else code
    return ServiceError(json_answer({"error": {"code": shown, "message": message}}, 401))


def _refuse(status: int, code: str, message: str) -> Answer:
    return json_answer({"error": code, "error_description": message, "statusCode": status, "message": message}, status)
