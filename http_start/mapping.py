"""``PUT /api/models``: read an exported mapping back, for a catalog that is lost."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import Annotated, Literal

import azure.durable_functions as df
import azure.functions as func
from pydantic import ConfigDict, FailFast, Field

from backup.codes import Code
from backup.configuration.fields import NAME_PATTERN
from backup.document_models import Kind
from backup.messages.copy import Exported, Failure, RowAction
from backup.messages.run import RunClosing, RunRequest
from backup.moments import moment_of
from backup.names import COPY_BATCH, MODEL_ID, new_run_id
from backup.records import RunRow
from http_start.answers import endpoint
from http_start.body import Body, read_body
from http_start.copy_request import MODEL_ID_RULE, ModelId
from http_start.operations import Operation
from http_start.problems import Problem, refuse
from http_start.starting import START_PROBLEMS, STARTED, start_run
from wiring.services import Services

blueprint = df.Blueprint()

LONGEST_MAPPING = 2 * 1024 * 1024
"""Bytes: some 1,000 models in two targets. A larger mapping is sent in parts: reading hostile JSON of this size takes most of a second."""

Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class ExportedBody(Body):
    """An object of the export. What is not needed is not looked at: the file may be of a later version of the app."""

    model_config = ConfigDict(extra="ignore")


class PlaceBody(ExportedBody):
    """A place of a model."""

    role: Literal["source", "replica"]
    """A source is passed over."""
    resource: Name
    """The name of the resource."""
    model_id: ModelId
    """The id of the model there."""
    api_version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.-]{1,40}$")]
    """The API version that the copy was made with."""
    state: Literal["ready", "retiring"] = "ready"
    """``retiring`` if a newer copy replaces it."""
    fingerprint: Annotated[str | None, Field(pattern=r"^[0-9a-f]{24}$")] = None
    """The version of the source model that was copied. A replica needs it."""
    trained: Annotated[str | None, Field(max_length=40)] = None
    """When this version was trained."""
    digest: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None
    """The digest of the content that was verified. A replica needs it."""


class ModelBody(ExportedBody):
    """A model with its places."""

    source: Name
    """The resource whose model it is."""
    model_id: ModelId
    """The id of the model in this resource."""
    kind: Annotated[Kind, Field(strict=False)]
    """What it is."""
    places: Annotated[list[PlaceBody], FailFast()]
    """Its places."""


class MappingBody(ExportedBody):
    """What ``GET /api/models`` answers."""

    # the first wrong one is told: a large file could have millions
    models: Annotated[list[ModelBody], FailFast()]
    """The models."""


@endpoint(
    blueprint,
    "put_models",
    "PUT",
    "models",
    Operation(
        "importModels",
        "models",
        "Record the replicas of an exported mapping that are there; nothing is copied",
        {202: STARTED},
        {503: START_PROBLEMS},
        body=MappingBody,
        refuses_fields=False,
    ),
)
async def put_models(req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Start a run that looks at each replica of the mapping in its target, and records those that are there: 202."""
    body = read_body(req, MappingBody, "what GET /api/models answered", longest=LONGEST_MAPPING, most_models=None)
    refuse("InvalidRequest", _wrong(body))
    run_id = new_run_id("mapping", app.now(), secrets.token_hex(4))
    copies = app.configuration.copies
    request = RunRequest(
        run_id=run_id,
        source="",
        targets=[],
        kind=Kind.MODEL,
        # its rows are in the catalog already
        models=[],
        deadline_seconds=copies.deadline_minutes * 60,
        patience_seconds=copies.patience_seconds,
        concurrency=copies.concurrency,
    )
    await asyncio.to_thread(_write_rows, app, request, list(_rows(body)))
    try:
        return await start_run(req, client, COPY_BATCH, run_id, request)
    except Problem as problem:
        failure = Failure.of(Code.CHILD_LOST, problem.detail)
        await asyncio.to_thread(app.catalog.runs.close, RunClosing(run_id=run_id, failure=failure), app.now())
        raise


def _wrong(body: MappingBody) -> Iterator[tuple[str, str]]:
    in_use: dict[tuple[str, Kind, str, str], str] = {}
    for index, model in enumerate(body.models):
        pointer = f"#/models/{index}"
        if MODEL_ID.fullmatch(model.model_id) is None:
            yield f"{pointer}/modelId", MODEL_ID_RULE
        for number, place in enumerate(model.places):
            if MODEL_ID.fullmatch(place.model_id) is None:
                yield f"{pointer}/places/{number}/modelId", MODEL_ID_RULE
            if place.role == "replica" and place.state == "ready":
                # of two, the app would take one for replaced and delete it after a day
                first = in_use.setdefault((model.source, model.kind, model.model_id, place.resource), place.model_id)
                if first != place.model_id:
                    wrong = f"a second copy in use beside {first[:64]}: a model has one in each resource; remove the wrong one"
                    yield f"{pointer}/places/{number}", wrong
            if place.role == "replica" and (place.digest is None or place.fingerprint is None):
                lacks = (
                    "lacks digest or fingerprint, as exports of earlier versions do; POST /api/catalog/rebuild instead"
                )
                yield f"{pointer}/places/{number}", lacks


def _rows(body: MappingBody) -> Iterator[RunRow]:
    number = 0
    for model in body.models:
        for place in model.places:
            if place.role != "replica" or place.digest is None or place.fingerprint is None:
                continue
            yield RunRow(
                row=number,
                source=model.source,
                target=place.resource,
                kind=model.kind,
                model_id=model.model_id,
                action=RowAction.CONFIRM,
                subject_id=place.model_id,
                exported=Exported(
                    api_version=place.api_version,
                    fingerprint=place.fingerprint,
                    digest=place.digest,
                    retiring=place.state == "retiring",
                    trained=moment_of(place.trained),
                ),
            )
            number += 1


def _write_rows(app: Services, request: RunRequest, rows: list[RunRow]) -> None:
    runs, now = app.catalog.runs, app.now()
    runs.announce(request.run_id, "mapping", now)
    runs.open_rows(
        request.run_id,
        rows,
        now,
        deadline_seconds=request.deadline_seconds,
        patience_seconds=request.patience_seconds,
    )
