"""Partition and row keys for Azure Table Storage, which takes fewer characters in them than the catalog's keys may hold."""

from __future__ import annotations

import re

LONGEST = 512
"""Characters of a key after escaping. Table Storage takes 1 KiB, which it counts in UTF-16 (Azure Storage documentation)."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._~|,:;=@+-]")
_ESCAPED = re.compile(r"!([0-9a-f]{6})")


class KeyTooLong(ValueError):
    """A partition or key is longer than Table Storage can hold."""


def escape(text: str) -> str:
    """Return ``text`` as a key: one that begins with another still does so afterwards.

    Table Storage refuses ``/ \\ # ?`` and control characters; quotes, per cents and spaces are legal but are mistreated by one client
    or another. All of them become ``!`` and six hexadecimal digits, as does ``!`` itself. The ids of models, resources and runs hold
    none of these, so their rows keep the order that SQLite has them in. Raises ``KeyTooLong``.
    """
    key = _UNSAFE.sub(lambda match: f"!{ord(match[0]):06x}", text)
    if len(key) > LONGEST:
        raise KeyTooLong(f"a key of {len(key)} characters; Table Storage takes {LONGEST}")
    return key


def unescape(key: str) -> str:
    """Return what :func:`escape` was given."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), key)


def after_prefix(prefix: str) -> str:
    """Return the first key behind all those that begin with the escaped ``prefix``, which is not empty."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
