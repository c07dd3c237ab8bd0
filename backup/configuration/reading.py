"""Reading ``backup.json``: the text of the file to a configuration, or every problem in it."""

from __future__ import annotations

import json

from pydantic import ValidationError

from backup.configuration.checks import cross_problems, first_repeated
from backup.configuration.problems import ConfigurationError, Problem, problems_of, shown
from backup.configuration.sections import Configuration
from backup.json_types import Json


def parse_configuration(text: str, file: str) -> Configuration:
    """Read a configuration from the JSON ``text`` of ``file`` (its name, for messages only).

    Raises :class:`ConfigurationError` with every problem found: its field, what is wrong and what would be right.
    """
    problems: list[Problem] = []

    def unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        # JSON readers silently keep the last of two equal names: a resource would vanish.
        if repeated := first_repeated(name for name, _ in pairs):
            problems.append(
                Problem("", f"the name {shown(repeated)} occurs twice in one object", "rename or remove one")
            )
        return dict(pairs)

    try:
        document = json.loads(text.removeprefix("\N{BYTE ORDER MARK}"), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigurationError(file, [Problem("", f"not JSON at {where}", _json_advice(error.msg))]) from None
    except (ValueError, RecursionError):  # a number of thousands of digits; brackets nested thousands deep
        raise ConfigurationError(file, [Problem("", "not a configuration", "start from backup.sample.json")]) from None
    try:
        configuration = Configuration.model_validate(document)
    except ValidationError as error:
        problems += problems_of(error.errors(include_url=False, include_input=False))
        # Where a field is wrong, pydantic does not come to the checks of what is around it.
        problems += cross_problems(document)
        raise ConfigurationError(file, list(dict.fromkeys(problems))) from None
    if problems:
        raise ConfigurationError(file, problems)
    return configuration


def _json_advice(message: str) -> str:
    if any(sign in message for sign in ("property name", "Expecting value", "trailing comma")):
        return f"{message}: JSON has no comments and no comma after the last entry"
    return message
