"""Copying in v3 and v4: authorizations, copies and operations, of models and of v4 classifiers."""

from __future__ import annotations

from datetime import datetime

from local.simulator.answers import (
    Answer,
    Json,
    ServiceError,
    json_answer,
    resource_not_found,
    seconds,
    v3_error,
    v3_not_found,
)
from local.simulator.call import Call
from local.simulator.copying import OPERATION_RETENTION, CopyRequest, Failure, Operation
from local.simulator.v3 import DEFAULT_PAGE_SIZE, is_visible, new_operation_id, refuse_taken
from local.simulator.v3_wire import (
    address,
    invalid_parameter,
    model_details,
    page_token,
    read_body,
    read_labels,
    read_new_id,
    read_page_token,
    read_text,
)
from local.simulator.versions import generation_of, is_at_least

CLASSIFIER_COPY_REGIONS = ("eastus", "westus2", "westeurope")
"""The only regions that copy classifiers (the article on v4.0)."""

_AUTHORIZATION_METADATA = (
    "Could not retrieve authorization metadata. If this issue persists use a different target model to copy into."
)


def authorize_copy(call: Call) -> Answer:
    """Reserve the id that the caller chose: 200, with all that the copy needs; it is valid for an hour."""
    kind = call.route.kind
    _check_classifier_copy(call)
    body = read_body(call)
    model_id = read_new_id(body, f"{kind}Id")
    call.model_id = model_id
    description, tags = read_labels(body)
    refuse_taken(call, model_id)
    grant = call.world.authorize(call.resource, kind, model_id, call.route.version, description, tags)
    name, collection = ("Classifier", "documentClassifiers") if kind == "classifier" else ("Model", "documentModels")
    return json_answer(
        {
            "targetResourceId": call.resource.spec.resource_id,
            "targetResourceRegion": call.resource.spec.region,
            f"target{name}Id": model_id,
            f"target{name}Location": address(call, f"{collection}/{model_id}"),
            "accessToken": grant.token,
            "expirationDateTime": seconds(grant.expires),
        }
    )


def start_copy(call: Call) -> Answer:
    """Accept a copy: 202 and an operation, which reports later whether the authorization was valid."""
    _check_classifier_copy(call)
    body = read_body(call)
    name = "targetClassifier" if call.route.kind == "classifier" else "targetModel"
    request = CopyRequest(
        read_text(body, "targetResourceId"),
        read_text(body, "targetResourceRegion"),
        read_new_id(body, f"{name}Id"),
        read_text(body, "accessToken"),
        call.headers.get("x-ms-forms-copy-degrade", "").lower() == "true",
    )
    location = read_text(body, f"{name}Location")
    _check_moment(read_text(body, "expirationDateTime"))
    source = call.resource.table(call.route.kind).get(call.route.model_id or "")
    try:
        if source is None or (source.state != "ready" and source.generation == "v2"):
            raise v3_not_found()
        if source.state != "ready":
            raise v3_error(
                400,
                "InvalidRequest",
                "ModelNotReady",
                "Model is not ready for the requested operation. Wait for training to complete or check for operation "
                "errors.",
            )
        if source.generation == "v2" or not is_visible(source, call.route.version):
            needed = "2022-08-31" if source.generation == "v2" else source.api_version
            text = f"The requested operation requires {needed} or later."
            raise v3_error(400, "InvalidRequest", "NotSupportedApiVersion", text)
    except ServiceError:
        call.world.burn(request.token)
        raise
    operation_id = new_operation_id(call)
    call.world.start_copy(call.resource, source, call.route.version, request, operation_id, location)
    return Answer(202, headers={"Operation-Location": address(call, f"operations/{operation_id}")})


def _check_moment(text: str) -> None:
    """Check a time; clients write it with and without fractions of a second, and the service accepts both (recorded)."""
    try:
        datetime.fromisoformat(text)
    except ValueError as wrong:
        raise invalid_parameter("expirationDateTime", "It is not a date and time.") from wrong


def _check_classifier_copy(call: Call) -> None:
    if call.route.kind != "classifier":
        return
    if call.route.generation != "v4":  # 2023-07-31 has classifiers, but cannot copy them
        raise resource_not_found()
    if call.resource.spec.region.lower() not in CLASSIFIER_COPY_REGIONS:
        message = f"Copying classifiers is not supported in region '{call.resource.spec.region}'."
        raise v3_error(400, "InvalidRequest", "UnsupportedRegion", message)


def get_operation(call: Call) -> Answer:
    """Answer one operation of the last day, with its result or error."""
    operation = call.world.operation(call.resource, call.route.result_id or "")
    if operation is None or not _is_shown(operation, call):
        raise v3_not_found("OperationNotFound")
    body = _summary(operation, call.now)
    if operation.ended is not None and operation.failure is None:
        body["result"] = model_details(operation.result, operation.api_version)
    elif operation.ended is not None and operation.failure is not None:
        body["error"] = _failure(operation.failure, operation)
    return json_answer(body)


def list_operations(call: Call) -> Answer:
    """Answer one page of the operations of the last day, newest first, without their results."""
    kept = [item for item in call.world.operations[call.resource.spec.name].values() if _is_shown(item, call)]
    kept.sort(key=lambda item: (item.started, item.id), reverse=True)
    after = read_page_token(call)
    if after:
        positions = [index for index, item in enumerate(kept) if item.id == after]
        kept = kept[positions[0] + 1 :] if positions else []
    size = call.resource.limits.page_size or DEFAULT_PAGE_SIZE
    body: Json = {"value": [_summary(item, call.now) for item in kept[:size]]}
    if len(kept) > size:
        body["nextLink"] = f"{address(call, 'operations')}&nextLink={page_token(kept[size - 1].id)}"
    return json_answer(body)


def _is_shown(operation: Operation, call: Call) -> bool:
    """Return whether an operation is of the last day, not of v2, and of the caller's version or an older one."""
    if generation_of(operation.api_version) == "v2" or call.now >= operation.started + OPERATION_RETENTION:
        return False
    return is_at_least(call.route.version, operation.api_version)


def _summary(operation: Operation, now: datetime) -> Json:
    if operation.ended is not None:
        status = "failed" if operation.failure else "succeeded"
        percent, updated = 100, operation.ended  # 100 also for a failure (recorded)
    elif operation.is_running(now):
        status, updated = "running", now
        whole = (operation.finishes - operation.started).total_seconds()
        percent = min(99, int(100 * (now - operation.started).total_seconds() / whole)) if whole else 99
    else:
        status, percent, updated = "notStarted", 0, operation.started
    body: Json = {
        "operationId": operation.id,
        "kind": operation.kind,
        "status": status,
        "percentCompleted": percent,
        "createdDateTime": seconds(operation.started),
        "lastUpdatedDateTime": seconds(updated),
        "resourceLocation": operation.location,
        "apiVersion": operation.api_version,
    }
    if operation.tags:
        body["tags"] = operation.tags
    return body


def _failure(failure: Failure, operation: Operation) -> Json:
    """Return the error of a failed operation. The form is recorded for ``downgrade``; the others follow it."""
    if failure == "parts":
        details = {"code": "ModelNotFound", "message": "The requested model was not found."}
        return {"code": "InvalidRequest", "message": "Invalid request.", "details": [details]}
    request = operation.request
    assert request is not None
    reasons = {
        "downgrade": "Cannot copy encrypted content to non-encrypted account.",
        "authorization": _AUTHORIZATION_METADATA,
        "resolver": f"Could not fetch information for Cognitive resource with Id '{request.resource_id}'. Ensure the "
        f"resource is valid and exists in the specified region '{request.region}'.",
    }
    return {
        "code": "Forbidden",
        "message": "Access forbidden due to policy or other configuration.",
        "details": [{"code": "AuthorizationFailed", "message": f"Authorization failed: {reasons[failure]}"}],
    }
