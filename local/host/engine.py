"""The engine: one thread owns the state, and all other threads send it operations.

It works in batches. A batch takes all waiting operations (starts, events, results, due timers), applies them, runs the episodes that
follow, and commits once. So many episodes share one commit, the whole inbox of an instance goes into one episode, and a crash at any
moment leaves a state in which each episode is either complete or did not happen. Activities are started, and callers are answered, after
the commit.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from local.host.agenda import Agenda
from local.host.app_index import AppIndex
from local.host.clock import Clock
from local.host.commands import Commands
from local.host.episode import run_episode
from local.host.errors import HostError
from local.host.inbox import Inbox
from local.host.instances import Instances
from local.host.invoke import activity_event
from local.host.kill_points import KillPoints
from local.host.outcomes import Outcomes
from local.host.progress import Progress
from local.host.protocol import Event, EventType, OrchestratorProtocol, make_event
from local.host.records import ActivityJob, Message
from local.host.store import Store
from local.host.versions import FailureStrategy, Versioning
from local.host.workers import Workers

_log = logging.getLogger("local.host.engine")
T = TypeVar("T")

# A batch starts no further episode after this time, so that its callers are answered and its activities started.
_BATCH_SECONDS = 0.03


@dataclass(slots=True)
class _Operation:
    apply: Callable[[], Any]
    answer: Future[Any]


class Engine:
    """Runs the orchestrations of one app on one state file.

    Args:
        index: the app.
        store: the state file.
        clock: the time.
        protocol: runs the orchestrators.
        max_activities: how many activities run at the same time.
        versions: the version of new instances, and the versions that this host runs.
        kill_points: moments at which the process kills itself, in tests.
        keep_generations: keep the history of a generation that continued as new.
    """

    def __init__(
        self,
        index: AppIndex,
        store: Store,
        clock: Clock,
        protocol: OrchestratorProtocol,
        *,
        max_activities: int,
        versions: Versioning,
        kill_points: KillPoints,
        keep_generations: bool = False,
    ) -> None:
        self.index = index
        self.store = store
        self.clock = clock
        self.progress = Progress()
        self.failure: BaseException | None = None
        self.on_recorded: list[Callable[[ActivityJob], None]] = []
        """Called on the engine's thread after an activity's result was committed."""
        self._protocol = protocol
        self._versions = versions
        self._kill = kill_points
        self._workers = Workers(max_activities)
        self._operations: queue.SimpleQueue[_Operation | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._stopping = False
        # -- owned by the engine's thread
        self._instances = Instances(store)
        self._inbox = Inbox(store)
        self._agenda = Agenda(store)
        self._outcomes = Outcomes(
            store,
            self._instances,
            self._inbox,
            self._agenda,
            clock,
            default_version=versions.current,
            keep_generations=keep_generations,
        )
        self.commands = Commands(index, self._instances, self._inbox, self._outcomes, clock, self.submit)
        self._taken: list[_Operation] = []
        self._episodes: list[str] = []
        self._recorded: list[ActivityJob] = []
        self._finished = 0

    # -- start and stop

    def start(self) -> None:
        """Load the work of the state file, and start the thread."""
        self._inbox.recover()
        timers = self._agenda.recover()
        jobs = self.store.pending_activities()
        if jobs or timers or self._inbox.ready:
            message = "recovered %d activities, %d timers, %d instances with messages"
            _log.info(message, len(jobs), timers, self._inbox.ready)
        for job in jobs:
            self._dispatch(job)
        self.clock.subscribe(self.wake)
        self._thread.start()

    def stop(self, grace_s: float = 5.0) -> None:
        """Stop. Activities that end within ``grace_s`` seconds are recorded; the others run again at the next start."""
        if not self._workers.stop(grace_s):
            _log.warning("activities still run at the stop of the host; they will run again at the next start")
        self._stopping = True
        if self._thread.ident is not None:
            self._operations.put(None)
            self._thread.join()
        if self.failure is None:
            self._refuse_all(HostError("the host was stopped"))

    def wake(self) -> None:
        """Make the engine read the clock."""
        if not self._stopping:
            self.submit(_nothing)

    def submit(self, apply: Callable[[], T]) -> Future[T]:
        """Run ``apply`` on the engine's thread, inside a transaction; the future has its result after the commit.

        ``apply`` must check before it changes anything: a :class:`HostError` from it is the answer, and nothing is rolled back.
        """
        answer: Future[T] = Future()
        self.progress.sent()
        if self.failure is not None:
            answer.set_exception(HostError(f"the engine has stopped: {self.failure}"))
        else:
            self._operations.put(_Operation(apply, answer))
        return answer

    # -- alarms and tasks

    def alarm(self, when: datetime, callback: Callable[[], None], *, background: bool = False) -> None:
        """Call ``callback`` on the engine's thread at ``when``. Alarms are in memory only.

        ``background`` is for alarms that repeat without end (timer functions): :meth:`next_due` can leave them out.
        """
        self.submit(lambda: self._agenda.add_alarm(when, callback, background=background))

    def run_apart(self, task: Callable[[], None]) -> None:
        """Run ``task`` on an activity thread; the host counts as working until it ends."""
        self.progress.began()

        def run() -> None:
            try:
                task()
            finally:
                self.progress.finished()

        self._workers.submit(run)

    def wait_for_end(self, instance_id: str, timeout_s: float) -> bool:
        """Wait until an instance has ended, for at most ``timeout_s`` real seconds; return whether it has."""
        waiter = self.progress.ended_event(instance_id)
        try:
            return self.store.reader.existing(instance_id).status.is_terminal or waiter.wait(timeout_s)
        finally:
            self.progress.forget_waiter(instance_id, waiter)

    def next_due(self, *, background: bool) -> datetime | None:
        """Return when the next durable timer or alarm is due, with or without the background alarms."""
        return self.submit(lambda: self._agenda.next_due(background=background)).result()

    # -- the thread

    def _run(self) -> None:
        try:
            while self._gather():
                self._batch()
        except BaseException as exc:  # noqa: BLE001 - after any error, callers must get an answer
            self._fail(exc)

    def _fail(self, exc: BaseException) -> None:
        _log.critical("the engine has stopped; the state file holds everything up to the last commit", exc_info=exc)
        self.store.rollback()
        self._refuse_all(exc)

    def _refuse_all(self, reason: BaseException) -> None:
        """Answer all waiting and all later operations with an error."""
        self.failure = reason
        error = HostError(f"the engine has stopped: {reason}")
        waiting = list(self._taken)
        while not self._operations.empty():
            operation = self._operations.get()
            if operation is not None:
                waiting.append(operation)
        for operation in waiting:
            if not operation.answer.done():
                operation.answer.set_exception(error)
        self.progress.stopped()

    def _gather(self) -> bool:
        """Take all waiting operations, or wait for an operation or a due time; return ``False`` at the stop."""
        self._taken = []
        timeout: float | None = 0.0
        if not self._inbox.ready:
            self.progress.engine_works(works=False)
            timeout = self.clock.seconds_to_wait(self._agenda.next_due())
        try:
            operation = self._operations.get(timeout=timeout) if timeout != 0.0 else self._operations.get_nowait()
            self.progress.engine_works(works=True)
            while operation is not None:
                self._taken.append(operation)
                operation = self._operations.get_nowait()
        except queue.Empty:
            self.progress.engine_works(works=True)
            return True
        if self._taken:  # apply these first, then stop
            self._operations.put(None)
        return bool(self._taken)

    def _batch(self) -> None:
        now = self.clock.now()
        self.store.begin()
        answers = [_apply(operation) for operation in self._taken]
        self._fire_due(now)
        if any(self._kill.watches(job.name, "after-record") for job in self._recorded):
            self._commit_records()
        deadline = time.monotonic() + _BATCH_SECONDS
        while self._inbox.ready and time.monotonic() < deadline:
            self._episode(self._inbox.next_ready())
        self._inbox.settle()
        self._reach_episodes("before-commit")
        self.store.commit()
        self._reach_episodes("after-commit")
        self._episodes.clear()
        self._after_commit(answers)

    def _after_commit(self, answers: list[Callable[[], None]]) -> None:
        jobs, self._outcomes.to_dispatch = self._outcomes.to_dispatch, []
        ended, self._outcomes.ended = self._outcomes.ended, []
        recorded, self._recorded = self._recorded, []
        for job in jobs:
            self._dispatch(job)
        for job in recorded:
            for listener in self.on_recorded:
                listener(job)
        self.progress.applied(len(answers), self._finished)
        self._finished = 0
        for answer in answers:
            answer()
        self.progress.announce(ended)
        self._instances.trim()

    def _commit_records(self) -> None:
        """Commit results before their episodes, for a kill point: otherwise results and episodes share one transaction."""
        self._inbox.settle()
        self.store.commit()
        for job in self._recorded:
            self._kill.reach(job.name, "after-record")
        self.store.begin()

    def _reach_episodes(self, moment: str) -> None:
        for orchestrator in self._episodes:
            self._kill.reach_episode(orchestrator, moment)

    def _fire_due(self, now: datetime) -> None:
        for timer in self._agenda.due_timers(now):
            event = make_event(EventType.TIMER_FIRED, now, TimerId=timer.timer_id, FireAt=timer.fire_at)
            self._inbox.deliver(Message(timer.instance_id, timer.execution_id, event))
        for callback in self._agenda.due_alarms(now):
            try:
                callback()
            except Exception:  # noqa: BLE001 - one alarm must not stop the engine
                _log.exception("an alarm failed")

    def _episode(self, instance_id: str) -> None:
        instance = self._instances.get(instance_id)
        mismatch = None
        if instance is not None and not instance.status.is_terminal:
            mismatch = self._versions.mismatch(instance.version)
            if mismatch is not None and self._versions.failure is FailureStrategy.REJECT:
                # its messages, a termination included, stay in its inbox for a host that runs its version
                _log.warning("instance '%s' (%s) waits for another host: %s", instance_id, instance.name, mismatch)
                return
        arrivals = self._inbox.take(instance_id, instance)
        if instance is None or not arrivals:
            return
        result = run_episode(instance, arrivals, self.index, self._protocol, self.clock.now(), mismatch)
        self._episodes.append(instance.name)
        self._outcomes.record(instance, result)

    # -- activities

    def _dispatch(self, job: ActivityJob) -> None:
        self.progress.began()
        self._workers.submit(lambda: self._perform(job))

    def _perform(self, job: ActivityJob) -> None:
        self._kill.reach(job.name, "before-call")
        event = activity_event(self.index, job, self.clock)
        self._kill.reach(job.name, "after-call")
        self.submit(lambda: self._record_activity(job, event))

    def _record_activity(self, job: ActivityJob, event: Event) -> None:
        self._finished += 1
        if self.store.delete_activity(
            job
        ):  # otherwise its instance has ended or continued as new: the result is dropped
            self._inbox.deliver(Message(job.instance_id, job.execution_id, event))
            self._recorded.append(job)


def _nothing() -> None:
    """Do nothing: the batch of this operation reads the clock."""


def _apply(operation: _Operation) -> Callable[[], None]:
    """Apply an operation and return the function that answers it after the commit."""
    if not operation.answer.set_running_or_notify_cancel():
        return _nothing  # its caller cancelled it
    try:
        value = operation.apply()
    except HostError as exc:
        error = exc
        return lambda: operation.answer.set_exception(error)
    return lambda: operation.answer.set_result(value)
