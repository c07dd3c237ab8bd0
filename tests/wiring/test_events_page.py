"""The page on events lists every event, with the level that it is written at."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from wiring.events import WARNINGS, Event

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "events.md"
ROOMS = ("activities", "claims", "wiring", "timer_start", "http_start")


def test_page_lists_every_event_with_its_level() -> None:
    """And nothing else."""
    rows = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert rows == {str(event): "warning" if event in WARNINGS else "information" for event in Event}


def test_each_event_names_the_fields_of_its_own() -> None:
    """Those that the code writes by name, besides the fields that most events have."""
    text = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| \w+ \| (.*) \|$", text, flags=re.MULTILINE))
    common = set(re.findall(r"`(\w+)`", text.partition("Most events have these fields:")[2].partition("\n\n")[0]))
    unnamed = []
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Attribute)):
                continue
            event = getattr(Event, node.args[0].attr, None)
            if event is None or not isinstance(node.args[0].value, ast.Name) or node.args[0].value.id != "Event":
                continue
            own = {keyword.arg for keyword in node.keywords if keyword.arg} - common
            unnamed += [(str(event), name) for name in sorted(own) if f"`{name}`" not in rows[event]]
    assert unnamed == []
