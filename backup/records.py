"""The records of the catalog: replicas, runs and their rows, suspects. Claims are in ``backup.claim``."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Self

from pydantic import Field

from backup.api_versions import generation_of
from backup.codes import NOT_COVERED
from backup.document_models import Kind
from backup.messages import Message
from backup.messages.copy import ComponentRef, CopyOrder, CopyOutcome, RowTask
from backup.messages.run import RunRequest
from backup.states import CopyStatus, ReplicaState, RunStatus

RETIRING_TIME = timedelta(hours=24)
"""How long the lookup names a copy that a newer one replaced: applications remember its answer."""


class Announcing(Message):
    """A record in which a call is announced before it is made, so that no second delivery of the step repeats it meanwhile."""

    call_ends_at: datetime | None = None
    """Until when the announced call can last: before that its answer is not lost, only late."""

    def is_call_under_way(self, now: datetime) -> bool:
        """Tell whether the announced call may still be under way."""
        return self.call_ends_at is not None and now < self.call_ends_at


class Replica(Announcing):
    """The verified copy of one source model in one target."""

    source: str
    kind: Kind
    model_id: str
    target: str
    target_model_id: str
    api_version: str
    fingerprint: str
    """The version of the source model that was copied."""
    trained: datetime | None = None
    """When this version was trained (UTC), by the service's clock; unknown for what earlier versions of the app recorded."""
    digest: str
    """Digest of the content that was verified."""
    state: ReplicaState
    verified_at: datetime
    expires_at: datetime | None = None
    run_id: str
    retired_at: datetime | None = None
    """Since when a newer copy replaces it."""
    orphaned_at: datetime | None = None
    """Since when its source model is gone."""
    components: list[ComponentRef] = Field(default_factory=list)
    """What a composed model refers to, by the ids that it must have in the target (v4)."""

    def is_past_retirement(self, now: datetime) -> bool:
        """Tell whether a newer copy replaced this one so long ago that no application remembers it from a lookup."""
        return self.retired_at is not None and now - self.retired_at >= RETIRING_TIME

    @property
    def version_order(self) -> tuple[datetime, datetime]:
        """What orders the versions of a model: by their training, as far as it is known and possible."""
        is_possible = self.trained is not None and self.trained < self.verified_at
        return self.trained if self.trained and is_possible else self.verified_at, self.verified_at


class RunRow(RowTask):
    """One row of a run: its task, and how far that is."""

    status: CopyStatus = CopyStatus.PENDING
    started_at: datetime | None = None
    outcome: CopyOutcome | None = None
    trained: str | None = None
    """When the source model was trained, as the service says it; of a plan's copies."""

    @property
    def has_ended(self) -> bool:
        """Whether its status is final."""
        return self.status not in {CopyStatus.PENDING, CopyStatus.RUNNING}

    def started(self, now: datetime) -> Self:
        """Return this row as running; one that was started before stays as it is."""
        if self.status is not CopyStatus.PENDING:
            return self
        return self.replace(status=CopyStatus.RUNNING, started_at=now)

    def ended(self, outcome: CopyOutcome) -> Self:
        """Return this row with ``outcome``; one that has ended stays as it is."""
        started_at = self.started_at or outcome.started_at
        return self if self.has_ended else self.replace(status=outcome.status, outcome=outcome, started_at=started_at)


def rows_of(request: RunRequest) -> list[RunRow]:
    """Return the rows of a run of named copies: every model to every target."""
    return [
        RunRow(
            row=number,
            source=request.source,
            target=target,
            kind=request.kind,
            model_id=model_id,
            target_model_id=request.target_model_id,
        )
        for number, (target, model_id) in enumerate(itertools.product(request.targets, request.models))
    ]


class LanePosition(Message):
    """The row that a lane took last, and with which number: asking with the same number again gets the same row."""

    sequence: int
    row: int | None = None


class RunRecord(Message):
    """One run: what it is to do, how far it is, and whether it is to stop."""

    run_id: str
    kind: str
    status: RunStatus = RunStatus.PENDING
    started_at: datetime
    ended_at: datetime | None = None
    total: int | None = None
    """How many rows it has; ``None`` until they are written."""
    next_row: int = 0
    lanes: dict[str, LanePosition] = Field(default_factory=dict)
    done: int = 0
    deadline_seconds: float = 0
    patience_seconds: float = 0
    cancel_requested: bool = False
    workable: int | None = None
    """How many rows lanes take; those behind them ended when the plan was made. ``None``: all."""
    plan: str | None = None
    dry_run: bool = False
    plan_hash: str | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    """Decisions by action."""
    finding_count: int = 0
    progressed_at: datetime | None = None
    """When a lane took its last row (UTC)."""
    not_covered: int = 0
    """How many models at least one target cannot have."""
    statuses: dict[str, int] = Field(default_factory=dict)
    """Its rows by status, once it has ended."""
    failures: dict[str, int] = Field(default_factory=dict)
    """Its rows that failed or did not finish, by code, once it has ended."""
    sources: list[str] = Field(default_factory=list)
    targets: list[str] = Field(default_factory=list)
    """The resources that its rows name, once it has ended."""
    code: str | None = None
    message: str | None = None

    @property
    def rows_to_work(self) -> int:
        """How many rows lanes work on."""
        return (self.total if self.workable is None else self.workable) or 0

    def outcome_of(self, outcome: CopyOutcome) -> CopyOutcome:
        """Return how a copy of this run ended: in a run of a plan, a model that the service cannot copy is not covered, and no failure."""
        is_not_covered = self.plan is not None and outcome.status is CopyStatus.FAILED and outcome.code in NOT_COVERED
        return outcome.replace(status=CopyStatus.NOT_COVERED) if is_not_covered else outcome

    def order(self, row: RunRow) -> CopyOrder:
        """Return the task of ``row`` with what holds for the whole run."""
        task = {name: getattr(row, name) for name in RowTask.model_fields}
        return CopyOrder(
            run_id=self.run_id,
            deadline_seconds=self.deadline_seconds,
            patience_seconds=self.patience_seconds,
            **task,
        )


class Suspect(Announcing):
    """A placeholder in a target that belongs to no claim and may be the app's, after an authorization whose answer was lost.

    On v2 it is a model that is ``creating`` and appeared since; it may also be a training of another user. From v3 on it is the id that
    the app asked for, where the target refuses it and shows no model under it; another user may have authorized it first.
    """

    target: str
    kind: Kind = Kind.MODEL
    model_id: str
    seen_at: datetime
    run_id: str
    source: str
    source_model_id: str
    api_version: str | None = None
    """The version that the lost call was made with."""
    blocked_since: datetime | None = None
    """Since when the target has refused the id and shown no model under it (v3 and later)."""
    deleting: bool = False
    """Whether its deletion was announced: it is deleted again only after the target refuses the id once more."""

    @property
    def is_visible(self) -> bool:
        """Whether the target shows the placeholder: v2 does, v3 and later do not."""
        return self.api_version is not None and generation_of(self.api_version).shows_placeholders

    def is_due(self, hours: int | None, now: datetime) -> bool:
        """Tell whether it is a v2 suspect older than ``hours``; ``None``: never."""
        return self.is_visible and hours is not None and now - self.seen_at >= timedelta(hours=hours)


class PlanState(Message):
    """What the app remembers of a plan between its runs: which scheduled moments are settled, and whether it is paused."""

    first_seen_at: datetime
    schedule: str | None = None
    """The text of its schedule when it was last seen; ``None``: it had none."""
    settled: datetime
    """The last scheduled moment that needs no start any more; nor does any earlier one."""
    settled_as: str
    """Why it needs none, in words."""
    paused_at: datetime | None = None
    pause_reason: str | None = None

    def with_settled(self, moment: datetime, reason: str) -> Self:
        """Return this state with ``moment``, and every earlier one, settled."""
        return self.replace(settled=moment, settled_as=reason) if moment > self.settled else self


class RunNote(Message):
    """What a plan remembers of one of its runs, also when the run itself is purged."""

    run_id: str
    status: RunStatus
    started_at: datetime
    ended_at: datetime | None = None
    total: int | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    """Decisions by action."""
    not_covered: int = 0
    code: str | None = None

    @classmethod
    def of(cls, record: RunRecord) -> Self:
        """Return the note of a run."""
        return cls(**{name: getattr(record, name) for name in cls.model_fields})


class PlanRuns(Message):
    """The runs that a plan remembers: no dry runs, and none that gave way to another run."""

    last: RunNote | None = None
    last_good: RunNote | None = None
    """The last one that ended as ``Succeeded``."""

    def with_run(self, note: RunNote) -> Self:
        """Return this with ``note``, unless a later run is known."""

        def later(known: RunNote | None) -> RunNote:
            return note if known is None or note.started_at >= known.started_at else known

        good = later(self.last_good) if note.status is RunStatus.SUCCEEDED else self.last_good
        return self.replace(last=later(self.last), last_good=good)
