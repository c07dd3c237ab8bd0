"""Lines that are drawn again in place, at the bottom of a terminal whose size may change."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text


class Screen:
    """The lines that were drawn last. Each is cut to the width of the terminal, and there are never more than it has rows."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._drawn: list[int] = []

    @property
    def rows(self) -> int:
        """How many lines there is room for."""
        return max(1, self._console.height - 1)

    @property
    def columns(self) -> int:
        """How wide a line may be."""
        return max(10, self._console.width - 1)

    def draw(self, lines: Sequence[Text]) -> None:
        """Replace what was drawn before."""
        self.clear()
        shown = [line.copy() for line in lines[: self.rows]]
        for line in shown:
            line.truncate(self.columns, overflow="ellipsis")
            self._console.print(line, no_wrap=True, soft_wrap=True)
        self._drawn = [line.cell_len for line in shown]

    def clear(self) -> None:
        """Remove what was drawn."""
        # a terminal that became narrower has wrapped the lines
        width = max(1, self._console.width)
        rows = sum(max(1, -(-cells // width)) for cells in self._drawn)
        if rows:
            self._console.file.write(f"\x1b[{rows}A\r\x1b[J")
            self._console.file.flush()
        self._drawn = []
