"""What a run amounts to, given how its copies ended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.states import CopyStatus, RunStatus, run_status

S, F, P, W, C = (
    CopyStatus.SUCCEEDED,
    CopyStatus.FAILED,
    CopyStatus.COPY_IN_PROGRESS,
    CopyStatus.STILL_COPYING,
    CopyStatus.CANCELLED,
)
N = CopyStatus.NOT_COVERED


@pytest.mark.parametrize(
    ("statuses", "cancelled", "expected"),
    [
        ({}, False, RunStatus.SUCCEEDED),
        ({S: 10}, False, RunStatus.SUCCEEDED),
        ({S: 9, F: 1}, False, RunStatus.PARTIALLY_FAILED),
        ({S: 1, P: 9}, False, RunStatus.PARTIALLY_FAILED),
        ({W: 1}, False, RunStatus.PARTIALLY_FAILED),
        ({W: 1, F: 1}, False, RunStatus.PARTIALLY_FAILED),
        ({F: 3}, False, RunStatus.FAILED),
        ({P: 1}, False, RunStatus.FAILED),
        ({S: 2, C: 3}, True, RunStatus.CANCELLED),
        ({C: 1}, True, RunStatus.CANCELLED),
        ({S: 3}, True, RunStatus.SUCCEEDED),
        ({F: 3}, True, RunStatus.FAILED),
        ({N: 3}, False, RunStatus.SUCCEEDED),
        ({S: 9, N: 1}, False, RunStatus.SUCCEEDED),
        ({S: 9, N: 1, F: 1}, False, RunStatus.PARTIALLY_FAILED),
        ({N: 1, F: 1}, False, RunStatus.FAILED),
        ({N: 1, C: 1}, True, RunStatus.CANCELLED),
    ],
)
def test_one_bad_copy_does_not_fail_a_run(
    statuses: dict[CopyStatus, int], cancelled: bool, expected: RunStatus
) -> None:
    assert run_status(statuses, cancelled=cancelled) is expected


@given(st.dictionaries(st.sampled_from([S, F, P, W, C, N]), st.integers(1, 100)), st.booleans())
def test_a_run_is_a_success_only_if_every_copy_is(statuses: dict[CopyStatus, int], cancelled: bool) -> None:
    only_good = set(statuses) <= {S, N}
    assert (run_status(statuses, cancelled=cancelled) is RunStatus.SUCCEEDED) is only_good
