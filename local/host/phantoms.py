"""Phantoms: activities that run again after their result was recorded.

On Azure this happens when Azure Storage delivers a queue message a second time. A phantom runs the same function with the same input, and
its result or exception is ignored, as on Azure.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from local.host.engine import Engine
from local.host.errors import InstanceNotFoundError
from local.host.invoke import call_activity
from local.host.protocol import EventType
from local.host.records import ActivityJob

_log = logging.getLogger("local.host.phantoms")
# Finished activities that are kept for a rerun after their history was deleted (continue-as-new, purge).
_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class _Policy:
    delay: timedelta
    match: Callable[[ActivityJob], bool]


class Phantoms:
    """Reruns of finished activities, on demand or by policy.

    Args:
        engine: runs the activities.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._policies: list[_Policy] = []
        self._finished: OrderedDict[tuple[str, str, int], ActivityJob] = OrderedDict()
        self._lock = threading.Lock()
        self.count = 0
        """The number of phantoms that have run."""
        engine.on_recorded.append(self._recorded)

    def __call__(self, delay: timedelta | float = 0.0, match: str | Callable[[ActivityJob], bool] = "*") -> None:
        """From now on, run every matching activity again after its result was recorded.

        Args:
            delay: the time between record and rerun, on the host's clock; seconds or a ``timedelta``.
            match: an activity's name, ``*`` for all, or a predicate.
        """
        wait = delay if isinstance(delay, timedelta) else timedelta(seconds=delay)
        if wait < timedelta(0):
            raise ValueError("a phantom's delay cannot be negative")
        with self._lock:
            self._policies.append(_Policy(wait, match if callable(match) else _named(match)))

    def clear(self) -> None:
        """Remove all policies."""
        with self._lock:
            self._policies.clear()

    def finished(self, instance_id: str | None = None) -> list[ActivityJob]:
        """Return the activities that finished in this process, oldest first."""
        with self._lock:
            return [job for job in self._finished.values() if instance_id in (None, job.instance_id)]

    def rerun(self, instance_id: str, task_id: int, execution_id: str | None = None) -> Any:
        """Run a finished activity again on the caller's thread, and return its result.

        Raises:
            InstanceNotFoundError: no finished activity has these ids.
            Exception: every exception of the activity.
        """
        return json.loads(self._run(self._find(instance_id, task_id, execution_id)))

    def _find(self, instance_id: str, task_id: int, execution_id: str | None) -> ActivityJob:
        with self._lock:
            for job in reversed(self._finished.values()):
                if (job.instance_id, job.task_id) == (instance_id, task_id) and execution_id in (
                    None,
                    job.execution_id,
                ):
                    return job
        for event in self._engine.store.reader.history(instance_id):
            if event["EventType"] == EventType.TASK_SCHEDULED and event["EventId"] == task_id:
                return ActivityJob(instance_id, execution_id or "", task_id, event["Name"], event["Input"])
        raise InstanceNotFoundError(f"instance '{instance_id}' has no finished activity with the id {task_id}")

    def _recorded(self, job: ActivityJob) -> None:
        with self._lock:
            self._finished[job.instance_id, job.execution_id, job.task_id] = job
            if len(self._finished) > _REMEMBERED:
                self._finished.popitem(last=False)
            policies = [policy for policy in self._policies if policy.match(job)]
        for policy in policies:
            due = self._engine.clock.now() + policy.delay
            self._engine.alarm(due, lambda: self._engine.run_apart(lambda: self._run_and_ignore(job)))

    def _run_and_ignore(self, job: ActivityJob) -> None:
        try:
            self._run(job)
        except Exception:  # noqa: BLE001 - the outcome of a phantom is ignored
            _log.info("phantom of '%s' (%s) raised an exception, which is ignored", job.name, job.instance_id)

    def _run(self, job: ActivityJob) -> str:
        info = self._engine.index.activity(job.name)
        with self._lock:
            self.count += 1
        return call_activity(info, job.input)


def _named(name: str) -> Callable[[ActivityJob], bool]:
    return lambda job: name in ("*", job.name)
