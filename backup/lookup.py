"""Where a model can be used now: a pure function from replicas to places, best first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NotRequired, cast

from backup.codes import Code
from backup.configuration.sections import Resource
from backup.document_models import Kind
from backup.json_types import Described, Moment
from backup.moments import written
from backup.records import Replica
from backup.states import ReplicaState

USABLE = {ReplicaState.READY, ReplicaState.RETIRING}
REACHABLE = "reachable"
REFUSED = {
    Code.ACCESS_DENIED,
    Code.CONFIGURATION_INVALID,
    Code.VERSION_RETIRED,
    Code.VERSION_UNSUPPORTED,
    Code.STEP_CRASHED,
}
"""States of a resource that say nothing against it: it refuses the app's key, identity or version, or the app could not ask. An
application has a key of its own. Every state but these and ``reachable`` means that the resource is down."""

OLD_AFTER = timedelta(minutes=15)
"""A state that was last seen before that is old: three probes should have been made since."""


class ResourceState(Described):
    """What the app's last call or probe of a resource showed."""

    state: str
    """``reachable``, or the code of the failure (docs/failures.md)."""
    at: Moment
    """When that was."""
    since: Moment
    """Since when the resource is in this state."""
    message: NotRequired[str]
    """What happened, and what to do; only with a failure."""
    skewSeconds: NotRequired[int]
    """How far the service's clock is ahead of the app's, if the answer told."""


class LastSeen(ResourceState):
    """What the app's last call or probe of a resource showed, and whether that is old."""

    old: bool
    """Whether that was more than 15 minutes ago, so the timer has not probed."""


class Place(Described):
    """A place where a model can be used."""

    role: Literal["source", "replica"]
    """Whether it is the model itself or a copy."""
    resource: str
    """The name of the resource in ``backup.json``."""
    region: str
    """The region of the resource."""
    endpoint: str
    """The address of the resource."""
    modelId: str
    """The id to use there."""
    kind: Kind
    """What it is."""
    apiVersion: str
    """The API version that the copy was made with."""
    expiresAt: Moment | None
    """When the service deletes it; ``null``: never."""
    lastSeen: LastSeen | None
    """What the app's last call or probe of the resource showed; ``null`` if it never called the resource."""
    state: NotRequired[Literal["ready", "retiring"]]
    """Of a replica: ``retiring`` if a newer copy replaces it."""
    verifiedAt: NotRequired[Moment]
    """Of a replica: when it was last found to be equal to its source."""
    fingerprint: NotRequired[str]
    """Of a replica: the version of the source model that was copied."""
    trained: NotRequired[Moment | None]
    """Of a replica: when this version was trained, by the service's clock; ``null`` if it is not known."""
    digest: NotRequired[str]
    """Of a replica: the digest of the content that was verified."""
    ageSeconds: NotRequired[int]
    """Of a replica: the time since ``verifiedAt``."""


class Version(Described):
    """A version of a model that can be used somewhere."""

    version: str
    """The fingerprint of this version."""
    trained: Moment | None
    """When it was trained, by the service's clock; ``null`` if it is not known."""
    verifiedAt: Moment
    """When a copy of it was last found to be equal to its source."""
    present: bool
    """Whether it is the present version."""
    resources: list[str]
    """The resources that have a usable copy of it."""


def is_down(state: str) -> bool:
    """Tell whether a ``state`` (``reachable`` or a code) of a resource says that applications cannot use it."""
    return state != REACHABLE and state not in REFUSED


def places(
    source: str,
    model_id: str,
    replicas: Iterable[Replica],
    resources: Mapping[str, Resource],
    seen: Mapping[str, Mapping[str, Any]],
    now: datetime,
    *,
    version: str | None = None,
    older_too: bool = False,
) -> list[Place]:
    """Return every place where a model can be used, best first.

    The source comes first, and last if it is known to be down. Then replicas, the one verified last before the others; then replicas that
    were replaced and still exist; then those in resources that are known to be down (:func:`is_down`).
    An older version that is kept is named for a day after it was replaced; after that only if its resource has no newer one.
    Expired replicas and resources that are not configured any more are left out. The source is listed as long as the catalog has a replica
    of its model, usable or not.

    Parameters
    ----------
    replicas: all replicas of the model.
    seen: what the last call or probe of each resource showed: ``state``, ``at`` (ISO 8601) and more, which places repeat.
    now: UTC.
    version: a fingerprint: places of this version only. The source has the present one.
    older_too: whether to name every older version.
    """
    replicas = list(replicas)
    usable = _usable(replicas, resources, now)
    if version is not None:
        usable = [each for each in usable if each.fingerprint == version]
    elif not older_too:
        in_use = {each.target for each in usable if each.state is ReplicaState.READY}
        usable = [each for each in usable if not (each.is_past_retirement(now) and each.target in in_use)]
    # a model that was restored under its own id is the source's again
    restored = [each for each in usable if (each.target, each.target_model_id) == (source, model_id)]
    copies = sorted((each for each in usable if each not in restored), key=lambda each: _rank(each, seen))
    answer: list[Place] = [
        {
            **_place("replica", each.target, each.target_model_id, each, resources, seen, now),
            "state": "ready" if each.state is ReplicaState.READY else "retiring",
            "verifiedAt": written(each.verified_at),
            "fingerprint": each.fingerprint,
            "trained": _written(each.trained),
            "digest": each.digest,
            "ageSeconds": max(0, round((now - each.verified_at).total_seconds())),
        }
        for each in copies
    ]
    newest = _source_model(source, replicas, restored)
    if newest is not None and version not in {None, newest.fingerprint}:
        newest = None
    if newest is not None and source in resources and not _is_over(newest, now):
        place = _place("source", source, model_id, newest, resources, seen, now)
        answer.insert(len(answer) if _is_known_down(source, seen) else 0, place)
    return answer


def versions(replicas: Iterable[Replica], resources: Mapping[str, Resource], now: datetime) -> list[Version]:
    """Return the versions of a model that can be used somewhere, the present one first, then the newest."""
    by_version: dict[str, list[Replica]] = {}
    for each in _usable(replicas, resources, now):
        by_version.setdefault(each.fingerprint, []).append(each)

    def rank(copies: Sequence[Replica]) -> tuple[bool, tuple[datetime, datetime]]:
        return any(each.state is ReplicaState.READY for each in copies), max(each.version_order for each in copies)

    return [
        {
            "version": copies[0].fingerprint,
            "trained": _written(next((each.trained for each in copies if each.trained is not None), None)),
            "verifiedAt": written(max(each.verified_at for each in copies)),
            "present": rank(copies)[0],
            "resources": sorted({each.target for each in copies}),
        }
        for copies in sorted(by_version.values(), key=rank, reverse=True)
    ]


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else written(moment)


def _usable(replicas: Iterable[Replica], resources: Mapping[str, Resource], now: datetime) -> list[Replica]:
    replicas = list(replicas)
    return [
        each
        for each in replicas
        if each.state in USABLE
        and each.target in resources
        and not _is_over(each, now)
        and not _is_overtaken(each, replicas)
    ]


def _is_overtaken(replica: Replica, replicas: Iterable[Replica]) -> bool:
    """Tell whether a model that was restored under its own id has been retrained since: a copy of a newer version shows it."""
    return (replica.target, replica.target_model_id) == (replica.source, replica.model_id) and any(
        each.target != replica.source
        and each.fingerprint != replica.fingerprint
        and each.version_order > replica.version_order
        and each.verified_at > replica.verified_at
        for each in replicas
    )


def _source_model(source: str, replicas: Sequence[Replica], restored: Sequence[Replica]) -> Replica | None:
    """Return the newest replica of a model that its source still holds, by what the catalog knows; ``None`` if it does not."""
    copies = [each for each in replicas if each.target != source]
    is_gone = any(each.orphaned_at is not None for each in copies)
    newest = max(restored or copies, key=lambda each: each.verified_at, default=None)
    # restored once, and gone again; a copy made since then shows that the source has the model again
    was_lost = any(
        each.target == source and (newest is None or each.verified_at >= newest.verified_at) for each in replicas
    )
    return newest if restored or not (is_gone or was_lost) else None


def _rank(replica: Replica, seen: Mapping[str, Mapping[str, Any]]) -> tuple[bool, bool, float]:
    return (
        _is_known_down(replica.target, seen),
        replica.state is not ReplicaState.READY,
        -replica.verified_at.timestamp(),
    )


def _is_known_down(resource: str, seen: Mapping[str, Mapping[str, Any]]) -> bool:
    return resource in seen and is_down(seen[resource]["state"])


def _is_over(replica: Replica, now: datetime) -> bool:
    return replica.expires_at is not None and replica.expires_at <= now


def _place(
    role: Literal["source", "replica"],
    name: str,
    model_id: str,
    replica: Replica,
    resources: Mapping[str, Resource],
    seen: Mapping[str, Mapping[str, Any]],
    now: datetime,
) -> Place:
    return {
        "role": role,
        "resource": name,
        "region": resources[name].region,
        "endpoint": resources[name].endpoint,
        "modelId": model_id,
        "kind": replica.kind,
        "apiVersion": replica.api_version,
        "expiresAt": written(replica.expires_at) if replica.expires_at else None,
        "lastSeen": _last_seen(seen[name], now) if name in seen else None,
    }


def _last_seen(seen: Mapping[str, Any], now: datetime) -> LastSeen:
    return cast("LastSeen", {**seen, "old": now - datetime.fromisoformat(seen["at"]) > OLD_AFTER})
