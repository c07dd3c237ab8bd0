"""The API versions of the service, and their generations."""

from __future__ import annotations

from typing import Literal

Generation = Literal["v2", "v3", "v4"]
Kind = Literal["model", "classifier"]

V2_VERSIONS = ("v2.0-preview", "v2.0", "v2.1")
V3_VERSIONS = ("2022-08-31", "2023-07-31")
V4_VERSIONS = ("2024-11-30",)
ALL_VERSIONS: tuple[str, ...] = V2_VERSIONS + V3_VERSIONS + V4_VERSIONS
"""All versions of the simulator, oldest first: a version can use models of its own and older versions."""

# Versions that the service has retired: it answers 410, not 404.
RETIRED_VERSIONS = (
    "v2.1-preview.1",
    "v2.1-preview.2",
    "v2.1-preview.3",
    "2023-10-31-preview",
    "2024-02-29-preview",
    "2024-07-31-preview",
)

V3_BASE = "/formrecognizer"
V4_BASE = "/documentintelligence"


def generation_of(api_version: str) -> Generation:
    """Return the generation of an API version; raises ``ValueError`` if the version is unknown."""
    if api_version in V2_VERSIONS:
        return "v2"
    if api_version in V3_VERSIONS:
        return "v3"
    if api_version in V4_VERSIONS:
        return "v4"
    raise ValueError(f"unknown API version {api_version!r}; use one of {', '.join(ALL_VERSIONS)}")


def is_at_least(api_version: str, other: str) -> bool:
    """Return whether ``api_version`` is ``other`` or a later version."""
    return ALL_VERSIONS.index(api_version) >= ALL_VERSIONS.index(other)
