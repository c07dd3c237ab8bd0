"""The service's API versions: their order, their wire contracts, and what they can do with classifiers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

from backup.document_models import FIRST_V4_PREVIEW, Generation, Kind

SUPPORTED_VERSIONS: tuple[str, ...] = ("v2.0-preview", "v2.0", "v2.1", "2022-08-31", "2023-07-31", "2024-11-30")
"""The versions that the app knows by name, oldest first. A later version of v4 can be configured too."""

FIRST_V4 = "2024-11-30"
"""The first released version of v4. Every later date counts as v4 too."""

CLASSIFIER_COPY_REGIONS: frozenset[str] = frozenset({"eastus", "westus2", "westeurope"})
"""The regions between which the service copies classifiers (its documentation of custom classifiers, v4.0)."""

_DATED = re.compile(r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?P<preview>-preview)?", re.ASCII)
_ANY_V2 = re.compile(r"v2\.[0-9]+(-preview(\.[0-9]+)?)?", re.ASCII)
_FIRST_CLASSIFIERS = "2023-07-31"


def generation_of(api_version: str) -> Generation:
    """Return the wire contract of a version that may be configured.

    Raises ``ValueError``, which names the supported versions, for all others: misspelt ones and retired previews.
    """
    if api_version in SUPPORTED_VERSIONS:
        if api_version.startswith("v2"):
            return Generation.V2
        return Generation.V4 if api_version == FIRST_V4 else Generation.V3
    day = _day_of(api_version)
    if day is not None and day >= FIRST_V4:
        return Generation.V4
    supported = ", ".join(SUPPORTED_VERSIONS)
    raise ValueError(
        f"{api_version[:40]!r} is not an API version that can be used: use one of {supported}, "
        f"or a later one of v4, written YYYY-MM-DD or YYYY-MM-DD-preview"
    )


def generation_of_model(api_version: str) -> Generation | None:
    """Return the wire contract that copies a model built with ``api_version``; ``None`` for an unknown version.

    Models have more versions than may be configured: lists still show models that were built with a preview. Previews
    from 2023-10-31 on have the paths of v4, earlier ones those of v3.
    """
    if _ANY_V2.fullmatch(api_version):
        return Generation.V2
    day = _day_of(api_version)
    if day is None:
        return None
    if api_version.endswith("-preview"):
        return Generation.V4 if day >= FIRST_V4_PREVIEW else Generation.V3
    return Generation.V4 if day >= FIRST_V4 else Generation.V3


def has_kind(api_version: str, kind: Kind) -> bool:
    """Tell whether this version can list, read and delete models, or (from 2023-07-31 on) classifiers."""
    if kind is Kind.MODEL:
        return True
    day = _day_of(api_version)
    return day is not None and day >= _FIRST_CLASSIFIERS


def can_copy(api_version: str, kind: Kind) -> bool:
    """Tell whether this version can copy models, or (from 2024-11-30 on) classifiers."""
    return kind is Kind.MODEL or (has_kind(api_version, kind) and generation_of(api_version) is Generation.V4)


def newest_common(
    source_versions: Iterable[str],
    target_versions: Iterable[str],
    generation: Generation,
    *,
    at_least: str | None = None,
) -> str | None:
    """Return the newest version of ``generation`` that both resources are configured for, or ``None``.

    ``at_least`` is the version that the model was built with: an older one cannot read it (the service answers
    ``NotSupportedApiVersion``).
    """
    return newest(set(source_versions) & set(target_versions), generation, at_least=at_least)


def newest(versions: Iterable[str], generation: Generation, *, at_least: str | None = None) -> str | None:
    """Return the newest of ``versions`` that is of ``generation`` and not older than ``at_least``, or ``None``."""
    candidates = [version for version in versions if generation_of(version) is generation]
    if at_least is not None:
        candidates = [version for version in candidates if _age(version) >= _age(at_least)]
    return max(candidates, key=_age, default=None)


def newest_of_all(versions: Iterable[str]) -> str:
    """Return the newest of ``versions``, whatever its generation. There must be one."""
    return max(versions, key=_age)


def _age(api_version: str) -> tuple[int, str, int]:
    """Return a key that sorts versions from old to new. Of one day, the released version is newer than the preview."""
    if api_version in SUPPORTED_VERSIONS and api_version.startswith("v2"):
        return 0, "", SUPPORTED_VERSIONS.index(api_version)
    dated = _DATED.fullmatch(api_version)
    if dated is None:
        return 0, "", 0
    return 1, dated["day"], 0 if dated["preview"] else 1


def _day_of(api_version: str) -> str | None:
    """Return the day of a dated version, as YYYY-MM-DD; ``None`` if it is not the date of a day."""
    dated = _DATED.fullmatch(api_version)
    if dated is None:
        return None
    try:
        return date.fromisoformat(dated["day"]).isoformat()
    except ValueError:
        return None
