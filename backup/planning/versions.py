"""Older versions of models in the targets: which stay, and which go (``onChange: version``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta

from backup.configuration.sections import OnChange
from backup.planning.decisions import OlderVersion, Reason, ReplicaRef
from backup.planning.facts import PlanFacts, ReplicaKey, key_of
from backup.records import Replica
from backup.states import ReplicaState

_GOING = {Reason.SURPLUS, Reason.TOO_OLD}


@dataclass(frozen=True, slots=True)
class Versions:
    """What is decided about the older versions in one target."""

    decided: Mapping[ReplicaKey, list[OlderVersion]]
    removals: tuple[ReplicaRef, ...]
    is_guarded: bool
    """Whether so many copies would go there that none does: for orphans as well."""


def keeps_versions(facts: PlanFacts, key: ReplicaKey) -> bool:
    """Tell whether older versions of a model stay. A component of a composed model keeps none: its newest copy needs its own id (v4)."""
    return facts.plan.on_change is OnChange.VERSION and key not in facts.components_in_use


def kept_of(facts: PlanFacts) -> list[Replica]:
    """Return the older versions that the catalog knows and that this plan keeps, in targets that could be listed."""
    return [
        replica
        for replica in facts.replicas
        if replica.state is ReplicaState.RETIRING
        and keeps_versions(facts, key_of(replica))
        and facts.targets.get(replica.target) is not None
    ]


def decide_versions(facts: PlanFacts, target: str, orphans_to_delete: Set[ReplicaKey]) -> Versions:
    """Decide about the older versions in ``target``. Nothing goes unless the present version is seen there.

    One version of a model goes uncounted: newer ones took its place. If more of a model would go, or one for its age, they count for
    ``maxDeletePercent``, together with all copies of ``orphans_to_delete``.
    """
    listing = facts.targets.get(target)
    older: dict[ReplicaKey, list[Replica]] = {}
    for replica in kept_of(facts):
        if replica.target == target and listing is not None and listing.holds(replica):
            older.setdefault(key_of(replica), []).append(replica)
    reasons = {key: _reasons(facts, key, replicas) for key, replicas in older.items() if key not in orphans_to_delete}
    counted = sum(len(_counted(decided)) for decided in reasons.values())
    counted += sum(1 + len(older.get(key, ())) for key in orphans_to_delete)
    total = sum(key[0] == target for key in facts.kept) + sum(len(replicas) for replicas in older.values())
    is_guarded = counted * 100 > facts.plan.retention.max_delete_percent * total
    decided = {key: _decided(facts, each, is_guarded=is_guarded) for key, each in reasons.items()}
    removals = [
        ReplicaRef.of(replica)
        for key, each in reasons.items()
        for (replica, _), one in zip(each, decided[key], strict=True)
        if one.reason in _GOING
    ]
    return Versions(decided, tuple(removals), is_guarded)


def _reasons(facts: PlanFacts, key: ReplicaKey, replicas: Sequence[Replica]) -> list[tuple[Replica, Reason]]:
    """Return the versions of one model, newest first, each with why it stays or could go."""
    present, retention = facts.ready.get(key), facts.plan.retention
    is_present_seen = present is not None and _is_seen(facts, present)
    seen = {present.fingerprint} if present is not None else set()
    decided = []
    for replica in sorted(replicas, key=lambda one: one.version_order, reverse=True):
        is_new = replica.fingerprint not in seen and _is_seen(facts, replica)
        if is_new:
            seen.add(replica.fingerprint)
        reason = Reason.KEPT
        if is_present_seen and facts.is_past_retirement(replica):
            # a second copy of a version, or one that nobody can use, is no version to keep
            if not is_new or len(seen) > retention.keep_versions:
                reason = Reason.SURPLUS
            elif _is_too_old(facts, replica):
                reason = Reason.TOO_OLD
        decided.append((replica, reason))
    return decided


def _is_too_old(facts: PlanFacts, replica: Replica) -> bool:
    days, since = facts.plan.retention.version_days, replica.retired_at
    return days is not None and since is not None and facts.now - since >= timedelta(days=days)


def _counted(decided: Sequence[tuple[Replica, Reason]]) -> list[Replica]:
    """Return the versions whose deletion counts: none, if it is one that newer versions displaced."""
    going = [(replica, reason) for replica, reason in decided if reason in _GOING]
    is_rotation = len(going) == 1 and going[0][1] is Reason.SURPLUS
    return [] if is_rotation else [replica for replica, _ in going]


def _decided(facts: PlanFacts, versions: Sequence[tuple[Replica, Reason]], *, is_guarded: bool) -> list[OlderVersion]:
    """Return what becomes of the versions of one model, now that it is known whether the guard withholds what counts."""
    is_withheld = is_guarded and bool(_counted(versions))

    def final(replica: Replica, reason: Reason) -> Reason:
        if reason not in _GOING:
            return reason
        if is_withheld:
            return Reason.GUARDED
        return reason if facts.is_complete(replica.target) else Reason.LIST_INCOMPLETE

    return [
        OlderVersion(
            target_model_id=replica.target_model_id,
            fingerprint=replica.fingerprint,
            reason=final(replica, reason),
        )
        for replica, reason in versions
    ]


def _is_seen(facts: PlanFacts, replica: Replica) -> bool:
    """Tell whether the target's list shows a usable model under the replica's id."""
    listing = facts.targets.get(replica.target)
    listed = None if listing is None else listing.models.get((replica.kind, replica.target_model_id))
    return listed is not None and facts.is_usable(listed)
