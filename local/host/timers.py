"""Timer functions: calls them at their scheduled times (``TimerListener`` of WebJobs).

If occurrences were missed while the host did not run, the timer fires once at the start, with ``past_due``. The state file shows this, for
schedules of at least a minute (``useMonitor``). Otherwise ``run_on_startup`` fires it at the start. Two occurrences never overlap: if the
next one is due before the call ends, it follows immediately.
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
from local.host.protocol import format_time, parse_time
from local.host.settings import resolve_setting
from schedules.ncrontab import Schedule, ScheduleError

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
        functions: the timer functions.
        engine: provides alarms, threads and the state file.
        client_binding: returns the text of a durable client binding.

    Raises:
        ConfigurationError: a schedule cannot be read. A schedule whose setting is missing is only logged, as on Azure.
    """

    def __init__(self, functions: Sequence[TimerFunction], engine: Engine, client_binding: Callable[[], str]) -> None:
        self._engine = engine
        self._client_binding = client_binding
        self._timers: dict[str, _Timer] = {}
        for function in functions:
            try:
                expression = resolve_setting(function.schedule, f"the schedule of function '{function.info.name}'")
            except ConfigurationError as error:
                # as on Azure: this function has an error, and all others work
                _log.warning("%s: it will not fire", error)
                continue
            try:
                schedule = Schedule.parse(expression)
            except ScheduleError as error:
                raise ConfigurationError(
                    f"the schedule '{expression}' of function '{function.info.name}': {error}"
                ) from None
            monitored = function.use_monitor and _shortest_interval(schedule, engine.clock.now()) >= timedelta(
                minutes=1
            )
            self._timers[function.info.name] = _Timer(function, schedule, monitored)

    @property
    def names(self) -> set[str]:
        """The timer functions' names."""
        return set(self._timers)

    def start(self) -> None:
        """Fire missed timers and those with ``run_on_startup``; set the alarms of the others."""
        now = self._engine.clock.now()
        for timer in self._timers.values():
            past_due = self._recall(timer, now)
            if past_due or timer.function.run_on_startup:
                _log.info("timer '%s' fires at the start%s", timer.name, ", past due" if past_due else "")
                self._fire(timer, now, past_due=past_due)
            else:
                self._plan(timer)

    def run(self, name: str) -> None:
        """Call a timer function now, outside its schedule; return when it has ended. Its exceptions are raised here."""
        timer = self._timers.get(name)
        if timer is None:
            raise UnknownFunctionError(f"the app has no timer function '{name}'")
        self._call(timer, past_due=False)

    def _recall(self, timer: _Timer, now: datetime) -> bool:
        """Load the status of a timer from the state file; return whether an occurrence was missed."""
        timer.next = timer.schedule.next_after(now)
        status = self._engine.store.reader.schedule(timer.name) if timer.monitored else None
        if status is None:
            self._remember(timer)
            return False
        timer.last = parse_time(status["Last"]) if status["Last"] else None
        # counted with the present schedule: it may have changed while the host did not run
        return timer.schedule.next_after(parse_time(status["LastUpdated"])) <= now

    def _plan(self, timer: _Timer) -> None:
        due = timer.next
        assert due is not None
        self._engine.alarm(due, lambda: self._fire(timer, due, past_due=False), background=True)

    def _fire(self, timer: _Timer, scheduled: datetime, *, past_due: bool) -> None:
        def run() -> None:
            try:
                self._call(timer, past_due=past_due)
            except Exception:  # noqa: BLE001 - the next occurrence is planned also after a failure
                _log.exception("timer function '%s' failed", timer.name)
            now = self._engine.clock.now()
            timer.last = scheduled
            following = timer.schedule.next_after(scheduled)
            # occurrences that became due meanwhile follow as one, immediately
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
    """Return the shortest time between the next few occurrences, by which WebJobs decides on monitoring."""
    shortest, occurrence = timedelta.max, schedule.next_after(now)
    for _ in range(5):
        following = schedule.next_after(occurrence)
        shortest, occurrence = min(shortest, following - occurrence), following
    return shortest
