"""The lines of the log: one definition in code, from which the page and the JSON Schema are written."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
from pydantic.alias_generators import to_camel

from local.schema import events_schema
from wiring.event_lines import LINES, problem_of
from wiring.events import Event

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "events.md"
ROOMS = ("activities", "claims", "wiring", "timer_start", "http_start")
BEGIN, END = "<!-- events: written from wiring/event_lines.py -->\n", "<!-- end of events -->\n"


def table() -> Iterator[str]:
    """Give the rows of the page."""
    yield "| event | level | when | fields, ? if not always |"
    yield "|---|---|---|---|"
    for name, line in LINES.items():
        fields = ", ".join(
            f"`{field.alias or to_camel(key)}`" + ("" if field.is_required() else "?")
            for key, field in line.model_fields.items()
            if key != "event"
        )
        yield f"| `{name}` | {line.level} | {' '.join((line.__doc__ or '').split())} | {fields} |"


def test_the_page_lists_every_event() -> None:
    """As the code defines it. To write it anew: python -m tests.wiring.test_events_page"""
    assert PAGE.read_text(encoding="utf-8") == page()


def page() -> str:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return before + BEGIN + "\n".join(table()) + "\n" + END + rest.partition(END)[2]


def test_the_schema_is_up_to_date() -> None:
    """It is written by make schema, and is a schema."""
    text = (ROOT / "docs" / "events.schema.json").read_text(encoding="utf-8")
    assert text == events_schema()
    jsonschema.Draft202012Validator.check_schema(json.loads(text))


def test_every_event_has_a_line() -> None:
    assert [*LINES] == [*dict.fromkeys(LINES)]
    assert {*LINES} == {str(event) for event in Event}


def test_a_line_with_another_field_is_refused() -> None:
    """By the models and by the schema alike; so is one that lacks a field."""
    schema = jsonschema.Draft202012Validator(json.loads(events_schema()))
    line = {"event": "runScheduled", "run": "nightly-1", "plan": "nightly", "pastDue": False}
    lacks = {name: value for name, value in line.items() if name != "plan"}
    wrong = [line | {"past": True}, lacks, line | {"pastDue": "no"}, line | {"event": "runSheduled"}]
    assert problem_of(json.dumps(line)) is None
    assert schema.is_valid(line)
    for each in wrong:
        assert problem_of(json.dumps(each)) is not None
        assert not schema.is_valid(each)


def test_each_call_writes_fields_of_its_event() -> None:
    """Also those that no test makes."""
    unknown = []
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Attribute)):
                continue
            event = getattr(Event, node.args[0].attr, None)
            if event is None or not isinstance(node.args[0].value, ast.Name) or node.args[0].value.id != "Event":
                continue
            known = {field.alias or to_camel(key) for key, field in LINES[event].model_fields.items()}
            unknown += [(event, word.arg) for word in node.keywords if word.arg and word.arg not in known]
    assert unknown == []


def test_orchestrators_write_nothing() -> None:
    """A replay would write it again: no logging, no print, and the import rules forbid the rest."""
    found = []
    for path in (ROOT / "orchestrator").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = {getattr(node, "module", None) or "", *(alias.name for alias in node.names)}
                if names & {"logging", "sys", "wiring.events", "warnings"}:
                    found.append((path.name, node.lineno))
            if isinstance(node, ast.Call) and re.fullmatch(
                r"print|emit|.*\.(info|warning|error|exception|debug)", ast.unparse(node.func)
            ):
                found.append((path.name, node.lineno))
    assert found == []


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
