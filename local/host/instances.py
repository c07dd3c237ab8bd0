"""Instances in memory, with their histories: a cache of the state file."""

from __future__ import annotations

from collections import OrderedDict

from local.host.errors import InstanceNotFoundError
from local.host.protocol import Event
from local.host.records import Instance
from local.host.store import Store

# At 1.5 KB each these are 30 MB, which a small machine has.
_CACHED_EVENTS = 20_000


class Instances:
    """The instances in memory. Used by the engine's thread only.

    Args:
        store: the state file. A caller that changes an instance writes it there in the same transaction.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: OrderedDict[str, Instance] = OrderedDict()
        self._events = 0

    def get(self, instance_id: str) -> Instance | None:
        """Return an instance, or ``None`` if it does not exist."""
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
        """Add an instance."""
        self._cache[instance.instance_id] = instance
        self._events += len(instance.history)

    def append(self, instance: Instance, events: list[Event], text: str) -> None:
        """Add the events of an episode to a history, in memory and in the state file; ``text`` is their JSON."""
        self._store.append_history(instance.instance_id, len(instance.texts), text)
        instance.history += events
        instance.texts.append(text)
        if instance.instance_id in self._cache:
            self._events += len(events)

    def clear_history(self, instance: Instance) -> None:
        """Empty a history in memory; the caller deletes its rows."""
        if instance.instance_id in self._cache:
            self._events -= len(instance.history)
        instance.history, instance.texts = [], []

    def forget(self, instance_id: str) -> None:
        """Drop an instance from memory."""
        instance = self._cache.pop(instance_id, None)
        if instance is not None:
            self._events -= len(instance.history)

    def trim(self) -> None:
        """Drop the instances that were used longest ago, if there are too many events; only between transactions."""
        while self._events > _CACHED_EVENTS and len(self._cache) > 1:
            _, instance = self._cache.popitem(last=False)
            self._events -= len(instance.history)
