"""Where a model can be used now: a pure function from replicas to places, best first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from backup.configuration import Resource
from backup.document_models import Kind
from backup.records import Replica
from backup.states import ReplicaState

USABLE = {ReplicaState.READY, ReplicaState.RETIRING}
REACHABLE = "reachable"


def places(
    source: str,
    kind: Kind,
    model_id: str,
    replicas: Iterable[Replica],
    resources: Mapping[str, Resource],
    seen: Mapping[str, Mapping[str, str]],
    now: datetime,
) -> list[dict[str, Any]]:
    """Return every place where a model can be used, best first.

    The source comes first while our last call to it succeeded, and last when it did not; then replicas of the newest version, the one
    verified last before the others; then copies that were replaced and are still there. Expired ones and resources that are not
    configured any more are left out.

    Parameters
    ----------
    replicas: all replicas of the model.
    seen: what is known of each resource: ``state`` and ``at``.
    now: UTC.
    """
    known = [one for one in replicas if one.state in USABLE and one.target in resources and not _is_over(one, now)]
    found = [_replica_place(one, resources, seen, now) for one in sorted(known, key=_rank)]
    replicas_of_source = [one for one in known if one.target != source]
    gone = any(one.orphaned_at is not None for one in replicas_of_source)
    if source not in resources or gone or not known:
        return found
    newest = max(known, key=lambda one: one.verified_at)
    place = {
        "role": "source",
        **_address(source, resources),
        "modelId": model_id,
        "kind": str(kind),
        "apiVersion": newest.api_version,
        "expiresAt": newest.expires_at.isoformat() if newest.expires_at else None,
        "lastSeen": dict(seen[source]) if source in seen else None,
    }
    is_down = source in seen and seen[source]["state"] != REACHABLE
    return [*found, place] if is_down else [place, *found]


def _rank(replica: Replica) -> tuple[bool, float]:
    return replica.state is not ReplicaState.READY, -replica.verified_at.timestamp()


def _is_over(replica: Replica, now: datetime) -> bool:
    return replica.expires_at is not None and replica.expires_at <= now


def _address(name: str, resources: Mapping[str, Resource]) -> dict[str, Any]:
    return {"resource": name, "region": resources[name].region, "endpoint": resources[name].endpoint}


def _replica_place(
    replica: Replica, resources: Mapping[str, Resource], seen: Mapping[str, Mapping[str, str]], now: datetime
) -> dict[str, Any]:
    return {
        "role": "replica",
        **_address(replica.target, resources),
        "modelId": replica.target_model_id,
        "kind": str(replica.kind),
        "apiVersion": replica.api_version,
        "state": str(replica.state),
        "verifiedAt": replica.verified_at.isoformat(),
        "ageSeconds": max(0, round((now - replica.verified_at).total_seconds())),
        "expiresAt": replica.expires_at.isoformat() if replica.expires_at else None,
        "lastSeen": dict(seen[replica.target]) if replica.target in seen else None,
    }
