"""The lines that the app writes to its log: for each event its level, when it is written, and its fields.

docs/events.md and docs/events.schema.json are made from this module (``make schema``), and every line that a test writes is held to it.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Union, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema

from backup.codes import Code
from backup.coverage import ModelState
from backup.document_models import Kind
from backup.health import FindingCode, Severity
from backup.states import ClaimState, CopyStatus, RunStatus

Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)$")]
"""A time in UTC, as ISO 8601."""
Count = Annotated[int, Field(ge=0)]
LineKind = Literal["copies", "backup", "restore", "rebuild", "mapping"]


class Level(StrEnum):
    """The level that a line is written at."""

    INFORMATION = "information"
    WARNING = "warning"


class Line(BaseModel):
    """What every line has. A field that is ``None`` is left out of the line."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel, frozen=True)

    level: ClassVar[Level] = Level.INFORMATION


class Warned(Line):
    """A line that is written as a warning."""

    level: ClassVar[Level] = Level.WARNING


class OfStep(BaseModel):
    """What identifies the copy, or other row of a run, that a line is about."""

    run: str
    source: str
    target: str
    kind: Kind
    model: str
    instance: str
    """The orchestration."""
    attempt: int


# runs and plans


class RunScheduled(Line):
    """A timer started a plan's run; `pastDue`: whether that was ten minutes or more after its moment."""

    event: Literal["runScheduled"]
    run: str
    plan: str
    past_due: bool


class RunSkipped(Warned):
    """A plan was due and needs no run; `reason` says why: it is paused, another run is under way, or the run was started already."""

    event: Literal["runSkipped"]
    run: str
    plan: str
    reason: str


class RunNotStarted(Warned):
    """A plan is due and its run could not start; `nextTry`: when the timer tries again for the same moment. Without `plan`: no plan can
    start.
    """

    event: Literal["runNotStarted"]
    run: str | None = None
    plan: str | None = None
    reason: str
    next_try: Moment | None = None


class PlanPaused(Warned):
    """A person paused a plan."""

    event: Literal["planPaused"]
    plan: str
    reason: str | None = None
    since: Moment


class PlanResumed(Line):
    """A person resumed a plan; `reason` if one was given."""

    event: Literal["planResumed"]
    plan: str
    reason: str | None = None


class RunStarted(Line):
    """A run began; of a plan `plan` and `dryRun`, of named copies and restores `total`."""

    event: Literal["runStarted"]
    run: str
    plan: str | None = None
    source: str | None = None
    target: str | None = None
    dry_run: bool | None = None
    total: Count | None = None


class PlanMade(Line):
    """A run decided what to do: the number of decisions per action (`copy`, `adopt`, `replace`, `skip`, `blocked`, `orphan`, `delete`)."""

    event: Literal["planMade"]
    run: str
    plan: str
    plan_hash: str
    copied: Count = Field(alias="copy")
    adopt: Count
    replace: Count
    skip: Count
    blocked: Count
    orphan: Count
    delete: Count


class RunFinding(Warned):
    """A person should know something about a replica, or about an entry of a list. `expiresAt`: of `expiresSoon`."""

    event: Literal["finding"]
    finding: Literal["missing", "expiresSoon", "rpoBreached", "drifted", "unreadable"]
    run: str
    plan: str | None = None
    source: str | None = None
    target: str
    kind: Kind
    model: str | None = None
    target_model: str | None = None
    instance: str | None = None
    attempt: int | None = None
    detail: str
    expires_at: Moment | None = None


class DeletionGuarded(Warned):
    """A run would have deleted more than `maxDeletePercent` of the replicas of `target`, or a list has entries that cannot be read, so it
    deleted none there; `withheld`: how many.
    """

    event: Literal["deletionGuarded"]
    run: str
    plan: str
    target: str
    withheld: Count
    reason: str


class RunEnded(Line):
    """A run ended. `rows`: its rows by status; `failures`: those that failed or did not finish, by code; `notCovered`: models; `counts`:
    decisions by action; `code` and `message` if it stopped early. Written at least once, sometimes twice.
    """

    event: Literal["runEnded"]
    run: str
    plan: str | None = None
    kind: LineKind
    dry_run: bool
    status: RunStatus
    total: Count | None = None
    rows: dict[CopyStatus, Count]
    failures: dict[Code, Count]
    not_covered: Count
    counts: dict[str, Count]
    source: str | None = None
    targets: list[str]
    started_at: Moment
    ended_at: Moment
    duration_seconds: Count
    code: Code | None = None
    message: str | None = None


class OneModelState(Line):
    """A model, and whether the target has what it should have of it; `code` says why it lacks it."""

    kind: Kind
    model: str
    state: ModelState
    code: Code | None = None


class ModelStates(Line):
    """A run of a plan ended: the state of each model of the plan in one `target`, at most 100 models in one line; `piece` of `pieces`.
    Written at least once, as `runEnded`.
    """

    event: Literal["modelStates"]
    run: str
    plan: str
    source: str
    target: str
    region: str | None = None
    piece: int
    pieces: int
    models: list[OneModelState]


class TargetNumbers(Line):
    """How many models of a plan one target has, lacks, or cannot have."""

    models: Count
    covered: Count
    not_covered: Count
    failing: Count
    in_training: Count
    lacking_since: Moment | None = None
    is_rpo_met: bool | None = None


class PlanWatched(Line):
    """The watch looked at a plan, every five minutes (`PROBE_SCHEDULE`): when its last good run began, for how long it may be without one
    (its [promise](glossary.md#runs)), and what each target has.
    """

    event: Literal["planWatched"]
    plan: str
    last_good_at: Moment | None = None
    promise_hours: float | None = None
    is_paused: bool
    targets: dict[str, TargetNumbers] | None = None


class CancelRequested(Line):
    """A user asked a run to stop."""

    event: Literal["cancelRequested"]
    run: str


class HistoryPurged(Line):
    """What is old was purged: how many of each; `until`: when runs had ended."""

    event: Literal["historyPurged"]
    orchestrations: Count
    runs: Count
    claims: Count
    notices: Count
    until: Moment


# health, notices, resources


class _HealthFinding(BaseModel):
    code: FindingCode
    severity: Severity
    subject: str
    message: str
    remedy: str
    since: Moment | None = None
    plan: str | None = None
    run: str | None = None
    cause: str | None = None
    more: Count | None = None


class FindingBegan(_HealthFinding, Warned):
    """Something is wrong that was not before; `more`: how many others like it were left out ([findings](monitor.md#health))."""

    event: Literal["findingBegan"]


class FindingEnded(_HealthFinding, Line):
    """It is right again."""

    event: Literal["findingEnded"]


class AppUnusable(Warned):
    """The app can do nothing, and `message` says why; every five minutes while it lasts."""

    event: Literal["appUnusable"]
    code: Literal["ConfigurationInvalid", "CatalogUnavailable"]
    message: str


class _Notice(BaseModel):
    notice: str
    title: str
    plan: str | None = None
    run: str | None = None
    receiver: str
    host: str | None = None
    attempt: Count
    reason: str | None = None
    next_at: Moment | None = None


class NoticeSent(_Notice, Line):
    """A receiver took a notice: `notice` (its id), `receiver` (its setting)."""

    event: Literal["noticeSent"]


class NoticeFailed(_Notice, Warned):
    """A receiver did not take it; `nextAt`: when it is tried again."""

    event: Literal["noticeFailed"]


class NoticeLost(_Notice, Warned):
    """It was given up."""

    event: Literal["noticeLost"]


class ResourceProbed(Line):
    """A resource was probed (`PROBE_SCHEDULE`): `state` is `reachable` or a code; `models` and `limit`: how many custom models it holds
    and may hold, without classifiers, if it said so.
    """

    event: Literal["resourceProbed"]
    resource: str
    state: Literal["reachable"] | Code
    models: Count | None = None
    limit: Count | None = None


class ResourceDown(Warned):
    """The probe of a resource failed, and the one before it did not: once for each change, whichever worker sees it. With the code
    `AccessDenied`, `ConfigurationInvalid`, `VersionRetired` or `VersionUnsupported` only the app cannot use it.
    """

    event: Literal["resourceDown"]
    resource: str
    code: Code
    message: str | None = None
    since: Moment


class ResourceUp(Line):
    """A probe of this resource succeeded, for the first time since `downSince`."""

    event: Literal["resourceUp"]
    resource: str
    down_since: Moment


# copies


class ClaimTaken(OfStep, Line):
    """A run took the claim on a copy; `targetModel` for one to be adopted."""

    event: Literal["claimTaken"]
    api_version: str
    target_model: str | None = None


class ClaimTakenOver(OfStep, Warned):
    """A run took over a claim whose lease had ended, and resumes its copy."""

    event: Literal["claimTakenOver"]
    state: ClaimState
    previous_run: str


class CopyAuthorized(OfStep, Line):
    """The target authorized the copy; it holds a placeholder now."""

    event: Literal["copyAuthorized"]
    target_model: str


class CopyStarted(OfStep, Line):
    """The source started the copy; `operation` as the service names it; `reconciled` if the answer was lost and reconciling found the
    copy.
    """

    event: Literal["copyStarted"]
    target_model: str | None = None
    operation: str | None = None
    reconciled: bool | None = None


class CopyChecked(OfStep, Line):
    """The copy's status was checked once."""

    event: Literal["copyChecked"]
    state: str
    percent: int | None = None
    polls: Count


class CopyVerified(OfStep, Line):
    """The copy equals its source."""

    event: Literal["copyVerified"]
    target_model: str | None = None


class ReplicaRecorded(OfStep, Line):
    """The catalog has the replica; `adopted` if the target held the copy already."""

    event: Literal["replicaRecorded"]
    target_model: str
    api_version: str
    adopted: bool | None = None


class AdoptionRefused(OfStep, Warned):
    """A model of the target that might be the copy is not; `reason`: how it differs."""

    event: Literal["adoptionRefused"]
    target_model: str
    reason: str


class TargetDiscarded(Line):
    """A placeholder of the app was removed; `goOn`: whether the copy begins again."""

    event: Literal["targetDiscarded"]
    run: str | None = None
    source: str | None = None
    target: str
    kind: Kind | None = None
    model: str | None = None
    instance: str | None = None
    attempt: int | None = None
    target_model: str | None = None
    code: Code | None = None
    go_on: bool | None = None


class ReplicaDeleted(OfStep, Line):
    """A replica was deleted, by retention or because a newer one replaced it; `wasThere`: whether the target still had it."""

    event: Literal["replicaDeleted"]
    target_model: str
    was_there: bool


class ClaimParked(OfStep, Line):
    """A copy ended for now; the next run resumes it."""

    event: Literal["claimParked"]
    state: ClaimState
    code: Code | None = None
    target_model: str | None = None


class StepEnded(Line):
    """An activity ended, well or not. What it cost: `calls` sent and calls that were answered with 429 (`throttled`), by resource;
    `storage`: calls to the catalog's database, about one transaction each.
    """

    event: Literal["stepEnded"]
    step: str
    run: str | None = None
    source: str | None = None
    target: str | None = None
    kind: Kind | None = None
    model: str | None = None
    instance: str | None = None
    attempt: int | None = None
    calls: dict[str, Count] | None = None
    throttled: dict[str, Count] | None = None
    storage: Count


class StepFailed(Warned):
    """An activity failed; `retryable` if the app tries again, `requestId` as the service gave it."""

    event: Literal["stepFailed"]
    step: str
    run: str | None = None
    source: str | None = None
    target: str | None = None
    kind: Kind | None = None
    model: str | None = None
    target_model: str | None = None
    instance: str | None = None
    attempt: int | None = None
    code: Code
    message: str | None = None
    retryable: bool | None = None
    retry_after: float | None = None
    request_id: str | None = None


class FallbackIdUsed(OfStep, Warned):
    """The id `wanted` was taken, so the copy has a fallback id, `targetModel`."""

    event: Literal["fallbackIdUsed"]
    wanted: str
    target_model: str


class TargetSuperseded(OfStep, Warned):
    """An id was given up before its fate was known: it is burned if the copy begins again."""

    event: Literal["targetSuperseded"]
    target_model: str | None = None
    reason: str | None = None


class SupersededSwept(Line):
    """Such an id was deleted later."""

    event: Literal["supersededSwept"]
    target: str
    target_model: str


class SuspectFound(Warned):
    """A placeholder in a target may be the app's or another user's; it is left alone."""

    event: Literal["suspectFound"]
    run: str | None = None
    source: str | None = None
    target: str
    kind: Kind | None = None
    model: str | None = None
    instance: str | None = None
    attempt: int | None = None
    target_model: str
    code: Code | None = None
    message: str | None = None


class SuspectDeleted(OfStep, Warned):
    """A v2 suspect that was still `creating` after `deleteSuspectsAfterHours` was deleted."""

    event: Literal["suspectDeleted"]
    target_model: str
    seen_at: Moment


class IdReclaimed(OfStep, Warned):
    """A stale placeholder, which a lost answer may have left and which blocked an id for 90 minutes, was deleted."""

    event: Literal["idReclaimed"]
    target_model: str
    blocked_since: Moment | None = None


class UntrustedAddress(OfStep, Warned):
    """An answer of the service named an address on another host; the app did not follow it."""

    event: Literal["untrustedAddress"]
    message: str


class SourceExpiresSoon(OfStep, Warned):
    """A source model expires soon, and its copies with it."""

    event: Literal["sourceExpiresSoon"]
    expires_at: Moment


AnyLine = Annotated[
    Union[  # noqa: UP007 - unpacked from a list below it would not be a type
        RunScheduled, RunSkipped, RunNotStarted, PlanPaused, PlanResumed, RunStarted, PlanMade, RunFinding, DeletionGuarded,
        RunEnded, ModelStates, PlanWatched, CancelRequested, HistoryPurged, FindingBegan, FindingEnded, AppUnusable, NoticeSent,
        NoticeFailed, NoticeLost, ResourceProbed, ResourceDown, ResourceUp, ClaimTaken, ClaimTakenOver, CopyAuthorized, CopyStarted,
        CopyChecked, CopyVerified, ReplicaRecorded, AdoptionRefused, TargetDiscarded, ReplicaDeleted, ClaimParked, StepEnded,
        StepFailed, FallbackIdUsed, TargetSuperseded, SupersededSwept, SuspectFound, SuspectDeleted, IdReclaimed, UntrustedAddress,
        SourceExpiresSoon,
    ],
    Field(discriminator="event"),
]  # fmt: skip

LINES: dict[str, type[Line]] = {
    get_args(line.model_fields["event"].annotation)[0]: line for line in get_args(get_args(AnyLine)[0])
}
"""The lines by the name of their event, in the order of the page."""


@cache
def _adapter() -> TypeAdapter[Any]:
    return TypeAdapter(AnyLine)


def problem_of(line: str) -> str | None:
    """Return what is wrong with a line of the log, or ``None`` if it is as it should be."""
    try:
        _adapter().validate_json(line)
    except ValidationError as error:
        return f"{error}\n{line}"
    return None


def lines_schema(generator: type[GenerateJsonSchema] = GenerateJsonSchema) -> dict[str, Any]:
    """Return the JSON Schema of a line."""
    return _adapter().json_schema(schema_generator=generator)
