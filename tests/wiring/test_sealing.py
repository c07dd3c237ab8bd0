"""What is sealed is opened by whoever has a key, for the same purpose, and by nobody else."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from wiring.sealing import Sealer, SealingKeysInvalid, SealingKeyUnknown

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
TOKEN = {"accessToken": "very secret", "expirationDateTimeTicks": 1656120644}


def test_what_was_sealed_is_opened_again() -> None:
    """What was sealed is opened again for the same purpose."""
    sealer = Sealer([OLD])
    assert sealer.open(sealer.seal(TOKEN, "a|b"), "a|b") == TOKEN


def test_the_seal_shows_nothing_of_its_content() -> None:
    assert "secret" not in Sealer([OLD]).seal(TOKEN, "a|b")


def test_a_seal_cannot_be_moved_to_another_copy() -> None:
    sealer = Sealer([OLD])
    with pytest.raises(SealingKeyUnknown, match="another copy"):
        sealer.open(sealer.seal(TOKEN, "a|b"), "a|c")


def test_a_rotated_worker_opens_what_was_sealed_before() -> None:
    assert Sealer([NEW, OLD]).open(Sealer([OLD]).seal(TOKEN, "p"), "p") == TOKEN


def test_worker_that_does_not_know_new_key_yet_says_so() -> None:
    """A worker that does not know the new key yet says so."""
    with pytest.raises(SealingKeyUnknown, match="SEALING_KEYS"):
        Sealer([OLD]).open(Sealer([NEW, OLD]).seal(TOKEN, "p"), "p")


def test_a_seal_that_was_tampered_with_is_not_opened() -> None:
    sealed = Sealer([OLD]).seal(TOKEN, "p")
    with pytest.raises(SealingKeyUnknown):
        Sealer([OLD]).open(sealed[:-4] + "AAA=", "p")


def test_the_setting_is_a_list_and_spaces_do_no_harm() -> None:
    assert Sealer.from_setting(f" {NEW} , {OLD},").open(Sealer([OLD]).seal(TOKEN, "p"), "p") == TOKEN


@pytest.mark.parametrize("setting", ["", " , "])
def test_an_empty_setting_says_how_to_make_a_key(setting: str) -> None:
    with pytest.raises(SealingKeysInvalid, match="generate_key"):
        Sealer.from_setting(setting)


def test_what_is_not_key_is_named_by_its_place() -> None:
    """What is not a key is named by its place and never repeated."""
    with pytest.raises(SealingKeysInvalid, match="key 2 in SEALING_KEYS") as refused:
        Sealer.from_setting(f"{OLD},hunter2-is-my-password")
    assert "hunter2" not in str(refused.value)
