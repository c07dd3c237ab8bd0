"""Sealed content is opened only with a key, and only for the same purpose."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from wiring.sealing import Sealer, SealingKeysInvalid, SealingKeyUnknown

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
TOKEN = {"accessToken": "very secret", "expirationDateTimeTicks": 1656120644}


def test_sealed_content_is_opened() -> None:
    sealer = Sealer([OLD])
    assert sealer.open(sealer.seal(TOKEN, "a|b"), "a|b") == TOKEN


def test_sealed_text_shows_nothing_of_its_content() -> None:
    assert "secret" not in Sealer([OLD]).seal(TOKEN, "a|b")


def test_sealed_content_cannot_be_moved() -> None:
    sealer = Sealer([OLD])
    with pytest.raises(SealingKeyUnknown, match="another copy"):
        sealer.open(sealer.seal(TOKEN, "a|b"), "a|c")


def test_rotated_keys_open_older_content() -> None:
    assert Sealer([NEW, OLD]).open(Sealer([OLD]).seal(TOKEN, "p"), "p") == TOKEN


def test_worker_without_the_new_key_says_so() -> None:
    with pytest.raises(SealingKeyUnknown, match="SEALING_KEYS"):
        Sealer([OLD]).open(Sealer([NEW, OLD]).seal(TOKEN, "p"), "p")


def test_changed_content_is_not_opened() -> None:
    sealed = Sealer([OLD]).seal(TOKEN, "p")
    with pytest.raises(SealingKeyUnknown):
        Sealer([OLD]).open(sealed[:-4] + "AAA=", "p")


def test_setting_is_a_list_with_optional_spaces() -> None:
    assert Sealer.from_setting(f" {NEW} , {OLD},").open(Sealer([OLD]).seal(TOKEN, "p"), "p") == TOKEN


@pytest.mark.parametrize("setting", ["", " , "])
def test_empty_setting_says_how_to_make_a_key(setting: str) -> None:
    with pytest.raises(SealingKeysInvalid, match=r"os\.urandom\(32\)"):
        Sealer.from_setting(setting)


def test_wrong_key_is_named_by_its_place() -> None:
    """Its text is not repeated."""
    with pytest.raises(SealingKeysInvalid, match="key 2 in SEALING_KEYS") as refused:
        Sealer.from_setting(f"{OLD},hunter2-is-my-password")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@Microsoft.KeyVault(VaultName=v;SecretName=s)", "could not resolve"),
        ("<one or more Fernet keys, comma-separated; the first one seals>", r"holds a placeholder.*os\.urandom"),
    ],
)
def test_setting_without_its_value(text: str, words: str) -> None:
    """A reference that was not resolved and a placeholder are told apart from a wrong key."""
    with pytest.raises(SealingKeysInvalid, match=words):
        Sealer.from_setting(text)
