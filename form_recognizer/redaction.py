"""The one place that removes secrets from what comes from outside: keys and tokens that a service, a proxy or a gateway echoes.

Every key that a transport sends and every access token that an authorization holds is noted here, in this process. What an answer says
passes through :func:`redact` or :func:`redact_json` before anything else reads it.
"""

from __future__ import annotations

import base64
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from backup.json_types import Json

REDACTED = "[redacted]"

SHORTEST = 8
"""Characters. A shorter secret may be a part of an ordinary word, so only errors are searched for it."""

MOST_KEYS = 64
MOST_TOKENS = 64
"""As many as one process uses at once; the oldest is forgotten first."""


class _Noted:
    """Secrets in every spelling, the one used last at the end."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._secrets: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self.spellings: tuple[str, ...] = ()
        self.folded: tuple[str, ...] = ()
        """The secrets in lower case."""
        self.exact: tuple[str, ...] = ()
        """The beginnings of their other spellings."""

    def add(self, secret: str) -> None:
        if len(secret) < SHORTEST or not secret.isascii():
            return
        with self._lock:
            is_new = secret not in self._secrets
            self._secrets[secret] = self._secrets.get(secret) or _spellings(secret)
            self._secrets.move_to_end(secret)
            if len(self._secrets) > self._most:
                self._secrets.popitem(last=False)
            if is_new:
                self.spellings = tuple(spelling for known in self._secrets.values() for spelling in known)
                self.folded = tuple(known.lower() for known in self._secrets)
                others = (
                    one.rstrip("=")
                    for known in self._secrets.items()
                    for one in known[1]
                    if one.lower() != known[0].lower()
                )
                self.exact = tuple(dict.fromkeys(one for one in others if len(one) >= SHORTEST))


_keys = _Noted(MOST_KEYS)
_tokens = _Noted(MOST_TOKENS)


def note_key(secret: str) -> None:
    """Note a key or an Entra ID token that is sent."""
    _keys.add(secret)


def note_token(secret: Json) -> None:
    """Note the access token of an authorization; anything but a text is ignored."""
    if isinstance(secret, str):
        _tokens.add(secret)


def redact(text: str, *, tokens: bool = True) -> str:
    """Return ``text`` without any noted secret. ``tokens``: also without access tokens."""
    for spelling in _wanted(tokens=tokens):
        if spelling in text:
            text = text.replace(spelling, REDACTED)
    return text


def redact_json(value: Json, text: str, *, tokens: bool = True) -> Json:
    """Return the JSON value that ``text`` spells without any noted secret.

    A text without an escape spells each secret as it is, so only one that has both is walked through.
    """
    if "\\" not in text and not _may_hold_any(text, tokens=tokens):
        return value
    return _without(value, _wanted(tokens=tokens))


def _may_hold_any(text: str, *, tokens: bool) -> bool:
    """Tell whether a text holds a secret in any spelling: with as few searches as can be, because it may have megabytes."""
    noted = (_keys, _tokens) if tokens else (_keys,)
    folded = text.lower()
    return any(
        any(needle in folded for needle in one.folded) or any(needle in text for needle in one.exact) for one in noted
    )


def _wanted(*, tokens: bool) -> tuple[str, ...]:
    return (*_keys.spellings, *_tokens.spellings) if tokens else _keys.spellings


def _without(value: Json, spellings: tuple[str, ...]) -> Json:
    if isinstance(value, str):
        return _clean(value, spellings)
    if isinstance(value, Mapping):
        return {_clean(name, spellings): _without(member, spellings) for name, member in value.items()}
    if isinstance(value, list):
        return [_without(member, spellings) for member in value]
    return value


def _clean(text: str, spellings: Iterable[str]) -> str:
    if len(text) < SHORTEST:
        return text
    for spelling in spellings:
        if spelling in text:
            text = text.replace(spelling, REDACTED)
    return text


def _spellings(secret: str) -> tuple[str, ...]:
    plain = secret.encode()
    encoded = (base64.b64encode(plain), base64.urlsafe_b64encode(plain))
    texts = [secret, secret.lower(), secret.upper(), quote(secret, safe=""), *(one.decode() for one in encoded)]
    return tuple(dict.fromkeys([*texts, *(text.rstrip("=") for text in texts if len(text.rstrip("=")) >= SHORTEST)]))
