"""The catalog's storage account, from app settings: ``CATALOG=table:…`` says which one, and how to sign in to it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import TableClient

from backup.configuration.app_settings import secret_problem
from backup.configuration.fields import is_loopback
from catalog.table_service import TableService
from catalog.tables import DEFAULT_PREFIX, TableStore
from wiring.identity import managed_identity
from wiring.services import ConfigurationInvalid

PREFIX_SETTING = "CATALOG_TABLE_PREFIX"
CLIENT_ID_SETTING = "CATALOG_CLIENT_ID"

_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9]{0,39}")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_EMULATOR = "UseDevelopmentStorage=true"
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def open_table_store(place: str, environment: Mapping[str, str]) -> TableStore:
    """Open the catalog in Table Storage at ``place``: an account's address, or the name of a setting that holds its connection.

    The app signs in to an address (``https://…table.core.windows.net``) with its managed identity. A setting may hold a connection
    string, or be split into ``NAME__accountName`` or ``NAME__tableServiceUri`` for a managed identity, as for the Functions host. Makes no
    calls. Raises ``ConfigurationInvalid``, whose message repeats nothing that may be secret.
    """
    prefix = environment.get(PREFIX_SETTING, "").strip() or DEFAULT_PREFIX
    if not _PREFIX.fullmatch(prefix):
        raise ConfigurationInvalid(
            f"app setting {PREFIX_SETTING} says {prefix!r}; write a letter and up to 39 letters and digits"
        )
    return TableStore(_service(place, environment), prefix)


def _service(place: str, environment: Mapping[str, str]) -> TableService:
    client_id = environment.get(CLIENT_ID_SETTING, "").strip() or None
    if place.lower().startswith(("https:", "http:")):
        return _with_identity(place, environment, client_id, "app setting CATALOG")
    if not _SETTING_NAME.fullmatch(place):
        raise ConfigurationInvalid(
            "app setting CATALOG says table: and then neither the name of an app setting nor an https address; write "
            "table:AzureWebJobsStorage or table:https://ACCOUNT.table.core.windows.net"
        )
    connection = environment.get(place, "").strip()
    problem = secret_problem(connection) if connection else None
    if problem is not None:
        raise ConfigurationInvalid(f"app setting {place}, which CATALOG names: {problem}")
    if connection:
        if connection.replace(" ", "").rstrip(";").lower() == _EMULATOR.lower():
            connection = _EMULATOR  # with a semicolon, the library does not know it
        if flaw := _flaw_of(connection, place):
            raise ConfigurationInvalid(f"app setting {place}, which CATALOG names, {flaw}")
        return _with_connection_string(connection, place)
    client_id = environment.get(f"{place}__clientId", "").strip() or client_id
    if address := environment.get(f"{place}__tableServiceUri", "").strip():
        return _with_identity(address, environment, client_id, f"app setting {place}__tableServiceUri")
    if account := environment.get(f"{place}__accountName", "").strip():
        return _with_identity(
            f"https://{account}.table.core.windows.net", environment, client_id, f"app setting {place}__accountName"
        )
    raise ConfigurationInvalid(
        f"app setting {place}, which CATALOG names, is empty; put the connection string of a storage account there, or its name "
        f"into {place}__accountName for a managed identity"
    )


def _flaw_of(connection: str, setting: str) -> str | None:
    """Return what is often pasted in the place of a connection string, and what to do; ``None`` if it is none of that."""
    if connection[0] in "\"'" or connection[-1] in "\"'":
        return "holds a connection string in quotes; remove the quotes"
    if "\n" in connection or "\r" in connection:
        return "holds a line end; write the connection string in one line"
    if _ACCOUNT.fullmatch(connection):
        return (
            f"holds the name of a storage account and no connection string; put the name into {setting}__accountName for a "
            "managed identity, or copy the connection string from the account's page Access keys"
        )
    return None


def _with_connection_string(connection: str, setting: str) -> TableService:
    try:
        client = TableClient.from_connection_string(connection, "anything")
        if isinstance(client.credential, AzureNamedKeyCredential):
            base64.b64decode(client.credential.named_key.key, validate=True)
    except (ValueError, binascii.Error):
        raise ConfigurationInvalid(
            f"app setting {setting}, which CATALOG names, holds no connection string of a storage account; copy one from the "
            "account's page Access keys"
        ) from None
    parts = urlsplit(client.url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ConfigurationInvalid(
            f"app setting {setting} names an http address; use https, so that the catalog stays private"
        )
    return TableService(connection)


def _with_identity(address: str, environment: Mapping[str, str], client_id: str | None, setting: str) -> TableService:
    parts = urlsplit(address)
    plain = parts.scheme == "https" and parts.hostname and not (parts.query or parts.fragment or parts.username)
    if not plain or parts.path.strip("/"):
        raise ConfigurationInvalid(
            f"{setting} names no address of Table Storage; write https://ACCOUNT.table.core.windows.net, without a path or a "
            "signature"
        )
    return TableService(endpoint=f"https://{parts.netloc}", identity=managed_identity(client_id, environment))
