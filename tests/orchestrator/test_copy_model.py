"""``copy_model`` alone: the SDK's wrapper plays the platform, and mocks play the activities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import azure.durable_functions as df
import pytest
from azure.durable_functions.testing import orchestrator_generator_wrapper

from backup.codes import Code
from backup.messages import Message
from backup.messages.copy import Failure, Inspected, StepDone
from backup.states import ClaimState
from orchestrator.copy_model import FRESH_STARTS, copy_model

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ORDER = {
    "runId": "run-1",
    "row": 0,
    "source": "west",
    "target": "north",
    "kind": "model",
    "modelId": "invoices",
    "deadlineSeconds": 7200,
    "patienceSeconds": 300,
}

INSPECTED = Inspected(attempt=1, state=ClaimState.CLAIMED, api_version="v2.1")
AUTHORIZED = StepDone(attempt=1, state=ClaimState.AUTHORIZED, target_model_id="t-1")
STARTED = StepDone(attempt=1, state=ClaimState.COPYING, target_model_id="t-1")
RUNNING = StepDone(attempt=1, state=ClaimState.COPYING, target_model_id="t-1", percent=40)
DONE = StepDone(attempt=1, state=ClaimState.VERIFYING, target_model_id="t-1")
VERIFIED = StepDone(attempt=1, state=ClaimState.VERIFIED, target_model_id="t-1")
RECORDED = StepDone(attempt=1, state=ClaimState.RELEASED, target_model_id="t-1", verified_at=NOW, api_version="v2.1")
DISCARDED = StepDone(attempt=2, state=ClaimState.CLAIMED)
SIX_STEPS: Mapping[str, Message] = {
    "inspect_models": INSPECTED,
    "authorize_copy": AUTHORIZED,
    "start_copy": STARTED,
    "check_copy": DONE,
    "verify_copy": VERIFIED,
    "record_replica": RECORDED,
}
Answer = Message | Exception


def user_function(decorated: Any) -> Callable[[df.DurableOrchestrationContext], Any]:
    """Return the generator function that was decorated."""
    function: Callable[[df.DurableOrchestrationContext], Any] = (
        decorated.build().get_user_function().orchestrator_function
    )
    return function


def test_a_copy_goes_through_its_six_steps() -> None:
    called: list[str] = []

    def call_activity(name: str, data: dict[str, Any]) -> Mock:
        called.append(name)
        return Mock(result=SIX_STEPS[name].to_json())

    context = Mock(spec=df.DurableOrchestrationContext, instance_id="copy-1", current_utc_datetime=NOW)
    context.get_input.return_value = {"order": ORDER}
    context.call_activity.side_effect = call_activity

    outcome: Any
    *_, outcome = orchestrator_generator_wrapper(user_function(copy_model)(context))

    assert called == list(SIX_STEPS)
    assert context.create_timer.call_args_list == [((NOW + timedelta(seconds=2),),)]
    assert outcome["status"] == "Succeeded"
    assert outcome["targetModelId"] == "t-1"


class Play:
    """A platform with a script: what each activity answers in turn (the last answer stays), on a clock that timers move."""

    def __init__(self, script: Mapping[str, Sequence[Answer]], **progress: Any) -> None:
        usual = {**SIX_STEPS, "discard_target": DISCARDED, "park_claim": RUNNING}
        self._answers = {name: self._turns(script.get(name, [answer])) for name, answer in usual.items()}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.waits: list[float] = []
        self.context = Mock(spec=df.DurableOrchestrationContext, instance_id="copy-1", current_utc_datetime=NOW)
        self.context.get_input.return_value = {"order": ORDER, **progress}
        self.context.call_activity.side_effect = self._activity
        self.context.create_timer.side_effect = self._timer
        self.outcome: Any
        *_, self.outcome = orchestrator_generator_wrapper(user_function(copy_model)(self.context))

    @staticmethod
    def _turns(answers: Sequence[Answer]) -> Iterator[Answer]:
        yield from answers
        while True:
            yield answers[-1]

    def _activity(self, name: str, data: dict[str, Any]) -> Any:
        self.calls.append((name, data))
        answer = next(self._answers[name])
        return Raising(answer) if isinstance(answer, Exception) else Mock(result=answer.to_json())

    def _timer(self, wake: datetime) -> Mock:
        self.waits.append((wake - self.context.current_utc_datetime).total_seconds())
        self.context.current_utc_datetime = wake
        return Mock(result=None)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    @property
    def continued_with(self) -> dict[str, Any]:
        continued: dict[str, Any] = self.context.continue_as_new.call_args.args[0]
        return continued


class Raising:
    """A task whose result is an exception."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    @property
    def result(self) -> Any:
        raise self._error


def failed(code: str) -> Failure:
    return Failure(code=code, message="it failed", retryable=False)


THROTTLED = Failure.of(Code.THROTTLED, "it failed", retry_after=48)


def test_start_found_done_goes_to_verify() -> None:
    """A start that is found done goes straight to verify."""
    play = Play({"start_copy": [DONE]})
    assert "check_copy" not in play.names
    assert play.outcome["status"] == "Succeeded"


def test_no_step_is_told_authorization_through_history() -> None:
    """No step is told the authorization through the history."""
    assert not {name for name in StepDone.model_fields if "authorization" in name or "expires" in name}


def test_polls_grow_apart_until_the_service_is_done() -> None:
    play = Play({"check_copy": [RUNNING] * 4 + [DONE]})
    assert play.waits == pytest.approx([2.0, 3.0, 4.5, 6.75, 10.125])
    assert play.outcome["polls"] == 5


@pytest.mark.parametrize(
    "name", ["inspect_models", "authorize_copy", "start_copy", "check_copy", "verify_copy", "record_replica"]
)
def test_every_step_waits_as_long_as_it_is_told(name: str) -> None:
    """Every step waits as long as it is told and then tries again."""
    play = Play({name: [THROTTLED, SIX_STEPS[name]]})
    assert play.outcome["status"] == "Succeeded"
    assert any(48 <= wait <= 48 * 1.1 for wait in play.waits)
    assert play.names.count(name) == 2


def test_activity_that_raises_is_failed_step() -> None:
    """An activity that raises is a failed step and not a failed copy."""
    play = Play({"start_copy": [RuntimeError("Activity function 'start_copy' failed: boom"), STARTED]})
    assert play.outcome["status"] == "Succeeded"


def test_activity_that_always_raises_ends_copy() -> None:
    """An activity that always raises ends the copy with its first line."""
    play = Play({"inspect_models": [RuntimeError("Activity function failed: boom \n a stack trace")]})
    assert (play.outcome["status"], play.outcome["code"]) == ("Failed", "StepCrashed")
    assert "boom" in play.outcome["message"]
    assert "stack trace" not in play.outcome["message"]


def test_failed_copy_begins_afresh_bounded_number() -> None:
    """A failed copy begins afresh a bounded number of times."""
    play = Play({"check_copy": [failed("CopyFailed")]})
    assert play.names.count("authorize_copy") == 1 + FRESH_STARTS
    assert play.names.count("discard_target") == 1 + FRESH_STARTS
    assert (play.outcome["status"], play.outcome["code"]) == ("Failed", "CopyFailed")
    goes_on = [data["goOn"] for name, data in play.calls if name == "discard_target"]
    assert goes_on == [True] * FRESH_STARTS + [False]


def test_what_cannot_be_helped_ends_copy() -> None:
    """What cannot be helped ends the copy without another authorization."""
    play = Play({"check_copy": [failed("TargetUnresolved")]})
    assert play.names.count("authorize_copy") == 1
    assert play.names[-1] == "discard_target"
    assert play.outcome["code"] == "TargetUnresolved"


def test_placeholder_that_is_ready_is_verified() -> None:
    """A placeholder that turns out to be ready is verified instead of discarded."""
    play = Play({"check_copy": [failed("CopyFailed")], "discard_target": [DONE]})
    assert play.names[-3:] == ["discard_target", "verify_copy", "record_replica"]
    assert play.outcome["status"] == "Succeeded"


@pytest.mark.parametrize("name", ["authorize_copy", "start_copy", "check_copy", "verify_copy", "record_replica"])
def test_a_copy_that_another_run_took_over_is_left_to_it(name: str) -> None:
    play = Play({name: [failed("ClaimLost")]})
    assert play.names[-1] == name
    assert (play.outcome["status"], play.outcome["code"]) == ("Failed", "ClaimLost")


@pytest.mark.parametrize("name", ["authorize_copy", "start_copy", "check_copy", "verify_copy", "record_replica"])
def test_step_that_finds_later_attempt(name: str) -> None:
    """A step that finds a later attempt of its own goes back to the claim."""
    play = Play({name: [failed("ClaimMoved"), SIX_STEPS[name]]})
    assert play.names.count("inspect_models") == 2
    assert play.outcome["status"] == "Succeeded"


def test_going_back_to_the_claim_has_an_end() -> None:
    play = Play({"start_copy": [failed("ClaimMoved")]})
    assert play.outcome["code"] == "ClaimMoved"
    assert play.names.count("inspect_models") < 10


@pytest.mark.parametrize("code", ["VersionRetired", "UntrustedAddress", "BadRequest"])
def test_what_service_may_still_be_copying_is_kept(code: str) -> None:
    """What the service may still be copying is kept when checking fails for good."""
    play = Play({"check_copy": [failed(code)]})
    assert play.names[-1] == "park_claim"
    assert "discard_target" not in play.names
    assert (play.outcome["status"], play.outcome["code"]) == ("Failed", code)


def test_placeholder_that_cannot_be_discarded_stays() -> None:
    """A placeholder that cannot be discarded stays named in its claim."""
    play = Play({"start_copy": [failed("CopyRefused")], "discard_target": [failed("AccessDenied")]})
    assert play.names[-2:] == ["discard_target", "park_claim"]
    assert play.outcome["code"] == "CopyRefused"


def test_deadline_counts_from_first_moment() -> None:
    """The deadline counts from the first moment also in a later history."""
    play = Play(
        {"inspect_models": [INSPECTED.replace(state=ClaimState.COPYING)], "check_copy": [RUNNING]},
        startedAt=(NOW - timedelta(seconds=7190)).isoformat(),
        step="checkCopy",
        polls=77,
        checks=30,
    )
    assert play.outcome["status"] == "StillCopying"
    assert play.names == ["park_claim"]
    assert play.outcome["polls"] == 77


def test_long_copy_begins_new_history_that_goes() -> None:
    """A long copy begins a new history that goes on where the old one stopped."""
    play = Play({"check_copy": [RUNNING]})
    assert play.outcome is None
    assert len(play.waits) == 50
    continued = play.continued_with
    assert (continued["step"], continued["polls"], continued["checks"]) == ("checkCopy", 50, 50)
    assert datetime.fromisoformat(continued["startedAt"]) == NOW
    assert (continued["attempt"], continued["targetModelId"]) == (1, "t-1")
    assert continued["order"] == {**continued["order"], **ORDER}


def test_reserved_moment_beyond_deadline_is_not_waited() -> None:
    """A reserved moment beyond the deadline is not waited for."""
    play = Play({"inspect_models": [INSPECTED.replace(not_before=NOW + timedelta(hours=3))]})
    assert play.outcome["code"] == "DeadlineExceeded"
    assert play.waits == []
    assert "authorize_copy" not in play.names
    assert play.names[-1] == "discard_target", "the claim is given back"


def test_reserved_moment_is_slept() -> None:
    """A reserved moment is slept until before anything is authorized."""
    play = Play({"inspect_models": [INSPECTED.replace(not_before=NOW + timedelta(minutes=3))]})
    assert play.waits[0] == 180
    assert play.names[1] == "authorize_copy"


def test_envelope_of_newer_version() -> None:
    """An envelope of a newer version of the app is understood."""

    class Newer(StepDone):
        from_tomorrow: int = 1

    newer = [Newer.parse(done.to_json()) for done in (STARTED, VERIFIED)]
    play = Play({"start_copy": newer[:1], "verify_copy": newer[1:]})
    assert play.outcome["status"] == "Succeeded"
