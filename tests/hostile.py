"""What a hostile client may send, as hypothesis strategies: texts, queries, headers and bodies that are nearly right or nowhere near.

``FUZZ`` is how many requests each test makes, and ``FUZZ_SEED`` chooses them: ``make fuzz`` sets both. By default the run is short and the
same each time.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FUZZ") or 40)
SEED = int(os.environ.get("FUZZ_SEED") or 0)
Test = TypeVar("Test", bound=Callable[..., None])


def fuzzed(test: Test) -> Test:
    """Decorate a test that hypothesis drives: it makes ``FUZZ`` requests. Fixtures must outlive one request."""
    chosen = settings(
        max_examples=EXAMPLES, database=None, print_blob=True, suppress_health_check=list(HealthCheck), deadline=None
    )
    return seed(SEED)(chosen(test))


CHARACTERS = st.characters(exclude_categories=())
"""All of them, lone surrogates too."""
NUMBERS = ["0", "1", "-1", "1e3", "9" * 20, "0" * 12 + "9" * 12, "9" * 4500, "NaN", "٣", "1" * 9]
MOMENTS = [
    "2026-01-01T00:00Z",
    "0001-01-01T00:00+14:00",
    "9999-12-31T23:59-14:00",
    "2026-02-30",
    "2026-01-01T00:00:60Z",
]


def token(value: object) -> str:
    """Write a continuation token as the app does."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


FORGED: list[object] = [["a", "b"], ["\ud800", "b"], ["a"], 7, None, {}, [[], {}]]
TOKENS = [
    *map(token, FORGED),
    base64.urlsafe_b64encode(b"[" * 3000 + b"]" * 3000).decode(),
    "9" * 13 + "-a",
    "====",
]


def texts(*known: str) -> st.SearchStrategy[str]:
    """Any text, or one that means something."""
    return st.one_of(
        st.sampled_from([*known, *NUMBERS, *MOMENTS, *TOKENS, "true", "*", "..", "%", "\0", "\ud800", "x" * 300]),
        st.text(CHARACTERS, max_size=40),
    )


def documents(names: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """JSON values whose names and texts are mostly those that a right request has."""
    leaves = st.one_of(values, st.none(), st.booleans(), st.integers(), st.floats(), st.integers(10**20, 10**25))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(names, inner, max_size=6)),
        max_leaves=12,
    )


def bodies(names: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """Bodies: JSON, JSON that is spoilt, and none."""
    valid = documents(names, values).map(lambda document: json.dumps(document).encode())
    objects = st.dictionaries(names, documents(names, values), min_size=1, max_size=6)
    depth = st.integers(1, 20_000)
    return st.one_of(
        objects.map(lambda document: json.dumps(document).encode()),
        valid,
        st.tuples(valid, st.binary(max_size=5), st.integers(0, 40)).map(lambda t: t[0][: t[2]] + t[1] + t[0][t[2] :]),
        valid.map(lambda body: body.decode().encode("utf-16")),
        valid.map(lambda body: b"\xef\xbb\xbf" + body),
        valid.map(lambda body: gzip.compress(body, mtime=0)),
        depth.map(lambda levels: b"[" * levels + b"]" * levels),
        depth.map(lambda levels: b'{"models":' * levels),
        st.integers(0, 40_000).map(lambda count: b"[" + b"{}," * count + b"{}]"),
        st.binary(max_size=200),
    )


def queries(names: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Queries, the question mark included."""
    pairs = st.lists(st.tuples(names, values), max_size=4)
    return pairs.map(lambda chosen: "?" + "&".join(f"{escaped(name)}={escaped(value)}" for name, value in chosen))


def escaped(text: str) -> str:
    """Escape a text for a URL, half characters too."""
    return quote(text, safe="", errors="surrogatepass")


HEADERS = st.dictionaries(
    st.sampled_from(["Content-Type", "Content-Encoding", "If-None-Match", "x-ms-continuation-token", "Origin"]),
    st.one_of(st.sampled_from(["application/json", "gzip", "*", 'W/"a"', *TOKENS]), st.text(max_size=20)),
    max_size=2,
)
