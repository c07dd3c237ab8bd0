"""What a hostile client may send, as hypothesis strategies: texts, queries, headers and bodies that are nearly right or nowhere near.

``FUZZ`` is how many requests each test makes, and ``FUZZ_SEED`` chooses them: ``make fuzz`` sets both. By default the run is short and the
same each time. Hypothesis draws each request from nothing, which takes longer than the app needs to answer it. So seven more are made of
each, spoilt in a few places.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FUZZ") or 160)
"""How many requests each test makes."""
ALIKE = 8
"""How many of them are made of one example."""
SEED = int(os.environ.get("FUZZ_SEED") or 0)
Test = TypeVar("Test", bound=Callable[..., None])


def fuzzed(test: Test) -> Test:
    """Decorate a test that hypothesis drives with :func:`batches`: it makes ``FUZZ`` requests. Fixtures must outlive one example."""
    chosen = settings(
        max_examples=-(-EXAMPLES // ALIKE),
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        deadline=None,
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
    depth = st.sampled_from([3, 64, 65, 500, 2000, 20_000])
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


def escaped(text: str) -> str:
    """Escape a text for a URL, half characters too."""
    return quote(text, safe="", errors="surrogatepass")


HEADERS = st.dictionaries(
    st.sampled_from(["Content-Type", "Content-Encoding", "If-None-Match", "x-ms-continuation-token", "Origin"]),
    st.one_of(st.sampled_from(["application/json", "gzip", "*", 'W/"a"', *TOKENS]), st.text(max_size=20)),
    max_size=2,
)


@dataclass(frozen=True)
class Sent:
    """What is sent to one route."""

    segments: tuple[str, ...]
    """The texts in the place of the route's parameters."""
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    body: bytes | None = field(default=None)

    def path(self, route: str) -> str:
        """Return the path and query for a route that has ``{}`` for each parameter."""
        for segment in self.segments:
            route = route.replace("{}", escaped(segment) or "x", 1)
        return route + "?" + "&".join(f"{escaped(name)}={escaped(value)}" for name, value in self.query)


@st.composite
def batches(
    draw: st.DrawFn,
    parameters: int,
    names: st.SearchStrategy[str],
    values: st.SearchStrategy[str],
    *,
    has_body: bool,
    good: bytes | None = None,
) -> list[Sent]:
    """Draw one request, and ``ALIKE`` - 1 more that are made of it.

    Args:
        parameters: how many the route has.
        names: names of query parameters and of members of the body.
        values: their values, and those of the parameters of the route.
        has_body: whether the requests have bodies.
        good: a body that is right: half of the requests are made of it.
    """
    segments = tuple(draw(values) for _ in range(parameters))
    query = draw(st.lists(st.tuples(names, values), max_size=4))
    body = draw(bodies(names, values)) if has_body else None
    if good is not None and draw(st.booleans()):
        body = good
    first = Sent(segments, tuple(query), draw(HEADERS), body)
    chance = random.Random(draw(st.integers(0, 2**32)))
    return [first, *(spoilt(first, chance) for _ in range(ALIKE - 1))]


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|.', re.DOTALL)
_ODD_TEXTS = [
    *NUMBERS,
    *MOMENTS,
    *TOKENS,
    "",
    " ",
    "*",
    "..",
    "/",
    "%",
    "\0",
    "\ud800",
    "é",
    "\u202e",
    "x" * 300,
    "{}",
    "null",
    "'",
]
_ODD_JSON = [json.dumps(text).encode() for text in _ODD_TEXTS] + [
    b"null", b"true", b"[]", b"{}", b"[[]]", b"-1", b"0.5", b"1e999", b"NaN", b"9" * 30, b'"\xff"', b'"', b",", b":", b"{", b"]", b"",
    b"[" * 70 + b"]" * 70, b"[" * 20_000 + b"]" * 20_000, b'{"a":' * 9 + b"1" + b"}" * 9, b'"' + b"x" * 5000 + b'"', b'"a":1,"a":2',
]  # fmt: skip
_LONGEST_IN_TOKENS = 4096


def spoilt(sent: Sent, chance: random.Random) -> Sent:
    """Return a request with a few odd places."""
    return Sent(
        tuple(_spoilt_text(one, chance) for one in sent.segments),
        tuple((name, _spoilt_text(value, chance)) for name, value in sent.query),
        {name: _spoilt_text(value, chance) for name, value in sent.headers.items()},
        None if sent.body is None else _spoilt_body(sent.body, chance),
    )


def _spoilt_text(text: str, chance: random.Random) -> str:
    match chance.randrange(6):
        case 0:
            return chance.choice(_ODD_TEXTS)
        case 1:
            at = chance.randrange(len(text) + 1)
            return text[:at] + chance.choice(_ODD_TEXTS) + text[at:]
        case 2:
            return text[: chance.randrange(len(text) + 1)]
        case _:
            return text


def _spoilt_body(body: bytes, chance: random.Random) -> bytes:
    places = _TOKEN.findall(body) if len(body) <= _LONGEST_IN_TOKENS else [body]
    for _ in range(chance.randrange(4)):
        if not places:
            break
        at = chance.randrange(len(places))
        match chance.randrange(4):
            case 0 | 1:
                places[at] = chance.choice(_ODD_JSON)
            case 2:
                places[at] = chance.choice(places)
            case _:
                del places[at : at + chance.randrange(1, 4)]
    return b"".join(places)
