"""API versions: which contract, how new, how long, and what for."""

from __future__ import annotations

import pytest

from backup.api_versions import (
    SUPPORTED_VERSIONS,
    can_copy,
    generation_of,
    generation_of_model,
    has_kind,
    newest_common,
)
from backup.document_models import Generation, Kind


@pytest.mark.parametrize(
    ("api_version", "generation"),
    [
        ("v2.0-preview", Generation.V2),
        ("v2.0", Generation.V2),
        ("v2.1", Generation.V2),
        ("2022-08-31", Generation.V3),
        ("2023-07-31", Generation.V3),
        ("2024-11-30", Generation.V4),
        ("2025-06-30", Generation.V4),
        ("2027-01-31-preview", Generation.V4),
    ],
)
def test_every_version_that_may_be_configured(api_version: str, generation: Generation) -> None:
    """Every version that may be configured has its contract."""
    assert generation_of(api_version) is generation


@pytest.mark.parametrize(
    "api_version",
    [
        "",
        "2.1",
        "v2.2",
        "V2.1",
        "v2.1-preview.3",
        "2024-02-29-preview",
        "2022-08-30",
        "2025-13-01",
        "2025-06-30 ",
        "\uff12\uff10\uff12\uff15-06-30",
    ],
)
def test_version_that_cannot_work_is_refused(api_version: str) -> None:
    """A version that cannot work is refused with the ones that can."""
    with pytest.raises(ValueError) as caught:
        generation_of(api_version)
    assert all(version in str(caught.value) for version in SUPPORTED_VERSIONS)


@pytest.mark.parametrize(
    ("built_with", "generation"),
    [
        ("v2.1", Generation.V2),
        ("v2.1-preview.3", Generation.V2),
        ("2021-09-30-preview", Generation.V3),
        ("2023-02-28-preview", Generation.V3),
        ("2023-07-31", Generation.V3),
        ("2023-10-31-preview", Generation.V4),
        ("2024-07-31-preview", Generation.V4),
        ("2024-11-30", Generation.V4),
        ("2028-01-01", Generation.V4),
        ("v9", None),
        ("2024-99-99", None),
    ],
)
def test_models_built_with_preview_go_by_contract(built_with: str, generation: Generation | None) -> None:
    """Models built with a preview go by the contract of their time."""
    assert generation_of_model(built_with) is generation


@pytest.mark.parametrize(
    ("api_version", "has", "copies"),
    [
        ("v2.1", False, False),
        ("2022-08-31", False, False),
        ("2023-07-31", True, False),
        ("2024-11-30", True, True),
        ("2026-01-01-preview", True, True),
    ],
)
def test_classifiers_came_before_copying_them_did(api_version: str, has: bool, copies: bool) -> None:
    assert (has_kind(api_version, Kind.CLASSIFIER), can_copy(api_version, Kind.CLASSIFIER)) == (has, copies)
    assert (has_kind(api_version, Kind.MODEL), can_copy(api_version, Kind.MODEL)) == (True, True)


@pytest.mark.parametrize(
    ("source", "target", "generation", "at_least", "chosen"),
    [
        (SUPPORTED_VERSIONS, SUPPORTED_VERSIONS, Generation.V2, None, "v2.1"),
        (SUPPORTED_VERSIONS, ["v2.0", "v2.0-preview"], Generation.V2, None, "v2.0"),
        (SUPPORTED_VERSIONS, SUPPORTED_VERSIONS, Generation.V3, None, "2023-07-31"),
        (SUPPORTED_VERSIONS, ["2022-08-31"], Generation.V3, None, "2022-08-31"),
        (SUPPORTED_VERSIONS, ["2022-08-31"], Generation.V3, "2023-07-31", None),
        (SUPPORTED_VERSIONS, SUPPORTED_VERSIONS, Generation.V3, "2022-08-31", "2023-07-31"),
        (["2025-06-30-preview", "2025-06-30"], ["2025-06-30", "2025-06-30-preview"], Generation.V4, None, "2025-06-30"),
        (["2024-11-30", "2026-01-01"], ["2024-11-30", "2025-01-01"], Generation.V4, None, "2024-11-30"),
        (["v2.1"], ["2024-11-30"], Generation.V4, None, None),
        (["v2.1"], ["v2.1"], Generation.V2, "v2.0", "v2.1"),
        (["v2.0"], ["v2.0"], Generation.V2, "v2.1", None),
        ([], [], Generation.V2, None, None),
    ],
)
def test_both_ends_speak_the_newest_version_that_both_know(
    source: list[str], target: list[str], generation: Generation, at_least: str | None, chosen: str | None
) -> None:
    assert newest_common(source, target, generation, at_least=at_least) == chosen
