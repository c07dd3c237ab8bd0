"""The API versions that the service has spoken, and what belongs to which generation."""

from __future__ import annotations

from typing import Literal

Generation = Literal["v2", "v3", "v4"]
Kind = Literal["model", "classifier"]

V2_VERSIONS = ("v2.0-preview", "v2.0", "v2.1")
V3_VERSIONS = ("2022-08-31", "2023-07-31")
V4_VERSIONS = ("2024-11-30",)
ALL_VERSIONS: tuple[str, ...] = V2_VERSIONS + V3_VERSIONS + V4_VERSIONS
"""Every version that the simulator speaks, oldest first: a version can use models of itself and of older ones."""

# Versions that the service once answered and has taken away: known to it, so 410 and not 404.
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
    """Say which wire contract an API version belongs to; ``ValueError`` where the version is unknown."""
    if api_version in V2_VERSIONS:
        return "v2"
    if api_version in V3_VERSIONS:
        return "v3"
    if api_version in V4_VERSIONS:
        return "v4"
    raise ValueError(f"unknown API version {api_version!r}; known are {', '.join(ALL_VERSIONS)}")


def is_at_least(api_version: str, other: str) -> bool:
    """Say whether ``api_version`` is ``other`` or a later one."""
    return ALL_VERSIONS.index(api_version) >= ALL_VERSIONS.index(other)
