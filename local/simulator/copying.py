"""Authorizations and copies between resources. The state of a copy is computed from the clock at each request."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from local.simulator.arrival import as_copied, has_parts
from local.simulator.clock import Clock
from local.simulator.entra import Identity, Issuer
from local.simulator.models import StoredModel
from local.simulator.resource import ResourceSpec, ResourceState
from local.simulator.versions import Generation, Kind, generation_of

TOKEN_HOURS: dict[Generation, int] = {"v2": 24, "v3": 1, "v4": 1}
"""Lifetime of an authorization: a day in v2, an hour since v3. All recordings agree; the article says something else."""

OPERATION_RETENTION = timedelta(hours=24)

KEPT_FOR = timedelta(days=7)
"""How long ended operations and authorizations are kept (the retention of v2 is not recorded)."""

Item = TypeVar("Item")
Failure = Literal["authorization", "resolver", "downgrade", "parts"]


@dataclass(slots=True)
class Authorization:
    """A permission to fill one placeholder, once."""

    token: str
    target: ResourceState
    kind: Kind
    model_id: str
    api_version: str
    expires: datetime
    placeholder: StoredModel
    description: str | None = None
    tags: dict[str, str] | None = None
    used: bool = False


@dataclass(slots=True)
class CopyRequest:
    """What the caller of a copy sent. It is checked when the copy runs."""

    resource_id: str
    region: str
    model_id: str
    token: str
    allow_downgrade: bool = False


@dataclass(slots=True)
class Operation:
    """One copy (or composition): under way, failed or succeeded."""

    id: str
    kind: Literal["documentModelCopyTo", "documentModelCompose", "documentClassifierCopyTo"]
    owner: ResourceState
    source_id: str
    target_id: str
    api_version: str
    location: str
    started: datetime
    finishes: datetime
    result: StoredModel
    request: CopyRequest | None = None
    grant: Authorization | None = None
    tags: dict[str, str] | None = None
    failure: Failure | None = None
    ended: datetime | None = None

    def is_running(self, now: datetime) -> bool:
        """Return whether the second half of the copy's time has begun."""
        return now >= self.started + (self.finishes - self.started) / 2


class World:
    """All resources of one simulated service, and the copies between them."""

    def __init__(
        self, specs: list[ResourceSpec], clock: Clock, seed: int, identities: tuple[Identity, ...] = ()
    ) -> None:
        self.clock = clock
        self.issuer = Issuer(clock, random.Random(f"{seed}/tokens"), identities)
        self.lock = threading.RLock()
        self.resources: dict[str, ResourceState] = {}
        for spec in specs:
            if spec.name in self.resources:
                raise ValueError(f"two resources have the name {spec.name!r}: give each its own")
            # One generator for each: the requests to one resource do not change the ids of another.
            rng = random.Random(f"{seed}/{spec.name}")
            self.resources[spec.name] = ResourceState(spec, rng, self.lock)
        self.operations: dict[str, dict[str, Operation]] = {name: {} for name in self.resources}
        self._authorizations: dict[str, Authorization] = {}
        self._pending: list[tuple[datetime, int, Operation]] = []
        self._order = itertools.count()

    # -- authorizations ------------------------------------------------------------------------------------------------

    def authorize(
        self,
        target: ResourceState,
        kind: Kind,
        model_id: str,
        api_version: str,
        description: str | None = None,
        tags: dict[str, str] | None = None,
    ) -> Authorization:
        """Reserve an id in a target and return the permission to fill it."""
        now = self.clock.now()
        lifetime = timedelta(hours=TOKEN_HOURS[generation_of(api_version)])
        place = StoredModel(
            model_id, api_version, {}, kind, "placeholder", now, now, description=description, tags=tags
        )
        token = target.new_token()
        grant = Authorization(
            token, target, kind, model_id, api_version, now + lifetime, place, description=description, tags=tags
        )
        self._authorizations[token] = grant
        _drop_old(self._authorizations, lambda item: item.expires + KEPT_FOR <= now)
        target.table(kind).put(place)
        target.last_change = now
        return grant

    def burn(self, token: str) -> None:
        """Use an authorization up: each attempt to copy with it does, also a refused one (the article's error table)."""
        grant = self._authorizations.get(token)
        if grant is not None:
            grant.used = True

    # -- operations ----------------------------------------------------------------------------------------------------

    def start_copy(
        self,
        source: ResourceState,
        model: StoredModel,
        api_version: str,
        request: CopyRequest,
        operation_id: str,
        location: str = "",
    ) -> Operation:
        """Start a copy of ``model``. Whether it will fail is decided now and reported at its end, as the service does."""
        now = self.clock.now()
        grant = self._authorizations.get(request.token)
        operation = Operation(
            operation_id,
            "documentClassifierCopyTo" if model.kind == "classifier" else "documentModelCopyTo",
            source,
            model.model_id,
            request.model_id,
            api_version,
            location,
            now,
            now + timedelta(seconds=source.rng.uniform(*source.copy_seconds)),
            model,
            request,
            grant,
            grant.tags if grant else None,
            self._verdict(source, api_version, request, grant, now),
        )
        if grant is not None:
            grant.used = True
        self._add(operation)
        return operation

    def start_composition(
        self, owner: ResourceState, model: StoredModel, api_version: str, operation_id: str, location: str
    ) -> Operation:
        """Start to compose ``model``, which is ``creating`` until it is ready."""
        now = self.clock.now()
        finishes = now + timedelta(seconds=owner.rng.uniform(*owner.copy_seconds))
        ready = model.snapshot()
        model.state = "creating"
        owner.table("model").put(model)
        operation = Operation(
            operation_id, "documentModelCompose", owner, "", model.model_id, api_version, location, now, finishes, ready
        )
        self._add(operation)
        return operation

    def operation(self, owner: ResourceState, operation_id: str) -> Operation | None:
        """Return an operation of a resource by its id, or ``None``."""
        return self.operations[owner.spec.name].get(operation_id)

    def _add(self, operation: Operation) -> None:
        operations = self.operations[operation.owner.spec.name]
        operations[operation.id] = operation
        _drop_old(operations, lambda item: item.started + KEPT_FOR <= operation.started)
        heapq.heappush(self._pending, (operation.finishes, next(self._order), operation))

    def _verdict(
        self,
        source: ResourceState,
        api_version: str,
        request: CopyRequest,
        grant: Authorization | None,
        now: datetime,
    ) -> Failure | None:
        target = self.resolve(request.resource_id, request.region)
        if target is None:
            return "resolver"
        # Whether the permission is for this placeholder is checked at the end of the copy.
        same_contract = grant is not None and generation_of(grant.api_version) == generation_of(api_version)
        if grant is None or not same_contract or grant.used or now >= grant.expires:
            return "authorization"
        if source.spec.encrypted and not target.spec.encrypted and not request.allow_downgrade:
            return "downgrade"
        return None

    def resolve(self, resource_id: str, region: str) -> ResourceState | None:
        """Return a resource by its id and region, or ``None``; case is ignored (a recorded test sends the region in
        capitals)."""
        for resource in self.resources.values():
            spec = resource.spec
            if spec.resource_id.lower() == resource_id.lower() and spec.region.lower() == region.lower():
                return resource
        return None

    # -- time ----------------------------------------------------------------------------------------------------------

    def settle(self, now: datetime) -> None:
        """End every operation whose time has passed. Called before each answer."""
        delayed: list[tuple[datetime, int, Operation]] = []
        while self._pending and self._pending[0][0] <= now:
            item = heapq.heappop(self._pending)
            if not self._finish(item[2]):
                delayed.append(item)
        for item in delayed:
            heapq.heappush(self._pending, item)

    def _finish(self, operation: Operation) -> bool:
        """End one operation; return ``False`` if it must wait because its target is down."""
        if operation.failure is None and operation.request is not None:
            target = self.resolve(operation.request.resource_id, operation.request.region)
            assert target is not None
            if target.is_down:
                return False
            self._finish_copy(operation, target)
        elif operation.request is None:
            table = operation.owner.table("model")
            if table.get(operation.target_id) is not None:
                table.put(operation.result)
                operation.owner.last_change = operation.finishes
        operation.ended = operation.finishes
        return True

    def _finish_copy(self, operation: Operation, target: ResourceState) -> None:
        """Put the copy in the place of its placeholder; fail the operation if the placeholder was deleted."""
        table = target.table(operation.result.kind)
        assert operation.grant is not None
        place = operation.grant.placeholder
        if table.get(operation.target_id) is not place:
            operation.failure = "authorization"
            return
        if target.behaviour.composed_needs_parts and not has_parts(target, operation.result):
            operation.failure = "parts"
            return
        result = as_copied(operation.result, place, operation.finishes)
        result.copy_of = f"{operation.owner.spec.name}/{operation.source_id}"
        operation.result = result
        table.put(result)
        target.last_change = operation.finishes


def _drop_old(items: dict[str, Item], is_old: Callable[[Item], bool]) -> None:
    """Drop old items, oldest first, so that a long run does not need more and more memory."""
    while items:
        oldest = next(iter(items))
        if not is_old(items[oldest]):
            return
        del items[oldest]
