"""What the answers of lookups hold."""

from __future__ import annotations

from typing import NotRequired

from backup.document_models import Kind
from backup.json_types import Address, Described, Moment
from backup.lookup import Place, Version
from backup.states import ReplicaState


class ModelWithPlaces(Described):
    """Where a model can be used now."""

    source: str
    """The resource whose model it is."""
    modelId: str
    """The id of the model in this resource."""
    kind: Kind
    """What it is."""
    places: list[Place]
    """Every place where it can be used now, best first."""


class ModelPlaces(ModelWithPlaces):
    """Where a model can be used now, and which versions of it there are."""

    versions: list[Version]
    """The versions that can be used somewhere, the present one first."""


class Mapping(Described):
    """The whole mapping, as a file to keep elsewhere."""

    generatedAt: Moment
    """When it was read from the catalog."""
    models: list[ModelWithPlaces]
    """Every model that can be used somewhere."""


class Component(Described):
    """A model or classifier that a composed model refers to."""

    kind: Kind
    """What it is."""
    modelId: str
    """The id that it must have in the target."""
    sourceId: NotRequired[str]
    """The id that it was copied from, if a restore copied it from another one."""


class ReplicaRow(Described):
    """The verified copy of one model in one target."""

    source: str
    """The resource whose model was copied."""
    kind: Kind
    """What it is."""
    modelId: str
    """The id of the model in the source."""
    target: str
    """The resource that holds the copy."""
    targetModelId: str
    """The id of the copy."""
    apiVersion: str
    """The API version that the copy was made with."""
    fingerprint: str
    """The version of the source model that was copied."""
    trained: NotRequired[Moment]
    """When this version was trained, by the service's clock."""
    digest: str
    """The digest of the content that was verified."""
    state: ReplicaState
    """Whether it may be used."""
    verifiedAt: Moment
    """When it was last found to be equal to its source."""
    ageSeconds: int
    """The time since then."""
    runId: str
    """The run that recorded it."""
    components: list[Component]
    """Of a composed model: what it refers to (v4)."""
    expiresAt: NotRequired[Moment]
    """When the service deletes it."""
    retiredAt: NotRequired[Moment]
    """Since when a newer copy replaces it."""
    orphanedAt: NotRequired[Moment]
    """Since when the source model is gone."""
    callEndsAt: NotRequired[Moment]
    """Until when a call of the app, such as its deletion, can be under way."""


class ReplicaPage(Described):
    """Replicas of all models."""

    replicas: list[ReplicaRow]
    """The replicas of this page. With a filter a page may be empty and still have a ``nextLink``."""
    nextLink: NotRequired[Address]
    """Where the next page is; not there on the last one."""
