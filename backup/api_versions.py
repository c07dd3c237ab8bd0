"""The service's API versions: their order, their wire contracts, and what they can do with classifiers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from urllib.parse import urlsplit

from backup.document_models import Generation, Kind

SUPPORTED_VERSIONS: tuple[str, ...] = ("v2.0-preview", "v2.0", "v2.1", "2022-08-31", "2023-07-31", "2024-11-30")
"""The versions that this app knows by name, oldest first. A later version of v4 is accepted where it is configured."""

FIRST_V4 = "2024-11-30"
"""The first generally available version of v4; every later date is taken for v4 as well, until the service says otherwise."""

CLASSIFIER_COPY_REGIONS: frozenset[str] = frozenset({"eastus", "westus2", "westeurope"})
"""The regions between which the service copies classifiers (the service's documentation of custom classification models, v4.0)."""

_DATED = re.compile(r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?P<preview>-preview)?", re.ASCII)
_ANY_V2 = re.compile(r"v2\.[0-9]+(-preview(\.[0-9]+)?)?", re.ASCII)
_FIRST_DOCUMENT_INTELLIGENCE_PREVIEW = date(2023, 10, 31)
_FIRST_CLASSIFIERS = date(2023, 7, 31)


def generation_of(api_version: str) -> Generation:
    """Return the wire contract of a version that may be configured.

    Raises ``ValueError``, which names the supported versions, for everything else: misspelt ones and the previews that
    the service has retired.
    """
    if api_version in SUPPORTED_VERSIONS:
        if api_version.startswith("v2"):
            return Generation.V2
        return Generation.V4 if api_version == FIRST_V4 else Generation.V3
    day = _day_of(api_version)
    if day is not None and day >= date.fromisoformat(FIRST_V4):
        return Generation.V4
    supported = ", ".join(SUPPORTED_VERSIONS)
    raise ValueError(
        f"{api_version[:40]!r} is not an API version that can be used: it is one of {supported}, "
        f"or a later one of v4, written YYYY-MM-DD or YYYY-MM-DD-preview"
    )


def generation_of_model(api_version: str) -> Generation | None:
    """Return the wire contract by which a model that was built with ``api_version`` is copied; ``None`` where none is known.

    More versions occur on models than may be configured: a list keeps showing models that were built with a preview.
    The previews from 2023-10-31 on already had the paths of v4, the ones before those of v3.
    """
    if _ANY_V2.fullmatch(api_version):
        return Generation.V2
    day = _day_of(api_version)
    if day is None:
        return None
    if api_version.endswith("-preview"):
        return Generation.V4 if day >= _FIRST_DOCUMENT_INTELLIGENCE_PREVIEW else Generation.V3
    return Generation.V4 if day >= date.fromisoformat(FIRST_V4) else Generation.V3


def has_kind(api_version: str, kind: Kind) -> bool:
    """Say whether models, or classifiers, can be listed, read and deleted with this version: classifiers from 2023-07-31 on."""
    if kind is Kind.MODEL:
        return True
    day = _day_of(api_version)
    return day is not None and day >= _FIRST_CLASSIFIERS


def can_copy(api_version: str, kind: Kind) -> bool:
    """Say whether models, or classifiers, can be copied with this version: classifiers from 2024-11-30 on.

    2023-07-31 has classifiers and no way to copy them.
    """
    return kind is Kind.MODEL or (has_kind(api_version, kind) and generation_of(api_version) is Generation.V4)


def newest_common(
    source_versions: Iterable[str],
    target_versions: Iterable[str],
    generation: Generation,
    *,
    at_least: str | None = None,
) -> str | None:
    """Return the newest version of ``generation`` that both resources are configured for, or ``None``.

    A released version comes before a preview of the same day. ``at_least`` is the version that the model was built
    with: an older one cannot read it (the service answers ``NotSupportedApiVersion``).
    """
    common = set(source_versions) & set(target_versions)
    fitting = [version for version in common if generation_of(version) is generation]
    if at_least is not None:
        fitting = [version for version in fitting if _age(version) >= _age(at_least)]
    return max(fitting, key=_age, default=None)


def newest(versions: Iterable[str], generation: Generation, *, at_least: str | None = None) -> str | None:
    """Return the newest version of ``generation`` that one resource is configured for, or ``None``."""
    versions = tuple(versions)
    return newest_common(versions, versions, generation, at_least=at_least)


def _age(api_version: str) -> tuple[int, str, int]:
    """Return a key that sorts versions from old to new; the day of a dated version decides, then preview before release."""
    if api_version in SUPPORTED_VERSIONS and api_version.startswith("v2"):
        return 0, "", SUPPORTED_VERSIONS.index(api_version)
    dated = _DATED.fullmatch(api_version)
    if dated is None:
        return 0, "", 0
    return 1, dated["day"], 0 if dated["preview"] else 1


def _day_of(api_version: str) -> date | None:
    dated = _DATED.fullmatch(api_version)
    if dated is None:
        return None
    try:
        return date.fromisoformat(dated["day"])
    except ValueError:
        return None


_CLOUD_SUFFIXES = {".azure.us": "Azure Government", ".azure.cn": "Azure in China", ".azure.com": "public Azure"}


def cloud_of(endpoint: str) -> str:
    """Return the cloud that an endpoint belongs to, by its suffix. Clouds are separate, and nothing is copied between them.

    An endpoint of another form (a loopback address) counts as a cloud of its own.
    """
    host = urlsplit(endpoint).hostname or ""
    return next((cloud for suffix, cloud in _CLOUD_SUFFIXES.items() if host.endswith(suffix)), "another cloud")
