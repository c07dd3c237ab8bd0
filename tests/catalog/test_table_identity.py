"""Managed identity on Table Storage: over https, with a token for storage and without a key."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import pytest
from azure.core.credentials import AccessToken

from catalog.store import CatalogUnavailable, Table
from catalog.table_service import TableService
from catalog.tables import TableStore
from local.azurite import ACCOUNT, Azurite
from local.simulator.certificates import make_server_identity


def token(claims: dict[str, object]) -> str:
    """A token with ``claims``; the emulator takes it without a signature."""
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "unsigned"])


class Identity:
    """Returns tokens as the identity endpoint does, and keeps the scopes of the requests."""

    def __init__(self, lives: int) -> None:
        self.scopes: list[str] = []
        self._lives = lives

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        self.scopes += scopes
        now = int(time.time())
        claims = {
            "aud": scopes[0].removesuffix("/.default"),
            "iss": "https://sts.windows.net/11111111-2222-3333-4444-555555555555/",
            "nbf": now - 7200,
            "iat": now - 7200,
            "exp": now + self._lives,
        }
        return AccessToken(token(claims), now + 3600)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The https endpoint of an emulator that takes tokens."""
    folder = tmp_path_factory.mktemp("tls")
    authority = make_server_identity(folder).authority
    pem = str(folder / "server.pem")
    running = Azurite(("--oauth", "basic", "--cert", pem, "--key", pem))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        yield f"https://127.0.0.1:{running.port}/{ACCOUNT}"
    running.stop()


def test_the_catalog_works_with_a_token(secure: str, prefix: str) -> None:
    identity = Identity(lives=3600)
    store = TableStore(TableService(endpoint=secure, identity=identity), prefix)
    store.ensure(Table.CLAIMS, "p", {"a": {"n": 1}, "b": {"n": 2}})
    row = store.insert(Table.CLAIMS, "p", "c", {"n": 3})
    store.replace(row, {"n": 4})
    assert [row.data["n"] for row in store.scan(Table.CLAIMS, partition="p").rows] == [1, 2, 4]
    assert set(identity.scopes) == {"https://storage.azure.com/.default"}


def test_a_token_that_is_refused_says_what_to_check(secure: str, prefix: str) -> None:
    store = TableStore(TableService(endpoint=secure, identity=Identity(lives=-3600)), prefix)
    with pytest.raises(CatalogUnavailable, match="Storage Table Data Contributor"):
        store.get(Table.CLAIMS, "p", "k")


def test_a_server_of_unknown_authority_is_refused(secure: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    identity = Identity(lives=3600)
    with pytest.raises(CatalogUnavailable, match="no connection"):
        TableStore(TableService(endpoint=secure, identity=identity), prefix).get(Table.CLAIMS, "p", "k")
