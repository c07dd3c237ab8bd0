"""What is due at which time: durable timers of instances, which are also in the state file, and alarms, which are in memory only."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from local.host.protocol import format_time, parse_time
from local.host.records import TimerRow
from local.host.store import Store


@dataclass(order=True, slots=True)
class _Alarm:
    when: datetime
    order: int
    callback: Callable[[], None] = field(compare=False)
    background: bool = field(compare=False)


class Agenda:
    """Timers and alarms in the order of their time. Used by the engine's thread only.

    Args:
        store: keeps the timers.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._order = itertools.count()
        self._heap: list[tuple[str, int, TimerRow]] = []
        self._armed: dict[str, set[TimerRow]] = {}
        self._alarms: list[_Alarm] = []

    def recover(self) -> int:
        """Load the timers of the state file; return their number."""
        timers = self._store.pending_timers()
        for timer in timers:
            self._push(timer)
        return len(timers)

    def arm(self, timer: TimerRow) -> None:
        """Arm a timer and write it to the state file."""
        self._store.put_timer(timer)
        self._push(timer)

    def cancel(self, instance_id: str, timer_ids: Iterable[int]) -> None:
        """Disarm these timers of an instance, if they are armed."""
        ids = set(timer_ids)
        for timer in [timer for timer in self._armed.get(instance_id, ()) if timer.timer_id in ids] if ids else ():
            self._disarm(timer)

    def forget(self, instance_id: str) -> None:
        """Drop the timers of an instance from memory; the caller deletes their rows."""
        self._armed.pop(instance_id, None)

    def due_timers(self, now: datetime) -> Iterator[TimerRow]:
        """Disarm and yield the timers that are due."""
        text = format_time(now)
        while self._heap and self._heap[0][0] <= text:
            timer = heapq.heappop(self._heap)[2]
            if self._disarm(timer):
                yield timer

    def add_alarm(self, when: datetime, callback: Callable[[], None], *, background: bool) -> None:
        """Make ``callback`` due at ``when``. A ``background`` alarm is one that repeats without end."""
        heapq.heappush(self._alarms, _Alarm(when, next(self._order), callback, background))

    def due_alarms(self, now: datetime) -> Iterator[Callable[[], None]]:
        """Yield the callbacks that are due."""
        while self._alarms and self._alarms[0].when <= now:
            yield heapq.heappop(self._alarms).callback

    def next_due(self, *, background: bool = True) -> datetime | None:
        """Return when the next timer or alarm is due; ``background=False`` leaves out background alarms."""
        while self._heap and not self._is_armed(self._heap[0][2]):
            heapq.heappop(self._heap)
        alarms = self._alarms[:1] if background else [alarm for alarm in self._alarms if not alarm.background]
        due = [alarm.when for alarm in alarms]
        if self._heap:
            due.append(parse_time(self._heap[0][0]))
        return min(due, default=None)

    def _push(self, timer: TimerRow) -> None:
        self._armed.setdefault(timer.instance_id, set()).add(timer)
        heapq.heappush(self._heap, (timer.fire_at, next(self._order), timer))

    def _is_armed(self, timer: TimerRow) -> bool:
        return timer in self._armed.get(timer.instance_id, ())

    def _disarm(self, timer: TimerRow) -> bool:
        """Disarm a timer; return whether it was armed."""
        if not self._is_armed(timer):
            return False
        timers = self._armed[timer.instance_id]
        timers.remove(timer)
        if not timers:
            del self._armed[timer.instance_id]
        self._store.delete_timer(timer.instance_id, timer.execution_id, timer.timer_id)
        return True
