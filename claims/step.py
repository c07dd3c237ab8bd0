"""The context of one step: the services, the step's input, and the claim that the step holds.

A step acts only while the claim names its owner and attempt. Every change of the claim is a compare-and-swap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from backup.claim import Claim
from backup.codes import Code
from backup.messages.copy import CopyOrder, Failure, StepDone, StepInput
from backup.states import ClaimState
from catalog.store import RowChanged, Stored
from form_recognizer import ModelService, RetryAfter, ServiceError
from wiring.events import Event, emit
from wiring.services import Services

RETRY_SECONDS = 2.0
"""When to call a step again while another delivery of it is at work."""


class Refused(Exception):
    """The step may not act, or cannot: ``failure`` is its envelope. ``retry_after`` is in seconds."""

    def __init__(
        self, code: Code, message: str, *, retry_after: float | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(code)
        self.failure = Failure.of(code, message, retry_after=retry_after, request_id=request_id)


@dataclass
class StepContext:
    """One step and its claim. ``held`` is the claim as it was read or written last."""

    services: Services
    step: StepInput
    held: Stored[Claim]

    @classmethod
    def open(cls, services: Services, step: StepInput, found: Stored[Claim] | None = None) -> Self:
        """Read the claim, unless it is ``found``. Raises ``Refused`` (``ClaimLost``, ``ClaimMoved``) if the step does not hold it."""
        held = found or find_claim(services, step.order)
        if held is None:
            raise Refused(Code.CLAIM_LOST, "the claim of this copy was deleted")
        if not held.record.is_held_by(step):
            raise Refused(*held.record.refusal(step))
        return cls(services, step, held)

    def reread(self) -> None:
        """Read the claim again. Raises ``Refused`` (``Reconciling``) if the step does not hold it any more."""
        found = find_claim(self.services, self.order)
        if found is None or not found.record.is_held_by(self.step):
            raise at_work()
        self.held = found

    @property
    def claim(self) -> Claim:
        """The claim."""
        return self.held.record

    @property
    def order(self) -> CopyOrder:
        """The row of the run that this copy is for."""
        return self.step.order

    @property
    def target_model_id(self) -> str:
        """The id of the copy in the target, in a state in which there is one."""
        assert self.claim.target_model_id is not None, f"a claim that is {self.claim.state} has a target id"
        return self.claim.target_model_id

    def now(self) -> datetime:
        """Return the present moment (UTC)."""
        return self.services.now()

    def source(self) -> ModelService:
        """Return the source's service, through the version that the copy is made with."""
        return self.services.model_service(self.order.source, self.claim.source_api_version, self.order.kind)

    def target(self) -> ModelService:
        """Return the target's service, through the version that the copy is made with."""
        return self.services.model_service(self.order.target, self.claim.source_api_version, self.order.kind)

    def save(self, claim: Claim) -> None:
        """Write ``claim``. Raises ``RowChanged`` if it was changed since it was read: the step is called again and judges it anew."""
        self.held = self.services.catalog.claims.save(self.held, claim)

    def renew(self, claim: Claim, seconds: float = 0.0) -> None:
        """Write ``claim`` with a lease that outlives the orchestrator's next wake, or ``seconds`` from now if that is later."""
        self.save(claim.renewed(self.now(), self.step, seconds))

    def announce(self, state: ClaimState, **changes: Any) -> None:
        """Write ``state``, which announces a call, and until when that call can last."""
        now = self.now()
        self.renew(self.claim.move(state, announced_at=now, call_ends_at=now + self.services.longest_call(), **changes))

    def settle(self, outcome: Callable[[Claim], Claim], seconds: float = 0.0) -> None:
        """Write the outcome of an announced call, even if another delivery of the step renewed the lease meanwhile.

        Renews the lease as ``renew`` does. Raises ``RowChanged`` if the announcement is gone.
        """
        announced = self.claim
        while True:
            settled = outcome(self.claim).renewed(self.now(), self.step, seconds)
            try:
                self.held = self.services.catalog.claims.save(self.held, settled)
            except RowChanged:
                found = find_claim(self.services, self.order)
                if found is None or not found.record.same_announcement(announced):
                    raise
                self.held = found
            else:
                return

    def note_call_ended(self) -> None:
        """Write that the announced call has ended without an answer: the next step need not wait for it."""
        self.settle(lambda claim: claim.replace(call_ends_at=None))

    def require_idle(self) -> None:
        """Raise ``Refused`` while the announced call can be under way in another delivery of the step."""
        if self.claim.is_call_under_way(self.now()):
            raise at_work()

    @contextmanager
    def deletion(self, claim: Claim) -> Iterator[None]:
        """Announce a deletion in ``claim``, and make it in the body. The next change of the claim notes that it has ended.

        A deletion that the service refuses for now (``RetryAfter``) was not made: the claim is written as it was before.
        """
        before = self.claim
        self.save(claim.replace(call_ends_at=self.now() + self.services.longest_call()))
        try:
            yield
        except RetryAfter:
            self.settle(lambda _: before)
            raise
        except ServiceError:
            self.note_call_ended()
            raise

    def done(self, **facts: Any) -> StepDone:
        """Return the envelope of a step that succeeded: the claim's state says what comes next."""
        claim = self.claim
        return StepDone(attempt=claim.attempt, state=claim.state, target_model_id=claim.target_model_id, **facts)

    def emit(self, event: Event, **facts: Any) -> None:
        """Write an event with the fields that identify the copy."""
        emit(event, **facts, **step_fields(self.step))


def at_work() -> Refused:
    """Return the refusal of a step while another delivery of it is at work."""
    return Refused(Code.RECONCILING, "another delivery of this step is at work; retrying", retry_after=RETRY_SECONDS)


def find_claim(services: Services, order: CopyOrder) -> Stored[Claim] | None:
    """Return the claim of ``order``, whichever owner holds it."""
    return services.catalog.claims.get(order.target, order.kind, order.source, order.model_id)


def is_cancelled(services: Services, order: CopyOrder) -> bool:
    """Tell whether the run of ``order`` was asked to stop."""
    record = services.catalog.runs.find(order.run_id)
    return record is not None and record.cancel_requested


def require_not_cancelled(services: Services, order: CopyOrder, before: str) -> None:
    """Raise ``Refused`` (``Cancelled``) if the run of ``order`` was asked to stop ``before`` something."""
    if is_cancelled(services, order):
        raise Refused(Code.CANCELLED, f"the run was cancelled before {before}")


def has_ended(services: Services, order: CopyOrder) -> bool:
    """Tell whether the copy of ``order`` has ended: a step that runs later is a repetition."""
    row = services.catalog.runs.row(order.run_id, order.row)
    return row is not None and row.has_ended


def failure_of(error: ServiceError, code: Code | None = None) -> Failure:
    """Return the envelope for a failed call to the service, under its own code or under ``code``."""
    return Failure.of(
        code or Code(error.code), error.message, retry_after=error.retry_after, request_id=error.request_id
    )


def step_fields(step: StepInput) -> dict[str, Any]:
    """Return the fields of an event that identify the copy: run, route, model, orchestration, attempt."""
    order = step.order
    return {
        "run": order.run_id,
        "source": order.source,
        "target": order.target,
        "kind": order.kind,
        "model": order.model_id,
        "instance": step.owner,
        "attempt": step.attempt,
    }
