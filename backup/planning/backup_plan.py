"""The plan of a backup run: a pure function from facts to decisions, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable

from backup.api_versions import CLASSIFIER_COPY_REGIONS, can_copy, generation_of_model, newest_common
from backup.configuration.sections import OnChange
from backup.document_models import Generation, Kind, ModelState, ModelSummary
from backup.planning.adoption import candidates, unlisted
from backup.planning.decisions import Action, BackupPlan, Decision, Reason, ReplicaRef
from backup.planning.facts import PlanFacts, key_of
from backup.planning.findings import deep_checks, findings, marks
from backup.planning.versions import decide_versions, keeps_versions
from backup.records import Replica
from backup.states import ReplicaState


class SourceListEmpty(ValueError):
    """The source lists no models although there are copies, or none that can be read: a mistake or an outage, never a reason to delete."""


def plan_backup(facts: PlanFacts) -> BackupPlan:
    """Decide what to do about every model of the source in every target. Raises ``SourceListEmpty``."""
    if (
        not facts.source.models
        and not facts.source.unreadable
        and any(replica.state is ReplicaState.READY for replica in facts.all_replicas)
    ):
        raise SourceListEmpty(
            f'"{facts.plan.source}" lists no models, but the catalog knows copies of its models, so the run stopped. '
            "Check that the resource and its key are the right ones"
        )
    if not facts.source.models and facts.source.unreadable:
        first = facts.source.unreadable[0].text(facts.plan.source)
        raise SourceListEmpty(f'"{facts.plan.source}" lists no model that can be read, so the run stopped: {first}')
    decisions: list[Decision] = []
    removals: list[ReplicaRef] = []
    for target in facts.plan.targets:
        decided, surplus = _decisions_for(facts, target)
        decisions += decided
        removals += surplus
    return BackupPlan(
        decisions=tuple(decisions),
        removals=(*_removals(facts, decisions), *removals),
        deep_checks=tuple(deep_checks(facts, decisions)),
        findings=tuple(findings(facts, decisions)),
        marks=tuple(marks(facts)),
    )


def recreates(facts: PlanFacts, decision: Decision) -> bool:
    """Tell whether the old copy is deleted before the new one is made, so that the id stays."""
    if decision.reason is Reason.OWN_ID_NEEDED:
        return decision.target_model_id == decision.model_id
    return decision.action is Action.REPLACE and facts.plan.on_change is OnChange.RECREATE


def needs_own_id(facts: PlanFacts, decision: Decision) -> bool:
    """Tell whether a copy is useless under a fallback id: a composed model refers to it by its own, and the old copy goes first."""
    if decision.reason is Reason.OWN_ID_NEEDED:
        return True
    component = (decision.target, decision.kind, decision.model_id)
    return recreates(facts, decision) and component in facts.components_in_use


def _decisions_for(facts: PlanFacts, target: str) -> tuple[list[Decision], tuple[ReplicaRef, ...]]:
    """Return the decisions for one target, and the older versions to delete there."""
    orphans = [
        replica
        for key, replica in sorted(facts.kept.items(), key=lambda item: item[0])
        if key[0] == target and key[1:] not in facts.present
    ]
    versions = decide_versions(facts, target, {key_of(replica) for replica in orphans if facts.is_past_grace(replica)})
    decisions = [_decide(facts, target, model) for model in facts.models]
    decisions += [_about_orphan(facts, replica, is_guarded=versions.is_guarded) for replica in orphans]
    return [
        decision.replace(older_versions=versions.decided.get((target, decision.kind, decision.model_id)))
        for decision in decisions
    ], versions.removals


def _about_orphan(facts: PlanFacts, replica: Replica, *, is_guarded: bool) -> Decision:
    action, reason = Action.ORPHAN, Reason.KEPT
    if key_of(replica) not in facts.components_needed:
        if not facts.is_past_grace(replica):
            reason = Reason.IN_GRACE if facts.plan.retention.delete_removed else Reason.KEPT
        elif is_guarded:
            reason = Reason.GUARDED
        elif not facts.is_complete(replica.target):
            reason = Reason.LIST_INCOMPLETE
        else:
            action, reason = Action.DELETE, Reason.REMOVED
    return Decision(
        action=action, reason=reason, fingerprint=replica.fingerprint, **ReplicaRef.of(replica).model_dump()
    )


def _decide(facts: PlanFacts, target: str, model: ModelSummary) -> Decision:
    replica = facts.ready.get((target, model.kind, model.model_id))
    listing = facts.targets.get(target)

    is_kept = keeps_versions(facts, (target, model.kind, model.model_id))
    retrained = (Action.COPY, Reason.NEW_VERSION) if is_kept else (Action.REPLACE, Reason.RETRAINED)

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
    block = _block(facts, model, target)
    listed = None if replica is None else listing.models.get((replica.kind, replica.target_model_id))
    if replica is not None and listed is not None and facts.is_usable(listed):
        if replica.fingerprint == model.fingerprint():
            unchanged = decision(Action.SKIP, Reason.UNCHANGED)
            return unchanged if block else _moved_back(facts, unchanged)
        return decision(Action.BLOCKED, block) if block else decision(*retrained)
    if replica is not None and listed is None and listing.may_hold(replica.kind, replica.target_model_id):
        # its entry is the one that cannot be read, or may be: the record stands
        if replica.fingerprint == model.fingerprint():
            return decision(Action.SKIP, Reason.UNCHANGED)
        return decision(Action.BLOCKED, block) if block else decision(*retrained)
    if block:
        return decision(Action.BLOCKED, block)
    found = candidates(facts, target, model)
    if found:
        return decision(Action.ADOPT, Reason.FOUND).replace(
            candidates=found, target_model_id=found[0], replica_fingerprint=None
        )
    reason = Reason.NEW if replica is None else Reason.MISSING if listed is None else Reason.EXPIRED
    return decision(Action.COPY, reason).replace(candidates=unlisted(facts, target, model) or None)


def _moved_back(facts: PlanFacts, unchanged: Decision) -> Decision:
    """Return the decision to bring an unchanged component of a composed model back under its own id, if its copy has a fallback id.

    An older copy of the app under that id goes first, once its time is up. A model that the app did not copy stays.
    """
    key = (unchanged.target, unchanged.kind, unchanged.model_id)
    if unchanged.target_model_id == unchanged.model_id or key not in facts.components_in_use:
        return unchanged
    moved = unchanged.replace(action=Action.REPLACE, reason=Reason.OWN_ID_NEEDED)
    listing = facts.targets[unchanged.target]
    if listing is None or (unchanged.kind, unchanged.model_id) not in listing.models:
        return moved
    older = facts.under_own_id.get(key)
    if older is None or not facts.is_past_retirement(older) or not facts.is_complete(unchanged.target):
        return unchanged
    return moved.replace(target_model_id=older.target_model_id, replica_fingerprint=older.fingerprint)


def _block(facts: PlanFacts, model: ModelSummary, target: str) -> Reason | None:
    """Return why a model cannot be copied to ``target``, or ``None``."""
    source, other = facts.resources[facts.plan.source], facts.resources[target]
    if model.state is not ModelState.READY:
        return Reason.NOT_READY
    if model.expires is not None and model.expires <= facts.now:
        return Reason.SOURCE_EXPIRED
    if source.cloud is not other.cloud:
        return Reason.OTHER_CLOUD
    built_with = Generation.V2 if model.api_version is None else generation_of_model(model.api_version)
    if built_with is None:
        return Reason.NO_COMMON_VERSION
    version = newest_common(source.api_versions, other.api_versions, built_with, at_least=model.api_version)
    if version is None or not can_copy(version, model.kind):
        return Reason.NO_COMMON_VERSION
    if {source.region, other.region} <= CLASSIFIER_COPY_REGIONS:
        return None
    if model.kind is Kind.CLASSIFIER or not _has_classifier(facts, model, target):
        return Reason.KIND_UNSUPPORTED
    return None


def _has_classifier(facts: PlanFacts, model: ModelSummary, target: str) -> bool:
    """Tell whether the target holds the classifier that a composed model refers to; true if the model needs none."""
    listing = facts.targets.get(target)
    return model.classifier_id is None or (
        listing is not None and (Kind.CLASSIFIER, model.classifier_id) in listing.models
    )


def _removals(facts: PlanFacts, decisions: Iterable[Decision]) -> Iterable[ReplicaRef]:
    """Give the older copies to delete: those whose newer copy is in the target's list, or is deleted as well."""
    deleted = {
        (decision.target, decision.kind, decision.model_id): decision
        for decision in decisions
        if decision.action is Action.DELETE
    }
    for replica in facts.replicas:
        listing = facts.targets.get(replica.target)
        if listing is None or not listing.holds(replica) or not facts.is_complete(replica.target):
            continue
        key = key_of(replica)
        if replica.state is ReplicaState.DELETING:
            # an earlier run announced the deletion and could not finish it
            yield ReplicaRef.of(replica)
        elif key in deleted:
            is_older = replica.state in {ReplicaState.RETIRING, ReplicaState.READY}
            if is_older and deleted[key].target_model_id != replica.target_model_id:
                yield ReplicaRef.of(replica)
        elif (
            replica.state is ReplicaState.RETIRING
            and facts.is_past_retirement(replica)
            and not keeps_versions(facts, key)
        ):
            newer = facts.ready.get(key)
            listed = None if newer is None else listing.models.get((newer.kind, newer.target_model_id))
            # a component of a composed model goes only when its successor takes its place
            is_component = facts.under_own_id.get(key) is replica and key in facts.components_in_use
            if listed is not None and facts.is_usable(listed) and not is_component:
                yield ReplicaRef.of(replica)
