"""The engine: one thread that owns the state, everything else sends it operations.

It works in batches. A batch takes all operations that are waiting (starts, events, results, due timers), applies them, runs
the episodes that follow, and commits once; so many episodes share a commit, an instance's whole inbox goes into one episode,
and a crash at any moment leaves a state in which each episode happened whole or not at all. Work is handed out and callers
are answered after the commit.
"""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import queue
import threading
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from local.host.app_index import AppIndex
from local.host.clock import Clock
from local.host.episode import EpisodeResult, run_episode
from local.host.errors import HostError, InstanceNotFoundError, InstanceStateError, UnknownFunctionError
from local.host.invoke import call_activity
from local.host.kill_points import KillPoints
from local.host.protocol import Event, EventType, OrchestratorProtocol, format_time, make_event, parse_time
from local.host.shim import Scheduled
from local.host.store import ActivityJob, Instance, Message, RuntimeStatus, Store, TimerRow
from local.host.workers import Workers

_log = logging.getLogger("local.host.engine")
T = TypeVar("T")

# A batch ends after this long, so that callers are answered and activities handed out while others wait for their episodes.
_BATCH_SECONDS = 0.03
# Instances kept in memory; a running instance that is not among them is read again from the file.
_CACHED_EVENTS = 200_000


@dataclass(slots=True)
class _Operation:
    apply: Callable[[], Any]
    answer: Future[Any]


@dataclass(order=True, slots=True)
class _Alarm:
    when: datetime
    order: int
    callback: Callable[[], None] = field(compare=False)
    background: bool = field(compare=False)


class Engine:
    """Runs the orchestrations of one app on one state file.

    Args:
        index: the app.
        store: the state.
        clock: the time.
        protocol: how orchestrators are asked.
        max_activities: how many activities run at the same time.
        default_version: the version of new instances (``defaultVersion``).
        kill_points: where to die, in tests.
    """

    def __init__(
        self,
        index: AppIndex,
        store: Store,
        clock: Clock,
        protocol: OrchestratorProtocol,
        *,
        max_activities: int,
        default_version: str | None,
        kill_points: KillPoints,
    ) -> None:
        self.index = index
        self.store = store
        self.clock = clock
        self._protocol = protocol
        self._default_version = default_version
        self._kill = kill_points
        self._workers = Workers(max_activities)
        self._operations: queue.SimpleQueue[_Operation | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._stopping = False
        self.failure: BaseException | None = None
        self.on_recorded: list[Callable[[ActivityJob], None]] = []
        """Called on the engine's thread after an activity's result was committed."""
        # -- owned by the engine's thread
        self._cache: OrderedDict[str, Instance] = OrderedDict()
        self._cached_events = 0
        self._inbox: dict[str, list[Message]] = {}
        self._ready: deque[str] = deque()
        self._timers: list[tuple[str, int, TimerRow]] = []
        self._queued: set[str] = set()
        self._armed: dict[str, set[TimerRow]] = {}
        self._alarms: list[_Alarm] = []
        self._order = itertools.count()
        self._after_commit: list[Callable[[], None]] = []
        self._delivered: list[int] = []
        self._episodes: list[str] = []
        self._recorded: list[ActivityJob] = []
        self._finished = 0
        self._pending_operations: list[_Operation] = []
        # -- shared
        self._state = threading.Condition()
        self._active = 0
        self._sent = 0
        self._applied = 0
        self._busy = True
        self._waiters: dict[str, list[threading.Event]] = {}

    # -- life

    def start(self) -> None:
        """Take up what the state file holds, and begin."""
        for message in self.store.pending_messages():
            self._deliver(message)
        for timer in self.store.pending_timers():
            self._arm(timer)
        jobs = self.store.pending_activities()
        if jobs or self._ready or self._timers:
            _log.info(
                "recovered %d activities, %d instances with messages, %d timers",
                len(jobs),
                len(self._ready),
                len(self._timers),
            )
        for job in jobs:
            self._dispatch(job)
        self.clock.subscribe(self.wake)
        self._thread.start()

    def stop(self, grace_s: float = 5.0) -> None:
        """Stop: activities that run get ``grace_s`` seconds to end and be recorded; the others run again at the next start."""
        if not self._workers.stop(grace_s):
            _log.warning("activities still run at shutdown; they will run again at the next start")
        self._stopping = True
        self._operations.put(None)
        self._thread.join()

    def wake(self) -> None:
        """Have the engine look at the clock."""
        if not self._stopping:
            self.submit(_nothing)

    def submit(self, apply: Callable[[], T]) -> Future[T]:
        """Run ``apply`` on the engine's thread, within a transaction; the future has its result after the commit.

        ``apply`` checks before it changes anything: a :class:`HostError` that it raises is the answer, and undoes nothing.
        """
        answer: Future[T] = Future()
        with self._state:
            if self.failure is not None:
                answer.set_exception(HostError(f"the engine has stopped: {self.failure}"))
                return answer
            self._sent += 1
            self._busy = True
        self._operations.put(_Operation(apply, answer))
        return answer

    # -- what callers can ask for: each returns at once

    def create(
        self, name: str, raw_input: str | None, instance_id: str | None = None, version: str | None = None
    ) -> Future[str]:
        """Start an instance.

        Args:
            name: the orchestrator function.
            raw_input: JSON text, as it is to stand in ``ExecutionStarted``.
            instance_id: its id; a new one when ``None``. A finished instance of this id is replaced, with its history.
            version: instead of ``defaultVersion``.

        Raises (in the future):
            UnknownFunctionError: there is no such orchestrator.
            InstanceStateError: an instance of this id has not ended.
        """

        def apply() -> str:
            if name not in self.index.orchestrators:
                raise UnknownFunctionError(
                    f"The function '{name}' doesn't exist, is disabled, or is not an orchestrator function"
                )
            id_ = instance_id or uuid.uuid4().hex
            existing = self._load(id_)
            if existing is not None:
                if not existing.status.is_terminal:
                    raise InstanceStateError(
                        f"An Orchestration instance with the status {existing.status.value} already exists."
                    )
                self._forget(id_)
                self.store.delete_instance(id_)
            self._begin(id_, name, raw_input, version or self._default_version)
            return id_

        return self.submit(apply)

    def raise_event(self, instance_id: str, event_name: str, raw: str | None) -> Future[None]:
        """Send an external event; ``raw`` is JSON text."""
        return self._to_running(
            instance_id, lambda now: make_event(EventType.EVENT_RAISED, now, Name=event_name, Input=raw)
        )

    def terminate(self, instance_id: str, reason: str) -> Future[None]:
        """End an instance; its activities and children are left alone, as on Azure."""
        return self._to_running(instance_id, lambda now: make_event(EventType.EXECUTION_TERMINATED, now, Input=reason))

    def suspend(self, instance_id: str, reason: str) -> Future[None]:
        """Suspend an instance: what comes for it waits."""
        return self._to_running(instance_id, lambda now: make_event(EventType.EXECUTION_SUSPENDED, now, Reason=reason))

    def resume(self, instance_id: str, reason: str) -> Future[None]:
        """Resume a suspended instance."""
        return self._to_running(instance_id, lambda now: make_event(EventType.EXECUTION_RESUMED, now, Reason=reason))

    def purge(self, instance_id: str) -> Future[None]:
        """Delete an instance that has ended; :class:`InstanceStateError` while it runs."""

        def apply() -> None:
            instance = self._existing(instance_id)
            if not instance.status.is_terminal:
                raise InstanceStateError(
                    f"instance '{instance_id}' is {instance.status.value}; only an instance that has ended can be purged"
                )
            self._forget(instance_id)
            self.store.delete_instance(instance_id)

        return self.submit(apply)

    def alarm(self, when: datetime, callback: Callable[[], None], *, background: bool = False) -> None:
        """Call ``callback`` on the engine's thread at ``when``; kept in memory only.

        ``background`` alarms come again and again (timer functions): :meth:`next_due` may leave them out.
        """

        def apply() -> None:
            heapq.heappush(self._alarms, _Alarm(when, next(self._order), callback, background))

        self.submit(apply)

    def run_apart(self, task: Callable[[], None]) -> None:
        """Run ``task`` on an activity thread; the engine is not idle before it ends."""
        self._count(+1)

        def run() -> None:
            try:
                task()
            finally:
                self._count(-1)

        self._workers.submit(run)

    def ended_event(self, instance_id: str) -> threading.Event:
        """Return an event that is set when the instance has ended (it may have already, then look at its status)."""
        waiter = threading.Event()
        with self._state:
            self._waiters.setdefault(instance_id, []).append(waiter)
            if self.failure is not None:
                waiter.set()
        return waiter

    def forget_waiter(self, instance_id: str, waiter: threading.Event) -> None:
        """Give up an event from :meth:`ended_event`."""
        with self._state:
            waiters = self._waiters.get(instance_id, [])
            if waiter in waiters:
                waiters.remove(waiter)
            if not waiters:
                self._waiters.pop(instance_id, None)

    def wait_quiet(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing runs and nothing waits but timers; ``False`` after ``timeout_s`` real seconds."""
        with self._state:
            return self._state.wait_for(
                lambda: self.failure is not None or (self._active == 0 and not self._busy), timeout_s
            )

    def next_due(self, *, background: bool) -> datetime | None:
        """Return when the next durable timer or alarm is due, with or without the background alarms."""
        return self.submit(lambda: self._next_due(background=background)).result()

    # -- the thread

    def _run(self) -> None:
        try:
            while True:
                operations = self._gather()
                if operations is None:
                    return
                self._batch(operations)
        except BaseException as exc:  # noqa: BLE001 - whatever it is, callers must not wait for ever
            self._fail(exc)

    def _fail(self, exc: BaseException) -> None:
        _log.critical("the engine has stopped; the state file holds everything up to the last commit", exc_info=exc)
        self.store.rollback()
        with self._state:
            self.failure = exc
            waiters = [waiter for list_ in self._waiters.values() for waiter in list_]
            self._state.notify_all()
        for waiter in waiters:
            waiter.set()
        error = HostError(f"the engine has stopped: {exc}")
        for operation in self._pending_operations:
            if not operation.answer.done():
                operation.answer.set_exception(error)
        while True:
            try:
                waiting = self._operations.get_nowait()
            except queue.Empty:
                return
            if waiting is not None:
                waiting.answer.set_exception(error)

    def _gather(self) -> list[_Operation] | None:
        operations: list[_Operation] = []
        self._pending_operations = operations
        block = not self._ready
        while True:
            try:
                if block:
                    with self._state:
                        self._busy = self._sent > self._applied
                        if not self._busy:
                            self._state.notify_all()
                    operation = self._operations.get(timeout=self.clock.seconds_to_wait(self._next_due()))
                else:
                    operation = self._operations.get_nowait()
            except queue.Empty:
                return operations
            if operation is None:
                if operations:  # finish these, then come back for the end
                    self._operations.put(None)
                    return operations
                return None
            operations.append(operation)
            block = False

    def _batch(self, operations: list[_Operation]) -> None:
        now = self.clock.now()
        with self._state:
            self._busy = True
        self.store.begin()
        answers = [_apply(operation) for operation in operations]
        self._fire_due(now)
        if self._recorded and any(self._kill.watches(job.name, "after-record") for job in self._recorded):
            self._commit_records()
        deadline = time.monotonic() + _BATCH_SECONDS
        while self._ready and time.monotonic() < deadline:
            instance_id = self._ready.popleft()
            self._queued.discard(instance_id)
            self._episode(instance_id)
        self._settle_inbox()
        for orchestrator in self._episodes:
            self._kill.reach_episode(orchestrator, "before-commit")
        self.store.commit()
        for orchestrator in self._episodes:
            self._kill.reach_episode(orchestrator, "after-commit")
        self._episodes.clear()
        self._finish_batch(answers, len(operations))

    def _commit_records(self) -> None:
        """Commit results before anybody has seen them: a moment that otherwise falls into the same transaction as the episode."""
        self._settle_inbox()
        self.store.commit()
        for job in self._recorded:
            self._kill.reach(job.name, "after-record")
        self.store.begin()

    def _finish_batch(self, answers: list[Callable[[], None]], applied: int) -> None:
        calls, self._after_commit = self._after_commit, []
        recorded, self._recorded = self._recorded, []
        for call in calls:
            call()
        for job in recorded:
            for listener in self.on_recorded:
                listener(job)
        with self._state:
            self._applied += applied
            self._active -= self._finished
        self._finished = 0
        for answer in answers:
            answer()
        self._trim_cache()

    def _settle_inbox(self) -> None:
        if self._delivered:
            self.store.delete_messages(self._delivered)
            self._delivered = []
        for messages in self._inbox.values():
            self.store.put_messages(message for message in messages if message.seq is None)

    # -- episodes

    def _episode(self, instance_id: str) -> None:
        messages = self._inbox.pop(instance_id, [])
        instance = self._load(instance_id)
        arrivals, held = _take(instance, messages)
        kept = {id(message) for message in held}
        self._delivered += [message.seq for message in messages if message.seq is not None and id(message) not in kept]
        if held:
            self._inbox[instance_id] = held
        if instance is None or not arrivals:
            return
        result = run_episode(instance, arrivals, self.index, self._protocol, self.clock.now())
        self._episodes.append(instance.name)
        self._record(instance, result)

    def _record(self, instance: Instance, result: EpisodeResult) -> None:
        instance.updated = format_time(self.clock.now())
        if result.custom_status is not None:
            instance.custom_status = result.custom_status
        if result.continues:
            self._continue_as_new(instance, result)
            return
        self.store.append_history(instance.instance_id, len(instance.texts), result.texts)
        instance.history += result.events
        instance.texts += result.texts
        self._cached_events += len(result.events)
        self._cancel_timers(instance, result.cancelled_timers)
        for work in result.scheduled:
            self._schedule(instance, work)
        instance.status = result.status
        if result.status.is_terminal:
            self._end(instance, result)
        self.store.save(instance)

    def _schedule(self, instance: Instance, work: Scheduled) -> None:
        if work.kind == "activity":
            job = ActivityJob(instance.instance_id, instance.execution_id, work.id, work.name, work.input)
            self.store.put_activity(job)
            self._after_commit.append(lambda: self._dispatch(job))
        elif work.kind == "timer":
            assert work.fire_at is not None
            if not work.cancelled:
                timer = TimerRow(instance.instance_id, instance.execution_id, work.id, format_time(work.fire_at))
                self.store.put_timer(timer)
                self._arm(timer)
        else:
            self._start_child(instance, work)

    def _start_child(self, parent: Instance, work: Scheduled) -> None:
        assert work.instance_id is not None
        existing = self._load(work.instance_id)
        if existing is not None and not existing.status.is_terminal:
            # Azure drops the duplicate start, and the parent waits for ever (durabletask#1402): say so, do the same.
            _log.error(
                "sub-orchestration id '%s' is already running: its new parent '%s' waits for ever",
                work.instance_id,
                parent.instance_id,
            )
            return
        if existing is not None:
            self._forget(work.instance_id)
            self.store.delete_instance(work.instance_id)
        raw = None if work.input is None else json.dumps(work.input)
        self._begin(work.instance_id, work.name, raw, work.version or self._default_version, parent, work.id)

    def _end(self, instance: Instance, result: EpisodeResult) -> None:
        instance.output = result.output
        id_ = instance.instance_id
        self._forget(id_)
        self.store.drop_work(id_)
        self._after_commit.append(lambda: self._announce_end(id_))
        if result.failure is not None:
            _log.warning("orchestration '%s' (%s) failed", id_, instance.name)
        if instance.parent_id is None:
            return
        now = self.clock.now()
        if result.status is RuntimeStatus.COMPLETED:
            event = make_event(
                EventType.SUB_ORCHESTRATION_COMPLETED, now, TaskScheduledId=instance.parent_task, Result=instance.output
            )
        else:
            reason = result.failure or f"The sub-orchestration was terminated: {instance.output}"
            event = make_event(
                EventType.SUB_ORCHESTRATION_FAILED,
                now,
                TaskScheduledId=instance.parent_task,
                Reason=reason,
                Details=None,
            )
        self._deliver(Message(instance.parent_id, instance.parent_execution, event))

    def _continue_as_new(self, instance: Instance, result: EpisodeResult) -> None:
        # What was in the inbox when the episode began and nobody has read is gone with the history (durable-python#331).
        self.store.clear_execution(instance.instance_id)
        self._armed.pop(instance.instance_id, None)
        self._cached_events -= len(instance.history)
        instance.history, instance.texts = [], []
        instance.execution_id = uuid.uuid4().hex
        instance.input = result.next_input
        instance.status = result.status
        self.store.save(instance)
        self._deliver(Message(instance.instance_id, instance.execution_id, self._started_event(instance)), first=True)

    def _begin(
        self,
        instance_id: str,
        name: str,
        raw_input: str | None,
        version: str | None,
        parent: Instance | None = None,
        task_id: int | None = None,
    ) -> None:
        now = format_time(self.clock.now())
        instance = Instance(instance_id, uuid.uuid4().hex, name, version, RuntimeStatus.PENDING, raw_input, now, now)
        if parent is not None:
            instance.parent_id, instance.parent_execution, instance.parent_task = (
                parent.instance_id,
                parent.execution_id,
                task_id,
            )
        self.store.save(instance)
        self._cache[instance_id] = instance
        self._deliver(Message(instance_id, instance.execution_id, self._started_event(instance)))

    def _started_event(self, instance: Instance) -> Event:
        parent = None
        if instance.parent_id is not None:
            parent = {
                "OrchestrationInstance": {"InstanceId": instance.parent_id, "ExecutionId": instance.parent_execution},
                "TaskScheduleId": instance.parent_task,
            }
        return make_event(
            EventType.EXECUTION_STARTED,
            self.clock.now(),
            OrchestrationInstance={"InstanceId": instance.instance_id, "ExecutionId": instance.execution_id},
            ParentInstance=parent,
            Name=instance.name,
            Version=instance.version,
            Input=instance.input,
            Tags=None,
            ScheduledStartTime=None,
            Correlation=None,
        )

    # -- messages, timers, activities

    def _to_running(self, instance_id: str, event: Callable[[datetime], Event]) -> Future[None]:
        def apply() -> None:
            instance = self._existing(instance_id)
            if instance.status.is_terminal:
                raise InstanceStateError(f"instance '{instance_id}' has ended: it is {instance.status.value}")
            self._deliver(Message(instance_id, None, event(self.clock.now())))

        return self.submit(apply)

    def _deliver(self, message: Message, *, first: bool = False) -> None:
        inbox = self._inbox.setdefault(message.instance_id, [])
        if first:
            inbox.insert(0, message)
        else:
            inbox.append(message)
        if message.instance_id not in self._queued:
            self._queued.add(message.instance_id)
            self._ready.append(message.instance_id)

    def _arm(self, timer: TimerRow) -> None:
        self._armed.setdefault(timer.instance_id, set()).add(timer)
        heapq.heappush(self._timers, (timer.fire_at, next(self._order), timer))

    def _disarm(self, timer: TimerRow) -> bool:
        timers = self._armed.get(timer.instance_id)
        if timers is None or timer not in timers:
            return False
        timers.remove(timer)
        if not timers:
            del self._armed[timer.instance_id]
        self.store.delete_timer(timer.instance_id, timer.execution_id, timer.timer_id)
        return True

    def _cancel_timers(self, instance: Instance, timer_ids: list[int]) -> None:
        for timer in list(self._armed.get(instance.instance_id, ())) if timer_ids else ():
            if timer.timer_id in timer_ids:
                self._disarm(timer)

    def _fire_due(self, now: datetime) -> None:
        text = format_time(now)
        while self._timers and self._timers[0][0] <= text:
            timer = heapq.heappop(self._timers)[2]
            if self._disarm(timer):
                event = make_event(EventType.TIMER_FIRED, now, TimerId=timer.timer_id, FireAt=timer.fire_at)
                self._deliver(Message(timer.instance_id, timer.execution_id, event))
        while self._alarms and self._alarms[0].when <= now:
            try:
                heapq.heappop(self._alarms).callback()
            except Exception:  # noqa: BLE001 - one alarm must not stop the engine
                _log.exception("an alarm failed")

    def _next_due(self, *, background: bool = True) -> datetime | None:
        while self._timers and self._timers[0][2] not in self._armed.get(self._timers[0][2].instance_id, ()):
            heapq.heappop(self._timers)
        due = [
            alarm.when
            for alarm in (self._alarms[:1] if background else self._alarms)
            if background or not alarm.background
        ]
        if self._timers:
            due.append(parse_time(self._timers[0][0]))
        return min(due, default=None)

    def _dispatch(self, job: ActivityJob) -> None:
        self._count(+1)
        self._workers.submit(lambda: self._perform(job))

    def _perform(self, job: ActivityJob) -> None:
        self._kill.reach(job.name, "before-call")
        event = self._activity_event(job)
        self._kill.reach(job.name, "after-call")
        self.submit(lambda: self._record_activity(job, event))

    def _activity_event(self, job: ActivityJob) -> Event:
        try:
            result = call_activity(self.index.activity(job.name), job.input)
        except BaseException as exc:  # noqa: BLE001 - whatever the function raises is its result
            _log.warning("activity '%s' of '%s' failed", job.name, job.instance_id, exc_info=exc)
            kind, text = type(exc).__name__, str(exc)
            return make_event(
                EventType.TASK_FAILED,
                self.clock.now(),
                TaskScheduledId=job.task_id,
                Reason=f"Activity function '{job.name}' failed: {kind}: {text}",
                Details=json.dumps({"ClassName": kind, "Message": text}),
                FailureDetails=None,
            )
        return make_event(EventType.TASK_COMPLETED, self.clock.now(), TaskScheduledId=job.task_id, Result=result)

    def _record_activity(self, job: ActivityJob, event: Event) -> None:
        self._finished += 1
        if self.store.delete_activity(job):  # else its instance has ended or begun anew: nobody wants the result
            self._deliver(Message(job.instance_id, job.execution_id, event))
            self._recorded.append(job)

    # -- instances in memory

    def _load(self, instance_id: str) -> Instance | None:
        instance = self._cache.get(instance_id)
        if instance is None:
            instance = self.store.load(instance_id)
            if instance is not None:
                self._cache[instance_id] = instance
                self._cached_events += len(instance.history)
        else:
            self._cache.move_to_end(instance_id)
        return instance

    def _existing(self, instance_id: str) -> Instance:
        instance = self._load(instance_id)
        if instance is None:
            raise InstanceNotFoundError(f"no instance has the id '{instance_id}'")
        return instance

    def _forget(self, instance_id: str) -> None:
        """Drop what memory holds of an instance; its rows are the caller's."""
        instance = self._cache.pop(instance_id, None)
        if instance is not None:
            self._cached_events -= len(instance.history)
        self._armed.pop(instance_id, None)
        for message in self._inbox.pop(instance_id, []):
            if message.seq is not None:
                self._delivered.append(message.seq)

    def _trim_cache(self) -> None:
        while self._cached_events > _CACHED_EVENTS and len(self._cache) > 1:
            _, instance = self._cache.popitem(last=False)
            self._cached_events -= len(instance.history)

    def _announce_end(self, instance_id: str) -> None:
        with self._state:
            waiters = self._waiters.pop(instance_id, [])
        for waiter in waiters:
            waiter.set()

    def _count(self, change: int) -> None:
        with self._state:
            self._active += change
            if self._active == 0:
                self._state.notify_all()


def _nothing() -> None:
    """Have a batch run for the sake of the clock."""


def _apply(operation: _Operation) -> Callable[[], None]:
    """Apply an operation and return how to answer it after the commit."""
    try:
        value = operation.apply()
    except HostError as exc:
        error = exc
        return lambda: operation.answer.set_exception(error)
    return lambda: operation.answer.set_result(value)


def _take(instance: Instance | None, messages: list[Message]) -> tuple[list[Event], list[Message]]:
    """Return the events that an instance gets now, and the messages that wait because it is suspended."""
    if instance is None or instance.status.is_terminal:
        return [], []
    arrivals: list[Event] = []
    held: list[Message] = []
    suspended = instance.status is RuntimeStatus.SUSPENDED
    for message in messages:
        if message.execution_id not in (None, instance.execution_id):
            continue  # meant for a generation that is over
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
