"""The configuration: which resources exist, how to reach them, and what is backed up where.

One JSON file, ``backup.json``; :func:`parse_configuration` reads its text. Nothing secret is in it: it names keys only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from backup.configuration_checks import cross_problems, first_repeated
from backup.configuration_fields import Name
from backup.configuration_problems import ConfigurationError, Problem, problems_of, refusal, shown, unknown_name
from backup.configuration_sections import (
    CopySettings,
    DeepCheck,
    ManagedIdentity,
    OnChange,
    Plan,
    RateLimits,
    Resource,
    Retention,
    Route,
    Section,
)
from backup.json_types import Json

__all__ = [
    "Configuration",
    "ConfigurationError",
    "CopySettings",
    "DeepCheck",
    "ManagedIdentity",
    "OnChange",
    "Plan",
    "Problem",
    "RateLimits",
    "Resource",
    "Retention",
    "Route",
    "parse_configuration",
]


class Configuration(Section):
    """Everything that backup.json says."""

    model_config = ConfigDict(title="Form Recognizer model backup")

    schema_location: Annotated[str | None, Field(alias="$schema")] = None
    """Where editors find the JSON Schema of this file."""

    resources: Annotated[Mapping[Name, Resource], Field(min_length=1)]
    """The accounts, each under a name that you choose: a-z, 0-9 and hyphens."""

    copies: CopySettings = CopySettings()
    """How copies are made."""

    routes: tuple[Route, ...] = ()
    """Special rules for copying between two resources."""

    plans: Mapping[Name, Plan] = {}
    """The backup policies, each under a name that you choose."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if problems := [*cross_problems(self.model_dump(mode="json", by_alias=True))]:
            raise refusal(*problems)
        return self

    def resource(self, name: str) -> Resource:
        """Return a resource by its name. Raises ``LookupError`` that names the closest ones."""
        try:
            return self.resources[name]
        except KeyError:
            raise LookupError(unknown_name("resource", name, self.resources)) from None

    def plan(self, name: str) -> Plan:
        """Return a plan by its name. Raises ``LookupError`` that names the closest ones."""
        try:
            return self.plans[name]
        except KeyError:
            raise LookupError(unknown_name("plan", name, self.plans)) from None

    def allows_encryption_downgrade(self, source: str, target: str) -> bool:
        """Tell whether copies from ``source`` may go to a ``target`` that protects its data less."""
        return any(
            route.allow_encryption_downgrade
            for route in self.routes
            if (route.source, route.target) == (source, target)
        )


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
