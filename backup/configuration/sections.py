"""The configuration: which resources exist, how to reach them, and what is backed up where. Nothing secret is in it: it names keys only."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from backup.clouds import Cloud, cloud_of
from backup.configuration.checks import cross_problems
from backup.configuration.fields import (
    AddressSetting,
    ApiVersion,
    ClientId,
    Endpoint,
    Glob,
    Name,
    Region,
    ResourceId,
    ScheduleText,
    Scope,
    Setting,
)
from backup.configuration.problems import refused_whole, unknown_name
from backup.document_models import Kind
from backup.health import Severity
from backup.notices import Notice, NoticeFormat

_DEADLINE_LIMIT: Final = 6 * 24 * 60
"""Minutes. A longer timer is split by the Durable SDK, and such a timer cannot be cancelled (durable-python#573)."""


class Section(BaseModel):
    """A frozen part of the configuration: camelCase in JSON, and a field that it does not know is refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,  # what is pasted often ends in a blank or a line end
        alias_generator=to_camel,
        hide_input_in_errors=True,  # a value may be a key, pasted by mistake
        use_attribute_docstrings=True,
    )


class ManagedIdentity(Section):
    """Sign in to the resource with the function app's managed identity instead of a key."""

    client_id: ClientId | None = None
    """Client id of a user-assigned identity; null: that of app setting AZURE_CLIENT_ID, or else the system-assigned one."""

    scope: Scope | None = None
    """What the token is asked for; null: what the cloud of the resource takes."""


Rate = Annotated[float, Field(strict=True, gt=0, le=100_000, allow_inf_nan=False)]


class RateLimits(Section):
    """How often to call the resource at most; null: not paced. The defaults are what S0 was seen to allow."""

    v2_copies_per_minute: Rate | None = 1.0
    """Copies started from this resource by v2.0 and v2.1 together, per minute."""

    v2_list_pages_per_minute: Rate | None = 10.0
    """Pages of the v2 list of models, per minute."""

    manage_per_second: Rate | None = 5.0
    """Calls that change something (authorize, copy, delete), per second, from v3 on."""

    get_per_second: Rate | None = 50.0
    """Calls that read one thing, per second. A run begins its copies at a fifth of this, as each reads several times."""

    list_per_second: Rate | None = 10.0
    """Pages of lists, per second, from v3 on."""


class Resource(Section):
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
    """Its address, without a path: https://{name}.cognitiveservices.azure.com, or that of its region. http only on this machine."""

    region: Region
    """Short name of its region, such as westeurope."""

    resource_id: ResourceId
    """Its id in Azure, from the portal's Properties page: /subscriptions/…/accounts/{name}. It tells which account this is."""

    api_versions: Annotated[tuple[ApiVersion, ...], Field(min_length=1, max_length=16)]
    """API versions that may be used with it. Each model is copied by the generation that it was built with."""

    key_setting: Setting | None = None
    """Name of the app setting that holds its key (best a Key Vault reference). Either this or managedIdentity."""

    managed_identity: ManagedIdentity | None = None
    """Sign in with Entra ID instead of a key. Either this or keySetting."""

    rate_limits: RateLimits = RateLimits()
    """How often the app calls it, at most."""

    @property
    def cloud(self) -> Cloud:
        """The cloud that it is in."""
        return cloud_of(self.endpoint, self.region)

    def scope_of(self, identity: ManagedIdentity) -> str:
        """Return what the token of ``identity`` is asked for."""
        return identity.scope or self.cloud.scope


class CopySettings(Section):
    """How copies are made, unless a plan or a request says otherwise."""

    deadline_minutes: Annotated[int, Field(strict=True, ge=1, lt=_DEADLINE_LIMIT)] = 120
    """How long one copy may take before it is reported as StillCopying; the next run resumes it."""

    concurrency: Annotated[int, Field(strict=True, ge=1, le=64)] = 32
    """How many copies one run works on at the same time: enough to use what rateLimits allow while each takes some seconds."""

    ambiguity_window_seconds: Annotated[int, Field(strict=True, ge=0, le=86_400)] = 300
    """How long to check for the effect of a call whose answer was lost, before the call counts as not made."""

    call_timeout_seconds: Annotated[int, Field(strict=True, ge=1, le=230)] = 90
    """How long one call to a resource may take, from connecting to the last byte of the answer."""

    patience_seconds: Annotated[int, Field(strict=True, ge=0, le=86_400)] = 300
    """How long a step repeats a call that a resource does not take (down, 401, 403, 503), before it gives up."""

    delete_suspects_after_hours: Annotated[int, Field(strict=True, ge=48, le=8760)] | None = None
    """Delete v2 models that are still creating so long after a lost answer may have left them; null: only report them, as one may be a
    training."""


class Route(Section):
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

    VERSION = "version"
    """Copy under another id, as replace does, and keep the last versions: retention.keepVersions says how many."""


MOST_VERSIONS = 6
"""A model has nine ids in a target: its versions need one each, the next copy one, and placeholders of lost answers may block some."""


class Retention(Section):
    """What happens to replicas of models that are gone from the source, and to older versions."""

    delete_removed: Annotated[bool, Field(strict=True)] = False
    """Delete them, some time after. Off: this is a backup."""

    grace_days: Annotated[int, Field(strict=True, ge=0, le=3650)] = 30
    """How many days after it was first missed."""

    max_delete_percent: Annotated[int, Field(strict=True, ge=0, le=100)] = 10
    """If more of a target's replicas than this would go in one run, none does, and the run says so."""

    keep_versions: Annotated[int, Field(strict=True, ge=2, le=MOST_VERSIONS)] = 3
    """With onChange version: how many versions of a model stay in each target, the present one among them."""

    version_days: Annotated[int, Field(strict=True, ge=1, le=3650)] | None = None
    """With onChange version: an older version goes so many days after a newer one replaced it; null: only keepVersions counts."""


class DeepCheck(StrEnum):
    """Which replicas are read whole and compared with what was verified, besides being looked for in the lists."""

    OFF = "off"
    ROTATING = "rotating"
    """A thirtieth of them each night, a different one each day."""
    ALL = "all"


class Plan(Section):
    """A backup policy: what is copied from where to where, and what becomes of it later."""

    source: str
    """Name of the resource whose models are backed up."""

    targets: Annotated[tuple[str, ...], Field(min_length=1, max_length=16)]
    """Names of the resources that they are copied to."""

    schedule: ScheduleText | None = None
    """When it runs: NCRONTAB with seconds, in UTC, every five minutes at most; null: at the times of app setting BACKUP_SCHEDULE."""

    include: Annotated[tuple[Glob, ...], Field(min_length=1, max_length=100)] = ("*",)
    """Model ids to back up; * and ? stand for any text and any character."""

    exclude: Annotated[tuple[Glob, ...], Field(max_length=100)] = ()
    """Model ids to leave out, even if included."""

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1, max_length=2)] = (Kind.MODEL, Kind.CLASSIFIER)
    """Custom models, custom classifiers, or both."""

    on_change: OnChange = OnChange.REPLACE
    """What to do when a source model was retrained."""

    retention: Retention = Retention()
    """What to do when a source model is gone, and how long older versions stay."""

    deadline_minutes: Annotated[int, Field(strict=True, ge=1, lt=_DEADLINE_LIMIT)] | None = None
    """How long one copy of this plan may take; null: as in copies."""

    rpo_hours: Annotated[int, Field(strict=True, ge=1, le=8760)] | None = None
    """The promise: hours after which a trained model must be in every target. A run reports each model that is later; null: none."""

    expiry_warning_days: Annotated[int, Field(strict=True, ge=0, le=730)] = 30
    """Replicas that expire within so many days are reported: copying does not extend a model's life."""

    deep_check: DeepCheck = DeepCheck.ROTATING
    """Which replicas each run reads whole."""


class Receiver(Section):
    """Who is told what fails, what is degraded, and when it is over: a webhook."""

    url_setting: AddressSetting
    """Name of the app setting that holds its address (best a Key Vault reference): whoever knows the address can write to it."""

    format: NoticeFormat = NoticeFormat.JSON
    """json: the notice as it is. teams: an Adaptive Card, for a webhook of a Teams workflow."""

    severities: Annotated[tuple[Severity, ...], Field(min_length=1, max_length=3)] = (
        Severity.FAILING,
        Severity.DEGRADED,
        Severity.INFO,
    )
    """Which notices it gets."""

    plans: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)] | None = None
    """The plans whose notices it gets, besides those that belong to no plan; null: all."""

    def takes(self, notice: Notice) -> bool:
        """Tell whether it gets this notice."""
        is_of_plan = self.plans is None or notice.plan is None or notice.plan in self.plans
        return is_of_plan and notice.severity in self.severities


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

    notify: Annotated[tuple[Receiver, ...], Field(max_length=8)] = ()
    """Who is told when backups fail; nobody by default."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if problems := [*cross_problems(self.model_dump(mode="json", by_alias=True))]:
            raise refused_whole(problems)
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

    def deadline_seconds(self, plan: Plan) -> int:
        """Return how long a copy of this plan may take, in seconds."""
        return 60 * (plan.deadline_minutes or self.copies.deadline_minutes)

    def allows_encryption_downgrade(self, source: str, target: str) -> bool:
        """Tell whether copies from ``source`` may go to a ``target`` that protects its data less."""
        return any(
            route.allow_encryption_downgrade
            for route in self.routes
            if (route.source, route.target) == (source, target)
        )
