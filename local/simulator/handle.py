"""One simulated resource, for tests and programs: everything that the admin routes can do, as methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from local.simulator.admin import read_range
from local.simulator.copying import World
from local.simulator.faults import Fault
from local.simulator.journal import Entry
from local.simulator.limits import Limits
from local.simulator.models import StoredModel
from local.simulator.resource import Behaviour, ResourceSpec, ResourceState
from local.simulator.versions import Kind


class SimulatedResource:
    """One resource. Safe to call from any thread while the simulator runs."""

    def __init__(
        self,
        world: World,
        state: ResourceState,
        set_down: Callable[[str, bool], None],
        on_loop: Callable[[Callable[[], None]], None],
    ) -> None:
        self._world = world
        self._state = state
        self._set_down = set_down
        self._on_loop = on_loop

    @property
    def spec(self) -> ResourceSpec:
        """The fixed properties of the resource."""
        return self._state.spec

    def put_model(self, model: StoredModel) -> StoredModel:
        """Add a model or classifier, or train it again under its id."""
        with self._state.lock:
            self._state.table(model.kind).put(model.snapshot())
            self._state.last_change = self._world.clock.now()
        return model

    def remove_model(self, model_id: str, kind: Kind = "model") -> None:
        """Remove a model, as its owner would; does nothing if there is none."""
        with self._state.lock:
            self._state.table(kind).remove(model_id)

    def models(self, kind: Kind | None = None) -> list[StoredModel]:
        """Return all models and classifiers, placeholders included, as they are now."""
        tables = [self._state.table(kind)] if kind else [self._state.table("model"), self._state.table("classifier")]
        with self._state.lock:
            self._world.settle(self._world.clock.now())
            return [model.snapshot() for table in tables for model in table.all()]

    def model(self, model_id: str, kind: Kind = "model") -> StoredModel | None:
        """Return one model, or ``None``."""
        with self._state.lock:
            self._world.settle(self._world.clock.now())
            model = self._state.table(kind).get(model_id)
            return model.snapshot() if model else None

    def requests(self, operation: str | None = None) -> list[Entry]:
        """Return the journal: all requests, oldest first."""
        with self._state.lock:
            return [replace(entry) for entry in self._state.journal.entries(operation)]

    def clear_requests(self) -> None:
        """Empty the journal."""
        with self._state.lock:
            self._state.journal.clear()

    def set_limits(self, preset: str | None = None, **limits: Any) -> Limits:
        """Set rates: a preset (``none``, ``S0``, ``F0``), single limits by the names of ``Limits``, or both."""
        with self._state.lock:
            base = Limits.from_json({"preset": preset}) if preset else self._state.limits
            self._state.limits = replace(base, **limits)
            self._state.throttle.reset()
            return self._state.limits

    def set_durations(self, copy_seconds: tuple[float, float]) -> None:
        """Set how long copies take: shortest and longest time in seconds."""
        with self._state.lock:
            self._state.copy_seconds = read_range(copy_seconds)

    def set_behaviour(self, **behaviour: Any) -> Behaviour:
        """Choose the behaviour that is not recorded; see ``Behaviour``."""
        with self._state.lock:
            self._state.behaviour = replace(self._state.behaviour, **behaviour)
            return self._state.behaviour

    def inject(self, operation: str, kind: str, **options: Any) -> Fault:
        """Add a fault for the requests of an operation (``*``: any); ``options`` are the members of ``Fault``."""
        with self._state.lock:
            return self._state.faults.add(operation, kind, **options)

    def clear_faults(self) -> None:
        """Remove all faults and release all held answers."""

        def clear() -> None:
            with self._state.lock:
                self._state.faults.clear()

        self._on_loop(clear)

    def down(self, is_down: bool = True) -> None:
        """Make the resource refuse connections, or answer again. Open connections are cut."""
        self._set_down(self._state.spec.name, is_down)
