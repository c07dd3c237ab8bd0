"""The page calls what the app documents, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import parse_qsl

from local.inprocess import SOURCE
from tests.dashboard.shown import MakeShown

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "http_start" / "page"
NAMES = "async () => Object.keys((await import('./dashboard/api.js')).CALLS)"
CALL = "async ([name, given]) => (await import('./dashboard/api.js')).CALLS[name](...given)"
GIVEN = {
    "plan": ["x"],
    "model": [{"source": SOURCE, "id": "x1", "kind": "model"}, True],
    "runs": ["x"],
    "run": ["x"],
    "copies": ["x"],
}


def documented() -> dict[str, set[str]]:
    """Return the GET calls of docs/openapi.json: their paths as patterns, with the names of their parameters."""
    paths = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))["paths"]
    return {
        re.sub(r"\{\w+\}", "[^/]+", path.lstrip("/")): {
            each["name"] for each in calls["get"].get("parameters", []) if each.get("in") == "query"
        }
        for path, calls in paths.items()
        if "get" in calls
    }


def test_all_calls_are_documented(make_shown: MakeShown) -> None:
    shown = make_shown().open(key=None)
    known = documented()
    names = shown.page.evaluate(NAMES)
    assert set(GIVEN) < set(names)
    for name in names:
        path, _, query = shown.page.evaluate(CALL, [name, GIVEN.get(name, [])]).partition("?")
        right = [parameters for pattern, parameters in known.items() if re.fullmatch(pattern, path)]
        assert right, f"{path} is not documented"
        assert {parameter for parameter, _ in parse_qsl(query)} <= right[0], name


def test_no_call_goes_past_the_list() -> None:
    """Only api.js fetches, and what is handed to it is of the list, or a link that the app answered."""
    code = {path.name: path.read_text(encoding="utf-8") for path in PAGE.glob("*.js")}
    assert [
        name
        for name, text in code.items()
        if re.search(r"\bfetch\(|XMLHttpRequest|sendBeacon|EventSource|WebSocket", text)
    ] == ["api.js"]
    asked = re.findall(r"api\.(?:get|pages)\(\s*([^\s,();]+)", "".join(code.values()))
    assert len(asked) > 6
    assert {name for name in asked if not name.startswith("api.CALLS.")} == {"from"}
    assert re.findall(r"\bload\(([\w.]+)", code["runs.js"]) == ["from", "next", "api.CALLS.runs"]
