"""``POST /api/doctor``: what is wrong with the app, its resources and its plans, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import azure.durable_functions as df
import azure.functions as func

from backup.configuration.problems import unknown_name
from doctor import setup
from doctor.examination import examine
from doctor.report import ReportView
from doctor.setup import Setup
from http_start.answers import endpoint, json_response
from http_start.body import Body, read_body
from http_start.operations import Operation, Reply
from http_start.problems import refuse

blueprint = df.Blueprint()


class DoctorBody(Body):
    """What to examine besides the app: everything if neither is given. A plan brings its resources."""

    resources: list[str] | None = None
    """The names of resources."""
    plans: list[str] | None = None
    """The names of plans. A plan brings its resources."""


@endpoint(
    blueprint,
    "post_doctor",
    "POST",
    "doctor",
    Operation(
        "examine",
        "health",
        "What is wrong with app, resources and plans, and what to do; calls them, and changes nothing",
        {200: Reply("What every check found, worst first.", ReportView)},
        {400: ("UnknownResource", "UnknownPlan")},
        body=DoctorBody,
        body_is_optional=True,
    ),
    needs=setup.current,
)
def post_doctor(req: func.HttpRequest, found: Setup) -> func.HttpResponse:
    """Return 200 with what every check found, worst first. A broken configuration or catalog does not keep it from answering."""
    body = read_body(req, DoctorBody, "resources, plans, or nothing") if req.get_body().strip() else DoctorBody()
    if found.configuration is not None:
        refuse("UnknownResource", _unknown("resource", body.resources, found.configuration.resources))
        refuse("UnknownPlan", _unknown("plan", body.plans, found.configuration.plans))
    return json_response(examine(found, resources=body.resources, plans=body.plans).to_json())


def _unknown(kind: str, names: Iterable[str] | None, known: Collection[str]) -> Iterator[tuple[str, str]]:
    for index, name in enumerate(names or ()):
        if name not in known:
            yield f"#/{kind}s/{index}", unknown_name(kind, name, known)
