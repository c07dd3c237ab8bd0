"""NCRONTAB: the cron expressions of timer triggers, with seconds.

Six fields ``{second} {minute} {hour} {day} {month} {day-of-week}``, or five without the seconds. As in NCrontab, which Azure Functions
uses, a day must match *both* day fields (in cron: one of them), and Sunday is 0, never 7. Times are UTC: the Flex plan and Linux
consumption have no ``WEBSITE_TIME_ZONE``.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?", re.ASCII)
# Weekdays repeat after 28 years, or after 40 across a year such as 2100; 29 February on one weekday is the rarest case.
_HORIZON_YEARS = 40
_LONGEST_SHOWN = 16
"""A longer part of an expression is not repeated in a message: it may be a key, pasted by mistake."""
EXAMPLE = "'0 0 2 * * *' for every night at 02:00 UTC"


class ScheduleError(ValueError):
    """A text is no schedule. The message says which field is wrong and what it may be; it does not repeat the text."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day-of-week", 0, 6, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed expression."""

    expression: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, expression: str) -> Schedule:
        """Parse an expression. Raises :class:`ScheduleError`, which names the wrong field."""
        texts = expression.split()
        if len(texts) == 5:
            texts = ["0", *texts]
        if len(texts) != 6:
            raise ScheduleError(f"it needs six fields, second minute hour day month day-of-week, for example {EXAMPLE}")
        values = [_values(text, field) for text, field in zip(texts, _FIELDS, strict=True)]
        second, minute, hour, day, month, weekday = values
        times = (tuple(sorted(second)), tuple(sorted(minute)), tuple(sorted(hour)))
        return cls(expression, *times, frozenset(day), frozenset(month), frozenset(weekday))

    def next_after(self, instant: datetime) -> datetime:
        """Return the first occurrence after ``instant`` (UTC, whole seconds). Raises ``ScheduleError`` if there is none."""
        start = instant.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        day = start.replace(hour=0, minute=0, second=0)
        earliest = (start.hour, start.minute, start.second)
        while day.year <= start.year + _HORIZON_YEARS:
            if day.month not in self.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                earliest = (0, 0, 0)
                continue
            if self._is_on(day):
                time = self._time_from(earliest)
                if time is not None:
                    return day.replace(hour=time[0], minute=time[1], second=time[2])
            day += timedelta(days=1)
            earliest = (0, 0, 0)
        raise ScheduleError("it has no occurrence: no day matches all its fields")

    def latest(self, at_or_before: datetime) -> datetime:
        """Return the last occurrence at or before the moment (UTC, whole seconds). Raises ``ScheduleError`` if there is none."""
        end = at_or_before.astimezone(UTC).replace(microsecond=0)
        day = end.replace(hour=0, minute=0, second=0)
        limit = (end.hour, end.minute, end.second)
        while day.year >= end.year - _HORIZON_YEARS:
            if day.month not in self.months:
                day = day.replace(day=1) - timedelta(days=1)
                limit = (23, 59, 59)
                continue
            if self._is_on(day):
                time = self._time_until(limit)
                if time is not None:
                    return day.replace(hour=time[0], minute=time[1], second=time[2])
            day -= timedelta(days=1)
            limit = (23, 59, 59)
        raise ScheduleError("it has no occurrence: no day matches all its fields")

    def _is_on(self, day: datetime) -> bool:
        return day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def _time_from(self, earliest: tuple[int, int, int]) -> tuple[int, int, int] | None:
        times = itertools.product(self.hours, self.minutes, self.seconds)
        return next((time for time in times if time >= earliest), None)

    def _time_until(self, limit: tuple[int, int, int]) -> tuple[int, int, int] | None:
        times = itertools.product(reversed(self.hours), reversed(self.minutes), reversed(self.seconds))
        return next((time for time in times if time <= limit), None)


def _values(text: str, field: _Field) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise _wrong(field, part)
        step = int(match["step"] or 1)
        if match["first"] == "*":
            first, last = field.low, field.high
            if match["last"]:
                raise _wrong(field, part)
        else:
            first = _number(match["first"], field)
            # 5/10 is 5-59/10, as in NCrontab
            last = _number(match["last"], field) if match["last"] else field.high if match["step"] else first
        if step < 1 or last < first:
            raise _wrong(field, part)
        values.update(range(first, last + 1, step))
    return values


def _number(text: str, field: _Field) -> int:
    if text.isdecimal():
        value = int(text)
    elif text.lower()[:3] in field.names:
        value = field.names.index(text.lower()[:3]) + field.low
    else:
        raise _wrong(field, text)
    if not field.low <= value <= field.high:
        raise _wrong(field, text)
    return value


def _wrong(field: _Field, part: str) -> ScheduleError:
    value = f"'{part}'" if len(part) <= _LONGEST_SHOWN else "this value"
    return ScheduleError(f"{value} is not allowed for the {field.name}, which goes from {field.low} to {field.high}")
