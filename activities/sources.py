"""Which API version a copy goes by, and the source model as that version shows it."""

from __future__ import annotations

from dataclasses import dataclass

from activities.envelope import Refused
from backup.api_versions import can_copy, generation_of, generation_of_model, newest_common
from backup.codes import Code
from backup.document_models import Generation, Kind, ModelDetails
from backup.messages import CopyOrder, Failure
from backup.names import V2_MODEL_ID
from form_recognizer import ModelNotFound, ModelService
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
    tried: set[Generation] = set()
    for generation in _generations(source_versions, order):
        details = _read(services.model_service(order.source, _newest(source_versions, generation), order.kind), order)
        tried.add(generation)
        if details is None:
            continue
        own = details.summary.api_version
        built_with = generation if own is None else generation_of_model(own)
        version = (
            None if built_with is None else newest_common(source_versions, target_versions, built_with, at_least=own)
        )
        if version is None or built_with is None or not can_copy(version, order.kind):
            raise Refused(
                Failure.of(
                    Code.NO_COMMON_VERSION,
                    f'{order.kind} {order.model_id} was built with {own or generation}; "{order.source}" speaks '
                    f'{", ".join(source_versions)} and "{order.target}" speaks {", ".join(target_versions)}: '
                    "add a version to both that can copy it",
                )
            )
        if built_with is not generation:
            # what a copy keeps is compared in the words of the generation that makes the copy
            details = _read(services.model_service(order.source, version, order.kind), order)
            if details is None:
                continue
        return SourceModel(version, details)
    raise Refused(
        Failure.of(
            Code.SOURCE_MODEL_NOT_FOUND,
            f'resource "{order.source}" has no {order.kind} {order.model_id} ({", ".join(sorted(tried))} asked)',
        )
    )


def _generations(versions: tuple[str, ...], order: CopyOrder) -> list[Generation]:
    known = {generation_of(version) for version in versions}
    by_age = [generation for generation in (Generation.V4, Generation.V3) if generation in known]
    may_be_v2 = (
        Generation.V2 in known and order.kind is Kind.MODEL and V2_MODEL_ID.fullmatch(order.model_id) is not None
    )
    return [*([Generation.V2] if may_be_v2 else []), *by_age[:1]]


def _newest(versions: tuple[str, ...], generation: Generation) -> str:
    newest = newest_common(versions, versions, generation)
    assert newest is not None, "only generations that are configured are asked for"
    return newest


def _read(service: ModelService, order: CopyOrder) -> ModelDetails | None:
    try:
        return service.get_model(order.model_id)
    except ModelNotFound:
        return None
