"""The records of a plan's run: its request, the lists it reads, their pages."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from backup.document_models import Kind
from backup.messages import Message
from backup.messages.run import DEFAULT_DEADLINE_SECONDS, RunProgress


class BackupRequest(Message):
    """A run of a plan: the input of ``backup_run``."""

    run_id: str
    plan: str
    dry_run: bool = False
    rebuild: bool | None = None
    """Whether it only adopts what is in the targets already, and makes, deletes and checks nothing."""
    plan_hash: str | None = None
    """The plan that was approved; no other plan is carried out."""
    steal_from: str | None = None
    """A run of this plan whose orchestration ended without releasing the plan."""
    deadline_seconds: float = DEFAULT_DEADLINE_SECONDS
    """How long it may wait for its plan; how long for the lists, the plan itself says."""
    progress: RunProgress | None = None


class ListingRef(Message):
    """A list that a run reads: models or classifiers of one resource, through one API version."""

    resource: str
    kind: Kind
    api_version: str
    is_source: bool


class PlanClaimed(Message):
    """The run holds the plan; these are the lists to read."""

    ok: bool = True
    listings: list[ListingRef]
    patience_seconds: float
    deadline_seconds: float = DEFAULT_DEADLINE_SECONDS
    """How long the lists may take, from the beginning of the run."""


class PageInput(Message):
    """A page of a list: also the state of the orchestration that reads the list."""

    run_id: str
    listing: ListingRef
    number: int = 0
    page: str | None = None
    """The page's address, as the service returned it; ``None`` for the first."""
    count: int = 0
    mark: str | None = None
    """An earlier page: a list that comes to it again goes round in circles."""
    patience_seconds: float = 300.0
    until: datetime | None = None
    """When the list must be read (UTC)."""
    noted: str | None = None
    """The step whose wait is noted in the catalog."""


class PageRead(Message):
    """A page is in the catalog."""

    ok: bool = True
    count: int
    next_page: str | None = None
    not_before: datetime | None = None
    """When the next page may be read within the rate limits (UTC)."""


class MakePlanInput(Message):
    """The input of ``make_plan``."""

    request: BackupRequest
    list_failures: dict[str, str] = Field(default_factory=dict)
    """Why the lists of a target could not be read, by target."""
