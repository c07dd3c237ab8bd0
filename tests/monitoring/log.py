"""The app's log as Application Insights holds it, and the queries of ``infra/monitoring`` on it."""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb_kql

from local.host import Clock

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "infra" / "monitoring"
QUERIES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((MONITORING / "queries").glob("*.kql"))}
HOURS = 26
"""What the template fills in for a plan without ``rpoHours``."""

Line = tuple[datetime, str]
TRACES = {
    "timestamp": "datetime",
    "message": "string",
    "severityLevel": "int",
    "itemType": "string",
    "customDimensions": "dynamic",
    "operation_Name": "string",
    "operation_Id": "string",
    "cloud_RoleName": "string",
    "cloud_RoleInstance": "string",
    "itemId": "string",
    "itemCount": "int",
}
"""The columns of ``traces`` in Application Insights."""
APP_TRACES = {"TimeGenerated": "datetime", "Message": "string", "SeverityLevel": "int", "ItemCount": "int"}
"""Some columns of the same table in the workspace."""
_DUCKDB = {"datetime": "TIMESTAMP", "string": "VARCHAR", "int": "INTEGER", "dynamic": "JSON"}


class _Kept(logging.Handler):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.lines: list[Line] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((self._clock.now(), record.getMessage()))


@contextmanager
def logged(clock: Clock) -> Iterator[list[Line]]:
    """Collect what the app logs meanwhile, each line with the moment of ``clock``."""
    logger, kept = logging.getLogger("form_recognizer_backup"), _Kept(clock)
    level = logger.level
    logger.addHandler(kept)
    logger.setLevel(logging.INFO)
    try:
        yield kept.lines
    finally:
        logger.removeHandler(kept)
        logger.setLevel(level)


def filled(name: str, plan: str = "nightly", hours: int = HOURS) -> str:
    """Return a query as the template fills it in."""
    return QUERIES[name].replace("__PLAN__", plan).replace("__HOURS__", str(hours))


_SOME_TIME = datetime(2001, 1, 1)  # noqa: DTZ001 - as the translator keeps it


@cache
def _translated(query: str) -> tuple[str, Mapping[str, Any]]:
    """Translate a query once: it takes half a second. The clock is a parameter of the result."""
    with closing(Traces([])._connection) as connection:
        found = duckdb_kql.to_sql(query, schema=duckdb_kql.engine.schema(connection), query_now=_SOME_TIME)
    return str(found), dict(found.parameters)


class Traces:
    """A table ``traces`` of log lines; use it in a ``with`` statement."""

    def __init__(self, lines: Sequence[Line], item_counts: Sequence[int] | None = None) -> None:
        self._connection = duckdb_kql.connect()
        for table, schema in (("traces", TRACES), ("AppTraces", APP_TRACES)):
            columns = ", ".join(f"{name} {_DUCKDB[kind]}" for name, kind in schema.items())
            self._connection.execute(f"CREATE TABLE {table} ({columns})")
        if lines:
            moments, texts = zip(*((moment.replace(tzinfo=None), text) for moment, text in lines), strict=True)
            rows = [[*moments], [*texts], [*(item_counts or [1] * len(lines))]]
            values = "SELECT unnest(?), unnest(?), unnest(?)"
            self._connection.execute(f"INSERT INTO traces (timestamp, message, itemCount) {values}", rows)
            self._connection.execute(f"INSERT INTO AppTraces (TimeGenerated, Message, ItemCount) {values}", rows)

    def __enter__(self) -> Traces:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def without_traces(self) -> None:
        """Leave only what the workspace has."""
        self._connection.execute("DROP TABLE traces")

    def rows(self, query: str, now: datetime) -> list[dict[str, Any]]:
        """Run a query at ``now``; return its rows by column."""
        sql, parameters = _translated(query)
        bound = {name: now.replace(tzinfo=None) if value == _SOME_TIME else value for name, value in parameters.items()}
        found = self._connection.sql(sql, params=bound) if bound else self._connection.sql(sql)
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def result(name: str, lines: Sequence[Line], now: datetime, **more: Any) -> list[dict[str, Any]]:
    """Return the rows of one query on ``lines``, at ``now``."""
    with Traces(lines) as traces:
        return traces.rows(filled(name, **more), now)


def kusto_problems(queries: Mapping[str, str]) -> dict[str, list[str]]:
    """Return what Microsoft's parser finds wrong with each query."""
    tables = {
        name: "(" + ", ".join(f"{column}: {kind}" for column, kind in schema.items()) + ")"
        for name, schema in (("traces", TRACES), ("AppTraces", APP_TRACES))
    }
    done = subprocess.run(
        ["node", str(Path(__file__).with_name("kusto.mjs"))],
        input=json.dumps({"tables": tables, "queries": dict(queries)}),
        capture_output=True,
        text=True,
        check=True,
    )
    problems: dict[str, list[str]] = json.loads(done.stdout)
    return problems
