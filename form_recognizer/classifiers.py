"""What a copy of a custom classifier keeps (2024-11-30 and later; 2023-07-31 has classifiers and cannot copy them)."""

from __future__ import annotations

from backup.document_models import ModelDetails, ModelSummary
from backup.json_types import Json
from form_recognizer.fields import Fields

_KEPT_BY_COPIES = ("apiVersion", "baseClassifierId")


def classifier_details(body: Fields, summary: ModelSummary) -> ModelDetails:
    """Return a classifier's content: the version and base it was built on, and the document types that it tells apart.

    Where its training data lay is left out: no recording shows whether a copy keeps it, and the address may hold a signature.
    """
    content: dict[str, Json] = {name: body.raw(name) for name in _KEPT_BY_COPIES if body.raw(name) is not None}
    content["docTypes"] = sorted(body.object("docTypes").value)
    return ModelDetails(summary, content)
