"""v3.0 (2022-08-31) and v3.1 (2023-07-31): below ``/formrecognizer``, with the version in the query."""

from __future__ import annotations

from backup.document_models import Generation, Kind, ModelDetails, ModelSummary
from form_recognizer.classifiers import classifier_details
from form_recognizer.dated import DatedService
from form_recognizer.fields import Fields
from form_recognizer.transport import ResourceConnection


class V3Service(DatedService):
    """Custom models of one resource, or (2023-07-31) its classifiers, which this generation cannot copy."""

    base = "/formrecognizer"

    def __init__(self, connection: ResourceConnection, api_version: str, kind: Kind) -> None:
        super().__init__(connection, api_version, Generation.V3, kind)

    def _details(self, body: Fields, summary: ModelSummary) -> ModelDetails:
        """Return the docTypes, by which the copy equals its source: even their names stay those of the source (recorded 2022-08).

        A model with several docTypes is composed, and is copied as one unit.
        """
        if self.kind is Kind.CLASSIFIER:
            return classifier_details(body, summary)
        doc_types = body.object("docTypes").value
        return ModelDetails(summary, {"docTypes": doc_types})
