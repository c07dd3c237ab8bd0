"""A table of models and targets: a terminal shows it redrawn in place; other outputs get lines of progress and the last table."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

_STEPS = {None: "waiting", "inspect": "inspect", "authorize": "authorize", "startCopy": "start copy"}
_STEPS |= {"checkCopy": "copying", "verify": "verify", "record": "record", "discard": "discard"}
_ACTIONS = {"skip": "up to date", "copy": "waiting", "replace": "waiting", "blocked": "cannot be copied"}
_LONGEST_NAME = 24
_CELL = 34


class Matrix:
    """The state of each model in each target during a run."""

    def __init__(self, targets: Sequence[str]) -> None:
        self._targets = targets
        self._lines: list[str] = []
        self._drawn = 0

    def show(self, run: Mapping[str, Any]) -> None:
        """Draw the table in a terminal; elsewhere print the progress, if it changed."""
        if sys.stdout.isatty():
            lines = self.lines(run)
            up = f"\x1b[{self._drawn}A" if self._drawn else ""
            print(up + "".join(f"\x1b[2K{line}\n" for line in lines), end="", flush=True)
            self._drawn = len(lines)
            return
        done, total = run["progress"]["done"], run["progress"]["total"]
        line = f"  {done} of {total} copies done" if total is not None else "  listing models"
        if [line] != self._lines:
            print(line, flush=True)
            self._lines = [line]

    def finish(self, run: Mapping[str, Any]) -> None:
        """Print the table of the ended run."""
        if sys.stdout.isatty():
            self.show(run)
        else:
            print("\n".join(self.lines(run)), flush=True)

    def lines(self, run: Mapping[str, Any]) -> list[str]:
        """Return the table: one line for each model, one column for each target."""
        cells: dict[tuple[str, str], dict[str, str]] = {}
        for decision in run.get("decisions", []):
            row = cells.setdefault((decision["kind"], decision["modelId"]), {})
            row[decision["target"]] = _ACTIONS.get(decision["action"], decision["action"])
        for copy in run["copies"]:
            cells.setdefault((copy["kind"], copy["modelId"]), {})[copy["target"]] = _cell(copy)
        head = f"  {'':{_LONGEST_NAME}}  " + "".join(f"{target:{_CELL}}" for target in self._targets)
        return [head.rstrip(), *(self._line(*key, row) for key, row in sorted(cells.items()))]

    def _line(self, kind: str, model_id: str, row: Mapping[str, str]) -> str:
        name = f"{shortened(model_id)} (classifier)" if kind == "classifier" else shortened(model_id)
        cells = "".join(f"{row.get(target, '-'):{_CELL}}" for target in self._targets)
        return f"  {name:{_LONGEST_NAME}}  {cells}".rstrip()


def _cell(copy: Mapping[str, Any]) -> str:
    if copy["status"] == "Succeeded":
        return f"verified: {shortened(copy['targetModelId'])}" if copy["targetModelId"] else "verified"
    if copy["status"] == "NotCovered":
        return f"not covered: {copy['code']}"
    if copy["status"] == "Running":
        return f"{_STEPS.get(copy['step'], copy['step'])} {'.' * min(copy['polls'], 9)}".rstrip()
    return "waiting" if copy["status"] == "Pending" else f"{copy['status'].lower()}: {copy['code']}"


def shortened(model_id: str) -> str:
    """Return an id for display: of a UUID the first eight digits."""
    is_uuid = len(model_id) == 36 and model_id.count("-") == 4
    return f"{model_id[:8]}-…" if is_uuid else model_id[:_LONGEST_NAME]
