"""The records of one copy: its order, what its steps are given and return, how it ends."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from backup.codes import Code, Remedy, remedy
from backup.document_models import Kind
from backup.messages import Message
from backup.states import ClaimState, CopyStatus, Step

LONGEST_MESSAGE = 2000
"""Characters of a message: it crosses the durable history many times, and stands in a row, a finding and a notice."""


class RowAction(StrEnum):
    """What to do in a row of a run."""

    COPY = "copy"
    """Make a copy, or record one that the target holds already (``candidates``)."""
    ADOPT = "adopt"
    """Record a copy that the target holds already, and make none."""
    DELETE = "delete"
    CHECK = "check"
    CONFIRM = "confirm"
    """Record a replica that an exported mapping names, if the target holds it."""
    CLEAR = "clear"
    """Delete a v2 placeholder that a lost answer may have left in a target."""


class Origin(Message):
    """The model that a restored copy replaces. It is copied from a replica, not from this model."""

    source: str
    model_id: str
    fingerprint: str | None = None
    """The version that was lost, if it is known."""
    trained: datetime | None = None
    """When this version was trained (UTC), if it is known."""
    is_older: bool | None = None
    """Whether it is not the present version: its copy is not recorded, because the mapping leads to the present one."""


class Exported(Message):
    """What an exported mapping says about a replica, besides its place."""

    api_version: str
    fingerprint: str
    digest: str
    retiring: bool = False
    """Whether a newer replica replaced it."""
    trained: datetime | None = None


class RowTask(Message):
    """What a row of a run asks for: a copy to make, or a replica to delete or check."""

    row: int
    source: str
    target: str
    kind: Kind
    model_id: str
    target_model_id: str | None = None
    """The id that the user wants the copy to have (v3 and later); by default the source's own."""
    action: RowAction = RowAction.COPY
    subject_id: str | None = None
    """The target id of the replica to delete or check."""
    subject_fingerprint: str | None = None
    """The version of this replica when the plan was made: a later one is left alone."""
    recreate: bool = False
    """Whether the old replica is deleted before the new copy is made, so that the id stays."""
    own_id_only: bool | None = None
    """Whether the copy may not have a fallback id: a composed model refers to it by this one."""
    candidates: list[str] | None = None
    """Models of the target that may be the copy already, by their ids: one that equals the source is recorded instead."""
    origin: Origin | None = None
    exported: Exported | None = None
    """The replica to confirm."""


class CopyOrder(RowTask):
    """The row of a run as its orchestration gets it."""

    run_id: str
    deadline_seconds: float
    """Counted from the beginning of the copy."""
    patience_seconds: float
    """How long to wait for an unreachable resource before the copy has started."""

    @property
    def mapped_source(self) -> str:
        """The source under which the catalog records the copy."""
        return self.origin.source if self.origin else self.source

    @property
    def mapped_model_id(self) -> str:
        """The model id under which the catalog records the copy."""
        return self.origin.model_id if self.origin else self.model_id

    @property
    def wanted_id(self) -> str:
        """The id that the copy should have, if the app may choose it (v3 and later)."""
        return self.target_model_id or self.model_id


class StepInput(Message):
    """The input of every step of a copy."""

    order: CopyOrder
    owner: str
    """The instance id of the copy's orchestration."""
    attempt: int = 0
    """The fence: a step under another attempt changes nothing. 0 before the claim is taken."""
    polls: int = 0
    next_wake_seconds: float = 0
    """When the orchestrator calls again, at the latest: the lease lasts beyond it."""


class InspectInput(StepInput):
    """The input of ``inspect_models``."""

    first_component: int | None = None
    """The number of the component to check first: those before it are in the target. ``None`` is 0."""


class DiscardInput(StepInput):
    """The input of ``discard_target``."""

    code: str
    message: str
    go_on: bool
    """Whether the copy retries with a new authorization (true), or ends and releases its claim."""


class ParkInput(StepInput):
    """The input of ``park_claim``: how the copy ends for now. The next request may take it over at once."""

    code: str
    message: str


class Failure(Message):
    """The envelope of a step that failed."""

    ok: bool = False
    code: str
    message: str
    retryable: bool
    retry_after: float | None = None
    """Seconds, if the service named them."""
    request_id: str | None = None
    attempt: int | None = None
    """The claim's attempt, if the step has changed it."""

    @classmethod
    def of(
        cls, code: Code, message: str, *, retry_after: float | None = None, request_id: str | None = None
    ) -> Failure:
        """Return the envelope for ``code``, retryable if its remedy is to wait. A message of any length is shortened."""
        return cls(
            code=code,
            message=_shortened(message),
            retryable=remedy(code) is Remedy.WAIT,
            retry_after=retry_after,
            request_id=request_id,
        )


class ComponentRef(Message):
    """A model or classifier that a composed model refers to."""

    kind: Kind
    model_id: str
    source_id: str | None = None
    """The id to copy it from, if a resource that is restored from holds it under another id."""


class Inspected(Message):
    """What ``inspect_models`` found. The claim's state says where the copy resumes."""

    ok: bool = True
    attempt: int = 0
    state: ClaimState | None = None
    failure: Failure | None = None
    """Why the claim's present attempt failed, while its placeholder is being removed."""
    not_before: datetime | None = None
    """The moment reserved for this copy, or for the next inspection, within the service's rate limits (UTC)."""
    next_component: int | None = None
    """The component to check next, of a model that has too many for one call. No claim is taken then."""
    target_model_id: str | None = None
    api_version: str | None = None
    already_there: bool = False
    missing_components: list[ComponentRef] = Field(default_factory=list)
    """The components that the target lacks: to be copied first. No claim is taken then."""


class StepDone(Message):
    """The envelope of a step that succeeded: the claim's state says what comes next (``backup.states.RESUME_AT``)."""

    ok: bool = True
    attempt: int
    state: ClaimState
    target_model_id: str | None = None
    adopted: bool | None = None
    """Whether the copy was in the target already."""
    percent: int | None = None
    """The progress of the copy, if the service reports it."""
    verified_at: datetime | None = None
    api_version: str | None = None


class ReplicaDone(Message):
    """A replica was deleted, or checked and found good; or there was nothing to do about it."""

    ok: bool = True
    changed: bool


class CopyOutcome(Message):
    """How a copy ended."""

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
    """The input of a copy's orchestration, and its progress when it begins a new history."""

    order: CopyOrder
    step: Step = Step.INSPECT
    started_at: datetime | None = None
    attempt: int = 0
    polls: int = 0
    checks: int = 0
    """Status checks of the present attempt: the pace of polling follows from it."""
    fresh_starts: int = 0
    resyncs: int | None = None
    """How often the claim was read again because a later attempt of this copy had changed it: a step ran twice."""
    component_rounds: int = 0
    """How often the present components of a composed model were copied before it."""
    next_component: int | None = None
    """The component to check next: those before it are in the target."""
    component_waits: int | None = None
    """How often this copy waited for another run that copies a component."""
    target_model_id: str | None = None
    api_version: str | None = None
    failure: Failure | None = None
    """Why the placeholder is being removed, while it is."""
    noted: str | None = None
    """The step whose wait is noted in the catalog."""


def _shortened(message: str) -> str:
    if len(message) <= LONGEST_MESSAGE:
        return message
    # between two words: half a secret is not recognized as one any more
    kept = message[: LONGEST_MESSAGE - 2]
    return f"{kept.rpartition(' ')[0] or kept} …"
