"""docs/configuration.md describes every field of backup.json and every app setting, and nothing that does not exist."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from backup.clouds import CLOUDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
SCHEMA: Mapping[str, Any] = json.loads((ROOT / "backup.schema.json").read_text(encoding="utf-8"))

HEADS = {
    "Resource": "### resources",
    "RateLimits": "`rateLimits`: how often",
    "CopySettings": "### copies",
    "Route": "### routes",
    "Plan": "### plans",
    "Receiver": "### notify",
}
"""Where the table of each section begins."""


def table(head: str) -> dict[str, str]:
    """Return the rows of the first table after ``head``: the default by field."""
    lines = PAGE.split(head, 1)[1].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("|---")) + 1
    rows: dict[str, str] = {}
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        names, *_, default = [cell.strip() for cell in line.strip("|").split(" | ")]
        rows |= dict.fromkeys(re.findall(r"`([\w.]+)`", names), default.strip(" |"))
    return rows


def fields(name: str) -> dict[str, Any]:
    """Return the fields of a section of the schema; those of an object within it with its name before them."""
    found: dict[str, Any] = {}
    for field, rules in SCHEMA["$defs"][name]["properties"].items():
        inner = rules.get("$ref", "").rpartition("/")[2]
        if name == "Plan" and "properties" in SCHEMA["$defs"].get(inner, {}):
            found |= {f"{field}.{key}": value for key, value in fields(inner).items()}
        else:
            found[field] = rules
    return found


@pytest.mark.parametrize("section", HEADS)
def test_every_field_is_described(section: str) -> None:
    assert set(table(HEADS[section])) == set(fields(section))


def test_every_section_has_its_table() -> None:
    tables = {name for name, rules in SCHEMA["$defs"].items() if "properties" in rules}
    assert tables == {*HEADS, "ManagedIdentity", "Retention"}, "described with the field that holds them"
    assert set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)) == set(SCHEMA["properties"]) - {"$schema"}
    assert set(SCHEMA["$defs"]["ManagedIdentity"]["properties"]) <= set(re.findall(r'"(\w+)": "…"', PAGE))


@pytest.mark.parametrize("section", HEADS)
def test_the_defaults_are_those_of_the_code(section: str) -> None:
    rows = table(HEADS[section])
    for field, rules in fields(section).items():
        default = rules.get("default")
        if isinstance(default, bool | int | float | str):
            said = rows[field].strip("`").replace(",", "")
            assert said in {str(default), str(default).lower(), f"{default:g}" if isinstance(default, float) else ""}, (
                field
            )


def test_the_clouds_are_those_of_the_code() -> None:
    rows = [[cloud.name, *cloud.subdomains, *cloud.regional, cloud.scope] for cloud in CLOUDS]
    section = PAGE.split("#### Endpoints and clouds", 1)[1].split("###", 1)[0]
    told = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")][2:]
    assert [[name, *re.findall(r"`(?:{\w+}\.)?([^`]+)`", " ".join(cells))] for name, *cells in told] == rows
    assert {begin for cloud in CLOUDS for begin in cloud.regions} == set(re.findall(r"`(\w+)…`", section))


def test_every_app_setting_is_described() -> None:
    """Those of the sample, and those that the code reads."""
    described = table("## App settings")
    sample = json.loads((ROOT / "local.settings.sample.json").read_text(encoding="utf-8"))["Values"]
    named = {"FUNCTIONS_WORKER_RUNTIME"} | {name for name in sample if name.endswith(("_KEY", "_URL"))}
    assert set(sample) - named <= set(described)
    read = {
        match
        for folder in ("wiring", "http_start", "timer_start", "backup")
        for file in (ROOT / folder).rglob("*.py")
        for match in re.findall(r'_SETTING\w* = "(\w+)"', file.read_text(encoding="utf-8"))
    }
    assert read <= set(described)
    assert read
