"""Which identity the app signs in with, in the words that a message tells."""

from __future__ import annotations

import pytest

from wiring.identity import identity_in_words


@pytest.mark.parametrize(
    ("client_id", "setting", "words"),
    [
        ("client-1", "client-2", "the identity with client id client-1"),
        (None, " client-2\n", "the identity of app setting AZURE_CLIENT_ID (client id client-2)"),
        (None, " ", "the function app's system-assigned identity"),
        (None, None, "the function app's system-assigned identity"),
    ],
)
def test_a_message_names_the_identity(client_id: str | None, setting: str | None, words: str) -> None:
    """The same as `managed_identity` takes."""
    environment = {} if setting is None else {"AZURE_CLIENT_ID": setting}
    assert identity_in_words(client_id, environment) == words
