"""What people and scripts see: tables that fit the terminal, moments and durations in words, colours only where they are wanted.

Results go to standard output; progress, hints and errors to standard error. A pipe gets whole lines without colours.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from cli.endings import CommandFailed

out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)

_WIDEST = 118
_GAP = "  "
_COLOURS = {
    "green": ("ok", "Succeeded", "reachable", "ready", "source", "replica"),
    "yellow": ("degraded", "warning", "PartiallyFailed", "Cancelled", "retiring", "StillCopying", "paused"),
    "red": ("failing", "wrong", "Failed", "missing", "error"),
    "cyan": ("Running", "Pending"),
    "dim": ("skipped", "NotCovered", "info"),
}
_COLOUR_OF = {word: colour for colour, words in _COLOURS.items() for word in words}


def plain(value: Any) -> str:
    """Return a value as one line of text, without characters that would steer a terminal."""
    text = "-" if value is None else str(value)
    return "".join(letter if letter.isprintable() else " " for letter in text)


def coloured(value: Any) -> Text:
    """Return a value in the colour of what it means."""
    text = plain(value)
    return Text(text, style=_COLOUR_OF.get(text, ""))


def say(text: str | Text, console: Console = out, indent: str = "", first: str | None = None) -> None:
    """Print a paragraph: in a terminal, lines that fit it; in a pipe, one line. ``first`` is the indent of the first line."""
    start = indent if first is None else first
    if isinstance(text, Text):
        console.print(Text(start) + text, soft_wrap=not console.is_terminal)
        return
    line = plain(text)
    if console.is_terminal:
        width = min(console.width, _WIDEST)
        line = textwrap.fill(line, width, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False)
    else:
        line = start + line
    console.print(line, soft_wrap=True)


def raw(text: str) -> None:
    """Print a result as it is."""
    sys.stdout.write(f"{text}\n")


def fail(failure: CommandFailed) -> None:
    """Tell what failed, and what to do."""
    code = f" [{failure.code}]" if failure.code else ""
    say(f"{failure}{code}", err, first="error: ", indent="       ")
    for text in failure.hints:
        hint(text)


def hint(text: str) -> None:
    """Tell what to do next. The line is not wrapped: it holds a command to copy."""
    err.print(f"  -> {plain(text)}", soft_wrap=True)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], console: Console = out) -> None:
    """Print rows as a table. In a terminal that is too narrow the last columns stand below each row, with their names."""
    cells = [[coloured(value) for value in row] for row in rows]
    if not cells:
        return
    widths = [
        max(cell_len(name), *(cell.cell_len for cell in column))
        for name, column in zip(head, zip(*cells, strict=True), strict=True)
    ]
    beside = _beside(widths, console)
    console.print(_line([Text(name.upper(), style="bold") for name in head[:beside]], widths[:beside]), soft_wrap=True)
    for row in cells:
        console.print(_line(row[:beside], widths[:beside]), soft_wrap=True)
        for line in _below(head[beside:], row[beside:], console):
            console.print(line, soft_wrap=True)


def _beside(widths: Sequence[int], console: Console) -> int:
    """Return how many columns fit beside each other; a pipe takes all of them."""
    fitting = len(widths)
    while console.is_terminal and fitting > 1 and sum(widths[:fitting]) + len(_GAP) * (fitting - 1) > console.width:
        fitting -= 1
    return fitting


def _below(head: Sequence[str], cells: Sequence[Text], console: Console) -> list[Text]:
    """Return lines of names and values that fit the terminal; what is not known is left out."""
    lines: list[Text] = []
    for name, cell in zip(head, cells, strict=True):
        if cell.plain == "-":
            continue
        pair = Text.assemble(_GAP, (f"{name} ", "dim"), cell)
        if lines and lines[-1].cell_len + pair.cell_len <= console.width:
            lines[-1] += pair
        else:
            lines += pair.wrap(console, console.width)
    return lines


def _line(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for cell, width in zip(cells, widths, strict=True):
        line += cell + Text(" " * (width - cell.cell_len) + _GAP)
    line.rstrip()
    return line


def facts(pairs: Iterable[tuple[str, Any]], console: Console = out) -> None:
    """Print names and values, one pair a line. Values that are ``None`` are left out."""
    shown = [(name, value) for name, value in pairs if value is not None]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        text = value if isinstance(value, Text) else coloured(value)
        room = console.width - width - len(_GAP)
        parts = text.wrap(console, room) if console.is_terminal and room > 0 else [text]
        for number, part in enumerate(parts):
            part.rstrip()
            label = f"{'' if number else name:{width}}{_GAP}"
            console.print(Text.assemble((label, "bold"), part), soft_wrap=True)


def moment(text: str | None) -> str | None:
    """Return a moment of the API to the second, in UTC: ``2026-11-23 22:22:14Z``."""
    return None if text is None else f"{text[:10]} {text[11:19]}Z"


def read_moment(text: str) -> datetime:
    """Return a moment of the API."""
    return datetime.fromisoformat(text)


def age(text: str | None) -> str | None:
    """Return how long ago a moment was, as ``3 h ago``; or how far ahead it is."""
    if text is None:
        return None
    seconds = (datetime.now(UTC) - read_moment(text)).total_seconds()
    return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"


def duration(seconds: float) -> str:
    """Return a duration in its largest unit, such as ``40 s`` or ``3 h``."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (unit == "h" and seconds >= size):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def counted(numbers: Mapping[str, int]) -> str:
    """Return numbers by name in one line, those that are not zero: ``copy 3, skip 21``."""
    return ", ".join(f"{name} {number}" for name, number in numbers.items() if number) or "none"
