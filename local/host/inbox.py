"""Messages on their way to instances. A message that is not delivered in its transaction is written to the state file."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from local.host.protocol import Event, EventType
from local.host.records import Instance, Message, RuntimeStatus
from local.host.store import Store


class Inbox:
    """All inboxes, and the queue of the instances with new messages. Used by the engine's thread only.

    Args:
        store: keeps the messages that wait across transactions.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._messages: dict[str, list[Message]] = {}
        self._ready: deque[str] = deque()
        self._queued: set[str] = set()
        self._delivered: list[int] = []
        self._unwritten: list[Message] = []

    @property
    def ready(self) -> int:
        """The number of instances with new messages."""
        return len(self._ready)

    def recover(self) -> None:
        """Load the messages of the state file."""
        for message in self._store.pending_messages():
            self.deliver(message)
        self._unwritten.clear()

    def deliver(self, message: Message, *, first: bool = False) -> None:
        """Put a message into the inbox of its instance; ``first`` puts it before the others."""
        messages = self._messages.setdefault(message.instance_id, [])
        if first:
            messages.insert(0, message)
        else:
            messages.append(message)
        self._unwritten.append(message)
        if message.instance_id not in self._queued:
            self._queued.add(message.instance_id)
            self._ready.append(message.instance_id)

    def next_ready(self) -> str:
        """Take the next instance from the queue."""
        instance_id = self._ready.popleft()
        self._queued.discard(instance_id)
        return instance_id

    def take(self, instance_id: str, instance: Instance | None) -> list[Event]:
        """Take the events that an instance gets now, in order; the others wait while it is suspended."""
        messages = self._messages.pop(instance_id, [])
        arrivals, held = _split(instance, messages)
        kept = {id(message) for message in held}
        self._done(message for message in messages if id(message) not in kept)
        if held:
            self._messages[instance_id] = held
        return arrivals

    def forget(self, instance_id: str) -> None:
        """Delete the messages of an instance."""
        self._done(self._messages.pop(instance_id, []))

    def _done(self, messages: Iterable[Message]) -> None:
        for message in messages:
            message.waiting = False
            if message.seq is not None:
                self._delivered.append(message.seq)

    def settle(self) -> None:
        """Update the state file: delete delivered messages, write waiting ones."""
        if self._delivered:
            self._store.delete_messages(self._delivered)
            self._delivered = []
        self._store.put_messages(message for message in self._unwritten if message.waiting)
        self._unwritten = []


def _split(instance: Instance | None, messages: list[Message]) -> tuple[list[Event], list[Message]]:
    """Return the events that an instance gets now, and the messages that wait because it is suspended."""
    if instance is None or instance.status.is_terminal:
        return [], []
    arrivals: list[Event] = []
    held: list[Message] = []
    suspended = instance.status is RuntimeStatus.SUSPENDED
    for message in messages:
        if message.execution_id not in (None, instance.execution_id):
            continue  # for an earlier generation
        kind = message.event["EventType"]
        if kind == EventType.EXECUTION_RESUMED:
            suspended = False
            arrivals.append(message.event)
            arrivals += [waiting.event for waiting in held]
            held = []
        elif suspended and kind not in (EventType.EXECUTION_SUSPENDED, EventType.EXECUTION_TERMINATED):
            held.append(message)
        else:
            suspended = suspended or kind == EventType.EXECUTION_SUSPENDED
            arrivals.append(message.event)
    return arrivals, held
