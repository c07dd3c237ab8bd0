"""The v2 contract: v2.0-preview, v2.0 and v2.1."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from typing import Any

from local.simulator import analyzing
from local.simulator.answers import (
    Answer,
    Json,
    ServiceError,
    gateway_error,
    json_answer,
    resource_not_found,
    seconds,
    seven_digits,
    v2_error,
    v2_model_not_found,
)
from local.simulator.call import Call
from local.simulator.copying import CopyRequest, Failure, Operation
from local.simulator.models import StoredModel

DEFAULT_PAGE_SIZE = 14
"""Recorded pages had 0 to 14 models."""

_RESOURCE_ID = re.compile(
    r"^/subscriptions/[^/]*/resourceGroups/[^/]*/providers/Microsoft\.CognitiveServices/accounts/[^/]*$", re.IGNORECASE
)
_REGION = re.compile(r"^[a-z0-9]{1,24}$", re.IGNORECASE)  # the description wants lower case, the service takes capitals
_STATES = {"ready": "ready", "creating": "creating", "placeholder": "creating", "invalid": "invalid"}


def list_models(call: Call) -> Answer:
    """Answer one page of the models of every state. Models of v3 and v4 are skipped, so pages have different lengths."""
    if call.query.get("op") != "full" and (call.resource.behaviour.list_needs_op or "nextLink" not in call.query):
        raise v2_error(400, "1002", "Query parameter 'op' must be one of: full, summary.")
    size = call.resource.limits.page_size or DEFAULT_PAGE_SIZE
    after = _read_page_token(call.query["nextLink"]) if call.query.get("nextLink") else ""
    # A page reads up to `size` models of the resource, of any generation, and sometimes fewer.
    count = size - zlib.crc32(after.encode()) % max(1, size // 4)
    models = call.resource.table("model").after(after, count)
    shown = [_model_info(model, call.route.version) for model in models if model.generation == "v2"]
    shown = call.resource.behaviour.with_odd_entries(shown, is_first=not after)
    link = ""
    if len(models) == count:  # the service does not look ahead: the last page can be empty
        # op=full is not in the link, as recorded: clients must add it again.
        link = f"{_models_url(call)}?nextLink={_page_token(models[-1].model_id)}"
    return json_answer({"modelList": shown, "nextLink": link})


def _page_token(model_id: str) -> str:
    text = base64.b64encode(model_id.encode()).decode().rstrip("=")
    return f"2!{len(text)}!{text}"


def _read_page_token(token: str) -> str:
    _, _, text = token.rpartition("!")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as wrong:
        raise v2_error(400, "1002", "Query parameter 'nextLink' is invalid.") from wrong


def summary(call: Call) -> Answer:
    """Answer the number of models and its limit."""
    changed = call.resource.last_change or call.now
    return json_answer(
        {
            "summary": {
                "count": call.resource.model_count(),
                "limit": call.resource.limits.model_limit,
                "lastUpdatedDateTime": seconds(changed),
            }
        }
    )


def get_model(call: Call) -> Answer:
    """Answer one model; its keys only with ``includeKeys``."""
    model = _find(call)
    is_newer = model.api_version == "v2.1" and call.route.version != "v2.1"
    if is_newer and not call.resource.behaviour.shows_newer_v2:
        raise v2_error(
            400,
            "1027",
            "The Form Recognizer API version used to create the model and the current API version used for GET model are incompatible.",
        )
    content = model.content
    body: Json = {"modelInfo": _model_info(model, call.route.version)}
    if call.query.get("includeKeys", "").lower() == "true" and "keys" in content:
        body["keys"] = content["keys"]  # only models trained without labels have keys
    for name in ("trainResult", "composedTrainResults"):
        if name in content:
            body[name] = content[name]
    failed = content.get("trainResult", {}).get("errors") if model.state == "invalid" else None
    return json_answer(body, 200, **({"ms_azure_ai_errorcode": failed[0]["code"]} if failed else {}))


def delete_model(call: Call) -> Answer:
    """Delete a model or a placeholder, in any state."""
    model = _find(call)
    call.resource.table("model").remove(model.model_id)
    call.resource.last_change = call.now
    return Answer(204)


def authorize_copy(call: Call) -> Answer:
    """Make a placeholder under an id that the service chooses, and answer the permission to fill it: 201, the expiry in
    Unix seconds."""
    limit = call.resource.limits.model_limit
    if call.resource.model_count() >= limit:
        raise v2_error(400, "1014", f"Account cannot create more than {limit} models.")
    model_id = call.resource.new_id()
    call.model_id = model_id
    grant = call.world.authorize(call.resource, "model", model_id, call.route.version)
    article, expires = call.resource.behaviour.article_bodies, int(grant.expires.timestamp())
    body = {
        "modelId": model_id,
        "accessToken": grant.token,
        "expirationDateTimeTicks": _dotnet_ticks(expires) if article else expires,
    }
    return json_answer(body, 201, Location=f"{_models_url(call)}/{model_id}")


def _dotnet_ticks(unix_seconds: int) -> int:
    """Return a time in units of 100 ns since the year 1, as in the article's sample."""
    return (unix_seconds + 62_135_596_800) * 10_000_000


def start_copy(call: Call) -> Answer:
    """Accept a copy: 202 with only the operation's address. A wrong region or token is reported by the operation."""
    request = _copy_request(call)
    model = call.resource.table("model").get(call.route.model_id or "")
    if model is None or model.state != "ready" or model.generation != "v2":
        call.world.burn(request.token)
        raise v2_error(
            500,
            "1999",
            "An error occurred during model copy. Retry the operation. If the issue persists, contact support.",
        )
    result_id = call.resource.new_id()
    call.world.start_copy(call.resource, model, call.route.version, request, result_id)
    location = f"{_models_url(call)}/{model.model_id}/copyresults/{result_id}"
    return Answer(202, headers={"Operation-Location": location})


def _copy_request(call: Call) -> CopyRequest:
    if not call.is_json:
        raise gateway_error(415, "Unsupported Media Type. The request must be of type application/json.")
    try:
        body = call.json_body()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _invalid_copy("Request body is missing or is not valid JSON.")
    resource_id, region, grant = (
        body.get(name) for name in ("targetResourceId", "targetResourceRegion", "copyAuthorization")
    )
    if not isinstance(resource_id, str) or len(resource_id) > 1024 or not _RESOURCE_ID.match(resource_id):
        raise _invalid_copy("Field 'TargetResourceId' must be a valid Azure Resource ID.")
    if not isinstance(region, str) or not _REGION.match(region):
        raise _invalid_copy("Field 'TargetResourceRegion' must be a valid Azure region.")
    if not isinstance(grant, dict):
        raise _invalid_copy("Field 'CopyAuthorization' is required.")
    model_id, token, ticks = (grant.get(name) for name in ("modelId", "accessToken", "expirationDateTimeTicks"))
    if not isinstance(model_id, str) or not model_id:
        raise _invalid_copy("Field 'ModelId' is required.")
    if not isinstance(token, str) or not token:
        raise _invalid_copy("Field 'AccessToken' is required.")
    if isinstance(ticks, bool) or not isinstance(ticks, int):
        raise _invalid_copy("Field 'ExpirationDateTimeTicks' must be a number.")
    degrade = call.headers.get("x-ms-forms-copy-degrade", "").lower() == "true"
    return CopyRequest(resource_id, region, model_id.lower(), token, degrade)


def _invalid_copy(reason: str) -> ServiceError:
    return v2_error(400, "1002", f"Copy request is invalid. {reason}")


def get_copy_result(call: Call) -> Answer:
    """Answer the state of a copy: 200 also for a failed one. Its dates change when it ends."""
    operation = call.world.operation(call.resource, call.route.result_id or "")
    if operation is None or operation.source_id != call.route.model_id:
        raise v2_error(404, "1022", f"Copy operation with 'id={call.route.result_id}' not found.")
    if operation.ended is None:
        running = call.resource.behaviour.show_running and operation.is_running(call.now)
        started = seconds(operation.started)
        status = "running" if running else "notStarted"
        early: Json = {"status": status, "createdDateTime": started, "lastUpdatedDateTime": started}
        return json_answer(early | ({"copyResult": {}} if call.resource.behaviour.article_bodies else {}))
    ended = seven_digits(operation.ended)
    result: Json = {} if call.resource.behaviour.article_bodies else {"modelId": operation.target_id}
    answer_headers: dict[str, str] = {}
    if operation.failure is not None:
        code, message = failure_text(operation.failure, operation)
        result["errors"] = [{"code": code, "message": message, "innerError": {"requestId": call.resource.new_id()}}]
        answer_headers["ms_azure_ai_errorcode"] = code
    body = {
        "status": "failed" if operation.failure else "succeeded",
        "createdDateTime": ended,
        "lastUpdatedDateTime": ended,
        "copyResult": result,
    }
    return json_answer(body, 200, **answer_headers)


def failure_text(failure: Failure, operation: Operation) -> tuple[str, str]:
    """Return code and message of a failed v2 copy, as recorded in 2022 (in 2020 codes were words)."""
    request = operation.request
    assert request is not None
    if failure == "resolver":
        return "2024", (
            f"Could not fetch information for Cognitive resource with Id '{request.resource_id}'. Ensure the resource "
            f"is valid and exists in the specified region '{request.region}'.."
        )
    if failure == "downgrade":
        return "DataProtectionTransformServiceError", (
            "Data transfer request is not allowed as it downgrades to a less secure data protection scheme. "
            "Refer documentation or contact your service administrator for details."
        )
    return "2024", (
        "Could not retrieve authorization metadata. If this issue persists use a different target model to copy into."
    )


def analyze_model(call: Call) -> Answer:
    """Begin to analyze a document: 202 with the address of the result."""
    model = _find(call)
    if model.state != "ready":
        raise v2_error(400, "1015", f"Model with 'id={model.model_id}' is not ready.")
    result_id = analyzing.begin(call, model)
    location = f"{_models_url(call)}/{model.model_id}/analyzeresults/{result_id}"
    return Answer(202, headers={"Operation-Location": location})


def compose_model(call: Call) -> Answer:
    """Compose v2.1 models into one: 201, and the model is ready after the time of a copy."""
    if call.route.version != "v2.1":
        raise resource_not_found()
    try:
        body = call.json_body() if call.is_json else None
    except ValueError:
        body = None
    ids = body.get("modelIds") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(ids, list) or not ids:
        raise v2_error(400, "1002", "Compose request is invalid. Field 'ModelIds' is required.")
    parts = [call.resource.table("model").get(str(part)) for part in ids]
    ready = [part for part in parts if part is not None and part.state == "ready" and part.api_version == "v2.1"]
    if len(ready) < len(parts):
        raise v2_error(
            400,
            "1001",
            "Specified model not found or not ready or has incompatible API version. Only models trained with the "
            "same API version and with labels can be composed.",
        )
    results: list[Any] = []
    for part in ready:
        if "composedTrainResults" in part.content:
            results.extend(part.content["composedTrainResults"])
        else:
            results.append({**part.content.get("trainResult", {}), "modelId": part.model_id})
    content: Json = {"composedTrainResults": results, "attributes": {"isComposed": True}}
    if isinstance(body.get("modelName"), str):
        content["modelName"] = body["modelName"]
    model = StoredModel(call.resource.new_id(), "v2.1", content, created=call.now, trained=call.now)
    call.model_id = model.model_id
    call.world.start_composition(call.resource, model, "v2.1", call.resource.new_id(), "")
    return json_answer_created(f"{_models_url(call)}/{model.model_id}")


def json_answer_created(location: str) -> Answer:
    """Return a 201 with an address and no body."""
    return Answer(201, headers={"Location": location})


def _find(call: Call) -> StoredModel:
    model = call.resource.table("model").get(call.route.model_id or "")
    if model is None or model.generation != "v2":
        raise v2_model_not_found(call.route.model_id or "")
    return model


def _model_info(model: StoredModel, version: str) -> Json:
    info: Json = {
        "modelId": model.model_id,
        "status": _STATES[model.state],
        "createdDateTime": seconds(model.created),
        "lastUpdatedDateTime": seconds(model.trained),
    }
    if version == "v2.1":  # names and composition came with v2.1
        if "modelName" in model.content:
            info["modelName"] = model.content["modelName"]
        if model.state != "placeholder":
            info["attributes"] = model.content.get("attributes", {"isComposed": False})
    return info


def _models_url(call: Call) -> str:
    return f"{call.base}/formrecognizer/{call.route.version}/custom/models"


OPERATIONS = {
    "listModels": list_models,
    "getInfo": summary,
    "getModel": get_model,
    "deleteModel": delete_model,
    "authorizeCopy": authorize_copy,
    "startCopy": start_copy,
    "getCopyResult": get_copy_result,
    "composeModel": compose_model,
    "analyzeModel": analyze_model,
    "getAnalyzeResult": analyzing.result_v2,
}
