"""From a resource, an API version and a kind to the client that speaks to it."""

from __future__ import annotations

from backup.api_versions import generation_of, has_kind
from backup.document_models import Generation, Kind
from form_recognizer.service import ModelService
from form_recognizer.transport import ResourceConnection
from form_recognizer.v2 import V2Service
from form_recognizer.v3 import V3Service
from form_recognizer.v4 import V4Service


def open_service(resource: ResourceConnection, api_version: str, kind: Kind = Kind.MODEL) -> ModelService:
    """Return the client for ``kind`` of ``resource`` through ``api_version``. Makes no call.

    Raises ``ValueError`` where the version is unknown (it names the supported ones) or does not have the kind.
    """
    generation = generation_of(api_version)
    if not has_kind(api_version, kind):
        raise ValueError(
            f"API version {api_version} has no {kind.value}s: use 2023-07-31 or later (2024-11-30 to copy them)"
        )
    if generation is Generation.V2:
        return V2Service(resource, api_version)
    if generation is Generation.V3:
        return V3Service(resource, api_version, kind)
    return V4Service(resource, api_version, kind)
