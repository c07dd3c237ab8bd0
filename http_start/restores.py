"""``POST /api/restores``: bring models back from replicas, to their own region or to a third one."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field

from backup.document_models import Kind
from backup.messages.run import RestoreRequest
from backup.names import MODEL_ID, RESTORE_RUN, restore_run_id
from http_start.answers import with_problems
from http_start.body import Body, read_body
from http_start.copy_request import WHAT_AN_ID_IS, check_resources, refuse_repeated
from http_start.problems import Problem
from http_start.starting import start_run
from wiring.services import services

blueprint = df.Blueprint()


class RestoreBody(Body):
    """Whose models are to be brought back, and where to."""

    source: str
    target: str | None = None
    kind: Annotated[Kind | None, Field(strict=False)] = None
    models: Annotated[list[str] | None, Field(min_length=1)] = None
    dry_run: bool = False


@blueprint.function_name("post_restores")
@blueprint.route("restores", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@blueprint.durable_client_input(client_name="client")
@with_problems
async def post_restores(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Start a restore: 202 with the address of its status. ``target`` is the source itself by default."""
    known = await asyncio.to_thread(services)
    asked = read_body(req, RestoreBody, "the name of the source, and of a target if it is another resource")
    target = asked.target or asked.source
    named = [("#/source", asked.source), ("#/target", asked.target)]
    check_resources([(pointer, name) for pointer, name in named if name is not None], known.configuration)
    refuse_repeated("models", asked.models or [])
    wrong = [
        {"pointer": f"#/models/{index}", "detail": "no model can have this id"}
        for index, model_id in enumerate(asked.models or [])
        if MODEL_ID.fullmatch(model_id) is None
    ]
    if wrong:
        raise Problem(400, "ImpossibleModelId", WHAT_AN_ID_IS, wrong)
    run_id = restore_run_id(known.now(), secrets.token_hex(4))
    request = RestoreRequest(
        run_id=run_id,
        source=asked.source,
        target=target,
        kind=asked.kind,
        models=asked.models,
        dry_run=asked.dry_run,
    )
    return await start_run(req, client, RESTORE_RUN, run_id, request)
