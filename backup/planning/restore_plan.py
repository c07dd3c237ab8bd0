"""The plan of a restore: a pure function that chooses the replica each model is copied from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from backup.api_versions import generation_of, newest_common
from backup.configuration.sections import Resource
from backup.document_models import Generation, Kind
from backup.lookup import USABLE
from backup.messages.copy import Origin
from backup.messages.run import RestoreRequest
from backup.planning.decisions import Action, Decision, Reason
from backup.records import Replica, RunRow
from backup.states import ReplicaState

ModelKey = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class RestoreFacts:
    """Everything that the plan of a restore depends on."""

    request: RestoreRequest
    resources: Mapping[str, Resource]
    unreachable: Set[str]
    """Resources that did not answer the last call."""
    replicas: Sequence[Replica]
    """All replicas of the source's models, in every state."""
    now: datetime


def plan_restore(facts: RestoreFacts) -> list[Replica]:
    """Return the best usable replica of each model asked for, those of composed models last: they refer to the others."""
    usable: dict[ModelKey, list[Replica]] = {}
    for replica in facts.replicas:
        if _is_usable(facts, replica):
            usable.setdefault((replica.kind, replica.model_id), []).append(replica)
    best = {key: max(replicas, key=lambda replica: _rank(facts, replica)) for key, replicas in usable.items()}
    return sorted(
        _from_one_resource(best, usable),
        key=lambda replica: (bool(replica.components), replica.kind is Kind.MODEL, replica.model_id),
    )


def decision_of(request: RestoreRequest, replica: Replica) -> Decision:
    """Return the decision to restore a model from ``replica``."""
    return Decision(
        target=request.target,
        kind=replica.kind,
        model_id=replica.model_id,
        action=Action.COPY,
        reason=Reason.RESTORE,
        fingerprint=replica.fingerprint,
        target_model_id=replica.target_model_id,
        from_resource=replica.target,
    )


def row_of(request: RestoreRequest, number: int, replica: Replica) -> RunRow:
    """Return the row that copies ``replica`` back. v2 chooses ids itself; from v3 on the model gets its own id again."""
    is_v2 = generation_of(replica.api_version) is Generation.V2
    return RunRow(
        row=number,
        source=replica.target,
        target=request.target,
        kind=replica.kind,
        model_id=replica.target_model_id,
        target_model_id=None if is_v2 else replica.model_id,
        origin=Origin(
            source=replica.source,
            model_id=replica.model_id,
            fingerprint=replica.fingerprint,
            trained=replica.trained,
            # a replica that another one replaced holds no present version
            is_older=True if replica.state is ReplicaState.RETIRING else None,
        ),
    )


def _is_usable(facts: RestoreFacts, replica: Replica) -> bool:
    request = facts.request
    return (
        _is_wanted(facts, replica)
        and replica.target != request.target
        and replica.target in facts.resources
        and request.kind in {None, replica.kind}
        and (request.models is None or replica.model_id in request.models)
        and (replica.expires_at is None or replica.expires_at > facts.now)
    )


def _is_wanted(facts: RestoreFacts, replica: Replica) -> bool:
    """Tell whether a replica holds the present version, or the version that is asked for."""
    if facts.request.version is None:
        return replica.state is ReplicaState.READY
    return replica.state in USABLE and replica.fingerprint.startswith(facts.request.version)


def _rank(facts: RestoreFacts, replica: Replica) -> tuple[bool, bool, bool, bool, datetime]:
    """Prefer a replica that can be copied with a common API version, then one that is in use, then one outside the lost resource, then
    one whose resource answers, then the one verified last.
    """
    request, generation = facts.request, generation_of(replica.api_version)
    version = newest_common(
        facts.resources[replica.target].api_versions,
        facts.resources[request.target].api_versions,
        generation,
        at_least=None if generation is Generation.V2 else replica.api_version,
    )
    is_elsewhere = replica.target != request.source
    is_in_use, answers = replica.state is ReplicaState.READY, replica.target not in facts.unreachable
    return version is not None, is_in_use, is_elsewhere, answers, replica.verified_at


def _from_one_resource(best: Mapping[ModelKey, Replica], usable: Mapping[ModelKey, list[Replica]]) -> list[Replica]:
    """Return the replicas to restore from, a composed model and its components from one resource.

    The copy of a composed model copies its components from its own resource. Components from elsewhere would compete for their ids.
    """
    chosen = dict(best)
    resource_of: dict[ModelKey, str] = {}
    for key, replica in sorted(best.items(), key=lambda item: (not item[1].components, item[0])):
        if not replica.components:
            continue
        components = [(component.kind, component.model_id) for component in replica.components]
        wanted = min(
            (resource_of[component] for component in components if component in resource_of), default=replica.target
        )
        chosen[key] = _newest_in(wanted, usable[key]) or replica if wanted != replica.target else replica
        for component in components:
            resource_of.setdefault(component, chosen[key].target)
            if component in chosen:
                chosen[component] = _newest_in(chosen[key].target, usable[component]) or chosen[component]
    return list(chosen.values())


def _newest_in(resource: str, replicas: Sequence[Replica]) -> Replica | None:
    there = (replica for replica in replicas if replica.target == resource)
    return max(there, key=lambda replica: replica.verified_at, default=None)
