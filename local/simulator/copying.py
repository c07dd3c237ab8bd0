"""Authorizations and copies between resources. The state of a copy is computed from the clock at each call."""

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
"""Lifetime of an authorization: a day under v2, an hour since v3 (every recorded one), whatever the article says."""

OPERATION_RETENTION = timedelta(hours=24)

FORGOTTEN_AFTER = timedelta(days=7)
"""How long operations and authorizations that are over are remembered at all (v2's retention is not recorded)."""

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
    """What the caller of a copy handed over; nothing of it is believed before the copy runs."""

    resource_id: str
    region: str
    model_id: str
    token: str
    allow_downgrade: bool = False


@dataclass(slots=True)
class Operation:
    """One copy (or composition) under way, failed or done."""

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
        """Say whether the second half of the copy's time has begun."""
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
                raise ValueError(f"two resources are called {spec.name!r}; give each its own name")
            # A generator each: what one resource is asked does not change the ids of another.
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
        """Reserve an id in a target and give the permission to fill it."""
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
        _forget(self._authorizations, lambda item: item.expires + FORGOTTEN_AFTER <= now)
        target.table(kind).put(place)
        target.last_change = now
        return grant

    def burn(self, token: str) -> None:
        """Make an authorization useless: any attempt to copy with it does, a refused one too (the article's error
        table)."""
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
        """Start a copy of ``model``. Whether it can work is found out now and told when it ends, as the service
        does."""
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
        """Start to compose ``model``, which is kept as ``creating`` until it is ready."""
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
        """Give an operation of a resource by its id."""
        return self.operations[owner.spec.name].get(operation_id)

    def _add(self, operation: Operation) -> None:
        operations = self.operations[operation.owner.spec.name]
        operations[operation.id] = operation
        _forget(operations, lambda item: item.started + FORGOTTEN_AFTER <= operation.started)
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
        # That the permission is for this very place is checked when the copy arrives there.
        same_contract = grant is not None and generation_of(grant.api_version) == generation_of(api_version)
        if grant is None or not same_contract or grant.used or now >= grant.expires:
            return "authorization"
        if source.spec.encrypted and not target.spec.encrypted and not request.allow_downgrade:
            return "downgrade"
        return None

    def resolve(self, resource_id: str, region: str) -> ResourceState | None:
        """Find a resource by what the caller says of it; letters' case does not matter (a recorded test sends the
        region in capitals)."""
        for resource in self.resources.values():
            spec = resource.spec
            if spec.resource_id.lower() == resource_id.lower() and spec.region.lower() == region.lower():
                return resource
        return None

    # -- the passing of time -------------------------------------------------------------------------------------------

    def settle(self, now: datetime) -> None:
        """End every operation whose time is over. Called before anything is answered."""
        delayed: list[tuple[datetime, int, Operation]] = []
        while self._pending and self._pending[0][0] <= now:
            item = heapq.heappop(self._pending)
            if not self._finish(item[2]):
                delayed.append(item)
        for item in delayed:
            heapq.heappush(self._pending, item)

    def _finish(self, operation: Operation) -> bool:
        """End one operation; False where it has to wait because its target is out of reach."""
        if operation.failure is None and operation.request is not None:
            target = self.resolve(operation.request.resource_id, operation.request.region)
            assert target is not None
            if target.is_down:
                return False
            self._land(operation, target)
        elif operation.request is None:
            table = operation.owner.table("model")
            if table.get(operation.target_id) is not None:
                table.put(operation.result)
                operation.owner.last_change = operation.finishes
        operation.ended = operation.finishes
        return True

    def _land(self, operation: Operation, target: ResourceState) -> None:
        """Put the copy in the place of its placeholder, unless that was deleted meanwhile."""
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


def _forget(items: dict[str, Item], is_over: Callable[[Item], bool]) -> None:
    """Drop the oldest entries that no call can ask for any more, so that memory stays bounded."""
    while items:
        oldest = next(iter(items))
        if not is_over(items[oldest]):
            return
        del items[oldest]
