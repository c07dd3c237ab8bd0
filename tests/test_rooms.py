"""What the import rules cannot say: no sleeping, no I/O where there must be none, and names that exist."""

import ast
import configparser
import functools
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import azure.durable_functions as df
import pytest

from backup import names

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name not in {"bench", "tests"})
APP = [name for name in PACKAGES if name not in {"cli", "local"}]
PURE = ["backup", "orchestrator", "schedules"]

FORBIDDEN_CALLS = {"open", "print", "input", "exec", "eval", "__import__"}
FORBIDDEN_METHODS = {
    "now": "reads the clock",
    "utcnow": "reads the clock",
    "today": "reads the clock",
    "getenv": "reads the environment",
    "read_text": "reads a file",
    "write_text": "writes a file",
    "uuid4": "draws at random",
    "getLogger": "writes a log, at every replay again",
}


def sources(rooms: list[str]) -> Iterator[Path]:
    for room in rooms:
        yield from sorted((ROOT / room).rglob("*.py"))
    yield ROOT / "function_app.py"


def calls(path: Path) -> Iterator[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def called_name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def where(path: Path, node: ast.expr) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def test_nothing_sleeps_in_the_app() -> None:
    found = [where(path, call) for path in sources(APP) for call in calls(path) if called_name(call) == "sleep"]
    assert found == [], "waits belong to the orchestrators, as durable timers"


@pytest.mark.parametrize("room", PURE)
def test_no_input_or_output_and_no_clock(room: str) -> None:
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        for call in calls(path):
            name = called_name(call)
            if isinstance(call.func, ast.Name) and name in FORBIDDEN_CALLS:
                found.append(f"{where(path, call)}: {name}()")
            elif isinstance(call.func, ast.Attribute) and name in FORBIDDEN_METHODS:
                found.append(f"{where(path, call)}: .{name}() {FORBIDDEN_METHODS[name]}")
    assert found == []


def test_orchestrators_are_generators_not_coroutines() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / "orchestrator").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.AsyncFunctionDef | ast.Await)
    ]
    assert found == [], "the SDK cannot run coroutines as orchestrators"


@functools.cache
def functions_by_trigger() -> dict[str, set[str]]:
    # an app can be asked for its functions once: this is one of our own
    spec = importlib.util.spec_from_file_location("function_app_of_rooms", ROOT / "function_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, set[str]] = {}
    for function in module.app.get_functions():
        name = function.get_function_name()
        if not name.startswith("BuiltIn__"):  # 2.x of the SDK adds functions of its own
            found.setdefault(function.get_trigger().type, set()).add(name)
    return found


FUNCTION_NAMES = {
    constant: value
    for constant, value in vars(names).items()
    if constant.isupper() and isinstance(value, str) and re.fullmatch("[a-z_]+", value)
}
CALLS_BY_NAME = {"call_activity", "call_sub_orchestrator", "call", "call_once", "record", "run", "run_once"}
"""The SDK's methods, and the functions of ``orchestrator`` that hand a name on to them."""


def called_by_orchestrators() -> set[str]:
    """The functions that ``orchestrator`` refers to by a constant of ``backup.names``."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "orchestrator").rglob("*.py")]
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return {value for constant, value in FUNCTION_NAMES.items() if constant in used}


def test_orchestrators_call_every_activity_that_exists() -> None:
    functions = functions_by_trigger()
    assert called_by_orchestrators() - functions["orchestrationTrigger"] == functions["activityTrigger"]


def test_orchestrators_call_by_constants_only() -> None:
    """A name that is written out could be misspelt; every constant belongs to a function (below)."""
    found = [
        where(path, argument)
        for path in (ROOT / "orchestrator").rglob("*.py")
        for call in calls(path)
        if called_name(call) in CALLS_BY_NAME
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]
    assert found == []


def test_every_shared_name_belongs_to_a_function() -> None:
    functions = functions_by_trigger()
    assert set(FUNCTION_NAMES.values()) == functions["activityTrigger"] | functions["orchestrationTrigger"]


def inside_the_sdk(path: Path) -> Iterator[str]:
    """Names that a file imports from ``azure.durable_functions`` and that the SDK does not promise to keep."""
    sdk = "azure.durable_functions"
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == sdk:
            names += [f"{sdk}.{alias.name}" for alias in node.names if alias.name not in df.__all__]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    yield from (name for name in names if name.startswith(f"{sdk}.") and name != f"{sdk}.testing")


def test_one_module_imports_from_inside_the_sdk() -> None:
    """2.x moved every module of 1.x: what is not public is used behind ``local/host/sdk.py`` (decision 0006)."""
    files = {path for room in (*PACKAGES, "bench", "tests") for path in sources([room])}
    found = {str(path.relative_to(ROOT)): name for path in files for name in inside_the_sdk(path)}
    assert set(found) == {"local/host/sdk.py"}, found


def test_the_import_rules_know_every_room() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    assert contracts["importlinter"]["root_packages"].split() == PACKAGES


def test_every_room_says_what_belongs_in_it() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for room in PACKAGES
        for path in (ROOT / room).rglob("*.py")
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_only_the_app_is_deployed() -> None:
    ignored = {line.strip("/") for line in (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()}
    assert {"cli", "local", "tests", "bench", "docs", "infra", "local.settings.json"} <= ignored
    assert ignored.isdisjoint({*APP, "function_app.py", "host.json", "requirements.txt", "backup.json"})
