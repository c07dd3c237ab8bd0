"""``POST /api/copies``: copy named models from one resource to others."""

from __future__ import annotations

import asyncio
import secrets

import azure.durable_functions as df
import azure.functions as func

from backup.messages.run import RunRequest
from backup.names import COPY_BATCH, new_run_id
from http_start.answers import endpoint, run_address
from http_start.copy_request import CopyBody, read_copy_request, run_request
from http_start.operations import Operation
from http_start.problems import Problem
from http_start.starting import START_PROBLEMS, STARTED, start_run
from wiring.services import Services

blueprint = df.Blueprint()


@endpoint(
    blueprint,
    "post_copies",
    "POST",
    "copies",
    Operation(
        "startCopy",
        "runs",
        "Copy named models from one resource to others",
        {202: STARTED},
        {
            400: ("UnknownResource", "SameSourceAndTarget", "ImpossibleModelId", "TooManyModels"),
            409: ("CopyInProgress",),
            503: START_PROBLEMS,
        },
        body=CopyBody,
    ),
)
async def post_copies(req: func.HttpRequest, app: Services, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Start a run of named copies: 202 with the address of its status."""
    body = read_copy_request(req, app.configuration)
    run_id = new_run_id("copies", app.now(), secrets.token_hex(4))
    request = run_request(body, app.configuration, run_id)
    await asyncio.to_thread(_refuse_if_all_in_progress, app, request, req)
    return await start_run(req, client, COPY_BATCH, run_id, request)


def _refuse_if_all_in_progress(app: Services, request: RunRequest, req: func.HttpRequest) -> None:
    """Raise ``Problem`` (409) if every requested copy is under way. If only some are, these end as ``CopyInProgress``."""
    now, runs = app.now(), []
    for target in request.targets:
        for model_id in request.models:
            held = app.catalog.claims.get(target, request.kind, request.source, model_id)
            if held is None or not held.record.is_live(now):
                return
            runs.append(held.record.run_id)
    addresses = [run_address(req, run_id) for run_id in dict.fromkeys(runs)]
    raise Problem(
        409,
        "CopyInProgress",
        f"every requested model is being copied by {', '.join(dict.fromkeys(runs))}; wait for it",
        headers={"Location": addresses[0]},
        runs=addresses,
    )
