"""The contract of v3 (2022-08-31, 2023-07-31) and v4 (2024-11-30): models and classifiers, without copying."""

from __future__ import annotations

import zlib
from datetime import timedelta

from local.simulator import analyzing
from local.simulator.answers import Answer, Json, json_answer, resource_not_found, seconds, v3_error, v3_not_found
from local.simulator.call import Call
from local.simulator.models import StoredModel, two_years_after
from local.simulator.v3_wire import (
    address,
    invalid_parameter,
    model_details,
    model_summary,
    page_token,
    parameter_missing,
    prebuilt_models,
    read_body,
    read_labels,
    read_new_id,
    read_page_token,
)
from local.simulator.versions import is_at_least

DEFAULT_PAGE_SIZE = 240
"""Recorded pages had 212 to 238 models."""


def list_models(call: Call) -> Answer:
    """Answer one page of ready models: prebuilt models, v2 models, and models of this version and older ones."""
    check_kind(call)
    version = call.route.version
    size = call.resource.limits.page_size or DEFAULT_PAGE_SIZE
    after = read_page_token(call)
    count = size - zlib.crc32(after.encode()) % max(1, size // 8)
    models = call.resource.table(call.route.kind).after(after, count)
    if call.route.kind == "model":
        prebuilt = [model for model in prebuilt_models(version) if model.model_id > after]
        models = sorted([*models, *prebuilt], key=lambda model: model.model_id)[:count]
    shown = [model_summary(model, version) for model in models if model.state == "ready" and is_visible(model, version)]
    body: Json = {"value": call.resource.behaviour.with_odd_entries(shown, is_first=not after)}
    if len(models) == count:
        collection = "documentClassifiers" if call.route.kind == "classifier" else "documentModels"
        # It is absent on the last page (in v2 it is empty), and it keeps api-version (v2 drops op=full).
        body["nextLink"] = f"{address(call, collection)}&nextLink={page_token(models[-1].model_id)}"
    return json_answer(body)


def get_model(call: Call) -> Answer:
    """Answer one model or classifier. v3 and later have no status: a model that is not ready is not found."""
    check_kind(call)
    return json_answer(model_details(_find(call), call.route.version))


def delete_model(call: Call) -> Answer:
    """Delete a model or classifier. For a placeholder the behaviour is not recorded and can be chosen."""
    check_kind(call)
    table = call.resource.table(call.route.kind)
    stored = table.get(call.route.model_id or "")
    if (
        stored is not None
        and stored.state == "placeholder"
        and stored.generation != "v2"
        and call.resource.behaviour.placeholder_delete == "frees"
    ):
        table.remove(stored.model_id)
        return Answer(204)
    model = _find(call)
    if model.model_id.startswith("prebuilt-"):
        raise v3_error(400, "InvalidRequest", "ModelReadOnly", "The requested model is read-only.")
    table.remove(model.model_id)
    call.resource.last_change = call.now
    return Answer(204)


def analyze_model(call: Call) -> Answer:
    """Begin to analyze a document with a custom model: 202 with the address of the result."""
    model = _find(call)
    if not model_details(model, call.route.version)["docTypes"]:
        raise v3_not_found()  # the models of Microsoft do not analyze here
    location = address(call, f"documentModels/{model.model_id}/analyzeResults/{analyzing.begin(call, model)}")
    return Answer(202, headers={"Operation-Location": location})


def info(call: Call) -> Answer:
    """Answer the number of models and its limit; 2023-07-31 also counts neural builds."""
    limit = call.resource.limits.model_limit
    body: Json = {"customDocumentModels": {"count": call.resource.model_count(), "limit": limit}}
    if call.route.version == "2023-07-31":
        first = call.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        reset = (first + timedelta(days=32)).replace(day=1)
        body["customNeuralDocumentModelBuilds"] = {"used": 0, "quota": 20, "quotaResetDateTime": seconds(reset)}
    return json_answer(body)


def compose_model(call: Call) -> Answer:
    """Compose models into one: 202 and an operation. v4 needs a classifier and names each docType's model."""
    body = read_body(call)
    model_id = read_new_id(body, "modelId")
    call.model_id = model_id
    refuse_taken(call, model_id)
    description, tags = read_labels(body)
    content = _composed_v4(call, body) if call.route.generation == "v4" else _composed_v3(call, body)
    version = call.route.version
    model = StoredModel(
        model_id, version, content, created=call.now, trained=call.now, description=description, tags=tags
    )
    model.expires = two_years_after(call.now) if is_at_least(version, "2023-07-31") else None
    operation_id = new_operation_id(call)
    location = address(call, f"documentModels/{model_id}")
    call.world.start_composition(call.resource, model, version, operation_id, location)
    return Answer(202, headers={"Operation-Location": address(call, f"operations/{operation_id}")})


def _composed_v3(call: Call, body: Json) -> Json:
    parts = body.get("componentModels")
    if not isinstance(parts, list) or not parts:
        raise parameter_missing("componentModels")
    doc_types: Json = {}
    for part in parts:
        part_id = part.get("modelId") if isinstance(part, dict) else None
        doc_types |= _component(call, part_id).content["docTypes"]
    return {"docTypes": doc_types}


def _composed_v4(call: Call, body: Json) -> Json:
    classifier_id, doc_types = body.get("classifierId"), body.get("docTypes")
    if not classifier_id:
        raise parameter_missing("classifierId")
    if not isinstance(doc_types, dict) or not doc_types:
        raise parameter_missing("docTypes")
    classifier = call.resource.table("classifier").get(str(classifier_id))
    if classifier is None or classifier.state != "ready":
        raise _cannot_compose(f"Classifier '{classifier_id}' was not found.")
    composed: Json = {}
    for name, item in doc_types.items():
        if not isinstance(item, dict):
            raise invalid_parameter("docTypes", "Each must name a model.")
        part = _component(call, item.get("modelId"))
        composed[name] = {**next(iter(part.content["docTypes"].values()), {}), **item}
    return {"docTypes": composed, "classifierId": classifier_id, "split": body.get("split", "auto")}


def _component(call: Call, model_id: object) -> StoredModel:
    part = call.resource.table("model").get(str(model_id))
    if part is None or part.state != "ready" or part.generation != call.route.generation:
        raise _cannot_compose(f"Model '{model_id}' was not found, is not ready or has another API version.")
    return part


def _cannot_compose(details: str) -> Exception:
    return v3_error(400, "InvalidRequest", "ModelComposeError", f"Could not compose the model: {details}")


def new_operation_id(call: Call) -> str:
    """Return an id in the form of the service: seconds and a uuid."""
    return f"{31_000_000_000 + int(call.now.timestamp())}_{call.resource.new_id()}"


def refuse_taken(call: Call, model_id: str) -> None:
    """Refuse an id that is in use, and a new model beyond the limit."""
    if call.resource.table(call.route.kind).get(model_id) is not None:
        raise v3_error(409, "Conflict", "ModelExists", "A model with the provided name already exists.")
    limit = call.resource.limits.model_limit
    if call.route.kind == "model" and call.resource.model_count() >= limit:
        raise v3_error(400, "InvalidRequest", "DocumentModelLimit", f"Account can't create more than {limit} models.")


def check_kind(call: Call) -> None:
    """Refuse classifiers in a version without them."""
    if call.route.kind == "classifier" and not is_at_least(call.route.version, "2023-07-31"):
        raise resource_not_found()


def is_visible(model: StoredModel, api_version: str) -> bool:
    """Return whether a version shows a model: models of its own and older versions."""
    return is_at_least(api_version, model.api_version)


def _find(call: Call) -> StoredModel:
    model_id = call.route.model_id or ""
    if call.route.kind == "model" and model_id.startswith("prebuilt-"):
        prebuilt = [model for model in prebuilt_models(call.route.version) if model.model_id == model_id]
        if prebuilt:
            return prebuilt[0]
    model = call.resource.table(call.route.kind).get(model_id)
    if model is None or model.state != "ready" or not is_visible(model, call.route.version):
        raise v3_not_found()
    return model
