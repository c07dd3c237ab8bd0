"""A table of models and targets in a terminal: drawn over itself where that is possible, line by line where it is not."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

_STEPS = {None: "waits", "inspect": "inspect", "authorize": "authorize", "startCopy": "start copy"}
_STEPS |= {"checkCopy": "copying", "verify": "verify", "record": "record", "discard": "discard"}
_LONGEST_NAME = 24
_CELL = 34


class Matrix:
    """What a run does about each model in each target, as it goes on."""

    def __init__(self, targets: Sequence[str]) -> None:
        self._targets = targets
        self._lines: list[str] = []
        self._drawn = 0

    def show(self, run: Mapping[str, Any]) -> None:
        """Draw the table where the output is a terminal; elsewhere print how far the run is, when that changed."""
        if sys.stdout.isatty():
            lines = self.lines(run)
            up = f"\x1b[{self._drawn}A" if self._drawn else ""
            print(up + "".join(f"\x1b[2K{line}\n" for line in lines), end="", flush=True)
            self._drawn = len(lines)
            return
        done, total = run["progress"]["done"], run["progress"]["total"]
        line = f"  {done} of {total} done" if total is not None else "  listing"
        if [line] != self._lines:
            print(line, flush=True)
            self._lines = [line]

    def finish(self, run: Mapping[str, Any]) -> None:
        """Print the table as it is at the end, once."""
        if sys.stdout.isatty():
            self.show(run)
        else:
            print("\n".join(self.lines(run)), flush=True)

    def lines(self, run: Mapping[str, Any]) -> list[str]:
        """Return the table: a line a model, a column a target."""
        cells: dict[tuple[str, str], dict[str, str]] = {}
        for decision in run.get("decisions", []):
            row = cells.setdefault((decision["kind"], decision["modelId"]), {})
            row[decision["target"]] = _DECIDED.get(decision["action"], decision["action"])
        for copy in run["copies"]:
            cells.setdefault((copy["kind"], copy["modelId"]), {})[copy["target"]] = _cell(copy)
        head = f"  {'':{_LONGEST_NAME}}  " + "".join(f"{target:{_CELL}}" for target in self._targets)
        return [head.rstrip(), *(self._line(*key, row) for key, row in sorted(cells.items()))]

    def _line(self, kind: str, model_id: str, row: Mapping[str, str]) -> str:
        name = f"{shortened(model_id)} (classifier)" if kind == "classifier" else shortened(model_id)
        cells = "".join(f"{row.get(target, '-'):{_CELL}}" for target in self._targets)
        return f"  {name:{_LONGEST_NAME}}  {cells}".rstrip()


_DECIDED = {"skip": "up to date", "copy": "waits", "replace": "waits", "blocked": "cannot be copied"}


def _cell(copy: Mapping[str, Any]) -> str:
    if copy["status"] == "Succeeded":
        return f"verified: {shortened(copy['targetModelId'])}" if copy["targetModelId"] else "verified"
    if copy["status"] == "Running":
        return f"{_STEPS.get(copy['step'], copy['step'])} {'.' * min(copy['polls'], 9)}".rstrip()
    return "waits" if copy["status"] == "Pending" else f"{copy['status'].lower()}: {copy['code']}"


def shortened(model_id: str) -> str:
    """Return an id as people say it: of a UUID the first eight digits."""
    is_uuid = len(model_id) == 36 and model_id.count("-") == 4
    return f"{model_id[:8]}-…" if is_uuid else model_id[:_LONGEST_NAME]
