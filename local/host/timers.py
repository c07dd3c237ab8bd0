"""Timer functions: calling them when their schedule says so, once for what was missed (``TimerListener`` of WebJobs).

When a timer was due while the host was away, it fires at once with ``past_due``, however many occurrences were missed; that is known from
the state file, for schedules of at least a minute (``useMonitor``). Otherwise ``run_on_startup`` fires it at the start. An
occurrence never overlaps the one before it; one that came due meanwhile follows at once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from azure.functions.timer import TimerRequest

from local.host.app_index import TimerFunction
from local.host.engine import Engine
from local.host.errors import ConfigurationError, UnknownFunctionError
from local.host.invoke import call_function
from local.host.ncrontab import Schedule
from local.host.protocol import format_time, parse_time
from local.host.settings import resolve_setting

_log = logging.getLogger("local.host.timers")


@dataclass(slots=True)
class _Timer:
    function: TimerFunction
    schedule: Schedule
    monitored: bool
    last: datetime | None = None
    next: datetime | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        return self.function.info.name


class Timers:
    """The timer functions of an app.

    Args:
        functions: the app's.
        engine: gives alarms, threads and the state file.
        client_binding: makes the text that a durable client binding is given.

    Raises:
        ConfigurationError: a schedule cannot be read. One whose setting is missing is only logged, as on Azure.
    """

    def __init__(self, functions: Sequence[TimerFunction], engine: Engine, client_binding: Callable[[], str]) -> None:
        self._engine = engine
        self._client_binding = client_binding
        self._timers: dict[str, _Timer] = {}
        for function in functions:
            try:
                expression = resolve_setting(function.schedule, f"the schedule of function '{function.info.name}'")
            except ConfigurationError as error:
                # as on Azure: this function is in error, and all others work
                _log.warning("%s: it will not fire", error)
                continue
            schedule = Schedule.parse(expression)
            monitored = function.use_monitor and _shortest_interval(schedule, engine.clock.now()) >= timedelta(
                minutes=1
            )
            self._timers[function.info.name] = _Timer(function, schedule, monitored)

    @property
    def names(self) -> set[str]:
        """The timer functions' names."""
        return set(self._timers)

    def start(self) -> None:
        """Fire what was missed and what wants to run at the start; set the alarms."""
        now = self._engine.clock.now()
        for timer in self._timers.values():
            past_due = self._recall(timer, now)
            if past_due or timer.function.run_on_startup:
                _log.info("timer '%s' fires at the start%s", timer.name, ": it is past due" if past_due else "")
                self._fire(timer, now, past_due=past_due)
            else:
                self._plan(timer)

    def run(self, name: str) -> None:
        """Call a timer function now, besides its schedule; returns when it has ended. Raises what it raises."""
        timer = self._timers.get(name)
        if timer is None:
            raise UnknownFunctionError(f"the app has no timer function '{name}'")
        self._call(timer, past_due=False)

    def _recall(self, timer: _Timer, now: datetime) -> bool:
        """Take up what the state file knows of a timer; return whether an occurrence was missed."""
        timer.next = timer.schedule.next_after(now)
        status = self._engine.store.reader.schedule(timer.name) if timer.monitored else None
        if status is None:
            self._remember(timer)
            return False
        timer.last = parse_time(status["Last"]) if status["Last"] else None
        # from the last look on, by today's schedule: it may have been changed while the host was away
        return timer.schedule.next_after(parse_time(status["LastUpdated"])) <= now

    def _plan(self, timer: _Timer) -> None:
        due = timer.next
        assert due is not None
        self._engine.alarm(due, lambda: self._fire(timer, due, past_due=False), background=True)

    def _fire(self, timer: _Timer, scheduled: datetime, *, past_due: bool) -> None:
        def run() -> None:
            try:
                self._call(timer, past_due=past_due)
            except Exception:  # noqa: BLE001 - the next occurrence comes all the same
                _log.exception("timer function '%s' failed", timer.name)
            now = self._engine.clock.now()
            timer.last = scheduled
            following = timer.schedule.next_after(scheduled)
            # what came due meanwhile follows at once, and once
            timer.next = following if following > now else now
            self._remember(timer)
            self._plan(timer)

        self._engine.run_apart(run)

    def _call(self, timer: _Timer, *, past_due: bool) -> None:
        request = TimerRequest(past_due=past_due, schedule_status=_status(timer, None), schedule={"AdjustForDST": True})
        with timer.lock:
            call_function(timer.function.info, request, self._client_binding)

    def _remember(self, timer: _Timer) -> None:
        if timer.monitored:
            status = _status(timer, self._engine.clock.now())
            self._engine.submit(lambda: self._engine.store.put_schedule(timer.name, status))


def _status(timer: _Timer, now: datetime | None) -> dict[str, str]:
    return {
        "Last": format_time(timer.last) if timer.last else "",
        "Next": format_time(timer.next) if timer.next else "",
        "LastUpdated": format_time(now) if now else format_time(timer.last) if timer.last else "",
    }


def _shortest_interval(schedule: Schedule, now: datetime) -> timedelta:
    """Return the shortest time between the next few occurrences, as WebJobs does to decide on monitoring."""
    shortest, occurrence = timedelta.max, schedule.next_after(now)
    for _ in range(5):
        following = schedule.next_after(occurrence)
        shortest, occurrence = min(shortest, following - occurrence), following
    return shortest
