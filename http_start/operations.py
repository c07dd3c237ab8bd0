"""What an HTTP function takes and answers, as the OpenAPI document says it: one ``Operation`` for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from http_start.problems import ProblemCode


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query or of the path, or a header. ``kind`` is its type, ``default`` what holds without it."""

    name: str
    kind: Any
    says: str
    default: Any = None
    place: Literal["query", "path", "header"] = "query"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is no problem.

    ``body`` is its type, ``None`` if it has none. ``headers`` are there always, ``more_headers`` sometimes; ``http_start/openapi.py`` knows
    them all. ``links`` name the operations that take the ``runId`` of the body.
    """

    says: str
    body: Any = None
    headers: Sequence[str] = ()
    more_headers: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the API.

    Codes that follow from the rest are not named in ``problems``: those of a body, of parameters, of a configuration or catalog that cannot
    be used, and those of the platform.
    """

    id: str
    """Its name in generated clients."""
    tag: str
    summary: str
    """What it does, in one line."""
    replies: Mapping[int, Reply]
    """By status."""
    problems: Mapping[int, Sequence[ProblemCode]] = field(default_factory=dict)
    """The codes of its problems, by status."""
    body: Any = None
    """The type of its body."""
    body_is_optional: bool = False
    refuses_fields: bool = True
    """Whether fields of the body that its type does not have are refused."""
    parameters: Sequence[Parameter] = ()
    takes_others: bool = False
    """Whether query parameters that are not named here are passed over; otherwise they are refused."""
