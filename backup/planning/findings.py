"""What a plan finds besides its decisions: findings to report, replicas to check, records to change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from backup.configuration.sections import DeepCheck
from backup.document_models import ModelState, ModelSummary
from backup.moments import moment_of
from backup.planning.decisions import Action, Decision, Finding, Reason, ReplicaRef
from backup.planning.facts import PlanFacts, key_of
from backup.planning.versions import kept_of
from backup.records import Replica
from backup.states import ReplicaState

ROTATION = 30
"""A rotating deep check reads every replica once in so many runs."""


def findings(facts: PlanFacts, decisions: Sequence[Decision]) -> Iterable[Finding]:
    """Give what a person should know."""
    yield from _unreadable_entries(facts)
    yield from _lost_versions(facts)
    models = {(model.kind, model.model_id): model for model in facts.models}
    for decision in decisions:
        replica = facts.ready.get((decision.target, decision.kind, decision.model_id))
        if replica is not None:
            if facts.is_missing(replica):
                yield _finding("missing", decision, f"{replica.target_model_id} is not in the target any more")
            warn_after = facts.now + timedelta(days=facts.plan.expiry_warning_days)
            if replica.expires_at is not None and replica.expires_at <= warn_after:
                detail = f"it expires at {replica.expires_at.isoformat()}; train the model again"
                yield _finding("expiresSoon", decision, detail)
        model = models.get((decision.kind, decision.model_id))
        is_lacking = decision.action in {Action.COPY, Action.REPLACE, Action.BLOCKED}
        if is_lacking and model is not None and model.state is ModelState.READY and _is_late(facts, model):
            yield _finding("rpoBreached", decision, f"trained at {model.trained}, not in the target yet")


def _unreadable_entries(facts: PlanFacts) -> Iterable[Finding]:
    for name, listing in [(facts.plan.source, facts.source), *facts.targets.items()]:
        for entry in listing.unreadable if listing is not None else ():
            yield Finding(
                finding="unreadable", target=name, kind=entry.kind, model_id=entry.model_id, detail=entry.text(name)
            )


def _lost_versions(facts: PlanFacts) -> Iterable[Finding]:
    for replica in kept_of(facts):
        if facts.is_missing(replica):
            detail = (
                f"{replica.target_model_id}, an older version, is not in the target any more; it cannot be copied again"
            )
            yield Finding(
                finding="missing", target=replica.target, kind=replica.kind, model_id=replica.model_id, detail=detail
            )


def _finding(name: str, about: Decision, detail: str) -> Finding:
    return Finding(finding=name, target=about.target, kind=about.kind, model_id=about.model_id, detail=detail)


def _is_late(facts: PlanFacts, model: ModelSummary) -> bool:
    if facts.plan.rpo_hours is None:
        return False
    trained = moment_of(model.trained)
    return trained is not None and facts.now - trained > timedelta(hours=facts.plan.rpo_hours)


def deep_checks(facts: PlanFacts, decisions: Iterable[Decision]) -> Iterable[ReplicaRef]:
    """Give the replicas to read whole and compare: none, all, or tonight's thirtieth."""
    mode, tonight = facts.plan.deep_check, facts.now.toordinal() % ROTATION
    for decision in decisions:
        listing = facts.targets.get(decision.target)
        key = f"{decision.target}|{decision.kind}|{decision.model_id}"
        turn = int(hashlib.sha256(key.encode()).hexdigest(), 16) % ROTATION
        if listing is None or not (mode is DeepCheck.ALL or (mode is DeepCheck.ROTATING and turn == tonight)):
            continue
        for target_model_id, fingerprint in _copies_to_check(decision):
            if (decision.kind, target_model_id) in listing.models:
                yield ReplicaRef(
                    target=decision.target,
                    kind=decision.kind,
                    model_id=decision.model_id,
                    target_model_id=target_model_id,
                    replica_fingerprint=fingerprint,
                )


def _copies_to_check(decision: Decision) -> Iterable[tuple[str, str | None]]:
    """Give the copies that stay as they are, by id and version."""
    if decision.action in {Action.SKIP, Action.ORPHAN} and decision.target_model_id is not None:
        yield decision.target_model_id, decision.replica_fingerprint
    for older in decision.older_versions or ():
        if older.reason not in {Reason.SURPLUS, Reason.TOO_OLD}:
            yield older.target_model_id, older.fingerprint


def marks(facts: PlanFacts) -> Iterable[Replica]:
    """Give the replicas whose record the lists contradict, as they are to be recorded."""
    for replica in facts.restored:
        if replica.state is not ReplicaState.MISSING and facts.is_missing(replica):
            yield replica.replace(state=ReplicaState.MISSING)
    for replica in facts.replicas:
        changes: dict[str, Any] = {}
        if replica.state is not ReplicaState.MISSING and facts.is_missing(replica):
            changes["state"] = ReplicaState.MISSING
        elif replica.state is ReplicaState.READY and replica is not facts.ready[key_of(replica)]:
            # the run that made the newer copy lost the race to write this
            changes |= {"state": ReplicaState.RETIRING, "retired_at": facts.now}
        is_present = (replica.kind, replica.model_id) in facts.present
        if is_present and replica.orphaned_at is not None:
            changes["orphaned_at"] = None
        may_be_there = facts.source.may_hold(replica.kind, replica.model_id)
        if not is_present and replica.orphaned_at is None and not may_be_there:
            changes["orphaned_at"] = facts.now
        if changes:
            yield replica.replace(**changes)
