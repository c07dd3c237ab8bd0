"""What a client can ask of orchestrations: start one, send it an event, terminate, suspend, resume or purge it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from local.host.app_index import AppIndex
from local.host.clock import Clock
from local.host.errors import InstanceStateError
from local.host.inbox import Inbox
from local.host.instances import Instances
from local.host.outcomes import Outcomes
from local.host.protocol import EventType, make_event
from local.host.records import Message

T = TypeVar("T")


class Submit(Protocol):
    """Runs an operation on the engine's thread."""

    def __call__(self, apply: Callable[[], T]) -> Future[T]:
        """See :meth:`local.host.engine.Engine.submit`."""


class Commands:
    """The commands of one engine. Each returns at once, with a future that has its result after the commit.

    Args:
        index: the app.
        instances: the instances in memory.
        inbox: takes the messages.
        outcomes: starts and removes instances.
        clock: the time.
        submit: runs an operation on the engine's thread.
    """

    def __init__(
        self, index: AppIndex, instances: Instances, inbox: Inbox, outcomes: Outcomes, clock: Clock, submit: Submit
    ) -> None:
        self._index = index
        self._instances = instances
        self._inbox = inbox
        self._outcomes = outcomes
        self._clock = clock
        self._submit = submit

    def create(
        self, name: str, raw_input: str | None, instance_id: str | None = None, version: str | None = None
    ) -> Future[str]:
        """Start an instance.

        Args:
            name: the orchestrator function.
            raw_input: JSON text, for ``ExecutionStarted``.
            instance_id: its id; a new one if ``None``. An ended instance with this id is replaced, with its history.
            version: instead of ``defaultVersion``. An instance that this host does not run waits for a host that does.

        Raises (in the future):
            UnknownFunctionError: the app has no orchestrator of this name.
            InstanceStateError: an instance of this id has not ended.
        """

        def apply() -> str:
            self._index.orchestrator(name)
            id_ = instance_id or uuid.uuid4().hex
            existing = self._instances.get(id_)
            if existing is not None and not existing.status.is_terminal:
                status = existing.status.value
                raise InstanceStateError(f"An Orchestration instance with the status {status} already exists.")
            self._outcomes.start(id_, name, raw_input, version, replaced=existing is not None)
            return id_

        return self._submit(apply)

    def raise_event(self, instance_id: str, event_name: str, raw: str | None) -> Future[None]:
        """Send an external event; ``raw`` is JSON text."""
        return self._send(instance_id, EventType.EVENT_RAISED, Name=event_name, Input=raw)

    def terminate(self, instance_id: str, reason: str) -> Future[None]:
        """End an instance; its activities and children continue, as on Azure."""
        return self._send(instance_id, EventType.EXECUTION_TERMINATED, Input=reason)

    def suspend(self, instance_id: str, reason: str) -> Future[None]:
        """Suspend an instance: its messages wait."""
        return self._send(instance_id, EventType.EXECUTION_SUSPENDED, Reason=reason)

    def resume(self, instance_id: str, reason: str) -> Future[None]:
        """Resume a suspended instance."""
        return self._send(instance_id, EventType.EXECUTION_RESUMED, Reason=reason)

    def _send(self, instance_id: str, kind: EventType, **fields: Any) -> Future[None]:
        def apply() -> None:
            instance = self._instances.existing(instance_id)
            if instance.status.is_terminal:
                raise InstanceStateError(f"instance '{instance_id}' has ended: it is {instance.status.value}")
            self._inbox.deliver(Message(instance_id, None, make_event(kind, self._clock.now(), **fields)))

        return self._submit(apply)

    def purge(self, instance_id: str) -> Future[None]:
        """Delete an instance that has ended; raises :class:`InstanceStateError` while it runs."""

        def apply() -> None:
            status = self._instances.existing(instance_id).status
            if not status.is_terminal:
                raise InstanceStateError(
                    f"instance '{instance_id}' is {status.value}; only one that has ended can be purged"
                )
            self._outcomes.remove(instance_id)

        return self._submit(apply)
