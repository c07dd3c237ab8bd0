"""Which API version a copy goes by, and the source model as that version shows it."""

from __future__ import annotations

from dataclasses import dataclass

from backup.api_versions import FIRST_V4, can_copy, generation_of, generation_of_model, newest, newest_common
from backup.codes import Code
from backup.document_models import Generation, Kind, ModelDetails
from backup.messages.copy import CopyOrder
from backup.names import V2_MODEL_ID
from claims.step import Refused
from form_recognizer import VersionRetired
from wiring.services import Services


@dataclass(frozen=True, slots=True)
class SourceModel:
    """A model to be copied, and the version that both sides speak and that the model belongs to."""

    api_version: str
    details: ModelDetails


def find_source(services: Services, order: CopyOrder) -> SourceModel:
    """Read the source model with the version that it must be copied by.

    Each model goes by the generation that it was built with: no source says that a later generation copies an older model. v2 does not
    tell the version of a model, and v2 ids are UUIDs, so a UUID is looked for in v2 first. Raises ``Refused`` where the source has no
    such model, or no version fits.
    """
    configuration = services.configuration
    source_versions = configuration.resource(order.source).api_versions
    target_versions = configuration.resource(order.target).api_versions
    _require_kind(order, source_versions)
    tried: list[str] = []
    retired: VersionRetired | None = None
    for generation in _generations(source_versions, order):
        version = newest_common(source_versions, target_versions, generation) or newest(source_versions, generation)
        assert version is not None, "only generations that are configured are tried"
        tried.append(version)
        try:
            details = services.model_service(order.source, version, order.kind).find_model(order.model_id)
        except VersionRetired as error:
            # the id may look like one of v2 and be of a later generation, whose version is still there
            retired = error
            continue
        if details is None:
            continue
        own = details.summary.api_version
        copied_by = _version_for(order, own, generation, source_versions, target_versions)
        if copied_by != version:
            # a copy is compared in the words of the version that makes it
            details = services.model_service(order.source, copied_by, order.kind).find_model(order.model_id)
            if details is None:
                continue
        return SourceModel(copied_by, details)
    if retired is not None:
        raise retired
    raise Refused(
        Code.SOURCE_MODEL_NOT_FOUND,
        f'resource "{order.source}" shows no {order.kind} {order.model_id} to {" and ".join(tried or source_versions)}; '
        "one that was built with a later version is shown to that version only",
    )


def _require_kind(order: CopyOrder, source_versions: tuple[str, ...]) -> None:
    if not any(can_copy(version, order.kind) for version in source_versions):
        raise Refused(
            Code.KIND_UNSUPPORTED,
            f'{order.kind}s are copied by {FIRST_V4} and later, and "{order.source}" speaks '
            f"{', '.join(source_versions)}: add {FIRST_V4} to its apiVersions",
        )


def _version_for(
    order: CopyOrder,
    own: str | None,
    found_by: Generation,
    source_versions: tuple[str, ...],
    target_versions: tuple[str, ...],
) -> str:
    """Return the version that copies a model which was built with ``own`` (v2 does not tell). Raises ``Refused``."""
    built_with = found_by if own is None else generation_of_model(own)
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
            f'{order.kind} {order.model_id} was built with {own or found_by}; "{order.source}" speaks '
            f'{", ".join(source_versions)} and "{order.target}" speaks {", ".join(target_versions)}: '
            "add a version to both that can copy it",
        )
    return version


def _generations(versions: tuple[str, ...], order: CopyOrder) -> list[Generation]:
    """Return the generations to ask for a model: where it may be, in as few calls as that takes."""
    known = {generation_of(version) for version in versions}
    # v4 shows the models of v3 as well
    by_age = [generation for generation in (Generation.V4, Generation.V3) if generation in known]
    may_be_v2 = (
        Generation.V2 in known and order.kind is Kind.MODEL and V2_MODEL_ID.fullmatch(order.model_id) is not None
    )
    return [*([Generation.V2] if may_be_v2 else []), *by_age[:1]]
