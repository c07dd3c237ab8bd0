"""``POST /api/restores``: bring models back from replicas, to their own region or to a third one."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field

from backup.document_models import Kind
from backup.lookup import versions
from backup.messages.run import RestoreRequest
from backup.names import RESTORE_RUN, new_run_id
from http_start.answers import endpoint
from http_start.body import Body, read_body
from http_start.copy_request import ModelIds, check_model_ids, check_resources
from http_start.operations import Operation
from http_start.problems import wrong_input
from http_start.query import full_version
from http_start.starting import START_PROBLEMS, STARTED, start_run
from wiring.services import Services

blueprint = df.Blueprint()


class RestoreBody(Body):
    """Which models to bring back, and where to."""

    source: str
    """The resource whose models were lost."""
    target: str | None = None
    """The resource to copy them to; the source itself by default."""
    kind: Annotated[Kind | None, Field(strict=False)] = None
    """What to bring back; models and classifiers by default."""
    models: Annotated[ModelIds | None, Field(min_length=1)] = None
    """The ids of the models in the source; all by default."""
    version: str | None = None
    """The version of the one model in ``models``: its fingerprint, or its first characters; the present version by default."""
    dry_run: bool = False
    """Whether to decide only."""


@endpoint(
    blueprint,
    "post_restores",
    "POST",
    "restores",
    Operation(
        "startRestore",
        "runs",
        "Copy models from their replicas back to their source, or to a third resource",
        {202: STARTED},
        {400: ("UnknownResource", "ImpossibleModelId", "TooManyModels"), 404: ("UnknownVersion",), 503: START_PROBLEMS},
        body=RestoreBody,
    ),
)
async def post_restores(
    req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Start a restore: 202 with the address of its status. ``target`` is the source itself by default."""
    body = read_body(req, RestoreBody, "the name of the source, and of a target if it is another resource")
    names = {"#/source": body.source}
    if body.target is not None:
        names["#/target"] = body.target
    check_resources(names, app.configuration)
    check_model_ids(body.models or [])
    run_id = new_run_id("restore", app.now(), secrets.token_hex(4))
    request = RestoreRequest(
        run_id=run_id,
        source=body.source,
        target=body.source if body.target is None else body.target,
        kind=body.kind,
        models=body.models,
        version=await asyncio.to_thread(_full_version, app, body),
        dry_run=body.dry_run,
        deadline_seconds=app.configuration.copies.deadline_minutes * 60,
    )
    return await start_run(req, client, RESTORE_RUN, run_id, request)


def _full_version(app: Services, body: RestoreBody) -> str | None:
    """Return the fingerprint of the version that is asked for, or ``None``. Raises ``Problem``."""
    if body.version is None:
        return None
    if body.models is None or len(body.models) != 1:
        raise wrong_input("InvalidRequest", [("#/models", "name the one model whose version it is")])
    (model_id,), kinds = body.models, [body.kind] if body.kind else list(Kind)
    of_model = app.catalog.replicas.of_model
    replicas = [stored.record for kind in kinds for stored in of_model(body.source, kind, model_id)]
    return full_version("#/version", body.version, versions(replicas, app.configuration.resources, app.now()))
