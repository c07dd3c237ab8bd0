"""What crosses the durable boundary arrives as it left, also between versions of the app."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import backup.messages.copy
import backup.messages.plan
import backup.messages.run
from backup.codes import MEANINGS, Code, Remedy, copy_failure_code, remedy
from backup.document_models import Kind
from backup.messages import Message
from backup.messages.copy import CopyOrder, CopyOutcome, CopyProgress, DiscardInput, Failure, StepInput
from backup.messages.run import LaneInput
from backup.states import CopyStatus, Step

# the two things that the service said under the one code "2024" (recorded 2022)
UNRESOLVED = (
    "Could not fetch information for Cognitive resource with Id 'x'. Ensure the resource is valid and exists in the specified "
    "region 'eastus'.."
)
NOT_AUTHORIZED = (
    "Could not retrieve authorization metadata. If this issue persists use a different target model to copy into."
)

moments = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive by rule
words = st.text(max_size=30)


def made(message: type[Message], /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Messages with these fields. (``st.builds`` would fill the aliases of the required ones at random as well.)"""
    return st.fixed_dictionaries(fields).map(lambda values: message(**values))


orders = made(
    CopyOrder,
    run_id=words,
    row=st.integers(0, 10**6),
    source=words,
    target=words,
    kind=st.sampled_from(Kind),
    model_id=words,
    target_model_id=st.none() | words,
    deadline_seconds=st.floats(0, 1e6),
    patience_seconds=st.floats(0, 1e6),
)
failures = st.builds(Failure.of, st.sampled_from(Code), words, retry_after=st.none() | st.floats(0, 1e6))
outcomes = made(
    CopyOutcome,
    status=st.sampled_from(CopyStatus),
    started_at=moments,
    ended_at=moments,
    verified_at=st.none() | moments,
)
anything = st.one_of(
    orders,
    failures,
    outcomes,
    made(LaneInput, run_id=words, lane=st.integers(0, 64), finished=st.none() | outcomes),
    made(
        CopyProgress,
        order=orders,
        step=st.sampled_from(Step),
        started_at=st.none() | moments,
        failure=st.none() | failures,
        polls=st.integers(0, 10**6),
    ),
    made(DiscardInput, order=orders, owner=words, code=words, message=words, go_on=st.booleans()),
)


@given(anything)
def test_a_message_arrives_as_it_left(message: Message) -> None:
    on_the_wire = json.loads(json.dumps(message.to_json()))
    assert type(message).parse(on_the_wire) == message


@given(orders)
def test_message_encoded_twice_is_read(order: CopyOrder) -> None:
    """A message that was encoded twice is read all the same."""
    assert CopyOrder.parse(json.dumps(order.to_json())) == order


@given(anything)
def test_field_of_newer_version_does_not_stop_work(message: Message) -> None:
    """A field of a newer version does not stop work under way."""
    assert type(message).parse({**message.to_json(), "fromTomorrow": {"x": 1}}) == message


def test_names_on_wire_are_camel_case() -> None:
    """Names on the wire are camel case and absent rather than null."""
    failure = Failure.of(Code.THROTTLED, "wait", retry_after=7.0)
    assert failure.to_json() == {
        "ok": False,
        "code": "Throttled",
        "message": "wait",
        "retryable": True,
        "retryAfter": 7.0,
    }


def test_message_that_cannot_be_read_is_refused() -> None:
    """A message that cannot be read is refused rather than half read."""
    with pytest.raises(ValueError, match="modelId"):
        StepInput.parse({"order": {"runId": "r"}, "owner": "me"})


def test_every_envelope_says_whether_it_is_one_of_success() -> None:
    envelopes = [
        kind
        for room in (backup.messages.copy, backup.messages.plan, backup.messages.run)
        for kind in vars(room).values()
        if isinstance(kind, type) and issubclass(kind, Message) and "ok" in kind.model_fields
    ]
    assert {kind.__name__ for kind in envelopes if kind.model_fields["ok"].default is False} == {"Failure"}
    assert len(envelopes) > 8


def test_every_code_has_a_meaning_with_advice() -> None:
    assert set(MEANINGS) == set(Code)
    assert all(meaning.means and meaning.advice for meaning in MEANINGS.values())
    assert all(meaning.advice.startswith("none: ") for meaning in MEANINGS.values() if meaning.advice[:4] == "none")


@given(st.sampled_from(Code))
def test_only_codes_that_are_waited_out_are_retryable(code: Code) -> None:
    assert Failure.of(code, "").retryable is (remedy(code) is Remedy.WAIT)


def test_code_of_another_version_of_app_ends_copy() -> None:
    """A code of another version of the app ends the copy instead of looping."""
    assert remedy("FromTomorrow") is Remedy.END


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (
            "2024",
            UNRESOLVED,
            Code.TARGET_UNRESOLVED,
        ),
        ("ResourceResolverError", "", Code.TARGET_UNRESOLVED),
        (
            "2024",
            NOT_AUTHORIZED,
            Code.COPY_FAILED,
        ),
        ("AuthorizationError", None, Code.COPY_FAILED),
        ("DataProtectionTransformServiceError", None, Code.ENCRYPTION_DOWNGRADE),
        (
            "Forbidden",
            "Authorization failed: Cannot copy encrypted content to non-encrypted account.",
            Code.ENCRYPTION_DOWNGRADE,
        ),
        (None, None, Code.COPY_FAILED),
    ],
)
def test_failed_copy_is_told_apart(code: str | None, message: str | None, expected: Code) -> None:
    """A failed copy is told apart by what the service says."""
    assert copy_failure_code(code, message) is expected
