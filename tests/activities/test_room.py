"""The room of activities: one floor of functions of the app, and no deletions of their own."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from backup import names
from local.host.app_index import load_app

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "activities").glob("[!_]*.py"))
STEPS = [path for path in MODULES if path.stem != "envelope"]
DELETIONS = ROOT / "claims" / "deletions.py"
APP = [path for path in ROOT.glob("*/*.py") if path.parent.name not in {"bench", "local", "tests"}]


def activities_in(path: Path) -> list[str]:
    """Return the names under which a module registers functions with the ``activity`` decorator."""
    functions = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
    decorators = [decorator for function in functions for decorator in function.decorator_list]
    return [
        getattr(names, call.args[1].id)
        for call in decorators
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "activity"
        and isinstance(call.args[1], ast.Name)
    ]


@pytest.mark.parametrize("path", STEPS, ids=lambda path: path.stem)
def test_every_module_is_a_function_of_the_app(path: Path) -> None:
    assert activities_in(path), f"{path.name} defines no activity: it belongs in another room"
    assert importlib.import_module(f"activities.{path.stem}").blueprint is not None


def test_the_app_has_the_activities_of_the_room() -> None:
    defined = [name for path in STEPS for name in activities_in(path)]
    assert len(defined) == len(set(defined))
    assert set(load_app("function_app").activities) == set(defined)


def test_models_are_deleted_in_one_module_only() -> None:
    assert len(APP) > 80
    callers = [path for path in APP if ".delete_model(" in path.read_text(encoding="utf-8")]
    assert callers == [DELETIONS]
