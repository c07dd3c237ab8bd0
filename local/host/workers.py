"""The threads that run activities; host.json limits their number."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

_log = logging.getLogger("local.host.workers")


class Workers:
    """A pool of daemon threads.

    The standard executor is not used: with it, a process cannot exit while a function hangs.

    Args:
        size: the largest number of threads; they start when they are needed.
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
        """Run ``task`` on a thread; ``task`` must handle its own errors. Ignored after :meth:`stop`."""
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
        """Start no more tasks, wait up to ``grace_s`` seconds for those that run, and return whether all have ended."""
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
                if self._stopped:  # do not start it: it is still in the state file
                    continue
            try:
                task()
            except Exception:  # noqa: BLE001 - the thread continues
                _log.exception("a worker's task failed")
