"""Where a model can be used now: a pure function from replicas to places, best first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from backup.configuration.sections import Resource
from backup.document_models import Kind
from backup.moments import written
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

    The source comes first if the app's last call to it succeeded, and last if it failed; then replicas in resources that answered, the
    one verified last before the others; then copies that were replaced and are still there; then what is in resources that did not
    answer. Expired replicas and resources that are not configured any more are left out. The source is named as long as the catalog has a
    replica of its model, usable or not.

    Parameters
    ----------
    replicas: all replicas of the model.
    seen: what is known of each resource: ``state`` and ``at``.
    now: UTC.
    """
    known = list(replicas)
    usable = [one for one in known if one.state in USABLE and one.target in resources and not _is_over(one, now)]
    # a model that was brought back under its own id is the source's again
    is_back = [one for one in usable if (one.target, one.target_model_id) == (source, model_id)]
    shown = sorted((one for one in usable if one not in is_back), key=lambda one: _rank(one, seen))
    found = [_replica_place(one, resources, seen, now) for one in shown]
    newest = _source_model(source, known, is_back)
    if newest is None or source not in resources or _is_over(newest, now):
        return found
    place = {
        "role": "source",
        **_address(source, resources),
        "modelId": model_id,
        "kind": str(kind),
        "apiVersion": newest.api_version,
        "expiresAt": written(newest.expires_at) if newest.expires_at else None,
        "lastSeen": dict(seen[source]) if source in seen else None,
    }
    return [*found, place] if _is_down(source, seen) else [place, *found]


def _source_model(source: str, known: Sequence[Replica], is_back: Sequence[Replica]) -> Replica | None:
    """Return the newest trace of a model that its source still holds, as far as the catalog knows; ``None`` if it does not."""
    traces = [one for one in known if one.target != source]
    is_gone = any(one.orphaned_at is not None for one in traces)
    newest = max(is_back or traces, key=lambda one: one.verified_at, default=None)
    # what was brought back once and is not there any more; a copy made since then shows that the source has the model again
    was_lost = any(one.target == source and (newest is None or one.verified_at >= newest.verified_at) for one in known)
    return newest if is_back or not (is_gone or was_lost) else None


def _rank(replica: Replica, seen: Mapping[str, Mapping[str, str]]) -> tuple[bool, bool, float]:
    is_down = _is_down(replica.target, seen)
    return is_down, replica.state is not ReplicaState.READY, -replica.verified_at.timestamp()


def _is_down(resource: str, seen: Mapping[str, Mapping[str, str]]) -> bool:
    return resource in seen and seen[resource]["state"] != REACHABLE


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
        "verifiedAt": written(replica.verified_at),
        "ageSeconds": max(0, round((now - replica.verified_at).total_seconds())),
        "expiresAt": written(replica.expires_at) if replica.expires_at else None,
        "lastSeen": dict(seen[replica.target]) if replica.target in seen else None,
    }
