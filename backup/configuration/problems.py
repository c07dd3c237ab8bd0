"""What is wrong with a configuration, in words: which file, which field, what is wrong there and what would be right.

A configuration is where people paste a key by mistake, so no value is ever repeated unless it has the shape of a name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import ErrorDetails, PydanticCustomError

# The service's keys are 32 hexadecimal digits, newer ones 84 letters and digits; names that people choose are not.
_LOOKS_LIKE_A_KEY: Final = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Za-z+/=_]{40,}")
_LOOKS_LIKE_A_NAME: Final = re.compile(r"[$A-Za-z0-9._ -]{0,63}")

HIDDEN: Final = "(a name that is not shown)"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. ``field`` is a path such as ``resources.forms-eastus.region``, empty for the whole file."""

    field: str
    wrong: str
    right: str

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{where}{self.wrong}; {self.right}"


class ConfigurationError(Exception):
    """The configuration cannot be used. ``str()`` names the file and every problem; no value that may be secret."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{file}: {problem}" for problem in self.problems))


def looks_like_a_key(value: str) -> bool:
    """Tell whether ``value`` has the shape of one of the service's keys."""
    return _LOOKS_LIKE_A_KEY.search(value) is not None


def shown(value: object) -> str:
    """Return ``value`` quoted, where it can only be a name; otherwise words that stand for it."""
    if isinstance(value, str) and _LOOKS_LIKE_A_NAME.fullmatch(value) and not looks_like_a_key(value):
        return f'"{value}"'
    return "the value"


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """Return what would be right in place of the unknown name ``value``: the closest of ``known``, and all of them."""
    names = sorted(known)
    if not names:
        return "none is configured"
    closest = difflib.get_close_matches(value, names, n=1)
    hint = f'did you mean "{closest[0]}"? ' if closest else ""
    return f"{hint}use one of: {', '.join(names)}"


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message that there is no ``kind`` (such as "plan") of this name, and what would be right."""
    which = "of this name" if shown(name) == "the value" else shown(name)
    return f"there is no {kind} {which}; {did_you_mean(name, known)}"


def refusal(*problems: Problem) -> PydanticCustomError:
    """Return the exception by which a validator refuses a value. Fields are relative to what is being validated."""
    return PydanticCustomError("configuration", "refused", {"problems": problems})


def problems_of(errors: Iterable[ErrorDetails]) -> tuple[Problem, ...]:
    """Return pydantic's errors as problems in the app's words."""
    return tuple(problem for error in worth_telling(errors) for problem in _problems_of_one(error))


def worth_telling(errors: Iterable[ErrorDetails]) -> list[ErrorDetails]:
    """Return pydantic's errors without those that follow from others."""
    found = list(errors)
    # A list that lost its wrong entries is reported as too short as well: only the entries are of interest.
    parents = {error["loc"][:-1] for error in found if error["loc"]}
    return [error for error in found if error["type"] != "too_short" or error["loc"] not in parents]


def in_words(error: ErrorDetails, page: str) -> tuple[str, str]:
    """Return what is wrong with a value, and what would be right. ``page`` documents the fields, for want of better words."""
    wrong, right = _WORDS.get(error["type"], ("this value cannot be used", f"see {page}"))
    return wrong, right.format_map(error.get("ctx", {}))


def _problems_of_one(error: ErrorDetails) -> list[Problem]:
    field = path_of(*error["loc"])
    context: Mapping[str, Any] = error.get("ctx", {})
    if error["type"] == "configuration":
        found: Sequence[Problem] = context["problems"]
        return [Problem(".".join(filter(None, (field, one.field))), one.wrong, one.right) for one in found]
    if error["type"] == "string_pattern_mismatch" and error["loc"] and error["loc"][-1] == "[key]":
        return [Problem(field, "this name cannot be used", "use 1 to 63 of a-z, 0-9 and -, not at the ends a hyphen")]
    if error["type"] == "extra_forbidden":
        return [Problem(field, "unknown field", _instead_of(error["loc"]))]
    return [Problem(field, *in_words(error, "docs/configuration.md"))]


# What to do about each of pydantic's errors that the fields can cause. {…} comes from its context, never from the input.
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("missing", "add it"),
    "string_type": ("not a text", "put it in double quotes"),
    "string_unicode": ("not a text", "it holds half of a character (a lone surrogate): correct its spelling"),
    "int_type": ("not a whole number", "write a whole number without quotes"),
    "float_type": ("not a number", "write a number without quotes, or null where that is allowed"),
    "bool_type": ("not a yes or no", "write true or false without quotes"),
    "dict_type": ("not an object", "write {{ … }}"),
    "model_type": ("not an object", "write {{ … }}"),
    "model_attributes_type": ("not an object", "write {{ … }}"),
    "tuple_type": ("not a list", "write a list: [ … ]"),
    "list_type": ("not a list", "write a list: [ … ]"),
    "enum": ("not one of the possible values", "use one of: {expected}"),
    "too_short": ("too few entries", "list at least {min_length}"),
    "too_long": ("too many entries", "list at most {max_length}"),
    "string_too_short": ("empty", "write at least {min_length} characters"),
    "string_too_long": ("too long", "write at most {max_length} characters"),
    "string_pattern_mismatch": ("not of the right form", "it must match {pattern}"),
    "greater_than": ("too small", "use more than {gt:g}"),
    "greater_than_equal": ("too small", "use at least {ge:g}"),
    "less_than": ("too large", "use less than {lt:g}"),
    "less_than_equal": ("too large", "use at most {le:g}"),
    "finite_number": ("not a finite number", "write a number without quotes"),
}


def path_of(*location: int | str) -> str:
    """Return the field at ``location`` as a path. A part that may be no name is not repeated."""
    parts: list[str] = []
    for part in location:
        if isinstance(part, int):
            parts.append(str(part))
        elif part != "[key]":
            parts.append(part if shown(part) != "the value" else HIDDEN)
    return ".".join(parts)


def _instead_of(location: Sequence[int | str]) -> str:
    name = str(location[-1]).lower()
    if any(word in name for word in ("key", "secret", "password", "token")):
        return "no secret belongs here: name the app setting that holds the key in keySetting, or use managedIdentity"
    return "remove it or correct its spelling (docs/configuration.md lists the fields)"
