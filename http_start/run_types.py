"""What the answers about runs hold."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from backup.document_models import Kind
from backup.json_types import Address, Described, Moment
from backup.messages.copy import RowAction
from backup.planning.decisions import Action, Reason
from backup.states import CopyStatus, RunStatus, Step


class RunKind(StrEnum):
    """What a run does."""

    COPIES = "copies"
    BACKUP = "backup"
    RESTORE = "restore"
    REBUILD = "rebuild"
    MAPPING = "mapping"


class Progress(Described):
    """How far a run is."""

    done: int
    """How many of its copies have ended."""
    total: int | None
    """How many copies it has; ``null`` until that is known."""


class RunSummary(Described):
    """A run without its copies."""

    runId: str
    """The id of the run."""
    kind: RunKind
    """What the run does."""
    status: RunStatus
    """``Pending`` until a worker begins it. ``Failed``: none of its copies succeeded."""
    startedAt: Moment
    """When it was accepted."""
    endedAt: Moment | None
    """When it ended; ``null`` until then."""
    cancelRequested: bool
    """Whether it was asked to stop."""
    progress: Progress
    """How far it is."""
    plan: NotRequired[str | None]
    """The plan; ``null`` for a restore. Runs of named copies do not have it, nor the next six fields."""
    dryRun: NotRequired[bool]
    """Whether it only decides."""
    planHash: NotRequired[str | None]
    """What identifies its decisions: a run with this hash does exactly that."""
    counts: NotRequired[dict[Action, int]]
    """How many decisions it made, by action."""
    findingCount: NotRequired[int]
    """How many findings it has."""
    notCovered: NotRequired[int]
    """How many models at least one target cannot have."""
    code: NotRequired[str]
    """Why it stopped early (docs/failures.md)."""
    message: NotRequired[str]
    """Why it stopped early, or that there was nothing to do."""


class RunPage(Described):
    """Runs, newest first."""

    runs: list[RunSummary]
    """The runs of this page. A page may hold fewer than ``limit``, or none, and still have a ``nextLink``."""
    nextLink: NotRequired[Address]
    """Where the next page is; not there on the last one."""


class Copy(Described):
    """One copy of a run, or another thing that it does to a replica."""

    action: RowAction
    """What is done."""
    source: str
    """The resource that is copied from."""
    target: str
    """The resource that is copied to."""
    kind: Kind
    """What is copied."""
    modelId: str
    """The id of the model in the source."""
    targetModelId: str | None
    """The id of the copy, as soon as it is known; until then the one that was asked for, if any."""
    apiVersion: str | None
    """The API version of the copy, as soon as it is chosen."""
    status: CopyStatus
    """How far it is, or how it ended."""
    step: Step | None
    """The step that comes next; ``null`` before the first."""
    polls: int
    """How often the service was asked for its status."""
    code: str | None
    """Why it ended so (docs/failures.md)."""
    message: str | None
    """The code in words, with what to do."""
    verifiedAt: Moment | None
    """When the copy was found to be equal to its source."""
    startedAt: Moment | None
    """When it began."""
    endedAt: Moment | None
    """When it ended."""


class CopyPage(Described):
    """Copies of a run."""

    copies: list[Copy]
    """The copies of this page."""
    nextLink: NotRequired[Address]
    """Where the next page is; not there on the last one."""


class OlderVersion(Described):
    """An older version of a model in a target, and whether it stays."""

    targetModelId: str
    """The id of its copy."""
    fingerprint: str
    """The version."""
    reason: Reason
    """``surplus`` and ``tooOld``: it goes. ``kept``, ``deletionGuarded`` and ``listIncomplete``: it stays."""


class Decision(Described):
    """What a run does about one model in one target (docs/backups.md)."""

    target: str
    """The target."""
    kind: Kind
    """What it is."""
    modelId: str
    """The id of the model in the source."""
    action: Action
    """What the run does."""
    reason: Reason
    """Why."""
    fingerprint: NotRequired[str]
    """The version of the source model."""
    targetModelId: NotRequired[str]
    """The replica that the decision is about, or the first of the ``candidates``."""
    candidates: NotRequired[list[str]]
    """The models of the target that may be the copy, the likeliest first."""
    replicaFingerprint: NotRequired[str]
    """The version that the replica holds."""
    fromResource: NotRequired[str]
    """The resource that a restored model is copied from."""
    olderVersions: NotRequired[list[OlderVersion]]
    """The older versions in the target, newest first, if the plan keeps any."""


class DecisionPage(Described):
    """Decisions of a run."""

    decisions: list[Decision]
    """The decisions of this page."""
    nextLink: NotRequired[Address]
    """Where the next page is; not there on the last one."""


class RunFinding(Described):
    """What a person should know about a replica, about its absence, or about an entry of a list."""

    finding: Literal["missing", "expiresSoon", "rpoBreached", "unreadable"]
    """What was found."""
    target: str
    """The target; of an unreadable entry, the resource whose list has it."""
    kind: Kind
    """What it is about."""
    modelId: NotRequired[str]
    """The id of the model in the source; an unreadable entry may have none."""
    detail: str
    """What was found, in words."""


_WaitFor = TypedDict(
    "_WaitFor", {"for": Annotated[str, Field(description="Which step of which copy waits, or which list, in words.")]}
)


class Wait(_WaitFor, Described):
    """What a run waits for, because something refuses it."""

    code: str
    """The code of the failure (docs/failures.md)."""
    message: str
    """The code in words, with what to do."""
    since: Moment
    """When the wait began."""
    until: Moment
    """When it ends at the latest."""


class Run(RunSummary):
    """A run with its first 100 copies."""

    waiting: list[Wait]
    """What it waits for now: the first 20 waits."""
    more: NotRequired[int]
    """How many waits are left out."""
    decisions: NotRequired[list[Decision]]
    """The first 100 decisions. Runs of named copies have none."""
    findings: NotRequired[list[RunFinding]]
    """The first 100 findings. Runs of named copies have none."""
    copies: list[Copy]
    """The first 100 copies."""


class Cancelled(Described):
    """A run that was asked to stop."""

    runId: str
    """The id of the run."""
    cancelRequested: bool
    """``false`` if it had ended before."""
    statusUrl: Address
    """Where to ask for its status."""
    status: NotRequired[RunStatus]
    """How it ended, if it has."""
