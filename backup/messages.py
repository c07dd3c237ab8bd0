"""What crosses the durable boundary: small typed records, JSON objects on the wire.

A record is parsed at the door of an activity or orchestrator and written as plain JSON when it leaves. Fields that are unknown are
ignored, so that work under way survives a newer or an older version of the app.
"""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from backup.codes import Code, Remedy, remedy
from backup.document_models import Kind
from backup.states import ClaimState, CopyStatus, Step


class Message(BaseModel):
    """A record that travels as JSON: ``camelCase`` outside, ``snake_case`` inside."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    @classmethod
    def parse(cls, data: object) -> Self:
        """Read a record from a JSON object, or from its text: the SDK's client encodes inputs twice."""
        return cls.model_validate(json.loads(data) if isinstance(data, str) else data)

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object, without the fields that are ``None``."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def replace(self, **fields: Any) -> Self:
        """Return this record with some fields changed. Raises ``TypeError`` for a name that is not a field of it."""
        unknown = fields.keys() - type(self).model_fields.keys()
        if unknown:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
        return self.model_copy(update=fields)


class RowAction(StrEnum):
    """What a row of a run is about."""

    COPY = "copy"
    DELETE = "delete"
    CHECK = "check"
    CLEAR = "clear"
    """Delete what a lost answer of ours may have left in a target (v2)."""


class Origin(Message):
    """The model that a restored copy stands for, which is not the one that it is copied from."""

    source: str
    model_id: str
    fingerprint: str | None = None
    """The version that was lost, where it is known."""


class RowTask(Message):
    """What one row of a run is to do: make a copy, or delete or check a replica."""

    row: int
    """Its number within the run."""
    source: str
    target: str
    kind: Kind
    model_id: str
    target_model_id: str | None = None
    """The id that the user wants the copy to have (v3 and later); by default the source's own."""
    action: RowAction = RowAction.COPY
    subject_id: str | None = None
    """The target id of the replica that is to be deleted or checked."""
    subject_fingerprint: str | None = None
    """The version that this replica was of when that was decided: a later one is left alone."""
    recreate: bool = False
    """Whether the old replica is deleted before the new copy is made, so that the id stays."""
    own_id_only: bool | None = None
    """Whether only this id will do, because a composed model refers to the copy by it."""
    origin: Origin | None = None

    @property
    def mapped_source(self) -> str:
        """The source that the copy is recorded under."""
        return self.origin.source if self.origin else self.source

    @property
    def mapped_model_id(self) -> str:
        """The model id that the copy is recorded under."""
        return self.origin.model_id if self.origin else self.model_id

    @property
    def wanted_id(self) -> str:
        """The id that the copy should have, where ids are ours to choose (v3 and later)."""
        return self.target_model_id or self.model_id


class CopyOrder(RowTask):
    """The task of one row, as its orchestration gets it."""

    run_id: str
    deadline_seconds: float
    """Counted from the first moment of the copy."""
    patience_seconds: float
    """How long an unreachable resource is waited for while nothing has been started."""


class StepInput(Message):
    """What every step of a copy is told: whose copy it is, and under which attempt."""

    order: CopyOrder
    owner: str
    """The instance id of the copy's orchestration."""
    attempt: int = 0
    """The fence: an activity under another attempt touches nothing. 0 before the claim is taken."""
    polls: int = 0
    next_wake_seconds: float = 0
    """How long the orchestrator means to wait after this call, at most: the lease is made to last beyond it."""


class DiscardInput(StepInput):
    """What ``discard_target`` is told besides: why, and whether the copy goes on afterwards."""

    code: str
    message: str
    go_on: bool
    """Whether the copy begins afresh (true), or ends and gives its claim back."""


class ParkInput(StepInput):
    """What ``park_claim`` is told besides: how the copy ends for now. Whoever asks next may take it over at once."""

    code: str
    message: str


class Failure(Message):
    """The envelope of a step that did not succeed."""

    ok: bool = False
    code: str
    message: str
    retryable: bool
    retry_after: float | None = None
    """Seconds, where the service said so."""
    request_id: str | None = None
    attempt: int | None = None
    """The attempt that the claim is under now, where the step changed it all the same."""

    @classmethod
    def of(
        cls, code: Code, message: str, *, retry_after: float | None = None, request_id: str | None = None
    ) -> Failure:
        """Return the envelope for ``code``, retryable where its remedy is to wait."""
        return cls(
            code=code,
            message=message,
            retryable=remedy(code) is Remedy.WAIT,
            retry_after=retry_after,
            request_id=request_id,
        )


class ComponentRef(Message):
    """A model or classifier that a composed model is made of."""

    kind: Kind
    model_id: str
    source_id: str | None = None
    """What to copy it from, where the newest version of it stands under another id: in a resource that a lost one is restored from."""


class Inspected(Message):
    """What ``inspect_models`` found, and where the copy goes on."""

    ok: bool = True
    attempt: int = 0
    state: ClaimState | None = None
    """The state of the claim: a copy that was left half done is resumed from there."""
    failure: Failure | None = None
    """Why the attempt that the claim is under was given up, while its placeholder is being cleared away."""
    not_before: datetime | None = None
    """The moment that is reserved for this copy within the service's rate limits (UTC)."""
    target_model_id: str | None = None
    api_version: str | None = None
    already_there: bool = False
    missing_components: list[ComponentRef] = Field(default_factory=list)
    """What a composed model refers to and the target does not have: to be copied first. No claim is taken then."""


class StepDone(Message):
    """The envelope of a step that succeeded: the claim's state says what comes next (``backup.states.RESUME_AT``)."""

    ok: bool = True
    attempt: int
    state: ClaimState
    target_model_id: str | None = None
    percent: int | None = None
    """How far the copy is, where the service says so."""
    verified_at: datetime | None = None
    api_version: str | None = None


class ReplicaDone(Message):
    """A replica was deleted, or checked and found good; or there was nothing to do about it."""

    ok: bool = True
    changed: bool


class CopyOutcome(Message):
    """How one copy ended."""

    status: CopyStatus
    code: str | None = None
    message: str | None = None
    target_model_id: str | None = None
    api_version: str | None = None
    verified_at: datetime | None = None
    polls: int = 0
    started_at: datetime
    ended_at: datetime


class CopyProgress(Message):
    """Where a copy's orchestration stands: its input, and what it carries over when it begins a new history."""

    order: CopyOrder
    step: Step = Step.INSPECT
    started_at: datetime | None = None
    attempt: int = 0
    polls: int = 0
    checks: int = 0
    """Status checks of the present attempt: the pace of polling follows from it."""
    fresh_starts: int = 0
    looks_again: int | None = None
    """How often the claim went on under a later attempt of ours, because a step ran twice."""
    component_rounds: int = 0
    """How often the components of a composed model were copied before it."""
    component_waits: int | None = None
    """How often another run was waited for that copies one of them."""
    target_model_id: str | None = None
    api_version: str | None = None
    failure: Failure | None = None
    """Why the placeholder is being discarded, while it is."""


class RunRequest(Message):
    """A run of named copies, as the HTTP starter hands it to ``copy_batch``."""

    run_id: str
    source: str
    targets: list[str]
    kind: Kind
    models: list[str]
    target_model_id: str | None = None
    deadline_seconds: float
    patience_seconds: float
    concurrency: int


class BackupRequest(Message):
    """A run of a plan, as a starter hands it to ``backup_run``."""

    run_id: str
    plan: str
    dry_run: bool = False
    plan_hash: str | None = None
    """The plan that was approved; any other is not carried out."""
    steal_from: str | None = None
    """A run of this plan whose orchestration is known to have ended without giving the plan back."""
    scheduled_at: datetime | None = None


class RestoreRequest(Message):
    """A run that brings models back, or to a third region, from replicas."""

    run_id: str
    source: str
    """The resource whose models were lost."""
    target: str
    """Where they are wanted."""
    kind: Kind | None = None
    models: list[str] | None = None
    """Model ids at the source; all that have a replica by default."""
    dry_run: bool = False


class ListingRef(Message):
    """One list that a run reads: models or classifiers of one resource, through one API version."""

    resource: str
    kind: Kind
    api_version: str
    is_source: bool


class PlanClaimed(Message):
    """The plan is ours to run; these are the lists to read."""

    ok: bool = True
    listings: list[ListingRef]
    patience_seconds: float
    concurrency: int


class PageInput(Message):
    """One page of one list: also the state of the orchestration that reads the list."""

    run_id: str
    listing: ListingRef
    number: int = 0
    page: str | None = None
    """The page's address, as the service gave it; ``None`` for the first."""
    count: int = 0
    patience_seconds: float = 300.0


class PageRead(Message):
    """A page is in the catalog."""

    ok: bool = True
    count: int
    next_page: str | None = None
    not_before: datetime | None = None
    """When the next page may be asked for within the rate limits."""


class PlanInputs(Message):
    """What ``make_plan`` is told: the request, and which targets could not be listed (name: reason)."""

    request: BackupRequest
    failed_targets: dict[str, str] = Field(default_factory=dict)


class PlanMade(Message):
    """The plan's decisions and rows are in the catalog."""

    ok: bool = True
    total: int
    plan_hash: str
    counts: dict[str, int]


class RestorePlanned(Message):
    """The rows of a restore are in the catalog."""

    ok: bool = True
    total: int
    concurrency: int


class RunRef(Message):
    """A run, by its id."""

    run_id: str


class RunFailure(Message):
    """Why a run ends before anything was copied."""

    run_id: str
    plan: str | None = None
    code: str
    message: str


class LaneInput(Message):
    """One lane of a run: it takes rows one after the other."""

    run_id: str
    lane: int
    sequence: int = 0
    finished: CopyOutcome | None = None
    """How the row before ended; written when the next one is taken."""


class RunClosed(Message):
    """The run's record is written."""

    ok: bool = True
    status: str
    done: int
    total: int


class TakenRow(Message):
    """The next row of a lane; ``order`` is ``None`` when there are no more."""

    ok: bool = True
    order: CopyOrder | None = None
    not_before: datetime | None = None
    """When the row may be begun within the limits of its resources (UTC); ``None`` for at once."""
    closed: RunClosed | None = None
    """How the run ended, where the lane's last row was the run's last."""


class LaneEnded(Message):
    """A lane has no more rows."""

    lane: int
    rows: int
    """How many it took."""
    closed: RunClosed | None = None
    """How the run ended, where this lane had its last row."""


class RunOpened(Message):
    """The rows of a run are written."""

    ok: bool = True
    total: int
