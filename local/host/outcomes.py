"""Applies starts and results of episodes to the state: new instances, scheduled work, children, ends, new generations.

All of it happens in the engine's transaction. Work for after the commit is collected for the engine.
"""

from __future__ import annotations

import json
import logging
import uuid

from local.host.agenda import Agenda
from local.host.clock import Clock
from local.host.episode import EpisodeResult
from local.host.inbox import Inbox
from local.host.instances import Instances
from local.host.protocol import Event, EventType, format_time, make_event
from local.host.records import ActivityJob, Instance, Message, RuntimeStatus, TimerRow
from local.host.shim import Scheduled
from local.host.store import Store

_log = logging.getLogger("local.host.outcomes")


class Outcomes:
    """Applies starts and results of episodes. Used by the engine's thread only.

    Args:
        store: the state file.
        instances: the instances in memory.
        inbox: takes the messages to parents and children.
        agenda: takes the timers.
        clock: the time.
        default_version: the version of instances that are started without one.
        keep_generations: keep the history of a generation that continued as new.
    """

    def __init__(
        self,
        store: Store,
        instances: Instances,
        inbox: Inbox,
        agenda: Agenda,
        clock: Clock,
        *,
        default_version: str | None,
        keep_generations: bool,
    ) -> None:
        self._store = store
        self._instances = instances
        self._inbox = inbox
        self._agenda = agenda
        self._clock = clock
        self._default_version = default_version
        self._keep_generations = keep_generations
        self.to_dispatch: list[ActivityJob] = []
        """Activities to start after the commit."""
        self.ended: list[str] = []
        """Instances that ended: their waiters are woken after the commit."""

    def start(
        self,
        instance_id: str,
        name: str,
        raw_input: str | None,
        version: str | None,
        parent: tuple[str, str, int] | None = None,
        *,
        replaced: bool,
    ) -> None:
        """Start an instance under an id that no running instance has.

        Args:
            instance_id: its id.
            name: its orchestrator.
            raw_input: JSON text.
            version: its version; ``None`` for the default version.
            parent: instance id, execution id and task id of the sub-orchestration call.
            replaced: an ended instance has this id; it is deleted.
        """
        if replaced:
            self.remove(instance_id)
        now = format_time(self._clock.now())
        version = version or self._default_version
        instance = Instance(instance_id, uuid.uuid4().hex, name, version, RuntimeStatus.PENDING, raw_input, now, now)
        if parent is not None:
            instance.parent_id, instance.parent_execution, instance.parent_task = parent
        self._store.save(instance)
        self._instances.add(instance)
        self._inbox.deliver(Message(instance_id, instance.execution_id, self._started_event(instance)))

    def remove(self, instance_id: str) -> None:
        """Delete an instance with everything that belongs to it, if it exists."""
        self._forget(instance_id)
        self._store.delete_instance(instance_id)

    def record(self, instance: Instance, result: EpisodeResult) -> None:
        """Apply the result of an episode."""
        instance.updated = format_time(self._clock.now())
        if result.custom_status is not None:
            instance.custom_status = result.custom_status
        self._instances.append(instance, result.events, result.text)
        instance.status = result.status
        if result.continues:
            self._continue_as_new(instance, result)
            return
        self._agenda.cancel(instance.instance_id, result.cancelled_timers)
        for work in result.scheduled:
            self._schedule(instance, work)
        if result.status.is_terminal:
            self._end(instance, result)
        self._store.update(instance)

    def _schedule(self, instance: Instance, work: Scheduled) -> None:
        if work.kind == "activity":
            job = ActivityJob(instance.instance_id, instance.execution_id, work.id, work.name, work.input)
            self._store.put_activity(job)
            self.to_dispatch.append(job)
        elif work.kind == "sub-orchestration":
            self._start_child(instance, work)
        elif not work.cancelled:
            assert work.fire_at is not None
            row = TimerRow(instance.instance_id, instance.execution_id, work.id, format_time(work.fire_at))
            self._agenda.arm(row)

    def _start_child(self, parent: Instance, work: Scheduled) -> None:
        assert work.instance_id is not None
        existing = self._instances.get(work.instance_id)
        if existing is not None and not existing.status.is_terminal:
            # Azure drops the second start, and its parent never gets a result (durabletask#1402). So does this host, and logs it.
            message = "sub-orchestration id '%s' is already running: its new parent '%s' never gets a result"
            _log.error(message, work.instance_id, parent.instance_id)
            return
        raw = None if work.input is None else json.dumps(work.input)
        caller = (parent.instance_id, parent.execution_id, work.id)
        self.start(work.instance_id, work.name, raw, work.version, caller, replaced=existing is not None)

    def _end(self, instance: Instance, result: EpisodeResult) -> None:
        instance.output = result.output
        self._forget(instance.instance_id)
        if result.status is not RuntimeStatus.COMPLETED:  # a completed instance has no open work
            self._store.drop_work(instance.instance_id)
        self.ended.append(instance.instance_id)
        if result.failure is not None:
            _log.warning("orchestration '%s' (%s) failed", instance.instance_id, instance.name)
        if instance.parent_id is not None:
            event = self._event_for_parent(instance, result)
            self._inbox.deliver(Message(instance.parent_id, instance.parent_execution, event))

    def _event_for_parent(self, instance: Instance, result: EpisodeResult) -> Event:
        now, task_id = self._clock.now(), instance.parent_task
        if result.status is RuntimeStatus.COMPLETED:
            kind = EventType.SUB_ORCHESTRATION_COMPLETED
            return make_event(kind, now, TaskScheduledId=task_id, Result=instance.output)
        reason = result.failure or f"The sub-orchestration was terminated: {instance.output}"
        kind = EventType.SUB_ORCHESTRATION_FAILED
        return make_event(kind, now, TaskScheduledId=task_id, Reason=reason, Details=None)

    def _continue_as_new(self, instance: Instance, result: EpisodeResult) -> None:
        # External events that were not read are deleted with the history (durable-python#331).
        if self._keep_generations:
            self._store.archive(instance)
        self._store.clear_execution(instance.instance_id)
        self._agenda.forget(instance.instance_id)
        self._instances.clear_history(instance)
        instance.execution_id = uuid.uuid4().hex
        instance.input = result.next_input
        self._store.update(instance)
        started = Message(instance.instance_id, instance.execution_id, self._started_event(instance))
        self._inbox.deliver(started, first=True)

    def _forget(self, instance_id: str) -> None:
        self._instances.forget(instance_id)
        self._agenda.forget(instance_id)
        self._inbox.forget(instance_id)

    def _started_event(self, instance: Instance) -> Event:
        parent = None
        if instance.parent_id is not None:
            origin = {"InstanceId": instance.parent_id, "ExecutionId": instance.parent_execution}
            parent = {"OrchestrationInstance": origin, "TaskScheduleId": instance.parent_task}
        return make_event(
            EventType.EXECUTION_STARTED,
            self._clock.now(),
            OrchestrationInstance={"InstanceId": instance.instance_id, "ExecutionId": instance.execution_id},
            ParentInstance=parent,
            Name=instance.name,
            Version=instance.version,
            Input=instance.input,
            Tags=None,
            ScheduledStartTime=None,
            Correlation=None,
        )
