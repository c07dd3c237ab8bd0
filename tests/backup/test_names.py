"""Ids that are safe where they are used."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.names import MODEL_ID, RUN_ID, V2_MODEL_ID, fallback_ids, new_run_id


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("ab", True),
        ("a", False),
        ("a" * 64, True),
        ("a" * 65, False),
        ("a.b_c~d-e", True),
        ("-ab", False),
        ("a/b", False),
        ("a b", False),
        ("ab\n", False),
        ("äb", False),
        ("33f4d42c-cd2f-4e74-b990-a1aeafab5a5d", True),
    ],
)
def test_model_ids_are_those_that_the_service_accepts(text: str, possible: bool) -> None:
    assert (MODEL_ID.fullmatch(text) is not None) is possible


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("33f4d42c-cd2f-4e74-b990-a1aeafab5a5d", True),
        ("33F4D42C-CD2F-4E74-B990-A1AEAFAB5A5D", True),
        ("33f4d42ccd2f4e74b990a1aeafab5a5d", False),
        ("33f4d42c-cd2f-4e74-b990-a1aeafab5a5d\n", False),
        ("invoices", False),
    ],
)
def test_v2_ids_are_uuids(text: str, possible: bool) -> None:
    assert (V2_MODEL_ID.fullmatch(text) is not None) is possible


def test_run_id_says_when_it_was_asked_for_and_is_safe() -> None:
    """A run id says when it was asked for and is safe in addresses and storage keys."""
    run_id = new_run_id("copies", datetime(2026, 11, 23, 9, 5, 59, tzinfo=UTC), "0a1b2c3d")
    assert run_id.lower() == "copies-20261123t0905-0a1b2c3d"
    assert RUN_ID.fullmatch(run_id)


@given(st.from_regex(r"\A[a-zA-Z0-9][a-zA-Z0-9._~-]{1,63}\Z"), st.integers(1, 20))
def test_fallback_ids_are_possible_ids_that_differ(wanted: str, count: int) -> None:
    """Fallback ids are possible ids that differ and come after the id asked for."""
    ids = fallback_ids(wanted, count)
    assert ids[0] == wanted
    assert len(ids) == count
    assert all(MODEL_ID.fullmatch(one) for one in ids)
    assert len(set(ids[1:])) == count - 1, "cutting a long id must not make two of them equal"
