"""What is wrong with a configuration, in words: which file, which field, what is wrong there and what would be right.

People paste keys into configurations by mistake, so a value is repeated only if it has the shape of a name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic_core import ErrorDetails, PydanticCustomError

# The service's keys are 32 hexadecimal digits, newer ones 84 letters and digits; names that people choose are not.
_KEY: Final = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Za-z+/=_]{40,}")
_NAME: Final = re.compile(r"[$A-Za-z0-9._ -]{0,63}")

HIDDEN: Final = "(a name that is not shown)"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct. ``field`` is a path such as ``resources.forms-eastus.region``, empty for the whole file."""

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
    return _KEY.search(value) is not None


def shown(value: object) -> str:
    """Return ``value`` quoted if it can only be a name, else words in its place."""
    if isinstance(value, str) and _NAME.fullmatch(value) and not looks_like_a_key(value):
        return f'"{value}"'
    return "the value"


def did_you_mean(value: str, names: Iterable[str]) -> str:
    """Return the advice for an unknown name ``value``: the closest of ``names``, and all of them."""
    names = sorted(names)
    if not names:
        return "none is configured"
    closest = difflib.get_close_matches(value, names, n=1)
    hint = f'did you mean "{closest[0]}"? ' if closest else ""
    return f"{hint}use one of: {', '.join(names)}"


def unknown_name(kind: str, name: str, names: Iterable[str]) -> str:
    """Return the message that there is no ``kind`` (such as "plan") of this name, and what would be right."""
    which = "of this name" if shown(name) == "the value" else shown(name)
    return f"there is no {kind} {which}; {did_you_mean(name, names)}"


def refused(wrong: str, right: str) -> PydanticCustomError:
    """Return the exception by which a validator refuses a value."""
    return refused_whole([Problem("", wrong, right)])


def refused_whole(problems: Sequence[Problem]) -> PydanticCustomError:
    """Return the exception by which the whole document is refused. Each problem names its field."""
    return PydanticCustomError("refused", "refused", {"problems": problems})


def problems_of(errors: Iterable[ErrorDetails]) -> Iterable[Problem]:
    """Return pydantic's errors as problems."""
    for error in root_errors(errors):
        field = path_of(*error["loc"])
        if error["type"] == "refused":
            for problem in error["ctx"]["problems"]:
                yield Problem(field or problem.field, problem.wrong, problem.right)
        elif error["type"] == "string_pattern_mismatch" and error["loc"][-1:] == ("[key]",):
            yield Problem(
                field, "this name cannot be used", "use 1 to 63 of a-z, 0-9 and -, without a hyphen at either end"
            )
        elif error["type"] == "extra_forbidden":
            yield Problem(field, "unknown field", _advice_for_unknown(error["loc"]))
        else:
            yield Problem(field, *in_words(error, "docs/configuration.md"))


def root_errors(errors: Iterable[ErrorDetails]) -> list[ErrorDetails]:
    """Return pydantic's errors without those that follow from others."""
    errors = list(errors)
    # A list that lost its wrong entries is reported as too short as well: only the entries are of interest.
    parents = {error["loc"][:-1] for error in errors if error["loc"]}
    return [error for error in errors if error["type"] != "too_short" or error["loc"] not in parents]


def in_words(error: ErrorDetails, page: str) -> tuple[str, str]:
    """Return what is wrong with a value, and what would be right. ``page`` documents the fields, for errors without own words."""
    wrong, right = _WORDS.get(error["type"], ("this value cannot be used", f"see {page}"))
    return wrong, right.format_map(error.get("ctx", {}))


# What to do about each of pydantic's errors that these fields can give. {…} comes from its context, never from the input.
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("missing", "add it"),
    "string_type": ("not a string", "put it in double quotes"),
    "string_unicode": ("half of a character (a lone surrogate)", "correct its spelling"),
    "int_type": ("not a whole number", "write a whole number without quotes"),
    "float_type": ("not a number", "write a number without quotes, or null if the field allows it"),
    "bool_type": ("not a boolean", "write true or false without quotes"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), ("not an object", "write {{ … }}")),
    **dict.fromkeys(("tuple_type", "list_type"), ("not a list", "write a list: [ … ]")),
    "enum": ("not one of the possible values", "use one of: {expected}"),
    "too_short": ("too few entries", "list at least {min_length}"),
    "too_long": ("too many entries", "list at most {max_length}"),
    "string_too_short": ("empty", "write at least {min_length} characters"),
    "string_too_long": ("too long", "write at most {max_length} characters"),
    "string_pattern_mismatch": ("wrong format", "it must match {pattern}"),
    "greater_than": ("too small", "use more than {gt:g}"),
    "greater_than_equal": ("too small", "use at least {ge:g}"),
    "less_than": ("too large", "use less than {lt:g}"),
    "less_than_equal": ("too large", "use at most {le:g}"),
    "finite_number": ("not a finite number", "write a number without quotes"),
}


def path_of(*location: int | str) -> str:
    """Return the field at ``location`` as a path. A part that may be no name is not repeated."""
    parts = (part for part in location if part != "[key]")
    return ".".join(str(part) if isinstance(part, int) or shown(part) != "the value" else HIDDEN for part in parts)


def _advice_for_unknown(location: Sequence[int | str]) -> str:
    name = str(location[-1]).lower()
    if any(word in name for word in ("key", "secret", "password", "token")):
        return "no secret belongs here: name the app setting that holds the key in keySetting, or use managedIdentity"
    return "remove it or correct its spelling (docs/configuration.md lists the fields)"
