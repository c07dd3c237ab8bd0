"""Where the catalog is kept, from app settings: what is accepted, and what is refused with which message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from azure.identity import ManagedIdentityCredential

from catalog.store import CatalogUnavailable, Table
from catalog.tables import TableStore
from local.azurite import PUBLIC_KEY, Azurite, connection_string
from wiring.services import ConfigurationInvalid, open_store

ROOT = Path(__file__).parents[2]
REMOTE = f"DefaultEndpointsProtocol=https;AccountName=backups;AccountKey={PUBLIC_KEY};EndpointSuffix=core.windows.net"


def opened(**settings: str) -> TableStore:
    store = open_store(settings)
    assert isinstance(store, TableStore)
    return store


def test_setting_names_a_connection_string(azurite: Azurite) -> None:
    store = opened(CATALOG="table:STORAGE", STORAGE=azurite.connection_string, CATALOG_TABLE_PREFIX="wiring1")
    row = store.insert(Table.CLAIMS, "p", "k", {"n": 1})
    again = opened(CATALOG="table:STORAGE", STORAGE=azurite.connection_string, CATALOG_TABLE_PREFIX="wiring1")
    assert again.get(Table.CLAIMS, "p", "k") == row
    elsewhere = opened(CATALOG="table:STORAGE", STORAGE=azurite.connection_string, CATALOG_TABLE_PREFIX="wiring2")
    assert elsewhere.get(Table.CLAIMS, "p", "k") is None


def test_connection_string_of_the_portal_is_accepted() -> None:
    """It leads to its account over https."""
    store = opened(CATALOG="table:AzureWebJobsStorage", AzureWebJobsStorage=REMOTE)
    assert store._service.url == "https://backups.table.core.windows.net"
    assert store._tables[Table.CLAIMS].table_name == "formsbackupclaims"


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"CATALOG": "table:https://backups.table.core.windows.net"}, "https://backups.table.core.windows.net"),
        ({"CATALOG": "table:https://backups.table.core.windows.net/"}, "https://backups.table.core.windows.net"),
        ({"CATALOG": "table:S", "S__accountName": "backups"}, "https://backups.table.core.windows.net"),
        (
            {"CATALOG": "table:S", "S__tableServiceUri": "https://b.table.core.chinacloudapi.cn"},
            "https://b.table.core.chinacloudapi.cn",
        ),
    ],
)
def test_address_is_used_with_managed_identity(settings: dict[str, str], address: str) -> None:
    store = opened(**settings)
    assert store._service.url == address
    assert isinstance(store._service._identity, ManagedIdentityCredential)


@pytest.mark.parametrize(
    "settings",
    [
        {"CATALOG": "table:https://b.table.core.windows.net", "CATALOG_CLIENT_ID": "client-1"},
        {"CATALOG": "table:S", "S__accountName": "b", "S__clientId": "client-1"},
        {"CATALOG": "table:S", "S__accountName": "b", "CATALOG_CLIENT_ID": "client-1"},
        {"CATALOG": "table:S", "S__accountName": "b", "S__clientId": "client-1", "CATALOG_CLIENT_ID": "client-2"},
        {"CATALOG": "table:https://b.table.core.windows.net", "AZURE_CLIENT_ID": "client-1"},
        {"CATALOG": "table:S", "S__accountName": "b", "CATALOG_CLIENT_ID": "client-1", "AZURE_CLIENT_ID": "client-2"},
    ],
)
def test_identity_can_be_chosen(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> None:
    chosen: list[str | None] = []

    class Identity(ManagedIdentityCredential):
        def __init__(self, *, client_id: str | None = None) -> None:
            chosen.append(client_id)
            super().__init__(client_id=client_id)

    monkeypatch.setattr("azure.identity.ManagedIdentityCredential", Identity)
    opened(**settings)
    assert chosen == ["client-1"]


SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "empty"),
        ({"CATALOG": "table:"}, "not understood"),
        ({"CATALOG": "file:x"}, "not understood"),
        ({"CATALOG": "table:STORAGE"}, "STORAGE, which CATALOG names, is empty"),
        ({"CATALOG": "table:STORAGE", "STORAGE": "nonsense"}, "no connection string"),
        ({"CATALOG": "table:STORAGE", "STORAGE": f"AccountKey={SECRET}"}, "no connection string"),
        ({"CATALOG": "table:STORAGE", "STORAGE": f"AccountName=b;AccountKey={SECRET}x!"}, "no connection string"),
        ({"CATALOG": f"AccountName=b;AccountKey={SECRET}"}, "holds a connection string"),
        ({"CATALOG": f"AccountName=b;AccountKey={SECRET};TableEndpoint=https://b"}, "holds a connection string"),
        ({"CATALOG": f"table:AccountName=b;AccountKey={SECRET}"}, "neither the name of an app setting nor"),
        ({"CATALOG": f"table:https://b.table.core.windows.net/?sv=1&sig={SECRET}"}, "without a path or a"),
        ({"CATALOG": f"table:https://user:{SECRET}@b.table.core.windows.net"}, "without a path or a"),
        ({"CATALOG": "table:https://b.table.core.windows.net/claims"}, "without a path"),
        ({"CATALOG": "table:http://b.table.core.windows.net"}, "write https://"),
        ({"CATALOG": "table:https://"}, "write https://"),
        (
            {"CATALOG": "table:S", "S": f"TableEndpoint=http://b.example;AccountName=b;AccountKey={SECRET}"},
            "use https",
        ),
        ({"CATALOG": "table:S", "S": REMOTE, "CATALOG_TABLE_PREFIX": "my-backup"}, "CATALOG_TABLE_PREFIX"),
        ({"CATALOG": "table:S", "S": REMOTE, "CATALOG_TABLE_PREFIX": "1a"}, "CATALOG_TABLE_PREFIX"),
        ({"CATALOG": "table:S", "S": REMOTE, "CATALOG_TABLE_PREFIX": "a" * 41}, "CATALOG_TABLE_PREFIX"),
    ],
)
def test_wrong_setting_is_refused_without_secrets(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        open_store(settings)
    assert message in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_emulator_may_be_reached_without_tls() -> None:
    opened(CATALOG="table:S", S=connection_string(1))
    opened(CATALOG="table:S", S="UseDevelopmentStorage=true")


def test_signature_is_not_in_errors() -> None:
    """A signature in a connection string."""
    signed = f"TableEndpoint=https://127.0.0.1:1;SharedAccessSignature=sv=2019-02-02&sig={SECRET}"
    with pytest.raises(CatalogUnavailable, match=r"127\.0\.0\.1:1 ") as caught:
        opened(CATALOG="table:S", S=signed).get(Table.CLAIMS, "p", "k")
    assert "sig" not in str(caught.value)


def test_catalog_in_a_file_loads_no_storage_client(tmp_path: Path) -> None:
    assert "azure.data.tables" not in loaded_by({"CATALOG": f"sqlite:{tmp_path}/catalog.sqlite"})


@pytest.mark.parametrize("place", ["sqlite", "table"])
def test_app_with_keys_loads_no_identity_client(tmp_path: Path, place: str) -> None:
    settings = (
        {"CATALOG": f"sqlite:{tmp_path}/catalog.sqlite"} if place == "sqlite" else {"CATALOG": "table:S", "S": REMOTE}
    )
    assert "azure.identity" not in loaded_by(settings)


def loaded_by(settings: dict[str, str]) -> list[str]:
    """The modules that a new process has loaded once the app is loaded and its catalog is open."""
    program = (
        f"import sys, function_app; from wiring.services import open_store; open_store({settings}); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    "text", ["UseDevelopmentStorage=true", "UseDevelopmentStorage=true;", " usedevelopmentstorage=true ; "]
)
def test_the_emulator_in_every_spelling(text: str) -> None:
    assert opened(CATALOG="table:S", S=text)._service.url.startswith("http://127.0.0.1:10002")


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        (f'"{REMOTE}"', "in quotes; remove the quotes"),
        (f"'{REMOTE}'", "in quotes; remove the quotes"),
        (REMOTE.replace(";", ";\n", 1), "holds a line end"),
        ("backupsaccount1", "put the name into S__accountName"),
    ],
)
def test_what_is_pasted_in_place_of_a_connection_string(text: str, flaw: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=flaw) as caught:
        opened(CATALOG="table:S", S=text)
    assert "AccountKey" not in str(caught.value)


def test_blanks_and_a_line_end_around_a_connection_string() -> None:
    assert opened(CATALOG="table:S", S=f" {REMOTE}\r\n")._service.url == "https://backups.table.core.windows.net"
