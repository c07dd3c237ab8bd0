"""What a plan consists of: decisions with their reasons, removals, checks and findings."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from backup.codes import Code
from backup.document_models import Kind
from backup.messages import Message
from backup.records import Replica


class Action(StrEnum):
    """What a run does about one model in one target."""

    COPY = "copy"
    ADOPT = "adopt"
    """Record a copy that the target holds already; if none equals the model, copy it."""
    REPLACE = "replace"
    SKIP = "skip"
    BLOCKED = "blocked"
    ORPHAN = "orphan"
    DELETE = "delete"


class Reason(StrEnum):
    """Why a run does so; docs/backups.md lists them."""

    NEW = "new"
    FOUND = "found"
    MISSING = "missing"
    EXPIRED = "expired"
    RETRAINED = "retrained"
    NEW_VERSION = "newVersion"
    OWN_ID_NEEDED = "ownIdNeeded"
    UNCHANGED = "unchanged"
    NOT_READY = "notReady"
    SOURCE_EXPIRED = "sourceExpired"
    NO_COMMON_VERSION = "noCommonVersion"
    KIND_UNSUPPORTED = "kindUnsupported"
    OTHER_CLOUD = "otherCloud"
    TARGET_UNKNOWN = "targetUnknown"
    KEPT = "kept"
    SURPLUS = "surplus"
    """Of an older version: as many newer ones are there as the plan keeps."""
    TOO_OLD = "tooOld"
    """Of an older version: it was replaced longer ago than the plan keeps versions."""
    IN_GRACE = "inGrace"
    GUARDED = "deletionGuarded"
    LIST_INCOMPLETE = "listIncomplete"
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


WITHHELD: Mapping[Reason, str] = {
    Reason.GUARDED: "more than maxDeletePercent of the target's replicas",
    Reason.LIST_INCOMPLETE: "a list has entries that cannot be read",
}
"""Why a deletion that is due is not made."""


class ModelInTarget(Message):
    """A model of the source, and a target."""

    target: str
    kind: Kind
    model_id: str


class OlderVersion(Message):
    """An older version of a model in a target, and whether it stays (``onChange: version``)."""

    target_model_id: str
    fingerprint: str
    reason: Reason
    """``surplus`` and ``tooOld``: it goes. ``kept``, ``deletionGuarded`` and ``listIncomplete``: it stays."""


class Decision(ModelInTarget):
    """What to do about one model in one target."""

    action: Action
    reason: Reason
    fingerprint: str | None = None
    target_model_id: str | None = None
    """The replica that the decision is about, or the first candidate of ``adopt``, if there is one."""
    candidates: list[str] | None = None
    """The models of the target that may be the copy, by their ids, the likeliest first."""
    replica_fingerprint: str | None = None
    """The version of the model that this replica holds."""
    from_resource: str | None = None
    """The resource that a restored model is copied from."""
    older_versions: list[OlderVersion] | None = None
    """The older versions in the target, newest first, if the plan keeps any."""


class ReplicaRef(ModelInTarget):
    """A replica to delete (a replaced copy whose time is up) or to check."""

    target_model_id: str
    replica_fingerprint: str | None = None

    @classmethod
    def of(cls, replica: Replica) -> ReplicaRef:
        """Return the reference to ``replica``."""
        return cls(
            target=replica.target,
            kind=replica.kind,
            model_id=replica.model_id,
            target_model_id=replica.target_model_id,
            replica_fingerprint=replica.fingerprint,
        )


class Finding(Message):
    """What a person should know about a replica, about its absence, or about an entry of a list."""

    target: str
    """The target; of an entry, the resource whose list has it."""
    kind: Kind
    model_id: str | None = None
    """``None`` for an entry that has no id that can be read."""
    finding: str
    """``missing``, ``expiresSoon``, ``rpoBreached``, ``drifted`` or ``unreadable``."""
    detail: str


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """What a backup run does: one decision per model and target; removals and checks come on top."""

    decisions: tuple[Decision, ...]
    removals: tuple[ReplicaRef, ...]
    deep_checks: tuple[ReplicaRef, ...]
    findings: tuple[Finding, ...]
    marks: tuple[Replica, ...] = field(default=())
    """Changed records of replicas: missing in the target, replaced by a newer copy, or missing at (or back in) the source."""

    def counts(self) -> dict[str, int]:
        """Return the number of decisions per action."""
        counted = dict.fromkeys((str(action) for action in Action), 0)
        for decision in self.decisions:
            counted[decision.action] += 1
        return counted

    def only_adopting(self) -> BackupPlan:
        """Return what is left of this plan for a run that only adopts. It says of which targets it knows nothing."""
        left = tuple(
            decision
            for decision in self.decisions
            if decision.action is Action.ADOPT or decision.reason is Reason.TARGET_UNKNOWN
        )
        return replace(self, decisions=left, removals=(), deep_checks=(), findings=(), marks=())

    def hash(self) -> str:
        """Return what identifies this plan: two plans with one hash do the same."""
        lines = sorted(json.dumps(entry.to_json(), sort_keys=True) for entry in (*self.decisions, *self.removals))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def summary_if_idle(self) -> str | None:
        """Return the message of a run that copies, adopts and deletes nothing; ``None`` if there is something to do."""
        counts = self.counts()
        if self.removals or any(
            counts[action] for action in (Action.COPY, Action.ADOPT, Action.REPLACE, Action.DELETE)
        ):
            return None
        blocked = f", {counts[Action.BLOCKED]} cannot be made (see the decisions)" if counts[Action.BLOCKED] else ""
        checks = f", {len(self.deep_checks)} are compared in full" if self.deep_checks else ""
        return f"nothing to do: {counts[Action.SKIP]} copies are up to date{blocked}{checks}"


def withheld(decisions: Iterable[Decision]) -> Counter[tuple[str, Reason]]:
    """Return how many deletions are due and not made, by target and reason."""
    counted: Counter[tuple[str, Reason]] = Counter()
    for decision in decisions:
        reasons = [decision.reason, *(older.reason for older in decision.older_versions or ())]
        counted.update((decision.target, reason) for reason in reasons if reason in WITHHELD)
    return counted
