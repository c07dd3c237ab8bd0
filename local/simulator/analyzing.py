"""Analyzing a document with a custom model, in all generations: 202 with the address of a result, which succeeds soon after.

The document is not read. Each field of the model is found, with its training's confidence: enough to prove that a model can be used.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from local.simulator.answers import Answer, Json, json_answer, resource_not_found, seconds, v2_error, v3_error
from local.simulator.call import Call
from local.simulator.models import StoredModel
from local.simulator.resource import Analysis
from local.simulator.v3_wire import model_details

ANALYSIS_TIME = timedelta(seconds=0.2)


def begin(call: Call, model: StoredModel) -> str:
    """Begin to analyze the document in the body, and return the id of the result."""
    if not call.body:
        if model.generation == "v2":
            raise v2_error(400, "1003", "Request body is missing or empty.")
        raise v3_error(400, "InvalidRequest", "InvalidContent", "The file is corrupted or format is unsupported.")
    analyses = call.resource.analyses
    for old in [key for key, one in analyses.items() if one.is_old(call.now)]:
        del analyses[old]
    result_id = call.resource.new_id()
    analyses[result_id] = Analysis(model.snapshot(), call.now, call.now + ANALYSIS_TIME)
    return result_id


def find(call: Call) -> Analysis | None:
    """Return the analysis that a request asks for, or ``None``."""
    found = call.resource.analyses.get(call.route.result_id or "")
    return found if found is not None and found.model.model_id == call.route.model_id else None


def result_v2(call: Call) -> Answer:
    """Answer an analysis of v2."""
    analysis = find(call)
    if analysis is None:
        raise resource_not_found()
    body = _state(call, analysis)
    if call.now >= analysis.ended:
        model = analysis.model
        documents = [
            {
                "docType": f"custom:{model.content.get('modelName', model.model_id)}",
                "modelId": model.model_id,
                "docTypeConfidence": 1.0,
                "pageRange": [1, 1],
                "fields": {
                    name: {"type": "string", "valueString": text, "text": text, "page": 1, "confidence": confidence}
                    for name, text, confidence in _fields_v2(model)
                },
            }
        ]
        page: Json = {"page": 1, "angle": 0, "width": 8.5, "height": 11, "unit": "inch"}
        body["analyzeResult"] = {
            "version": "2.1.0" if call.route.version == "v2.1" else "2.0.0",
            "readResults": [page],
            "pageResults": [{"page": 1, "tables": []}],
            "documentResults": documents,
            "errors": [],
        }
    return json_answer(body)


def result_v3(call: Call) -> Answer:
    """Answer an analysis of v3 and later."""
    analysis = find(call)
    if analysis is None:
        raise v3_error(404, "NotFound", "OperationNotFound", "The requested operation was not found.")
    body = _state(call, analysis)
    if call.now >= analysis.ended:
        name, doc_type = next(iter(model_details(analysis.model, call.route.version)["docTypes"].items()))
        fields = {
            field: {"type": "string", "valueString": _text(field), "content": _text(field), "confidence": confidence}
            for field, confidence in doc_type["fieldConfidence"].items()
        }
        body["analyzeResult"] = {
            "apiVersion": call.route.version,
            "modelId": analysis.model.model_id,
            "stringIndexType": "textElements",
            "content": "\n".join(_text(field) for field in fields),
            "pages": [{"pageNumber": 1, "angle": 0, "width": 8.5, "height": 11, "unit": "inch", "spans": []}],
            "documents": [{"docType": name, "spans": [], "fields": fields, "confidence": 1.0}],
        }
    return json_answer(body)


def _state(call: Call, analysis: Analysis) -> Json:
    ended = call.now >= analysis.ended
    return {
        "status": "succeeded" if ended else "running",
        "createdDateTime": seconds(analysis.started),
        "lastUpdatedDateTime": seconds(analysis.ended if ended else analysis.started),
    }


def _fields_v2(model: StoredModel) -> Iterator[tuple[str, str, float]]:
    """Give name, text and confidence of each field; of a composed model, those of its first component."""
    results = model.content.get("composedTrainResults") or [model.content.get("trainResult", {})]
    for field in results[0].get("fields", []):
        yield field["fieldName"], _text(field["fieldName"]), field["accuracy"]


def _text(field: str) -> str:
    return f"text of {field}"
