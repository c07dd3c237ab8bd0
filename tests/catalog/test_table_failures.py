"""Failures of calls to Table Storage: soon reported, never as a conflict, and without secrets."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from azure.core.credentials import AccessToken
from azure.identity import CredentialUnavailableError

from catalog import table_service
from catalog.store import CatalogUnavailable, Row, Store, Table
from catalog.table_service import TableService
from catalog.tables import TableStore
from local.azurite import PUBLIC_KEY, Azurite, connection_string
from local.flaky_proxy import LOST_BEFORE, Fault, FlakyProxy

CLAIMS = Table.CLAIMS


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many tries as usual, without the waits between them."""
    monkeypatch.setitem(table_service.LIMITS, "retry_backoff_factor", 0)


CALLS: dict[str, Callable[[Store, Row], object]] = {
    "get": lambda store, row: store.get(CLAIMS, "p", "k"),
    "insert": lambda store, row: store.insert(CLAIMS, "p", "new", {}),
    "replace": lambda store, row: store.replace(row, {}),
    "delete": lambda store, row: store.delete(row),
    "ensure": lambda store, row: store.ensure(CLAIMS, "p", {"a": {}, "b": {}}),
    "scan": lambda store, row: store.scan(CLAIMS, partition="p"),
}

FAILURES = {
    "401": Fault(status=401),
    "403": Fault(status=403, headers={"x-ms-error-code": "AuthorizationFailure"}),
    "429": Fault(status=429, headers={"Retry-After": "60"}),
    "500": Fault(status=500),
    "503": Fault(status=503, headers={"Retry-After": "60", "x-ms-error-code": "ServerBusy"}),
    "redirect": Fault(status=307, headers={"Location": "/elsewhere"}),
    "html": Fault(status=502, headers={"Content-Type": "text/html"}, body=b"<html>proxy error</html>"),
    "broken json": Fault(status=500, headers={"Content-Type": "application/json"}, body=b'{"odata.error": {"co'),
    "reset": LOST_BEFORE,
}


NOT_TRIED_AGAIN = {"401", "403", "redirect"}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("failure", FAILURES)
def test_every_failure_of_every_call_is_no_conflict(
    impatient: None, proxied: TableStore, proxy: FlakyProxy, call: str, failure: str
) -> None:
    row = proxied.insert(CLAIMS, "p", "k", {})
    proxy.faults = [FAILURES[failure]] * 20
    proxy.seen.clear()
    with pytest.raises(CatalogUnavailable) as caught:
        CALLS[call](proxied, row)
    assert len(proxy.seen) == (1 if failure in NOT_TRIED_AGAIN else 4)
    assert f"127.0.0.1:{proxy.port}" in str(caught.value)
    assert PUBLIC_KEY not in repr(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("call", ["get", "scan"])
@pytest.mark.parametrize("body", [b'{"value": [{"Part', b"", b"[]", b"null"])
def test_a_malformed_answer_is_no_empty_catalog(proxied: TableStore, proxy: FlakyProxy, call: str, body: bytes) -> None:
    row = proxied.insert(CLAIMS, "p", "k", {})
    proxy.faults = [Fault(status=200, headers={"Content-Type": "application/json"}, body=body)] * 20
    with pytest.raises(CatalogUnavailable):
        CALLS[call](proxied, row)


def test_a_row_that_the_app_did_not_write_is_reported(proxied: TableStore, tables: TableStore) -> None:
    tables._tables[CLAIMS].create_entity({"PartitionKey": "p", "RowKey": "k", "note": "by hand"})
    with pytest.raises(CatalogUnavailable, match="row k of claims"):
        proxied.get(CLAIMS, "p", "k")


def test_a_service_that_does_not_listen_is_unavailable(prefix: str) -> None:
    store = TableStore(TableService(connection_string(1)), prefix)
    with pytest.raises(CatalogUnavailable, match="no connection"):
        store.get(CLAIMS, "p", "k")


def test_a_wrong_account_key_is_unavailable(azurite: Azurite, prefix: str) -> None:
    wrong = azurite.connection_string.replace(PUBLIC_KEY, "d3Jvbmc=")
    with pytest.raises(CatalogUnavailable, match="403") as caught:
        TableStore(TableService(wrong), prefix).get(CLAIMS, "p", "k")
    assert "d3Jvbmc=" not in str(caught.value)


def test_an_identity_without_a_token_is_unavailable(prefix: str) -> None:
    class NoIdentity:
        def get_token(self, *scopes: str, **_: object) -> AccessToken:
            raise CredentialUnavailableError("no identity here, secret=123")

    service = TableService(endpoint="https://127.0.0.1:1", identity=NoIdentity())
    with pytest.raises(CatalogUnavailable, match="managed identity") as caught:
        TableStore(service, prefix).get(CLAIMS, "p", "k")
    assert "123" not in str(caught.value)


@pytest.mark.parametrize("header", ["Retry-After", "x-ms-retry-after-ms"])
def test_a_call_does_not_wait_as_the_service_asks(proxied: TableStore, proxy: FlakyProxy, header: str) -> None:
    proxy.faults = [Fault(status=503, headers={header: "60000"})] * 20
    begin = time.monotonic()
    with pytest.raises(CatalogUnavailable, match="503"):
        proxied.get(CLAIMS, "p", "k")
    assert time.monotonic() - begin < 10


def test_a_call_survives_three_failures(impatient: None, proxied: TableStore, proxy: FlakyProxy) -> None:
    proxy.faults = [Fault(status=503), LOST_BEFORE, Fault(status=429)]
    row = proxied.insert(CLAIMS, "p", "k", {"n": 1})
    assert proxied.get(CLAIMS, "p", "k") == row


def test_a_write_without_a_tag_has_failed(proxied: TableStore, proxy: FlakyProxy) -> None:
    proxy.faults = [Fault(forward=True, status=204)]
    with pytest.raises(CatalogUnavailable):
        proxied.insert(CLAIMS, "p", "k", {})
