"""Instances in memory, with their histories: read from the state file when needed, dropped when there are too many."""

from __future__ import annotations

from collections import OrderedDict

from local.host.errors import InstanceNotFoundError
from local.host.protocol import Event
from local.host.records import Instance
from local.host.store import Store

# About 300 MB of events at 1.5 KB each would be too much for a small machine; this is a tenth of that.
_CACHED_EVENTS = 20_000


class Instances:
    """The instances that the engine has in its hands. Belongs to the engine's thread.

    Args:
        store: where they come from; whoever changes one writes it there within the same transaction.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: OrderedDict[str, Instance] = OrderedDict()
        self._events = 0

    def get(self, instance_id: str) -> Instance | None:
        """Return an instance, or ``None``."""
        instance = self._cache.get(instance_id)
        if instance is not None:
            self._cache.move_to_end(instance_id)
            return instance
        instance = self._store.load(instance_id)
        if instance is not None:
            self.add(instance)
        return instance

    def existing(self, instance_id: str) -> Instance:
        """Return an instance; raises :class:`InstanceNotFoundError`."""
        instance = self.get(instance_id)
        if instance is None:
            raise InstanceNotFoundError(f"no instance has the id '{instance_id}'")
        return instance

    def add(self, instance: Instance) -> None:
        """Take an instance in."""
        self._cache[instance.instance_id] = instance
        self._events += len(instance.history)

    def append(self, instance: Instance, events: list[Event], text: str) -> None:
        """Add an episode's events to an instance's history, here and in the state file; ``text`` is the same as JSON."""
        self._store.append_history(instance.instance_id, len(instance.texts), text)
        instance.history += events
        instance.texts.append(text)
        if instance.instance_id in self._cache:
            self._events += len(events)

    def clear_history(self, instance: Instance) -> None:
        """Empty an instance's history in memory; its rows are the caller's."""
        if instance.instance_id in self._cache:
            self._events -= len(instance.history)
        instance.history, instance.texts = [], []

    def forget(self, instance_id: str) -> None:
        """Drop an instance from memory."""
        instance = self._cache.pop(instance_id, None)
        if instance is not None:
            self._events -= len(instance.history)

    def trim(self) -> None:
        """Drop those that were used longest ago; only between transactions."""
        while self._events > _CACHED_EVENTS and len(self._cache) > 1:
            _, instance = self._cache.popitem(last=False)
            self._events -= len(instance.history)
