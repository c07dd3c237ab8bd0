"""v3.0 (2022-08-31) and v3.1 (2023-07-31): below ``/formrecognizer``, with the version in the query."""

from __future__ import annotations

from backup.document_models import Generation, ModelDetails, ModelSummary
from form_recognizer.dated import DatedService
from form_recognizer.fields import Fields


class V3Service(DatedService):
    """Custom models of one resource, or (2023-07-31) its classifiers, which this generation cannot copy."""

    generation = Generation.V3

    def _model_details(self, body: Fields, summary: ModelSummary) -> ModelDetails:
        # A copy keeps the docTypes, with their names (recorded 2022-08). A model with several is composed, and is copied
        # as one unit.
        return ModelDetails(summary, {"docTypes": body.object("docTypes").value})
