"""The table of models and targets that ``make run`` draws."""

from typing import Any

import pytest

from local.matrix import Matrix, shortened


def decision(model_id: str, target: str, action: str) -> dict[str, Any]:
    return {"modelId": model_id, "kind": "model", "target": target, "action": action}


def copy(model_id: str, target: str, status: str, **fields: object) -> dict[str, Any]:
    defaults = {"kind": "model", "step": None, "polls": 0, "code": None, "targetModelId": None}
    return {"modelId": model_id, "target": target, "status": status, **defaults, **fields}


def test_the_table_has_a_line_for_each_model() -> None:
    """And a column for each target."""
    run = {
        "decisions": [
            decision("a1", "north", "skip"),
            decision("a1", "east", "copy"),
            decision("b1", "east", "orphan"),
        ],
        "copies": [copy("a1", "east", "Running", step="checkCopy", polls=3)],
    }
    head, first, second = Matrix(["north", "east"]).lines(run)
    assert head.split() == ["north", "east"]
    assert first.split() == ["a1", "up", "to", "date", "copying", "..."]
    assert second.split() == ["b1", "-", "orphan"]


@pytest.mark.parametrize(
    ("row", "cell"),
    [
        (copy("a1", "north", "Succeeded", targetModelId="a1.2"), "verified: a1.2"),
        (copy("a1", "north", "Pending"), "waiting"),
        (copy("a1", "north", "Failed", code="AccessDenied"), "failed: AccessDenied"),
        (copy("a1", "north", "Running"), "waiting"),
    ],
)
def test_a_cell_shows_the_state_of_its_copy(row: dict[str, Any], cell: str) -> None:
    assert Matrix(["north"]).lines({"copies": [row]})[1].endswith(cell)


def test_without_a_terminal_progress_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The table is not drawn, and the same line is not printed twice."""
    matrix = Matrix(["north"])
    for done in (0, 0, 1):
        matrix.show({"progress": {"done": done, "total": 2}, "copies": []})
    assert capsys.readouterr().out == "  0 of 2 copies done\n  1 of 2 copies done\n"


def test_a_uuid_is_shortened_and_a_name_is_not() -> None:
    assert shortened("33f4d42c-cd2f-4e74-b990-a1aeafab5a5d") == "33f4d42c-…"
    assert shortened("invoices") == "invoices"
