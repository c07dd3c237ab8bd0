"""The plan of a backup run: a pure function from what there is to what is to be done, each decision with its reason."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from backup.api_versions import (
    CLASSIFIER_COPY_REGIONS,
    can_copy,
    cloud_of,
    generation_of,
    generation_of_model,
    newest_common,
)
from backup.configuration import DeepCheck, OnChange, Plan
from backup.decisions import (
    Action,
    Decision,
    Finding,
    PlanInput,
    PlanResult,
    Reason,
    Removal,
)
from backup.document_models import Generation, Kind, ModelState, ModelSummary
from backup.records import Replica
from backup.states import ReplicaState

RETIRING_HOURS = 24
"""How long a replaced copy is kept: applications cache what the lookup told them."""

ROTATION = 30
"""A rotating deep check reads every replica once in so many runs."""


class SourceListEmpty(ValueError):
    """The source lists nothing, and the catalog knows replicas of it: a mistake or an outage, never a reason to act."""


def make_plan(given: PlanInput) -> PlanResult:
    """Decide what to do about every model of the source in every target.

    Raises ``SourceListEmpty``.
    """
    considered = _Considered(given)
    if not given.source.models and any(replica.state is ReplicaState.READY for replica in given.replicas):
        raise SourceListEmpty(
            f'"{given.policy.source}" lists no models, and the catalog knows copies of its models: nothing is done. '
            "Check that the resource and its key are the right ones"
        )
    decisions: list[Decision] = []
    for target in given.policy.targets:
        decisions += _decisions_for(given, considered, target)
    return PlanResult(
        decisions=tuple(decisions),
        removals=tuple(_removals(given, considered, decisions)),
        deep_checks=tuple(_deep_checks(given, decisions)),
        findings=tuple(_findings(given, considered, decisions)),
        marks=tuple(_marks(given, considered)),
    )


class _Considered:
    """The models and replicas that the policy is about."""

    def __init__(self, given: PlanInput) -> None:
        policy = given.policy
        self.models = [
            model
            for model in sorted(given.source.models.values(), key=lambda one: (one.kind, one.model_id))
            if model.kind in policy.kinds and is_included(policy, model.model_id)
        ]
        self.ready: dict[tuple[str, Kind, str], Replica] = {}
        """The replica to be used of each model in each target: the one that was verified last."""
        self.replicas = [
            replica
            for replica in given.replicas
            if replica.target in policy.targets
            and replica.kind in policy.kinds
            and is_included(policy, replica.model_id)
        ]
        self.restored = [
            replica for replica in given.replicas if replica.target == policy.source and replica.kind in policy.kinds
        ]
        """What was brought back to the source, from where it may be deleted like everything else there."""
        oldest_first = sorted(self.replicas, key=lambda one: (one.verified_at, one.target_model_id))
        self.ready.update((_key(one), one) for one in oldest_first if one.state is ReplicaState.READY)
        retiring = {_key(one): one for one in oldest_first if one.state is ReplicaState.RETIRING}
        self.kept = {**retiring, **self.ready}
        """What stands for each model in each target: an older copy, where the newer one is lost."""
        self.parts = parts_in_use(given)
        """What composed models in the targets refer to: it must be there under its own id (v4)."""
        self.needed = {
            (replica.target, part.kind, part.model_id)
            for replica in given.replicas
            if replica.state is ReplicaState.READY
            and ((replica.kind, replica.model_id) in given.source.models or not _is_past_grace(given, replica))
            for part in replica.components
        }
        """The same, of those composed models that stay after this run."""
        self.under_own_id = {
            _key(one): one
            for one in oldest_first
            if one.state is ReplicaState.RETIRING and one.target_model_id == one.model_id
        }
        """Replaced copies that stand where composed models look for the newer one."""


def is_included(policy: Plan, model_id: str) -> bool:
    """Tell whether the policy's globs take a model in."""
    return any(fnmatchcase(model_id, glob) for glob in policy.include) and not any(
        fnmatchcase(model_id, glob) for glob in policy.exclude
    )


def _decisions_for(given: PlanInput, considered: _Considered, target: str) -> list[Decision]:
    decisions = [_decide(given, considered, target, model) for model in considered.models]
    present = {(model.kind, model.model_id) for model in considered.models}
    orphans = [
        replica
        for key, replica in sorted(considered.kept.items(), key=lambda item: item[0])
        if key[0] == target and (replica.kind, replica.model_id) not in present
    ]
    doomed = sum(_is_past_grace(given, replica) for replica in orphans)
    total = sum(1 for key in considered.kept if key[0] == target)
    guarded = doomed * 100 > given.policy.retention.max_delete_percent * total
    for replica in orphans:
        if _key(replica) in considered.needed:
            decisions.append(_about(replica, Action.ORPHAN, Reason.KEPT))
        elif not _is_past_grace(given, replica):
            kept = Reason.IN_GRACE if given.policy.retention.delete_removed else Reason.KEPT
            decisions.append(_about(replica, Action.ORPHAN, kept))
        elif guarded:
            decisions.append(_about(replica, Action.ORPHAN, Reason.GUARDED))
        else:
            decisions.append(_about(replica, Action.DELETE, Reason.REMOVED))
    return decisions


def _decide(given: PlanInput, considered: _Considered, target: str, model: ModelSummary) -> Decision:
    replica = considered.ready.get((target, model.kind, model.model_id))
    listing = given.targets.get(target)

    def decision(action: Action, reason: Reason) -> Decision:
        return Decision(
            target=target,
            kind=model.kind,
            model_id=model.model_id,
            action=action,
            reason=reason,
            fingerprint=model.fingerprint(),
            target_model_id=replica.target_model_id if replica else None,
            replica_fingerprint=replica.fingerprint if replica else None,
        )

    if listing is None:
        return decision(Action.BLOCKED, Reason.TARGET_UNKNOWN)
    present = None if replica is None else listing.models.get((replica.kind, replica.target_model_id))
    if replica is not None and present is not None and _is_usable(present, given.now):
        if replica.fingerprint == model.fingerprint():
            unchanged = decision(Action.SKIP, Reason.UNCHANGED)
            return unchanged if blocked_because(given, model, target) else _moved_back(given, considered, unchanged)
        block = blocked_because(given, model, target)
        return decision(Action.BLOCKED, block) if block else decision(Action.REPLACE, Reason.RETRAINED)
    block = blocked_because(given, model, target)
    if block:
        return decision(Action.BLOCKED, block)
    if replica is None:
        return decision(Action.COPY, Reason.NEW)
    return decision(Action.COPY, Reason.MISSING if present is None else Reason.EXPIRED)


def _moved_back(given: PlanInput, considered: _Considered, unchanged: Decision) -> Decision:
    """Return the decision to bring an unchanged part of a composed model back under its own id, where its copy has another one.

    An older copy of ours that stands there goes first, once its time is up; what is somebody else's stays.
    """
    key = (unchanged.target, unchanged.kind, unchanged.model_id)
    if unchanged.target_model_id == unchanged.model_id or key not in considered.parts:
        return unchanged
    back = {"action": Action.REPLACE, "reason": Reason.OWN_ID_NEEDED}
    listing = given.targets[unchanged.target]
    if listing is None or (unchanged.kind, unchanged.model_id) not in listing.models:
        return unchanged.model_copy(update=back)
    older = considered.under_own_id.get(key)
    if older is None or not _is_past_retirement(given, older):
        return unchanged
    return unchanged.model_copy(
        update={**back, "target_model_id": older.target_model_id, "replica_fingerprint": older.fingerprint}
    )


def blocked_because(given: PlanInput, model: ModelSummary, target: str) -> Reason | None:
    """Return why a model cannot be copied to ``target`` at all, or ``None``."""
    source, other = given.resources[given.policy.source], given.resources[target]
    if model.state is not ModelState.READY:
        return Reason.NOT_READY
    if model.expires is not None and model.expires <= given.now:
        return Reason.SOURCE_EXPIRED
    if cloud_of(source.endpoint) != cloud_of(other.endpoint):
        return Reason.OTHER_CLOUD
    built_with = Generation.V2 if model.api_version is None else generation_of_model(model.api_version)
    if built_with is None:
        return Reason.NO_COMMON_VERSION
    own = None if model.api_version is None else model.api_version
    version = newest_common(source.api_versions, other.api_versions, built_with, at_least=own)
    if version is None or not can_copy(version, model.kind):
        return Reason.NO_COMMON_VERSION
    if {source.region, other.region} <= CLASSIFIER_COPY_REGIONS:
        return None
    if model.kind is Kind.CLASSIFIER or not _has_classifier(given, model, target):
        return Reason.KIND_UNSUPPORTED
    return None


def _has_classifier(given: PlanInput, model: ModelSummary, target: str) -> bool:
    """Tell whether the classifier that a composed model refers to is in the target, however it came there; true where it needs none."""
    listing = given.targets.get(target)
    return model.classifier_id is None or (
        listing is not None and (Kind.CLASSIFIER, model.classifier_id) in listing.models
    )


def _is_usable(model: ModelSummary, now: datetime) -> bool:
    return model.state is ModelState.READY and (model.expires is None or model.expires > now)


def _is_past_grace(given: PlanInput, replica: Replica) -> bool:
    retention = given.policy.retention
    if not retention.delete_removed or given.targets.get(replica.target) is None:
        return False
    since = replica.orphaned_at or given.now
    return given.now - since >= timedelta(days=retention.grace_days)


def _about(replica: Replica, action: Action, reason: Reason) -> Decision:
    return Decision(
        target=replica.target,
        kind=replica.kind,
        model_id=replica.model_id,
        action=action,
        reason=reason,
        fingerprint=replica.fingerprint,
        target_model_id=replica.target_model_id,
        replica_fingerprint=replica.fingerprint,
    )


def _removals(given: PlanInput, considered: _Considered, decisions: Sequence[Decision]) -> Iterable[Removal]:
    """Replaced copies go only where the newer one is to be seen in the target's list, or goes as well; what was being deleted goes."""
    deleted = {(one.target, one.kind, one.model_id): one for one in decisions if one.action is Action.DELETE}
    for replica in considered.replicas:
        listing = given.targets.get(replica.target)
        if listing is None or (replica.kind, replica.target_model_id) not in listing.models:
            continue
        if replica.state is ReplicaState.DELETING:
            # an earlier run announced it and could not finish: the lookup does not name it any more
            yield _removal(replica)
        elif _key(replica) in deleted:
            # older copies go along with the one in use, also one that nobody had noted yet as outdone
            is_older = replica.state in {ReplicaState.RETIRING, ReplicaState.READY}
            if is_older and deleted[_key(replica)].target_model_id != replica.target_model_id:
                yield _removal(replica)
        elif replica.state is ReplicaState.RETIRING and replica.retired_at is not None:
            newer = considered.ready.get(_key(replica))
            present = None if newer is None else listing.models.get((newer.kind, newer.target_model_id))
            in_use = present is not None and _is_usable(present, given.now)
            # what a composed model refers to goes only when its successor takes its place
            is_part = considered.under_own_id.get(_key(replica)) is replica and _key(replica) in considered.parts
            if in_use and not is_part and _is_past_retirement(given, replica):
                yield _removal(replica)


def _is_past_retirement(given: PlanInput, replica: Replica) -> bool:
    return replica.retired_at is not None and given.now - replica.retired_at >= timedelta(hours=RETIRING_HOURS)


def _deep_checks(given: PlanInput, decisions: Sequence[Decision]) -> Iterable[Removal]:
    mode = given.policy.deep_check
    if mode is DeepCheck.OFF:
        return
    turn = given.now.toordinal() % ROTATION
    for decision in decisions:
        listing = given.targets.get(decision.target)
        if decision.action not in {Action.SKIP, Action.ORPHAN} or decision.target_model_id is None or listing is None:
            continue
        if (decision.kind, decision.target_model_id) not in listing.models:
            continue
        key = f"{decision.target}|{decision.kind}|{decision.model_id}"
        own_turn = int(hashlib.sha256(key.encode()).hexdigest(), 16) % ROTATION
        if mode is DeepCheck.ALL or own_turn == turn:
            yield Removal(
                target=decision.target,
                kind=decision.kind,
                model_id=decision.model_id,
                target_model_id=decision.target_model_id,
                replica_fingerprint=decision.replica_fingerprint,
            )


def _findings(given: PlanInput, considered: _Considered, decisions: Sequence[Decision]) -> Iterable[Finding]:
    models = {(model.kind, model.model_id): model for model in considered.models}

    def finding(name: str, about: Decision, detail: str) -> Finding:
        return Finding(finding=name, target=about.target, kind=about.kind, model_id=about.model_id, detail=detail)

    for decision in decisions:
        replica = considered.ready.get((decision.target, decision.kind, decision.model_id))
        if replica is not None and _is_missing(given, replica):
            yield finding("missing", decision, f"{replica.target_model_id} is not in the target any more")
        if replica is not None and replica.expires_at is not None:
            left = replica.expires_at - given.now
            if left <= timedelta(days=given.policy.expiry_warning_days):
                yield finding(
                    "expiresSoon", decision, f"it expires at {replica.expires_at.isoformat()}: train it again"
                )
        model = models.get((decision.kind, decision.model_id))
        lacking = decision.action in {Action.COPY, Action.REPLACE, Action.BLOCKED} and model is not None
        if lacking and model is not None and model.state is ModelState.READY and _is_late(given, model):
            yield finding(
                "rpoBreached", decision, f"trained at {model.modified or model.created}, not in the target yet"
            )


def _is_late(given: PlanInput, model: ModelSummary) -> bool:
    if given.policy.rpo_hours is None:
        return False
    try:
        trained = datetime.fromisoformat(model.modified or model.created)
    except ValueError:
        return False
    if trained.tzinfo is None:
        trained = trained.replace(tzinfo=given.now.tzinfo)
    return given.now - trained > timedelta(hours=given.policy.rpo_hours)


def _marks(given: PlanInput, considered: _Considered) -> Iterable[Replica]:
    present = {(model.kind, model.model_id) for model in considered.models}
    for replica in considered.restored:
        if replica.state is not ReplicaState.MISSING and _is_missing(given, replica):
            yield replica.model_copy(update={"state": ReplicaState.MISSING})
    for replica in considered.replicas:
        changes: dict[str, object] = {}
        if replica.state is not ReplicaState.MISSING and _is_missing(given, replica):
            changes["state"] = ReplicaState.MISSING
        elif replica.state is ReplicaState.READY and replica is not considered.ready[_key(replica)]:
            # the run that made the newer one could not say so: somebody else changed the row in that moment
            changes |= {"state": ReplicaState.RETIRING, "retired_at": given.now}
        is_present = (replica.kind, replica.model_id) in present
        if is_present and replica.orphaned_at is not None:
            changes["orphaned_at"] = None
        if not is_present and replica.orphaned_at is None:
            changes["orphaned_at"] = given.now
        if changes:
            yield replica.model_copy(update=changes)


def _key(replica: Replica) -> tuple[str, Kind, str]:
    return replica.target, replica.kind, replica.model_id


def _is_missing(given: PlanInput, replica: Replica) -> bool:
    """Tell whether the target's lists would show the replica, and do not. A version that is not configured any more shows nothing."""
    listing = given.source if replica.target == given.policy.source else given.targets.get(replica.target)
    if listing is None or (replica.kind, replica.target_model_id) in listing.models:
        return False
    versions = given.resources[replica.target].api_versions
    return (
        newest_common(versions, versions, generation_of(replica.api_version), at_least=replica.api_version) is not None
    )


def _removal(replica: Replica) -> Removal:
    return Removal(
        target=replica.target,
        kind=replica.kind,
        model_id=replica.model_id,
        target_model_id=replica.target_model_id,
        replica_fingerprint=replica.fingerprint,
    )


def recreates(policy: Plan, decision: Decision) -> bool:
    """Tell whether the old copy is deleted before the new one is made, so that the id stays."""
    if decision.reason is Reason.OWN_ID_NEEDED:
        return decision.target_model_id == decision.model_id
    return decision.action is Action.REPLACE and policy.on_change is OnChange.RECREATE


def needs_own_id(given: PlanInput, decision: Decision) -> bool:
    """Tell whether a copy is of no use under another id: where a composed model looks for it, and the old one goes before it is made."""
    if decision.reason is Reason.OWN_ID_NEEDED:
        return True
    part = (decision.target, decision.kind, decision.model_id)
    return recreates(given.policy, decision) and part in parts_in_use(given)


def parts_in_use(given: PlanInput) -> set[tuple[str, Kind, str]]:
    """Return what composed copies refer to: target, kind and id of each part."""
    return {
        (replica.target, part.kind, part.model_id)
        for replica in given.replicas
        if replica.state is ReplicaState.READY
        for part in replica.components
    }
