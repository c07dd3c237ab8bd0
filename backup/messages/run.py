"""The records of runs: what starters ask for, how rows are written, taken and closed."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from backup.document_models import Kind
from backup.messages import Message
from backup.messages.copy import CopyOrder, CopyOutcome, Failure

DEFAULT_DEADLINE_SECONDS = 7200.0


class LaneInput(Message):
    """The position of one lane of a run. A lane takes rows one after the other."""

    run_id: str
    lane: int
    sequence: int = 0
    finished: CopyOutcome | None = None
    """How the last row ended; recorded when the next one is taken."""
    since: datetime | None = None
    """Since when the lane is at this row, if that was in an earlier history."""
    taken_at: datetime | None = None
    """When it took this row, if that was in an earlier history."""
    noted: str | None = None
    """The step whose wait is noted in the catalog."""


class RunClosing(Message):
    """How to close a run."""

    run_id: str
    failure: Failure | None = None
    """Why the run ends before all of its rows have ended."""
    unrecorded: list[LaneInput] = Field(default_factory=list)
    """The positions of lanes that could not record how their last row ended."""


class RunProgress(Message):
    """How far a run was when its orchestration began a new history."""

    begun_at: datetime
    """When its first history began: the bounds of its waits count from here."""
    closing: RunClosing | None = None
    """How it is to be closed, once that is known."""
    closing_since: datetime | None = None
    noted: str | None = None
    """The step whose wait is noted in the catalog."""


class RunRequest(Message):
    """A run of named copies: the input of ``copy_batch``."""

    run_id: str
    source: str
    targets: list[str]
    kind: Kind
    models: list[str]
    target_model_id: str | None = None
    deadline_seconds: float
    patience_seconds: float
    concurrency: int
    progress: RunProgress | None = None


class RestoreRequest(Message):
    """A run that brings models back, or to a third region, from replicas: the input of ``restore_run``."""

    run_id: str
    source: str
    """The resource whose models were lost."""
    target: str
    """Where to bring them."""
    kind: Kind | None = None
    models: list[str] | None = None
    """Model ids at the source; by default all that have a replica."""
    version: str | None = None
    """The version to restore, by the beginning of its fingerprint; by default the present one."""
    dry_run: bool = False
    deadline_seconds: float = DEFAULT_DEADLINE_SECONDS
    """How long it may wait before its rows are written."""
    progress: RunProgress | None = None


class RunOpened(Message):
    """The rows of a run are in the catalog."""

    ok: bool = True
    total: int
    """How many rows lanes have to work through."""
    concurrency: int
    """How many lanes, at most."""


class RunClosed(Message):
    """The run's record says how it ended."""

    ok: bool = True
    status: str
    done: int
    total: int
    code: str | None = None


class NoticesDue(Message):
    """A run has ended: what is to be told is sent now. The input of ``send_notices``."""

    run_id: str


class NoticesSent(Message):
    """How many notices were sent to a receiver, and how many were not taken."""

    ok: bool = True
    sent: int = 0
    failed: int = 0


class TakenRow(Message):
    """The next row of a lane; ``order`` is ``None`` when no rows are left."""

    ok: bool = True
    order: CopyOrder | None = None
    not_before: datetime | None = None
    """When the row may begin within the rate limits of its resources (UTC); ``None`` for at once."""
    closed: RunClosed | None = None
    """How the run ended, if the lane's last row was the run's last."""


class LaneEnded(Message):
    """No rows are left for this lane, or it could not take one."""

    closed: RunClosed | None = None
    """How the run ended, if this lane had its last row."""
    failure: Failure | None = None
    """Why the lane could not take its next row."""
    unrecorded: LaneInput | None = None
    """The lane's position then: how its last row ended is not recorded yet."""
