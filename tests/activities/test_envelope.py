"""Every expected problem of an activity is an answer, with a code that says what follows."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import Mock

import pytest

from activities.envelope import answer
from backup.codes import Code
from backup.document_models import Kind
from backup.messages import Message
from backup.messages.copy import CopyOrder, Failure, ReplicaDone, StepInput
from catalog.store import CatalogUnavailable, RowChanged
from claims.step import Refused
from form_recognizer import ServiceError, Throttled, Unreachable
from wiring.sealing import SealingKeyUnknown
from wiring.services import ConfigurationInvalid, Services, use

ORDER = CopyOrder(
    run_id="run-1",
    row=0,
    source="west",
    target="north",
    kind=Kind.MODEL,
    model_id="invoices",
    deadline_seconds=60,
    patience_seconds=60,
)
STEP = StepInput(order=ORDER, owner="copy-1", attempt=1)


@pytest.fixture(autouse=True)
def services() -> Iterator[None]:
    use(Mock(spec=Services))
    yield
    use(None)


def failing(problem: Exception) -> Failure:
    """Return the envelope of an activity that raises ``problem``."""

    def step(services: Services, message: StepInput) -> Message:
        raise problem

    return Failure.parse(answer("step", StepInput, step, STEP.to_json()))


@pytest.mark.parametrize(
    ("problem", "code", "retryable"),
    [
        (Refused(Code.CLAIM_LOST, "lost"), Code.CLAIM_LOST, False),
        (RowChanged("claims"), Code.RECONCILING, True),
        (CatalogUnavailable("no answer"), Code.CATALOG_UNAVAILABLE, True),
        (SealingKeyUnknown("no key"), Code.SEALING_KEY_UNKNOWN, True),
        (ConfigurationInvalid("wrong"), Code.CONFIGURATION_INVALID, True),
        (LookupError("no such resource"), Code.CONFIGURATION_INVALID, True),
        (Unreachable("no connection", resource="north"), Code.UNREACHABLE, True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_a_problem_is_answered_with_its_code(problem: Exception, code: Code, retryable: bool) -> None:
    failure = failing(problem)
    assert (failure.code, failure.retryable) == (code, retryable)


def test_the_wait_that_the_service_asks_for_is_kept() -> None:
    throttled: ServiceError = Throttled("slow down", resource="north", retry_after=17.0)
    assert failing(throttled).retry_after == 17.0


def test_a_defect_of_the_app_is_no_answer() -> None:
    """The platform reports it, and the orchestrator calls the step again a few times."""
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())


def test_a_success_is_answered_as_json() -> None:
    result = answer("step", StepInput, lambda services, message: ReplicaDone(changed=True), STEP.to_json())
    assert result == {"ok": True, "changed": True}
