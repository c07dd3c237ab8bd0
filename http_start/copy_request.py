"""The body of ``POST /api/copies``: read, checked, and put into an order for the orchestrator."""

from __future__ import annotations

from typing import Annotated

import azure.functions as func
from pydantic import Field

from backup.api_versions import generation_of
from backup.configuration.sections import Configuration
from backup.document_models import Generation, Kind
from backup.messages.run import RunRequest
from backup.names import MODEL_ID, V2_MODEL_ID
from http_start.body import Body, read_body
from http_start.problems import Problem

LONGEST_DEADLINE_MINUTES = 6 * 24 * 60 - 1
WHAT_AN_ID_IS = "a model id is 2 to 64 of a-z, A-Z, 0-9 and ._~-, beginning with a letter or digit"


class CopyRequest(Body):
    """Which models are to be copied, from where to where."""

    source: str
    targets: Annotated[list[str], Field(min_length=1, max_length=16)]
    models: Annotated[list[str], Field(min_length=1)]
    kind: Annotated[Kind, Field(strict=False)] = Kind.MODEL
    target_model_id: str | None = None
    deadline_minutes: Annotated[float | None, Field(gt=0, le=LONGEST_DEADLINE_MINUTES, allow_inf_nan=False)] = None


def read_copy_request(request: func.HttpRequest, configuration: Configuration) -> CopyRequest:
    """Return the request's body, checked against the configuration. Raises ``Problem`` that says what to change."""
    body = read_body(request, CopyRequest, "source, targets and models")
    _check_resources(body, configuration)
    _check_models(body, configuration)
    return body


def run_request(body: CopyRequest, configuration: Configuration, run_id: str) -> RunRequest:
    """Return the input of the orchestrator."""
    copies = configuration.copies
    minutes = copies.deadline_minutes if body.deadline_minutes is None else body.deadline_minutes
    return RunRequest(
        run_id=run_id,
        source=body.source,
        targets=body.targets,
        kind=body.kind,
        models=body.models,
        target_model_id=body.target_model_id,
        deadline_seconds=minutes * 60,
        patience_seconds=copies.patience_seconds,
        concurrency=copies.concurrency,
    )


def check_resources(named: list[tuple[str, str]], configuration: Configuration) -> None:
    """Refuse names of resources that are not configured. ``named`` are pairs of a JSON pointer and a name."""
    errors = []
    for pointer, name in named:
        try:
            configuration.resource(name)
        except LookupError as error:
            errors.append({"pointer": pointer, "detail": str(error.args[0])})
    if errors:
        raise Problem(400, "UnknownResource", "; ".join(dict.fromkeys(entry["detail"] for entry in errors)), errors)


def refuse_same(pointer: str, source: str, target: str) -> None:
    """Refuse a copy of a resource onto itself."""
    if source == target:
        detail = f'"{source}" is the source as well: name another target'
        raise Problem(400, "SameSourceAndTarget", detail, [{"pointer": pointer, "detail": detail}])


def _check_resources(body: CopyRequest, configuration: Configuration) -> None:
    targets = [(f"#/targets/{index}", name) for index, name in enumerate(body.targets)]
    check_resources([("#/source", body.source), *targets], configuration)
    for pointer, name in targets:
        refuse_same(pointer, body.source, name)
    refuse_repeated("targets", body.targets)


def _check_models(body: CopyRequest, configuration: Configuration) -> None:
    refuse_repeated("models", body.models)
    versions = configuration.resource(body.source).api_versions
    only_v2 = body.kind is Kind.MODEL and {generation_of(version) for version in versions} == {Generation.V2}
    pattern = V2_MODEL_ID if only_v2 else MODEL_ID
    wanted = "a model id is a UUID, as every v2 model id is" if only_v2 else WHAT_AN_ID_IS
    errors: list[dict[str, str]] = []
    for index, model_id in enumerate(body.models):
        if pattern.fullmatch(model_id) is None:
            errors.append({"pointer": f"#/models/{index}", "detail": wanted})
        elif model_id.startswith("prebuilt-"):
            errors.append(
                {"pointer": f"#/models/{index}", "detail": "prebuilt models are in every region and are not copied"}
            )
    if body.target_model_id is not None:
        if MODEL_ID.fullmatch(body.target_model_id) is None:
            errors.append({"pointer": "#/targetModelId", "detail": WHAT_AN_ID_IS})
        elif body.target_model_id.startswith("prebuilt-"):
            detail = "ids that begin with prebuilt- are the service's own: choose another one"
            errors.append({"pointer": "#/targetModelId", "detail": detail})
        if len(body.models) != 1:
            raise Problem(
                400,
                "InvalidRequest",
                "targetModelId goes with exactly one model",
                [{"pointer": "#/targetModelId", "detail": "leave it out, or ask for one model"}],
            )
    if errors:
        raise Problem(
            400, "ImpossibleModelId", "; ".join(f"{one['pointer'][2:]}: {one['detail']}" for one in errors[:5]), errors
        )


def refuse_repeated(field: str, values: list[str]) -> None:
    """Refuse a list that names something twice."""
    repeated = [
        {"pointer": f"#/{field}/{i}", "detail": "named twice"} for i, value in enumerate(values) if value in values[:i]
    ]
    if repeated:
        raise Problem(400, "InvalidRequest", f"{field} names something twice: name each once", repeated)
