"""Proving that a copy equals its source, and naming the first place where it does not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.document_models import CopyAuthorization, Kind, ModelState, ModelSummary, content_digest, first_difference

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1000, 1000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("expected", "found", "said"),
    [
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "a.b[1] is 3 instead of 2"),
        ({"a": 1, "b": 2}, {"a": 1}, "b is missing"),
        ({"a": 1}, {"a": 1, "b": 2}, "b was not in the source"),
        ({"a": [1]}, {"a": [1, 2]}, "a has 2 entries instead of 1"),
        ({"a": True}, {"a": 1}, "a is 1 instead of true"),
        ({"a": None}, {"a": 0}, "a is 0 instead of null"),
        ({"b": 1, "a": 1}, {"a": 2, "b": 2}, "a is 2 instead of 1"),
    ],
)
def test_first_difference_is_named_with_its_path(expected: Any, found: Any, said: str) -> None:
    """The first difference is named with its path and both values."""
    assert first_difference(expected, found) == said


def test_a_long_value_does_not_flood_the_message() -> None:
    said = first_difference({"a": "x" * 10_000}, {"a": "y" * 10_000})
    assert said is not None
    assert len(said) < 220


@given(json_values)
def test_equal_content_has_no_difference(value: Any) -> None:
    """Equal content has no difference and one digest whatever the order of its keys."""
    content = {"z": value, "a": [value]}
    turned = {"a": [value], "z": value}
    assert first_difference(content, turned) is None
    assert content_digest(content) == content_digest(turned)


@given(json_values, json_values)
def test_difference_and_digest_agree(left: Any, right: Any) -> None:
    """A difference is found if and only if digests differ."""
    if content_digest({"x": left}) == content_digest({"x": right}):
        assert first_difference({"x": left}, {"x": right}) is None
    elif left != right:
        assert first_difference({"x": left}, {"x": right}) is not None


def summary(**changes: Any) -> ModelSummary:
    facts: dict[str, Any] = {
        "model_id": "invoices",
        "kind": Kind.MODEL,
        "state": ModelState.READY,
        "api_version": "2024-11-30",
        "created": "2026-01-01T00:00:00Z",
        "modified": "2026-01-01T00:00:00Z",
    }
    return ModelSummary(**{**facts, **changes})


@pytest.mark.parametrize(
    "retrained",
    [{"modified": "2026-01-02T00:00:00Z"}, {"created": "2026-01-02T00:00:00Z"}, {"api_version": "2025-12-01"}],
)
def test_a_retrained_model_has_another_fingerprint(retrained: dict[str, str]) -> None:
    assert summary().fingerprint() == summary().fingerprint()
    assert summary(**retrained).fingerprint() != summary().fingerprint()


def test_a_new_description_is_no_new_version_of_a_model() -> None:
    assert summary(description="new words", tags={"a": "b"}).fingerprint() == summary().fingerprint()


def test_authorization_shown_in_log() -> None:
    """An authorization shown in a log does not show its token."""
    shown = CopyAuthorization("t-1", datetime(2026, 1, 1, tzinfo=UTC), {"accessToken": "very-secret"})
    assert "very-secret" not in f"{shown} {shown!r}"
