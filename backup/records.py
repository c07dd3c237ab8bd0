"""What the catalog remembers: replicas, runs and their rows, suspects. Claims are in ``backup.claim``."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import Field

from backup.api_versions import generation_of
from backup.document_models import Kind
from backup.messages import Message
from backup.messages.copy import ComponentRef, CopyOrder, CopyOutcome, RowTask
from backup.states import CopyStatus, ReplicaState, RunStatus


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
    digest: str
    """Digest of the content that was verified."""
    state: ReplicaState
    verified_at: datetime
    expires_at: datetime | None = None
    run_id: str
    retired_at: datetime | None = None
    """Since when a newer copy stands in for it."""
    orphaned_at: datetime | None = None
    """Since when its source model is known to be gone."""
    components: list[ComponentRef] = Field(default_factory=list)
    """What a composed model refers to, by the ids that it must have in the target (v4)."""


class RunRow(RowTask):
    """A row of a run, and how far it is."""

    status: CopyStatus = CopyStatus.PENDING
    started_at: datetime | None = None
    outcome: CopyOutcome | None = None


class LanePosition(Message):
    """The row that a lane took last, and under which number: a redelivered taking gets the same row again."""

    sequence: int
    row: int | None = None


class RunRecord(Message):
    """One run: what was asked for, how far it is, and whether somebody asked to stop it."""

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
    """How many rows are for lanes to take; those behind them ended when the plan was made. ``None``: all."""
    plan: str | None = None
    dry_run: bool = False
    plan_hash: str | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    """Decisions by action."""
    finding_count: int = 0
    code: str | None = None
    message: str | None = None

    @property
    def rows_to_work(self) -> int:
        """How many rows lanes work on."""
        return (self.total if self.workable is None else self.workable) or 0

    def order(self, row: RunRow) -> CopyOrder:
        """Return the input of the orchestration of ``row``."""
        return CopyOrder(
            **{name: getattr(row, name) for name in RowTask.model_fields},
            run_id=self.run_id,
            deadline_seconds=self.deadline_seconds,
            patience_seconds=self.patience_seconds,
        )


class Suspect(Announcing):
    """A placeholder in a target that may be ours, after an authorization whose answer was lost, and belongs to no claim.

    On v2 a model that is ``creating`` and appeared since: it may be somebody's training as well. From v3 on the id that was asked for,
    where the target refuses it and shows nothing under it: somebody else may have authorized it before us.
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
    """Since when the target is known to refuse the id while it shows nothing under it (v3 and later)."""
    deleting: bool = False
    """Whether its deletion was announced: it is not deleted again before it is known to be in the way still."""

    @property
    def is_visible(self) -> bool:
        """Whether the target shows what is under the id: v2 shows placeholders, v3 and later do not."""
        return self.api_version is not None and generation_of(self.api_version).shows_placeholders

    def is_due(self, hours: int | None, now: datetime) -> bool:
        """Tell whether it is a v2 suspect older than ``hours``; ``None``: never."""
        return self.is_visible and hours is not None and now - self.seen_at >= timedelta(hours=hours)
