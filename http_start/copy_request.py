"""The body of ``POST /api/copies``: read, checked, and written as the input of the orchestrator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import azure.functions as func
from pydantic import Field

from backup.api_versions import generation_of
from backup.configuration.problems import unknown_name
from backup.configuration.sections import Configuration
from backup.document_models import Generation, Kind
from backup.messages.run import RunRequest
from backup.names import MODEL_ID, V2_MODEL_ID
from http_start.body import MOST_MODELS, Body, read_body
from http_start.problems import refuse, wrong_input

LONGEST_DEADLINE_MINUTES = 6 * 24 * 60 - 1
MODEL_ID_RULE = "not a model id; use 2 to 64 of a-z, A-Z, 0-9 and ._~-, beginning with a letter or digit"


# the schema says what check_model_ids and read_body refuse
ModelId = Annotated[str, Field(json_schema_extra={"pattern": f"^{MODEL_ID.pattern}$"})]
ModelIds = Annotated[list[ModelId], Field(json_schema_extra={"maxItems": MOST_MODELS, "uniqueItems": True})]


class CopyBody(Body):
    """Which models to copy, from where to where."""

    source: str
    """The resource to copy from."""
    targets: Annotated[list[str], Field(min_length=1, max_length=16, json_schema_extra={"uniqueItems": True})]
    """The resources to copy to."""
    models: Annotated[ModelIds, Field(min_length=1)]
    """The ids of the models in the source."""
    kind: Annotated[Kind, Field(strict=False)] = Kind.MODEL
    """What they are."""
    target_model_id: ModelId | None = None
    """The id that the copy should have (v3 and later); goes with one model."""
    deadline_minutes: Annotated[float | None, Field(gt=0, le=LONGEST_DEADLINE_MINUTES, allow_inf_nan=False)] = None
    """How long a copy may take; as in ``copies`` of ``backup.json`` by default."""


def read_copy_request(request: func.HttpRequest, configuration: Configuration) -> CopyBody:
    """Return the request's body, checked against the configuration. Raises ``Problem``."""
    body = read_body(request, CopyBody, "source, targets and models")
    _check_resources(body, configuration)
    _check_models(body, configuration)
    return body


def run_request(body: CopyBody, configuration: Configuration, run_id: str) -> RunRequest:
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


def check_resources(names: Mapping[str, str], configuration: Configuration) -> None:
    """Refuse names of resources that are not configured. ``names`` are by JSON pointer."""
    resources = configuration.resources
    unknown = [(pointer, name) for pointer, name in names.items() if name not in resources]
    refuse("UnknownResource", [(pointer, unknown_name("resource", name, resources)) for pointer, name in unknown])


def check_model_ids(models: Sequence[str], *, is_v2: bool = False) -> None:
    """Refuse ids that no custom model can have (with ``is_v2``, that no v2 model can have), and ids named twice."""
    refuse_repeated("models", models)
    details = [(f"#/models/{index}", wrong_id(model_id, is_v2=is_v2)) for index, model_id in enumerate(models)]
    refuse("ImpossibleModelId", [(pointer, detail) for pointer, detail in details if detail is not None])


def wrong_id(model_id: str, *, is_v2: bool = False) -> str | None:
    """Return what is wrong with the id of a custom model; ``None``: nothing."""
    if is_v2 and not V2_MODEL_ID.fullmatch(model_id):
        return "not a model id; every v2 model id is a UUID"
    if not MODEL_ID.fullmatch(model_id):
        return MODEL_ID_RULE
    if model_id.startswith("prebuilt-"):
        return "ids that begin with prebuilt- belong to the service's models, which every region has; use another id"
    return None


def refuse_repeated(field: str, values: Sequence[str]) -> None:
    """Refuse a list that names something twice."""
    repeated = [index for index, value in enumerate(values) if value in values[:index]]
    refuse("InvalidRequest", [(f"#/{field}/{index}", "named twice; name it once") for index in repeated])


def _check_resources(body: CopyBody, configuration: Configuration) -> None:
    targets = {f"#/targets/{index}": name for index, name in enumerate(body.targets)}
    check_resources({"#/source": body.source, **targets}, configuration)
    same = f'"{body.source}" is the source as well; name another target'
    refuse("SameSourceAndTarget", [(pointer, same) for pointer, name in targets.items() if name == body.source])
    refuse_repeated("targets", body.targets)


def _check_models(body: CopyBody, configuration: Configuration) -> None:
    generations = {generation_of(version) for version in configuration.resource(body.source).api_versions}
    check_model_ids(body.models, is_v2=body.kind is Kind.MODEL and generations == {Generation.V2})
    if body.target_model_id is None:
        return
    if len(body.models) != 1:
        right = "leave it out, or name one model"
        raise wrong_input("InvalidRequest", [("#/targetModelId", f"goes with exactly one model; {right}")])
    if wrong := wrong_id(body.target_model_id):
        raise wrong_input("ImpossibleModelId", [("#/targetModelId", wrong)])
