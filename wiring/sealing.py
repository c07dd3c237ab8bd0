"""Sealing: it keeps the access token of an authorization out of the catalog and of the logs, which are clear text. The sealed
authorization rests in its claim until the source has accepted the copy.

Fernet (AES-128-CBC with HMAC-SHA256) with a list of keys from the app setting ``SEALING_KEYS``: the first seals, all of them open.
docs/sealing-keys.md says how to rotate them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from backup.configuration.app_settings import SettingFault, secret_problem

SETTING = "SEALING_KEYS"
HOW_TO_MAKE = 'python3 -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'
"""A command that makes a key. It needs nothing but Python."""


class SealingKeysInvalid(ValueError):
    """The setting does not hold Fernet keys. The message does not repeat what it holds."""


class SealingKeyUnknown(Exception):
    """No configured key opens this: a worker with a newer or older key sealed it, or it was tampered with."""


class Sealer:
    """Seals small JSON objects for one purpose, and opens them again."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take the keys in order; the first one seals. Raises ``SealingKeysInvalid``."""
        if not keys:
            raise SealingKeysInvalid(f"{SETTING} is empty; set it to a key made by {HOW_TO_MAKE}")
        fernets = []
        for number, key in enumerate(keys, start=1):
            try:
                fernets.append(Fernet(key))
            except ValueError:
                raise SealingKeysInvalid(
                    f"key {number} in {SETTING} is not a Fernet key: 32 bytes in URL-safe base64 are needed"
                ) from None
        self._fernet = MultiFernet(fernets)

    @classmethod
    def from_setting(cls, text: str) -> Sealer:
        """Read a comma-separated list of keys. Raises ``SealingKeysInvalid``."""
        keys = [key.strip() for key in text.split(",") if key.strip()]
        problem = secret_problem(text) if keys else None
        if problem is not None:
            made = f": a key made by {HOW_TO_MAKE}" if problem.fault is SettingFault.PLACEHOLDER else ""
            raise SealingKeysInvalid(f"app setting {SETTING}: {problem}{made}")
        return cls(keys)

    def seal(self, content: Any, purpose: str) -> str:
        """Return ``content`` (JSON) sealed. Opening it needs the same ``purpose``: sealed content cannot be moved elsewhere."""
        return self._fernet.encrypt(json.dumps([purpose, content]).encode()).decode()

    def open(self, sealed: str, purpose: str) -> Any:
        """Return what :meth:`seal` was given. Raises ``SealingKeyUnknown``."""
        try:
            sealed_for, content = json.loads(self._fernet.decrypt(sealed.encode()))
        except InvalidToken:
            raise SealingKeyUnknown(
                "no key in SEALING_KEYS opens this authorization; add the key that sealed it"
            ) from None
        if sealed_for != purpose:
            raise SealingKeyUnknown("the authorization was sealed for another copy")
        return content

    def opens(self, sealed: str) -> bool:
        """Tell whether a key opens this, whatever it was sealed for."""
        try:
            self._fernet.decrypt(sealed.encode())
        except InvalidToken:
            return False
        return True
