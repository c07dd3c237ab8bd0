"""What crosses the durable boundary: small typed records, JSON objects on the wire.

A record is parsed at the door of an activity or orchestrator and written as plain JSON when it leaves. Fields that are unknown are
ignored, so that work under way survives a newer or an older version of the app.
"""

from __future__ import annotations

import json
from datetime import datetime
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


class CopyOrder(Message):
    """One copy to be made: a row of a run."""

    run_id: str
    row: int
    source: str
    target: str
    kind: Kind
    model_id: str
    target_model_id: str | None = None
    """The id that the user wants the copy to have (v3 and later); by default the source's own."""
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


class Inspected(Message):
    """What ``inspect_models`` found, and where the copy goes on."""

    ok: bool = True
    attempt: int = 0
    state: ClaimState | None = None
    """The state of the claim: a copy that was left half done is resumed from there."""
    not_before: datetime | None = None
    """The moment that is reserved for this copy within the service's rate limits (UTC)."""
    target_model_id: str | None = None
    api_version: str | None = None
    already_there: bool = False
    missing_components: list[ComponentRef] = Field(default_factory=list)
    """What a composed model refers to and the target does not have: to be copied first. No claim is taken then."""


class Authorized(Message):
    """The target's authorization: its id in clear, all else sealed in the claim."""

    ok: bool = True
    attempt: int
    target_model_id: str
    expires: datetime | None = None
    authorization: str | None = None
    """The authorization, sealed. ``None`` where the target already holds the copy: it only needs to be verified."""


class Started(Message):
    """The source accepted the copy, or the target shows that it did."""

    ok: bool = True
    attempt: int
    operation: str | None = None


class Checked(Message):
    """One status check."""

    ok: bool = True
    done: bool
    percent: int | None = None


class Verified(Message):
    """The copy equals its source."""

    ok: bool = True
    target_model_id: str
    verified_at: datetime


class Recorded(Message):
    """The replica is in the catalogue and the claim is given back."""

    ok: bool = True
    target_model_id: str
    verified_at: datetime
    api_version: str | None = None


class Discarded(Message):
    """The placeholder is gone, or was never there; or it is ready after all, and has to be verified."""

    ok: bool = True
    attempt: int
    ready_after_all: bool = False


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
    component_rounds: int = 0
    """How often the components of a composed model were copied before it."""
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


class LaneInput(Message):
    """One lane of a run: it takes rows one after the other."""

    run_id: str
    lane: int
    sequence: int = 0
    finished: CopyOutcome | None = None
    """How the row before ended; written when the next one is taken."""


class TakenRow(Message):
    """The next row of a lane; ``order`` is ``None`` when there are no more."""

    ok: bool = True
    order: CopyOrder | None = None


class RunOpened(Message):
    """The rows of a run are written."""

    ok: bool = True
    total: int


class RunClosed(Message):
    """The run's record is written."""

    ok: bool = True
    status: str
    done: int
    total: int
