"""The picture of a run under way: it fits any terminal, and reads only what can have changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from cli.calls import Call
from cli.client import App
from cli.output import duration
from cli.progress import PAGE, Copies, Rate, headline, picture
from tests.cli.conftest import Run


def copies_of(models: int, targets: int, status: str = "Pending") -> list[dict[str, Any]]:
    return [
        {
            "modelId": f"model-{model:04d}", "kind": "model", "target": f"forms-target-{target}", "status": status,
            "step": "checkCopy", "code": None,
        }
        for target in range(targets)
        for model in range(models)
    ]  # fmt: skip


@pytest.mark.parametrize("columns", [20, 60, 100, 300])
@pytest.mark.parametrize("rows", [5, 24, 200])
@pytest.mark.parametrize(("models", "targets"), [(0, 0), (1, 1), (24, 2), (300, 16)])
def test_it_is_no_higher_and_no_wider_than_its_room(
    run_answer: Run, columns: int, rows: int, models: int, targets: int
) -> None:
    """But for the lines about targets, which the screen cuts."""
    copies = copies_of(models, targets, "Running")
    lines = picture(run_answer(total=len(copies)), copies, 3.0, columns, rows)
    matrix = [line for line in lines if "checkCopy" in line.plain]
    assert all(line.cell_len <= columns for line in matrix)
    assert len(lines) <= max(rows, 3 + targets)
    assert bool(matrix) == (targets > 0 and 14 + 12 * targets <= columns and rows > 5)


def test_what_needs_attention_comes_first(run_answer: Run) -> None:
    copies = copies_of(50, 1, "Succeeded")
    copies[40] |= {"status": "Failed", "code": "Unreachable"}
    copies[45] |= {"status": "Running"}
    text = [line.plain.split() for line in picture(run_answer(total=50), copies, None, 60, 10)]
    assert text[4:6] == [["model-0045", "checkCopy"], ["model-0040", "Unreachable"]]
    assert text[-1] == ["and", "45", "more", "models"]


def test_what_it_waits_for_is_shown(run_answer: Run) -> None:
    wait = {"for": "start of a copy", "code": "Throttled", "message": "429", "until": "2026-11-23T22:30:00.000Z"}
    lines = picture(run_answer(waiting=[wait]), [], None, 100, 24)
    assert "waits for start of a copy: Throttled, until 22:30:00Z at the latest" in lines[3].plain


class CountedPages:
    """An app with a run of any size, that counts what it is asked."""

    def __init__(self, copies: list[dict[str, Any]]) -> None:
        self.copies = copies
        self.asked: list[int] = []

    def once(self, call: Call, query: Mapping[str, int], id: str) -> dict[str, Any]:  # noqa: A002 - the name of what it stands for
        self.asked.append(query["first"])
        return {"copies": self.copies[query["first"] : query["first"] + PAGE]}


def test_only_pages_that_can_have_changed_are_read(run_answer: Run) -> None:
    """Of 15,000 copies: not those that have ended, and not those that wait behind others."""
    app = CountedPages(copies_of(5000, 3))
    reader = Copies(cast(App, app), "run-1")
    run = run_answer(total=15_000)
    assert len(reader.read(run | {"copies": app.copies[:PAGE]})) == PAGE
    assert app.asked == []
    for copy in app.copies[:250]:
        copy["status"] = "Succeeded"
    app.copies[250]["status"] = "Running"
    reader.read(run | {"copies": app.copies[:PAGE]})
    assert app.asked == [100, 200, 300]
    app.asked.clear()
    assert len(reader.read(run | {"copies": app.copies[:PAGE]})) == 4 * PAGE
    assert app.asked == [200, 300]


def test_the_rate_is_that_of_the_last_minute() -> None:
    rate = Rate()
    assert rate.per_minute() is None
    for second in range(120):
        rate.add(float(second), second if second < 60 else 60 + 3 * (second - 60))
    assert rate.per_minute() == pytest.approx(180, rel=0.05)


def test_no_rate_before_it_can_be_known(run_answer: Run) -> None:
    rate = Rate()
    rate.add(0.0, 0)
    rate.add(1.0, 5)
    assert rate.per_minute() is None
    assert headline(run_answer(total=9), rate.per_minute()).startswith("0 of 9 copies, ")
    assert "30 a minute, about 18 s left" in headline(run_answer(total=9), 30.0)
    assert headline(run_answer(total=None), None).startswith("reading the lists of models")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (3599, "60 min"), (3600, "1 h"), (172_800, "2 d")],
)
def test_a_duration_is_told_in_its_largest_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text
