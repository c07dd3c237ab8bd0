"""What a plan is made of: the inputs that it depends on, the decisions that come of them, and why."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from backup.codes import Code
from backup.configuration import Plan, Resource
from backup.document_models import Kind, ModelSummary
from backup.messages import Message
from backup.records import Replica


class Action(StrEnum):
    """What a run does about one model in one target."""

    COPY = "copy"
    REPLACE = "replace"
    SKIP = "skip"
    BLOCKED = "blocked"
    ORPHAN = "orphan"
    DELETE = "delete"


class Reason(StrEnum):
    """Why."""

    NEW = "new"
    MISSING = "missing"
    EXPIRED = "expired"
    RETRAINED = "retrained"
    OWN_ID_NEEDED = "ownIdNeeded"
    UNCHANGED = "unchanged"
    NOT_READY = "notReady"
    SOURCE_EXPIRED = "sourceExpired"
    NO_COMMON_VERSION = "noCommonVersion"
    KIND_UNSUPPORTED = "kindUnsupported"
    OTHER_CLOUD = "otherCloud"
    TARGET_UNKNOWN = "targetUnknown"
    KEPT = "kept"
    IN_GRACE = "inGrace"
    GUARDED = "deletionGuarded"
    REMOVED = "removed"
    RESTORE = "restore"


CODE_OF_BLOCK: Mapping[Reason, Code] = {
    Reason.NOT_READY: Code.SOURCE_MODEL_NOT_READY,
    Reason.SOURCE_EXPIRED: Code.SOURCE_MODEL_EXPIRED,
    Reason.NO_COMMON_VERSION: Code.NO_COMMON_VERSION,
    Reason.KIND_UNSUPPORTED: Code.KIND_UNSUPPORTED,
    Reason.OTHER_CLOUD: Code.OTHER_CLOUD,
    Reason.TARGET_UNKNOWN: Code.TARGET_LIST_FAILED,
}


class Decision(Message):
    """What is to be done about one model in one target."""

    target: str
    kind: Kind
    model_id: str
    action: Action
    reason: Reason
    fingerprint: str | None = None
    target_model_id: str | None = None
    """The replica that the decision is about, where there is one."""
    replica_fingerprint: str | None = None
    """The version that this replica is of."""
    from_resource: str | None = None
    """Where a restored model comes from."""


class Removal(Message):
    """A replica to be deleted (a replaced copy whose time is up) or to be read whole."""

    target: str
    kind: Kind
    model_id: str
    target_model_id: str
    replica_fingerprint: str | None = None


class Finding(Message):
    """Something that a person should know about a replica, or about its lack."""

    finding: str
    """``missing``, ``expiresSoon``, ``rpoBreached`` or ``drifted``."""
    target: str
    kind: Kind
    model_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What a resource holds, as its lists tell; ``None`` in place of it where the lists could not be read."""

    models: Mapping[tuple[Kind, str], ModelSummary]

    @classmethod
    def of(cls, models: Iterable[ModelSummary]) -> Listing:
        """Return the listing of ``models``."""
        return cls({(model.kind, model.model_id): model for model in models})


@dataclass(frozen=True, slots=True)
class PlanInput:
    """Everything that a plan depends on."""

    policy: Plan
    resources: Mapping[str, Resource]
    source: Listing
    targets: Mapping[str, Listing | None]
    replicas: Sequence[Replica]
    """All replicas of the source's models, in whatever state."""
    now: datetime


@dataclass(frozen=True, slots=True)
class PlanResult:
    """What a run will do. One decision a model and target; replaced copies and checks come besides."""

    decisions: tuple[Decision, ...]
    removals: tuple[Removal, ...]
    deep_checks: tuple[Removal, ...]
    findings: tuple[Finding, ...]
    marks: tuple[Replica, ...] = field(default=())
    """Replicas whose record is to be changed: found missing, outdone by a newer one, first missed at the source, or back there."""

    def counts(self) -> dict[str, int]:
        """Return how many decisions there are of each action."""
        counted = dict.fromkeys((str(action) for action in Action), 0)
        for decision in self.decisions:
            counted[decision.action] += 1
        return counted

    def hash(self) -> str:
        """Return what identifies this plan: two plans with one hash do the same."""
        lines = sorted(json.dumps(entry.to_json(), sort_keys=True) for entry in (*self.decisions, *self.removals))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
