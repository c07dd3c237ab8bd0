"""The template, the workbook and the queries name each other, and Microsoft's parser accepts each query."""

from __future__ import annotations

import json
import os
import re
import shutil

import pytest

from .log import MONITORING, QUERIES, filled, kusto_problems

TEMPLATE = (MONITORING / "monitoring.bicep").read_text(encoding="utf-8")
WORKBOOK = json.loads((MONITORING / "workbook.json").read_text(encoding="utf-8"))
SHOWN = [item["content"] for item in WORKBOOK["items"] if "query" in item["content"]]


def test_the_template_loads_every_query() -> None:
    """Under its own name."""
    loaded = dict(
        re.findall(r"^  '?([\w-]+)'?: loadTextContent\('queries/([\w-]+)\.kql'\)$", TEMPLATE, flags=re.MULTILINE)
    )
    assert all(name == file for name, file in loaded.items())
    assert {*loaded, "no-good-run"} == set(QUERIES)


def test_every_query_is_shown_or_alerts() -> None:
    """Or both; and the workbook shows only what there is."""
    shown, alerting = {content["query"] for content in SHOWN}, set(re.findall(r"\{ query: '([\w-]+)', title", TEMPLATE))
    assert shown | alerting | {"no-good-run"} == set(QUERIES)


def test_charts_name_columns_of_their_query() -> None:
    """So do the formatters of tables."""
    for content in SHOWN:
        text = QUERIES[content["query"]]
        chart = content.get("chartSettings", {})
        columns = [
            *chart.get("yAxis", []),
            *([chart["xAxis"]] if chart else []),
            *([chart["group"]] if "group" in chart else []),
        ]
        columns += [each["columnMatch"] for each in content.get("gridSettings", {}).get("formatters", [])]
        assert [column for column in columns if not re.search(rf"\b{column}\b", text)] == []


def test_alert_queries_return_no_time_of_their_own() -> None:
    """A rule groups rows by a column ``timestamp``, and counts in each group."""
    for name in re.findall(r"\{ query: '([\w-]+)', title", TEMPLATE):
        last = QUERIES[name].rstrip().splitlines()[-2:]
        assert not any(re.search(r"\b(timestamp|TimeGenerated)\b", line.partition("project ")[2]) for line in last), (
            name
        )
        assert not re.search(r"\b(union|search|limit|take)\s", re.sub(r"//.*", "", QUERIES[name])), name


def test_microsofts_parser_accepts_each_query() -> None:
    """Against the columns of the tables; and refuses a column that there is not, a function, and what is no query."""
    if shutil.which("node") is None and os.environ.get("WITHOUT_AZURITE"):
        pytest.skip("there is no Node.js")
    prefix = TEMPLATE.partition("var workspacePrefix = '")[2].partition("\\n'")[0] + "\n"
    queries = {name: filled(name) for name in QUERIES}
    wrong = {
        "column": queries["run-history"].replace("extend e = parse_json(message)", "extend e = parse_json(mesage)"),
        "function": queries["cost"].replace("sum(", "sumof("),
        "text": "traces | summarise count()",
    }
    found = kusto_problems(queries | {f"workspace {name}": prefix + text for name, text in queries.items()} | wrong)
    assert {name for name, problems in found.items() if problems} == wrong.keys()
