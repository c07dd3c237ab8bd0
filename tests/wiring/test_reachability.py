"""Which answers say that a resource does not work."""

from __future__ import annotations

import json

import pytest

from backup.lookup import REACHABLE
from form_recognizer.answers import Answer
from wiring.reachability import state_of

UNKNOWN_V2_MODEL = {"error": {"code": "1999", "message": "An error occurred during model copy. Retry the operation."}}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {}, False),
        (401, {"error": {"code": "401"}}, False),
        (429, {"error": {"code": "429"}}, False),
        (500, {"error": {"code": "InternalServerError"}}, True),
        (503, {}, True),
        # v2 answers so to a copy of a model that it does not have (recorded)
        (500, UNKNOWN_V2_MODEL, False),
    ],
)
def test_5xx_is_a_failure_of_the_resource(status: int, body: object, expected: bool) -> None:
    """Unless it is about one model."""
    answer = Answer("west", status, {}, json.dumps(body).encode(), None, ())
    assert (state_of(answer)[0] != REACHABLE) is expected
