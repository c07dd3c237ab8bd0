"""The source model of a copy, and the API version that the copy is made with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backup.api_versions import FIRST_V4, can_copy, generation_of, generation_of_model, newest, newest_common
from backup.codes import Code
from backup.document_models import Generation, Kind, ModelDetails
from backup.messages.copy import ComponentRef, CopyOrder
from backup.moments import moment_of
from backup.names import V2_MODEL_ID
from claims.step import Refused
from form_recognizer import VersionRetired
from wiring.services import Services


@dataclass(frozen=True, slots=True)
class SourceModel:
    """A model to copy, and the version of its generation that source and target share."""

    api_version: str
    details: ModelDetails


def source_facts(order: CopyOrder, details: ModelDetails) -> dict[str, Any]:
    """Return what a claim keeps of a source model, by the names of its fields."""
    return {
        "fingerprint": fingerprint(order, details),
        "trained": order.origin.trained if order.origin else moment_of(details.summary.trained),
        "digest": details.digest(),
        "components": [
            ComponentRef(kind=component.kind, model_id=component.model_id) for component in details.components
        ],
        "expires_at": details.summary.expires,
    }


def fingerprint(order: CopyOrder, details: ModelDetails) -> str:
    """Return the version that the copy stands for: of the lost model, if a copy of it is restored."""
    return (order.origin and order.origin.fingerprint) or details.summary.fingerprint()


def find_source(services: Services, order: CopyOrder) -> SourceModel:
    """Read the source model with the version that copies it.

    A model is copied by a version of the generation that it was built with. v2 does not tell the version of a model, and v2 ids are
    UUIDs, so a UUID is looked for in v2 first. Raises ``Refused`` if the source has no such model, or no version fits.
    """
    source_versions = services.configuration.resource(order.source).api_versions
    target_versions = services.configuration.resource(order.target).api_versions
    if not any(can_copy(version, order.kind) for version in source_versions):
        raise Refused(
            Code.KIND_UNSUPPORTED,
            f'{order.kind}s are copied by {FIRST_V4} and later, and "{order.source}" speaks '
            f"{', '.join(source_versions)}: add {FIRST_V4} to its apiVersions",
        )

    def read(version: str) -> ModelDetails | None:
        return services.model_service(order.source, version, order.kind).find_model(order.model_id)

    tried: list[str] = []
    retired: VersionRetired | None = None
    for generation in _generations(source_versions, order):
        first = newest_common(source_versions, target_versions, generation) or newest(source_versions, generation)
        assert first is not None, "the source has a version of each of these generations"
        tried.append(first)
        try:
            details = read(first)
        except VersionRetired as error:
            # the id may look like one of v2 and belong to a later generation
            retired = error
            continue
        if details is None:
            continue
        version = _version_for(order, details.summary.api_version, generation, source_versions, target_versions)
        if version != first:
            # contents are compared as the version that makes the copy shows them
            details = read(version)
        if details is not None:
            return SourceModel(version, details)
    if retired is not None:
        raise retired
    raise Refused(
        Code.SOURCE_MODEL_NOT_FOUND,
        f'resource "{order.source}" shows no {order.kind} {order.model_id} to {" and ".join(tried or source_versions)}; '
        "a model that was built with a later version is shown to that version only",
    )


def _version_for(
    order: CopyOrder,
    own: str | None,
    shown_by: Generation,
    source_versions: tuple[str, ...],
    target_versions: tuple[str, ...],
) -> str:
    """Return the version that copies a model which was built with ``own`` (``None``: v2 does not tell). Raises ``Refused``."""
    built_with = shown_by if own is None else generation_of_model(own)
    if order.kind is Kind.CLASSIFIER and built_with is not Generation.V4:
        raise Refused(
            Code.KIND_UNSUPPORTED,
            f"{order.kind} {order.model_id} was built with {own}, and the service copies classifiers of {FIRST_V4} and later: "
            "train it again with that",
        )
    version = None if built_with is None else newest_common(source_versions, target_versions, built_with, at_least=own)
    if version is None:
        raise Refused(
            Code.NO_COMMON_VERSION,
            f'{order.kind} {order.model_id} was built with {own or shown_by}; "{order.source}" speaks '
            f'{", ".join(source_versions)} and "{order.target}" speaks {", ".join(target_versions)}: '
            "add a version to both that can copy it",
        )
    return version


def _generations(versions: tuple[str, ...], order: CopyOrder) -> list[Generation]:
    """Return the generations in which the model may be, those that show it first."""
    spoken = {generation_of(version) for version in versions}
    may_be_v2 = order.kind is Kind.MODEL and V2_MODEL_ID.fullmatch(order.model_id) is not None
    # v4 shows the models of v3 as well
    later = Generation.V4 if Generation.V4 in spoken else Generation.V3
    candidates = [Generation.V2, later] if may_be_v2 else [later]
    return [generation for generation in candidates if generation in spoken]
