"""How far a run is: its copies by model and target, its rate, and the time that remains."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from cli.calls import Call
from cli.client import App
from cli.output import coloured, duration, plain, read_moment

PAGE = 100
"""Copies in one answer."""
_OPEN = {"Pending", "Running"}
_RATE_SECONDS = 60.0
_LEAST_SECONDS = 3.0
_CELL, _NAME = 12, 14
_ORDER = ("Running", "Failed", "StillCopying", "Pending", "CopyInProgress", "NotCovered", "Cancelled", "Succeeded")
_MARKS = {"Succeeded": ("done", "green"), "Pending": ("waiting", "dim"), "NotCovered": ("not covered", "dim")}


class Copies:
    """All copies of a run that is under way, read anew only where something can have changed."""

    def __init__(self, app: App, run_id: str) -> None:
        self._app, self._run_id = app, run_id
        self._pages: dict[int, list[dict[str, Any]]] = {}

    def read(self, run: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the copies that are known; ``run`` holds the first page. Raises ``CommandFailed``."""
        self._pages[0] = run["copies"]
        for number in range(1, -(-(run["progress"]["total"] or 0) // PAGE)):
            if all(copy["status"] == "Pending" for copy in self._pages[number - 1]):
                break  # lanes take the copies in order: those after it wait, too
            known = self._pages.get(number)
            if known is None or any(copy["status"] in _OPEN for copy in known):
                known = self._app.once(Call.RUN_COPIES, query={"first": number * PAGE}, id=self._run_id)["copies"]
                self._pages[number] = known
        return [copy for number in sorted(self._pages) for copy in self._pages[number]]


class Rate:
    """How many copies end in a minute, by those of the last minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, now: float, done: int) -> None:
        """Note how many copies have ended at a moment, in seconds."""
        self._seen.append((now, done))
        while now - self._seen[0][0] > _RATE_SECONDS:
            self._seen.popleft()

    def per_minute(self) -> float | None:
        """Return the rate, ``None`` while it cannot be known."""
        if not self._seen:
            return None
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        if last - first < _LEAST_SECONDS or after <= before:
            return None
        return (after - before) * 60 / (last - first)


def headline(run: Mapping[str, Any], rate: float | None) -> str:
    """Return in one line how far a run is."""
    done, total = run["progress"]["done"], run["progress"]["total"]
    passed = duration((datetime.now(UTC) - read_moment(run["startedAt"])).total_seconds())
    parts = [f"{done} of {total} copies" if total is not None else "reading the lists of models"]
    if rate and total:
        parts += [f"{rate:.0f} a minute", f"about {duration((total - done) * 60 / rate)} left"]
    parts += [f"{passed} so far"]
    if run["cancelRequested"]:
        parts.append("cancelling")
    return ", ".join(parts)


def picture(
    run: Mapping[str, Any], copies: list[dict[str, Any]], rate: float | None, columns: int, rows: int
) -> list[Text]:
    """Return a run as lines: headline, what it waits for, and models by targets as far as there is room."""
    lines = [Text.assemble((f"{run['runId']}  ", "bold"), coloured(run["status"]))]
    lines += [_bar(run, columns), Text(headline(run, rate))]
    for wait in run.get("waiting", ())[:3]:
        text = f"waits for {wait['for']}: {wait['code']}, until {wait['until'][11:19]}Z at the latest"
        lines.append(Text(plain(text), style="yellow"))
    targets = list(dict.fromkeys(copy["target"] for copy in copies))
    room = rows - len(lines)
    if _NAME + len(targets) * _CELL <= columns and room > 2:
        return lines + _matrix(copies, targets, columns, room)
    return lines + [_counts(copies, target) for target in targets]


def _bar(run: Mapping[str, Any], columns: int) -> Text:
    done, total = run["progress"]["done"], run["progress"]["total"] or 0
    width = min(columns, 60)
    full = width * done // total if total else 0
    return Text.assemble(("█" * full, "green"), ("░" * (width - full), "dim"))


def _counts(copies: list[dict[str, Any]], target: str) -> Text:
    counts = Counter(copy["status"] for copy in copies if copy["target"] == target)
    return Text(plain(f"{target}: " + ", ".join(f"{counts[status]} {status}" for status in _ORDER if counts[status])))


def _matrix(copies: list[dict[str, Any]], targets: list[str], columns: int, room: int) -> list[Text]:
    models: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for copy in copies:
        models.setdefault((copy["kind"], copy["modelId"]), {})[copy["target"]] = copy
    widest = max([_NAME, *(len(model) + 1 for _, model in models)])
    cell = max(_CELL, min(24, (columns - widest) // max(1, len(targets))))
    name = min(widest, columns - cell * len(targets))
    lines = [_row([Text("")] + [Text(plain(target), style="bold") for target in targets], name, cell)]
    urgent = sorted(models.items(), key=lambda one: min(_urgency(copy) for copy in one[1].values()))
    shown = urgent if len(urgent) < room else urgent[: room - 2]
    for (_, model), cells in shown:
        lines.append(_row([Text(plain(model)), *(_mark(cells.get(target)) for target in targets)], name, cell))
    if len(shown) < len(urgent):
        lines.append(Text(f"and {len(urgent) - len(shown)} more models", style="dim"))
    return lines


def _row(cells: list[Text], name: int, width: int) -> Text:
    line = Text()
    for number, cell in enumerate(cells):
        room = width if number else name
        cell.truncate(room - 1, overflow="ellipsis", pad=True)
        line += cell + Text(" ")
    return line


def _urgency(copy: Mapping[str, Any]) -> int:
    return _ORDER.index(copy["status"]) if copy["status"] in _ORDER else 0


def _mark(copy: Mapping[str, Any] | None) -> Text:
    if copy is None:
        return Text("-", style="dim")
    if copy["status"] == "Running":
        return Text(plain(copy["step"] or "Running"), style="cyan")
    text, style = _MARKS.get(copy["status"], (copy["code"] or copy["status"], "red"))
    return Text(plain(text), style=style)
