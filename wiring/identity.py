"""The function app's managed identity, which signs in to resources and to the catalog if they have no key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.identity import ManagedIdentityCredential

CLIENT_ID_SETTING = "AZURE_CLIENT_ID"


def managed_identity(client_id: str | None, environment: Mapping[str, str]) -> ManagedIdentityCredential:
    """Return the user-assigned identity with ``client_id``, or else that of app setting ``AZURE_CLIENT_ID``, or else the app's own.

    Makes no calls.
    """
    # It is a tenth of all that a start loads; an app with keys starts without it.
    from azure.identity import ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=client_id or _of_the_setting(environment) or None)


def identity_in_words(client_id: str | None, environment: Mapping[str, str]) -> str:
    """Return which identity :func:`managed_identity` signs in with, for a message."""
    if client_id:
        return f"the identity with client id {client_id}"
    if named := _of_the_setting(environment):
        return f"the identity of app setting {CLIENT_ID_SETTING} (client id {named})"
    return "the function app's system-assigned identity"


def _of_the_setting(environment: Mapping[str, str]) -> str:
    return environment.get(CLIENT_ID_SETTING, "").strip()
