"""Which runs ``GET /api/runs`` is asked for: by plan, kind, status and time of their start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import azure.functions as func
from pydantic import Field

from backup.configuration.fields import NAME_PATTERN
from backup.configuration.problems import unknown_name
from backup.json_types import Moment
from backup.records import RunRecord
from backup.states import RunStatus
from catalog.runs import countdown
from http_start.operations import Parameter
from http_start.problems import wrong_input
from http_start.query import choice, moment, wrong_token
from http_start.run_types import RunKind
from wiring.services import Services

FILTERS = (
    Parameter("plan", Annotated[str, Field(pattern=NAME_PATTERN)], "Only runs of this plan."),
    Parameter("kind", RunKind, "Only runs that do this."),
    Parameter("status", RunStatus, "Only runs with this status."),
    Parameter(
        "from",
        Moment,
        "Only runs that started at this moment or later. Between the years 2000 and 2200, with a time zone.",
    ),
    Parameter(
        "until", Moment, "Only runs that started before this moment. Between the years 2000 and 2200, with a time zone."
    ),
)
FILTER_NAMES = tuple(one.name for one in FILTERS)
TOKEN_PATTERN = "^[0-9]{13}-[A-Za-z0-9-]{1,100}$"  # noqa: S105 - of a continuation token
_INDEX_KEY = re.compile(TOKEN_PATTERN)
_NAME = re.compile(NAME_PATTERN)


@dataclass(frozen=True)
class RunFilter:
    """The runs that are wanted; ``None`` does not narrow. ``begin`` is part of the time, ``end`` is not."""

    plan: str | None
    kind: RunKind | None
    status: RunStatus | None
    begin: datetime | None
    end: datetime | None

    def matches(self, record: RunRecord) -> bool:
        """Tell whether a run is wanted."""
        return (
            self.plan in {None, record.plan}
            and self.kind in {None, record.kind}
            and self.status in {None, record.status}
            and (self.begin is None or record.started_at >= self.begin)
            and (self.end is None or record.started_at < self.end)
        )

    def is_past(self, record: RunRecord) -> bool:
        """Tell whether this run, and with it every older one, started too early."""
        return self.begin is not None and record.started_at < self.begin

    def start(self, after: str | None, now: datetime) -> str | None:
        """Return the place in the list of runs, newest first, to begin behind: ``after``, or what started before the end."""
        if after is None and self.end is not None and self.end <= now:
            return countdown(self.end)
        return after


def read_filter(req: func.HttpRequest, app: Services) -> RunFilter:
    """Return the filter that the query asks for. Raises ``Problem``."""
    return RunFilter(
        _plan(req, app),
        choice(req, "kind", RunKind),
        choice(req, "status", RunStatus),
        moment(req, "from"),
        moment(req, "until"),
    )


def read_token(req: func.HttpRequest) -> str | None:
    """Return the continuation token of the query, or ``None``. Raises ``Problem`` if the app did not make it."""
    after: str | None = req.params.get("after")
    if after is not None and _INDEX_KEY.fullmatch(after) is None:
        raise wrong_token()
    return after


def token(record: RunRecord) -> str:
    """Return the continuation token of the page that begins after this run."""
    return f"{countdown(record.started_at)}-{record.run_id}"


def _plan(req: func.HttpRequest, app: Services) -> str | None:
    """Return the plan of the query: one that is configured, or was when it ran."""
    name: str | None = req.params.get("plan")
    plans = app.configuration.plans
    if name is None or name in plans or (_NAME.fullmatch(name) and app.catalog.plans.runs(name).last is not None):
        return name
    raise wrong_input("UnknownPlan", [("plan", unknown_name("plan", name, plans))])
