"""The records of the state file: instances, messages, activities and timers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from local.host.protocol import Event


class RuntimeStatus(StrEnum):
    """The statuses of an instance, with the names of the management API."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    COMPLETED = "Completed"
    FAILED = "Failed"
    TERMINATED = "Terminated"

    @property
    def is_terminal(self) -> bool:
        """Whether the instance has ended."""
        return self in (RuntimeStatus.COMPLETED, RuntimeStatus.FAILED, RuntimeStatus.TERMINATED)


@dataclass(slots=True)
class Instance:
    """An orchestration instance. Payloads are JSON texts, times are texts of :func:`~local.host.protocol.format_time`."""

    instance_id: str
    execution_id: str
    name: str
    version: str | None
    status: RuntimeStatus
    input: str | None
    created: str
    updated: str
    output: str | None = None
    custom_status: str | None = None
    parent_id: str | None = None
    parent_execution: str | None = None
    parent_task: int | None = None
    history: list[Event] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """``history`` as JSON: one text for each episode, its events with commas between them and marked as played."""


@dataclass(slots=True)
class Message:
    """An event on its way to an instance. ``execution_id`` is ``None`` if it is for any generation."""

    instance_id: str
    execution_id: str | None
    event: Event
    seq: int | None = None
    """The number of its row, if it has one."""
    waiting: bool = True
    """Whether it is not yet delivered."""


@dataclass(frozen=True, slots=True)
class ActivityJob:
    """A scheduled activity; ``input`` is JSON text."""

    instance_id: str
    execution_id: str
    task_id: int
    name: str
    input: str | None


@dataclass(frozen=True, slots=True)
class TimerRow:
    """An armed durable timer."""

    instance_id: str
    execution_id: str
    timer_id: int
    fire_at: str
