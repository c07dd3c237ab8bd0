"""A small world for the state machine: one model, one target, owners that come and go, and points at which anything may happen.

Owners run the real orchestrator of a copy, and it calls the real activities; only the platform between them is played here: it may
deliver a call twice, late, or again after its worker died.
"""

from __future__ import annotations

import itertools
import json
import uuid
from bisect import insort
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import azure.durable_functions as df
from cryptography.fernet import Fernet

from backup.claim import Claim
from backup.configuration.reading import parse_configuration
from backup.json_types import JsonObject
from backup.messages.copy import CopyOrder, CopyOutcome, CopyProgress
from backup.messages.run import RunRequest
from backup.names import fallback_ids
from catalog.catalog import Catalog
from catalog.store import Page, Row, RowChanged, RowExists, Table
from local.host import ManualClock
from local.host.app_index import AppIndex, load_app
from local.host.invoke import call_activity
from local.inprocess import REGIONS, SOURCE, resource_id, setting
from local.simulator import ResourceSpec, Simulator, StoredModel
from orchestrator.attempts import HistoryFull
from orchestrator.copy_model import until_ended
from orchestrator.copy_state import Copy
from wiring.sealing import Sealer
from wiring.services import use

from .conftest import InterruptedServices, Subject, known_ids

LONGER_THAN_ANY_LEASE = 3 * 3600.0


class Died(BaseException):
    """The worker died: the app must not catch this."""


class Points:
    """Every moment before and after an effect: on the catalog or on the service. Something can be made to happen at one of them."""

    def __init__(self) -> None:
        self._where = ""
        self._left = 0
        self._action: Callable[[], None] | None = None

    def arm(self, where: str, number: int, action: Callable[[], None]) -> None:
        """Let ``action`` happen at the ``number``-th point from now that is called ``where``: ``start_copy before``, ``store after`` …"""
        self._where, self._left, self._action = where, number, action

    def disarm(self) -> None:
        """Let nothing happen any more."""
        self._action = None

    @property
    def is_armed(self) -> bool:
        """Whether something is still to happen."""
        return self._action is not None

    def reach(self, where: str) -> None:
        """Pass one point."""
        if self._action is None or where != self._where:
            return
        self._left -= 1
        if self._left <= 0:
            action, self._action = self._action, None
            action()


class MemoryStore:
    """The catalog's contract in a dict, with a point before and after each write. ``inserts_blindly`` plants a defect."""

    def __init__(self, points: Points, *, inserts_blindly: bool = False) -> None:
        self._points = points
        self._rows: dict[Table, dict[tuple[str, str], Row]] = {}
        self._order: dict[Table, list[tuple[str, str]]] = {}
        self._etags = itertools.count(1)
        self._inserts_blindly = inserts_blindly
        self.on_change: Callable[[Row, JsonObject], None] = lambda row, data: None
        """Told of every change of a row: what it was, and what it becomes."""

    def get(self, table: Table, partition: str, key: str) -> Row | None:
        """Return a row."""
        return self._rows.get(table, {}).get((partition, key))

    def insert(self, table: Table, partition: str, key: str, data: JsonObject) -> Row:
        """Write a new row."""
        self._points.reach("store before")
        is_there = self.get(table, partition, key) is not None
        if is_there and not (self._inserts_blindly and table is Table.CLAIMS):
            raise RowExists(key)
        row = self._put(table, partition, key, data)
        self._points.reach("store after")
        return row

    def replace(self, row: Row, data: JsonObject) -> Row:
        """Change a row that is as it was read."""
        self._points.reach("store before")
        self._check(row)
        written = self._put(row.table, row.partition, row.key, data)
        self._points.reach("store after")
        return written

    def delete(self, row: Row) -> None:
        """Delete a row that is as it was read."""
        self._points.reach("store before")
        self._check(row)
        del self._rows[row.table][row.partition, row.key]
        self._order[row.table].remove((row.partition, row.key))
        self._points.reach("store after")

    def ensure(self, table: Table, partition: str, rows: Mapping[str, JsonObject]) -> None:
        """Write those that are not there."""
        for key, data in rows.items():
            if self.get(table, partition, key) is None:
                self._put(table, partition, key, data)

    def scan(
        self,
        table: Table,
        *,
        partition: str | None = None,
        partition_prefix: str | None = None,
        key_prefix: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int = 1000,
    ) -> Page:
        """Return rows in order, all of them on one page."""
        found = [
            self._rows[table][at]
            for at in self._order.get(table, [])
            if (partition is None or at[0] == partition)
            and at[0].startswith(partition_prefix or "")
            and at[1].startswith(key_prefix or "")
            and (after is None or at > after)
        ]
        assert len(found) <= limit, "the world is small"
        return Page(tuple(found), None)

    def _put(self, table: Table, partition: str, key: str, data: JsonObject) -> Row:
        row = Row(table, partition, key, json.loads(json.dumps(data)), str(next(self._etags)))
        rows, order = self._rows.setdefault(table, {}), self._order.setdefault(table, [])
        if (partition, key) not in rows:
            insort(order, (partition, key))
        else:
            self.on_change(rows[partition, key], data)
        rows[partition, key] = row
        return row

    def _check(self, row: Row) -> None:
        found = self.get(row.table, row.partition, row.key)
        if found is None or found.etag != row.etag:
            raise RowChanged(row.key)


class Service:
    """The simulated resources, kept from one example to the next: starting them costs more than an example."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        specs = [ResourceSpec(name, region, resource_id(name), f"{name}-key-1") for name, region in REGIONS.items()]
        self.simulator = Simulator(specs, clock=self.clock, seed=1)
        self.index: AppIndex = load_app("function_app")
        self._numbers = itertools.count(1)

    def next_number(self) -> int:
        """Return a number for a model that no example has had."""
        return next(self._numbers)


class World:
    """One model of the source that owners copy to one target, beside models of others there."""

    def __init__(self, service: Service, subject: Subject, *, inserts_blindly: bool = False) -> None:
        self.service, self.subject = service, subject
        self.clock, simulator = service.clock, service.simulator
        self.source, self.target = simulator.resource(SOURCE), simulator.resource(subject.target)
        for resource in (self.source, self.target):
            for model in resource.models():
                resource.remove_model(model.model_id, model.kind)
            resource.clear_requests()
            resource.clear_faults()
        self.points = Points()
        self.store = MemoryStore(self.points, inserts_blindly=inserts_blindly)
        self.services = InterruptedServices(
            parse_configuration(json.dumps(self._configuration()), "backup.json"),
            Catalog(self.store),
            Sealer([Fernet.generate_key().decode()]),
            now=self.clock.now,
            environment={setting(name): f"{name}-key-1" for name in REGIONS},
        )
        self.services.interruption = lambda where, moment: self.points.reach(f"{where.partition(':')[2]} {moment}")
        use(self.services)
        self.another_model()
        self.others: dict[str, StoredModel] = {}
        self.stolen: list[str] = []
        """Claims that were changed by an owner that did not hold them."""
        self._callers: list[str] = []
        self.store.on_change = self._watch_claims
        self.calls: list[tuple[str, str]] = []

    def another_model(self) -> None:
        """Put a new model into the source; from now on the owners copy that one."""
        self.model_id = self.source.put_model(self.subject.model(self.service.next_number())).model_id
        self.owners: list[Owner] = []

    def _configuration(self) -> dict[str, Any]:
        unpaced = dict.fromkeys(
            ("v2CopiesPerMinute", "v2ListPagesPerMinute", "managePerSecond", "getPerSecond", "listPerSecond")
        )
        return {
            "resources": {
                name: {
                    "endpoint": self.service.simulator.endpoint(name),
                    "region": region,
                    "resourceId": resource_id(name),
                    "apiVersions": [self.subject.version],
                    "keySetting": setting(name),
                    "rateLimits": unpaced,
                }
                for name, region in REGIONS.items()
            },
            "copies": {"ambiguityWindowSeconds": 2, "patienceSeconds": 60},
        }

    def _watch_claims(self, row: Row, data: JsonObject) -> None:
        if row.table is Table.CLAIMS:
            was, becomes = Claim.parse(row.data), Claim.parse(data)
            if self._callers and becomes.owner != self._callers[-1]:
                self.stolen.append(f"{self._callers[-1]} changed the claim of {becomes.owner}")
            if was.owner != becomes.owner and was.is_live(self.clock.now()):
                self.stolen.append(f"{becomes.owner} took the claim of {was.owner}")

    def call(self, name: str, data: str) -> dict[str, Any]:
        """Run an activity as the worker does."""
        self._callers.append(json.loads(data).get("owner", ""))  # a note of a wait has no owner
        try:
            result: dict[str, Any] = json.loads(call_activity(self.service.index.activity(name), data))
        finally:
            self._callers.pop()
        return result

    def deliver(self, name: str, data: str) -> dict[str, Any]:
        """Run an activity, and remember it: it may come back as a phantom."""
        self.calls.append((name, data))
        return self.call(name, data)

    def new_owner(self) -> Owner:
        """Let another run ask for the copy."""
        owner = Owner(self, f"run-{self.model_id}-{len(self.owners) + 1}")
        self.owners.append(owner)
        return owner

    def another_user_takes(self, model_id: str, *, is_ready: bool) -> None:
        """Let another user train a model in the target, or authorize a copy into it, under a free id."""
        kind = str(self.subject.kind)
        if self.target.model(model_id, "classifier" if kind == "classifier" else "model") is not None:
            return
        model = self.subject.other(model_id)
        if not is_ready:
            model.state = "creating" if self.subject.is_v2 else "placeholder"
        self.target.put_model(model)
        self.others[model_id] = model

    def ids_to_take(self, count: int) -> list[str]:
        """Return ids for another user to take: from v3 on those that a copy would get."""
        if self.subject.is_v2:
            return [str(uuid.uuid5(uuid.UUID(self.model_id), str(number))) for number in range(count)]
        return list(fallback_ids(self.model_id, count))

    def held(self) -> dict[str, StoredModel]:
        """Return what the target holds, by id."""
        return {model.model_id: model for model in self.target.models()}

    def copies(self) -> list[str]:
        """Return the ids of ready copies of the model in the target."""
        return [
            model.model_id
            for model in self.held().values()
            if model.state == "ready" and model.copy_of == f"{SOURCE}/{self.model_id}"
        ]

    def known(self) -> set[str]:
        """Return the ids in the target that the catalog names."""
        return known_ids(self.services.catalog, self.subject)


class Owner:
    """One run's copy of the model: the orchestrator, and the call or the timer that it waits for."""

    def __init__(self, world: World, run_id: str) -> None:
        self._world = world
        request = RunRequest(
            run_id=run_id,
            source=SOURCE,
            targets=[world.subject.target],
            kind=world.subject.kind,
            models=[world.model_id],
            deadline_seconds=7200,
            patience_seconds=60,
            concurrency=1,
        )
        self._runs = world.services.catalog.runs
        self._runs.open(request, world.clock.now())
        order = self._runs.take(run_id, 0, 0, None, world.clock.now())
        assert order is not None, "the run has one row"
        self._order: CopyOrder = order
        self._context = SimpleNamespace(
            instance_id=f"{run_id}:1",
            call_activity=lambda name, data: (name, json.dumps(data)),
            create_timer=lambda wake: wake,
            set_custom_status=lambda status: None,
        )
        self.outcome: CopyOutcome | None = None
        self.waits_for: tuple[str, str] | datetime | None = None
        self._begin(CopyProgress(order=order))

    def step(self) -> None:
        """Do what the orchestrator waits for, and let it take its next step."""
        if isinstance(self.waits_for, datetime):
            self._world.clock.set(max(self.waits_for, self._world.clock.now()))
            self._resume(None)
        elif self.waits_for is not None:
            self._resume(self._world.deliver(*self.waits_for))

    def repeat(self) -> None:
        """Run what the orchestrator waits for, and lose the result: it will be delivered again."""
        if isinstance(self.waits_for, tuple):
            self._world.deliver(*self.waits_for)

    def _begin(self, progress: CopyProgress) -> None:
        self._context.current_utc_datetime = self._world.clock.now()
        self._copy = Copy(cast("df.DurableOrchestrationContext", self._context), progress)
        self._steps = until_ended(self._copy)
        self._resume(None)

    def _resume(self, result: dict[str, Any] | None) -> None:
        self._context.current_utc_datetime = self._world.clock.now()
        try:
            self.waits_for = self._steps.send(result)
        except StopIteration:
            self.waits_for = None
            self.outcome = self._copy.outcome
            self._runs.take(self._order.run_id, 0, 1, self.outcome, self._world.clock.now())
        except HistoryFull:
            self._begin(self._copy.progress)


def hours_pass(world: World) -> None:
    """Let every lease end."""
    world.clock.set(world.clock.now() + timedelta(seconds=LONGER_THAN_ANY_LEASE))
