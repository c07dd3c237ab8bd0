"""What the app is told: which resources there are, how to reach them, and what is backed up where.

One JSON file, ``backup.json``; :func:`parse_configuration` reads its text. Nothing secret is in it: keys are named, not written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from backup.configuration_fields import (
    ApiVersion,
    ClientId,
    Endpoint,
    Glob,
    Name,
    Region,
    ResourceId,
    Scope,
    Setting,
)
from backup.configuration_problems import ConfigurationError, Problem, did_you_mean, problems_of, refusal, shown
from backup.document_models import Kind
from backup.json_types import Json

__all__ = [
    "Configuration",
    "ConfigurationError",
    "CopySettings",
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

_DEADLINE_LIMIT: Final = 6 * 24 * 60
"""Minutes. A longer timer is split by the Durable SDK, and such a timer cannot be cancelled (durable-python#573)."""


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        hide_input_in_errors=True,  # a value may be a key that somebody pasted
        use_attribute_docstrings=True,
    )


class ManagedIdentity(_Section):
    """Sign in to the resource with the function app's managed identity instead of a key."""

    client_id: ClientId | None = None
    """Client id of a user-assigned identity; null for the app's own (system-assigned)."""

    scope: Scope = "https://cognitiveservices.azure.com/.default"
    """What the token is asked for. Sovereign clouds have their own audience."""


Rate = Annotated[float, Field(strict=True, gt=0, le=100_000, allow_inf_nan=False)]


class RateLimits(_Section):
    """How often we call the resource at most; null is not paced. The defaults are what an S0 resource was seen to allow."""

    v2_copies_per_minute: Rate | None = 1
    """Copies started from this resource by v2.0 and v2.1 together, per minute."""

    v2_list_pages_per_minute: Rate | None = 10
    """Pages of the v2 list of models, per minute."""

    manage_per_second: Rate | None = 5
    """Calls that change something (authorize, copy, delete), per second, from v3 on."""

    get_per_second: Rate | None = 50
    """Calls that read one thing, per second."""

    list_per_second: Rate | None = 10
    """Pages of lists, per second, from v3 on."""


class Resource(_Section):
    """One Form Recognizer (Document Intelligence) account."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["keySetting"], "properties": {"keySetting": {"type": "string"}}},
                {"required": ["managedIdentity"], "properties": {"managedIdentity": {"type": "object"}}},
            ]
        }
    )

    endpoint: Endpoint
    """Address of the account, without a path: https://{name}.cognitiveservices.azure.com. http only on this machine."""

    region: Region
    """Short name of its region, such as westeurope."""

    resource_id: ResourceId
    """Its id in Azure, from the portal's Properties page: /subscriptions/…/accounts/{name}. v2 copies need it."""

    api_versions: Annotated[tuple[ApiVersion, ...], Field(min_length=1, max_length=16)]
    """API versions that may be used with it. Each model is copied by the generation that it was built with."""

    key_setting: Setting | None = None
    """Name of the app setting that holds its key (best a Key Vault reference). Either this or managedIdentity."""

    managed_identity: ManagedIdentity | None = None
    """Sign in with Entra ID instead of a key. Either this or keySetting."""

    rate_limits: RateLimits = RateLimits()
    """How often we call it at most."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.key_setting is None) == (self.managed_identity is None):
            both = "both are" if self.key_setting else "neither is"
            raise refusal(Problem("", f"of keySetting and managedIdentity {both} given", "give exactly one of the two"))
        if repeated := _repeated(self.api_versions):
            raise refusal(Problem("apiVersions", f"{shown(repeated)} is listed twice", "list each version once"))
        return self


class CopySettings(_Section):
    """How copies are made, unless a plan or a request says otherwise."""

    deadline_minutes: Annotated[int, Field(strict=True, ge=1, lt=_DEADLINE_LIMIT)] = 120
    """How long one copy may take before it is reported as StillCopying; the next run resumes it."""

    concurrency: Annotated[int, Field(strict=True, ge=1, le=64)] = 8
    """How many copies one run works on at the same time."""

    ambiguity_window_seconds: Annotated[int, Field(strict=True, ge=0, le=86_400)] = 300
    """How long to look for the effect of a call whose answer was lost, before the call counts as not done."""

    patience_seconds: Annotated[int, Field(strict=True, ge=0, le=86_400)] = 300
    """How long a step repeats a call that a resource refuses or does not take (down, 401, 403, 503), before it gives up."""

    delete_suspects: Annotated[bool, Field(strict=True)] = False
    """Delete v2 placeholders that a lost answer left behind, 48 hours later. They cannot be told from those of other programs."""


class Route(_Section):
    """What is special about copying from one resource to one other. Routes without special rules need no entry."""

    source: str
    """Name of the resource that is copied from."""

    target: str
    """Name of the resource that is copied to."""

    allow_encryption_downgrade: Annotated[bool, Field(strict=True)] = False
    """Copy even if the target protects its data less (x-ms-forms-copy-degrade)."""


class OnChange(StrEnum):
    """What to do about a replica when its source model was retrained under the same id."""

    REPLACE = "replace"
    """Copy under another id, verify, move the mapping, then delete the old copy: a good one exists at every moment."""

    RECREATE = "recreate"
    """Delete first and copy under the same id: for applications that read docType. There is no copy in between."""


class Retention(_Section):
    """What happens to replicas of models that are gone from the source."""

    delete_removed: Annotated[bool, Field(strict=True)] = False
    """Delete them, some time after. Off: this is a backup."""

    grace_days: Annotated[int, Field(strict=True, ge=0, le=3650)] = 30
    """How many days after it was first missed."""

    max_delete_percent: Annotated[int, Field(strict=True, ge=0, le=100)] = 10
    """If more of a target's replicas than this would go in one run, none does, and the run says so."""


class Plan(_Section):
    """A backup policy: what is copied from where to where, and what becomes of it later."""

    source: str
    """Name of the resource whose models are backed up."""

    targets: Annotated[tuple[str, ...], Field(min_length=1, max_length=16)]
    """Names of the resources that they are copied to."""

    include: Annotated[tuple[Glob, ...], Field(min_length=1, max_length=100)] = ("*",)
    """Model ids to back up; * and ? stand for any text and any character."""

    exclude: Annotated[tuple[Glob, ...], Field(max_length=100)] = ()
    """Model ids to leave out, even if included."""

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1, max_length=2)] = (Kind.MODEL, Kind.CLASSIFIER)
    """Custom models, custom classifiers, or both."""

    on_change: OnChange = OnChange.REPLACE
    """What to do when a source model was retrained."""

    retention: Retention = Retention()
    """What to do when a source model is gone."""

    deadline_minutes: Annotated[int, Field(strict=True, ge=1, lt=_DEADLINE_LIMIT)] | None = None
    """How long one copy of this plan may take; null: as in copies."""


class Configuration(_Section):
    """Everything that backup.json says."""

    model_config = ConfigDict(title="Form Recognizer model backup")

    schema_location: Annotated[str | None, Field(alias="$schema")] = None
    """Where editors find the JSON Schema of this file."""

    resources: Annotated[Mapping[Name, Resource], Field(min_length=1)]
    """The accounts, each under a name of our choosing: a-z, 0-9 and hyphens."""

    copies: CopySettings = CopySettings()
    """How copies are made."""

    routes: tuple[Route, ...] = ()
    """Special rules for copying between two resources."""

    plans: Mapping[Name, Plan] = {}
    """The backup policies, each under a name of our choosing."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = [*self._shared_addresses(), *self._wrong_routes(), *self._wrong_plans()]
        if problems:
            raise refusal(*problems)
        return self

    def resource(self, name: str) -> Resource:
        """Return the resource called ``name``. Raises ``LookupError``, with the names that there are."""
        try:
            return self.resources[name]
        except KeyError:
            raise LookupError(f"no resource is called {shown(name)}; {did_you_mean(name, self.resources)}") from None

    def allows_encryption_downgrade(self, source: str, target: str) -> bool:
        """Tell whether copies from ``source`` may go to a ``target`` that protects its data less."""
        return any(
            route.allow_encryption_downgrade for route in self.routes if (route.source, route.target) == (source, target)
        )

    def _shared_addresses(self) -> Iterable[Problem]:
        # Two names for one account would pace it twice, and let a model be copied onto itself.
        endpoints: dict[str, str] = {}
        ids: dict[str, str] = {}
        for name, resource in self.resources.items():
            if other := endpoints.setdefault(resource.endpoint, name) if resource.endpoint in endpoints else None:
                yield Problem(f"resources.{name}.endpoint", f'the same as that of "{other}"', "list each account once")
            endpoints.setdefault(resource.endpoint, name)
            identity = resource.resource_id.lower()
            if other := ids.get(identity):
                yield Problem(f"resources.{name}.resourceId", f'the same as that of "{other}"', "list each account once")
            ids.setdefault(identity, name)

    def _wrong_routes(self) -> Iterable[Problem]:
        seen: set[tuple[str, str]] = set()
        for index, route in enumerate(self.routes):
            field = f"routes.{index}"
            yield from self._unknown(f"{field}.source", route.source)
            yield from self._unknown(f"{field}.target", route.target)
            if route.source == route.target:
                yield Problem(f"{field}.target", "the same as the source", "name another resource")
            if (route.source, route.target) in seen:
                yield Problem(field, "there is an entry for this route already", "keep one of them")
            seen.add((route.source, route.target))

    def _wrong_plans(self) -> Iterable[Problem]:
        for name, plan in self.plans.items():
            field = f"plans.{name}"
            yield from self._unknown(f"{field}.source", plan.source)
            for index, target in enumerate(plan.targets):
                yield from self._unknown(f"{field}.targets.{index}", target)
                if target == plan.source:
                    yield Problem(f"{field}.targets.{index}", "the same as the source", "name another resource")
            if repeated := _repeated(plan.targets):
                yield Problem(f"{field}.targets", f"{shown(repeated)} is listed twice", "list each target once")
            if repeated := _repeated(plan.kinds):
                yield Problem(f"{field}.kinds", f"{shown(repeated)} is listed twice", "list each kind once")

    def _unknown(self, field: str, name: str) -> Iterable[Problem]:
        if name not in self.resources:
            yield Problem(field, f"{shown(name)} is no configured resource", did_you_mean(name, self.resources))


def parse_configuration(text: str, file: str) -> Configuration:
    """Read a configuration from the JSON ``text`` of ``file`` (its name, for messages only).

    Raises :class:`ConfigurationError` with every problem found, each with its field, what is wrong and what would be right.
    """
    problems: list[Problem] = []

    def unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        # JSON readers silently keep the last of two equal names: a resource would vanish.
        if repeated := _repeated(name for name, _ in pairs):
            problems.append(Problem("", f"the name {shown(repeated)} occurs twice in one object", "rename or remove one"))
        return dict(pairs)

    try:
        document = json.loads(text.removeprefix("\N{BYTE ORDER MARK}"), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigurationError(file, [Problem("", f"not JSON at {where}", _json_advice(error.msg))]) from None
    except RecursionError:
        raise ConfigurationError(file, [Problem("", "nested too deeply", "see docs/configuration.md")]) from None
    try:
        configuration = Configuration.model_validate(document)
    except ValidationError as error:
        problems += problems_of(error.errors(include_url=False, include_input=False))
        raise ConfigurationError(file, problems) from None
    if problems:
        raise ConfigurationError(file, problems)
    return configuration


def _json_advice(message: str) -> str:
    if "property name" in message or "Expecting value" in message:
        return f"{message}: JSON has no comments and no comma after the last entry"
    return message


def _repeated(values: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None
