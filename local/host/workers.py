"""Threads that run activities, as many at a time as host.json allows."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

_log = logging.getLogger("local.host.workers")


class Workers:
    """A pool of daemon threads.

    The standard executor is not used, because its threads keep a process from exiting while a function hangs.

    Args:
        size: how many threads, at most; they start as they are needed.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._waiting = 0
        self._idle = 0
        self._stopped = False

    def submit(self, task: Callable[[], None]) -> None:
        """Run ``task`` on a thread; ``task`` deals with its own errors. Ignored once stopped."""
        with self._lock:
            if self._stopped:
                return
            self._waiting += 1
            if self._waiting > self._idle and len(self._threads) < self._size:
                thread = threading.Thread(target=self._run, name=f"activity-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._tasks.put(task)

    def stop(self, grace_s: float) -> bool:
        """Take no more tasks, wait up to ``grace_s`` seconds for those that run; ``False`` if some still do."""
        with self._lock:
            self._stopped = True
            threads = list(self._threads)
        for _ in threads:
            self._tasks.put(None)
        share = grace_s / max(1, len(threads))
        for thread in threads:
            thread.join(share)
        return not any(thread.is_alive() for thread in threads)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            task = self._tasks.get()
            with self._lock:
                self._idle -= 1
                if task is None:
                    return
                self._waiting -= 1
                if self._stopped:  # not started: the state file still has it
                    continue
            try:
                task()
            except Exception:  # noqa: BLE001 - the thread goes on
                _log.exception("a worker's task failed")
