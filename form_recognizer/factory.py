"""The client for a resource, an API version and a kind."""

from __future__ import annotations

from backup.api_versions import generation_of, has_kind
from backup.document_models import Kind
from form_recognizer.service import ModelService
from form_recognizer.transport import ResourceConnection
from form_recognizer.v2 import V2Service
from form_recognizer.v3 import V3Service
from form_recognizer.v4 import V4Service

_CLIENTS = {client.generation: client for client in (V2Service, V3Service, V4Service)}


def open_service(connection: ResourceConnection, api_version: str, kind: Kind = Kind.MODEL) -> ModelService:
    """Return the client for ``kind`` of a resource through ``api_version``. Makes no call.

    Raises ``ValueError`` if the version is unknown (it names the supported ones) or does not have the kind.
    """
    client = _CLIENTS[generation_of(api_version)]
    if not has_kind(api_version, kind):
        raise ValueError(f"API version {api_version} has no {kind}s: use 2023-07-31 or later (2024-11-30 to copy them)")
    return client(connection, api_version, kind)
