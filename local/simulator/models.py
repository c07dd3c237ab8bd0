"""Custom models as the simulated service stores them, and builders of realistic models."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from local.simulator.versions import Generation, Kind, generation_of

ModelState = Literal["ready", "creating", "invalid", "placeholder"]
"""``placeholder``: the authorized target of a copy, still empty. v2 shows it as ``creating``; v3 and later do not show it."""

TWO_YEARS = 2
DEFAULT_TRAINED = datetime(2026, 9, 14, 8, 30, 12, tzinfo=UTC)


@dataclass(slots=True)
class StoredModel:
    """One custom model or classifier of a resource.

    ``created`` is the service's createdDateTime, ``trained`` the time of the last training (lastUpdatedDateTime in v2,
    modifiedDateTime in v4). ``content`` holds the generation's own part of the answer
    (v2: trainResult, keys, modelName …; v3+: docTypes, …).
    """

    model_id: str
    api_version: str
    content: dict[str, Any] = field(default_factory=dict)
    kind: Kind = "model"
    state: ModelState = "ready"
    created: datetime = DEFAULT_TRAINED
    trained: datetime = DEFAULT_TRAINED
    expires: datetime | None = None
    description: str | None = None
    tags: dict[str, str] | None = None
    copy_of: str | None = None
    ready_at: datetime | None = None

    @property
    def generation(self) -> Generation:
        """The generation that the model was made with."""
        return generation_of(self.api_version)

    def snapshot(self) -> StoredModel:
        """Return an independent copy of this model."""
        return replace(self, content=copy.deepcopy(self.content), tags=dict(self.tags) if self.tags else None)


def _train_result(fields: Mapping[str, float], documents: Sequence[str]) -> dict[str, Any]:
    average = round(sum(fields.values()) / len(fields), 3) if fields else 0.0
    return {
        "trainingDocuments": [
            {"documentName": name, "pages": 1, "errors": [], "status": "succeeded"} for name in documents
        ],
        "fields": [{"fieldName": name, "accuracy": accuracy} for name, accuracy in fields.items()],
        "averageModelAccuracy": average,
        "errors": [],
    }


DEFAULT_FIELDS: Mapping[str, float] = {"InvoiceId": 0.995, "Total": 0.966, "VendorName": 0.93}
DEFAULT_DOCUMENTS = ("Form_1.pdf", "Form_2.pdf", "Form_3.pdf", "Form_4.pdf", "Form_5.pdf")


def v2_model(
    model_id: str,
    *,
    api_version: str = "v2.1",
    name: str | None = None,
    fields: Mapping[str, float] = DEFAULT_FIELDS,
    documents: Sequence[str] = DEFAULT_DOCUMENTS,
    trained: datetime = DEFAULT_TRAINED,
    state: ModelState = "ready",
    clusters: Mapping[str, Sequence[str]] | None = None,
) -> StoredModel:
    """Return a model of v2.0-preview, v2.0 or v2.1, trained with labels: ``fields`` maps a field to its accuracy.

    With ``clusters`` (cluster → keys) it is a model that was trained without labels: it has keys, and no fields.
    """
    content: dict[str, Any] = {}
    if state == "ready":
        content["trainResult"] = _train_result(fields, documents)
        if clusters is not None:
            content["keys"] = {"clusters": {name: list(keys) for name, keys in clusters.items()}}
            del content["trainResult"]["fields"], content["trainResult"]["averageModelAccuracy"]
    elif state == "invalid":
        content["trainResult"] = _train_result({}, ())
        content["trainResult"]["errors"] = [
            {"code": "2014", "message": "No valid blobs found in the specified Azure blob container."}
        ]
    if name is not None:
        content["modelName"] = name
    content["attributes"] = {"isComposed": False}
    return StoredModel(_uuid(model_id), api_version, content, state=state, created=trained, trained=trained)


def v2_composed_model(
    model_id: str,
    *,
    parts: Mapping[str, Mapping[str, float]],
    name: str | None = None,
    documents: Sequence[str] = DEFAULT_DOCUMENTS,
    trained: datetime = DEFAULT_TRAINED,
) -> StoredModel:
    """Return a composed v2.1 model; ``parts`` maps the id of each part to its fields and accuracies."""
    results = [{**_train_result(fields, documents), "modelId": _uuid(part)} for part, fields in parts.items()]
    content: dict[str, Any] = {"composedTrainResults": results, "attributes": {"isComposed": True}}
    if name is not None:
        content["modelName"] = name
    return StoredModel(_uuid(model_id), "v2.1", content, created=trained, trained=trained)


def _uuid(model_id: str) -> str:
    if str(uuid.UUID(model_id)) != model_id:
        raise ValueError(f"a v2 model id is a lower-case uuid, not {model_id!r}")
    return model_id


def doc_type(fields: Mapping[str, float], build_mode: str = "template", **more: Any) -> dict[str, Any]:
    """Return one entry of docTypes, as v3 and v4 answer it; ``more`` adds members of v4."""
    return {
        "buildMode": build_mode,
        "fieldSchema": {name: {"type": "string"} for name in fields},
        "fieldConfidence": dict(fields),
        **more,
    }


def two_years_after(moment: datetime) -> datetime:
    """Return when a model built at ``moment`` expires (v3.1 and later: two years after the build)."""
    try:
        return moment.replace(year=moment.year + TWO_YEARS)
    except ValueError:  # 29 February
        return moment.replace(year=moment.year + TWO_YEARS, day=28)


def v3_model(
    model_id: str,
    *,
    api_version: str = "2023-07-31",
    fields: Mapping[str, float] = DEFAULT_FIELDS,
    build_mode: str = "template",
    doc_types: Mapping[str, Mapping[str, float]] | None = None,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    trained: datetime = DEFAULT_TRAINED,
) -> StoredModel:
    """Return a model of 2022-08-31 or 2023-07-31; with several ``doc_types`` (name → fields) it is composed."""
    fields_by_type = doc_types if doc_types is not None else {model_id: fields}
    return StoredModel(
        model_id,
        api_version,
        {"docTypes": {name: doc_type(its_fields, build_mode) for name, its_fields in fields_by_type.items()}},
        created=trained,
        trained=trained,
        # Models of 2022-08-31 and older do not expire; those of 2023-07-31 and later expire after two years.
        expires=None if api_version == "2022-08-31" else two_years_after(trained),
        description=description,
        tags=dict(tags) if tags else None,
    )


def v4_model(
    model_id: str,
    *,
    api_version: str = "2024-11-30",
    fields: Mapping[str, float] = DEFAULT_FIELDS,
    build_mode: str = "template",
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    trained: datetime = DEFAULT_TRAINED,
    warnings: Sequence[Mapping[str, str]] = (),
) -> StoredModel:
    """Return a template or neural model of 2024-11-30; its one docType has the name of the model."""
    content: dict[str, Any] = {"buildMode": build_mode, "docTypes": {model_id: doc_type(fields, build_mode)}}
    if warnings:
        content["warnings"] = [dict(warning) for warning in warnings]
    if build_mode == "neural":
        content["trainingHours"] = 0.4
    return StoredModel(
        model_id,
        api_version,
        content,
        created=trained,
        trained=trained,
        expires=two_years_after(trained),
        description=description,
        tags=dict(tags) if tags else None,
    )


def v4_composed_model(
    model_id: str,
    *,
    classifier_id: str,
    parts: Mapping[str, tuple[str, Mapping[str, float]]],
    split: str = "auto",
    description: str | None = None,
    trained: datetime = DEFAULT_TRAINED,
) -> StoredModel:
    """Return a composed model of 2024-11-30: ``parts`` maps each docType to (id of the component model, its fields)."""
    doc_types = {
        name: doc_type(fields, modelId=part, confidenceThreshold=0.0) for name, (part, fields) in parts.items()
    }
    return StoredModel(
        model_id,
        "2024-11-30",
        {"docTypes": doc_types, "classifierId": classifier_id, "split": split},
        created=trained,
        trained=trained,
        expires=two_years_after(trained),
        description=description,
    )


def classifier(
    classifier_id: str,
    *,
    api_version: str = "2024-11-30",
    doc_types: Sequence[str] = ("invoice", "receipt", "order"),
    description: str | None = None,
    trained: datetime = DEFAULT_TRAINED,
) -> StoredModel:
    """Return a custom classifier of 2023-07-31 or 2024-11-30 for ``doc_types``."""
    base = "https://trainingdata.blob.core.windows.net/classifier"
    content = {
        "docTypes": {
            name: {"azureBlobSource": {"containerUrl": base, "prefix": f"{name}/"}, "sourceKind": "azureBlob"}
            for name in doc_types
        }
    }
    return StoredModel(
        classifier_id,
        api_version,
        content,
        kind="classifier",
        created=trained,
        trained=trained,
        expires=two_years_after(trained),
        description=description,
    )
