"""The fence: a step acts only for the owner and attempt that hold the claim, and every change of the claim is a compare-and-swap."""

from __future__ import annotations

from collections.abc import Callable

from activities.envelope import Refused
from backup.claims import Claim
from backup.codes import Code
from backup.messages import CopyOrder, Failure, StepInput
from backup.states import CopyStatus
from catalog.claims import HeldClaim
from catalog.store import RowChanged
from wiring.services import Services


def held_claim(services: Services, step: StepInput) -> HeldClaim:
    """Return the claim that ``step`` acts under. Raises ``Refused`` (``ClaimLost``, ``ClaimMoved``) where it is another's."""
    held = find_claim(services, step.order)
    if held is None:
        raise Refused(Failure.of(Code.CLAIM_LOST, "the claim on this copy is gone"))
    if not held.claim.is_held_by(step):
        raise Refused(held.claim.refusal(step))
    return held


def find_claim(services: Services, order: CopyOrder) -> HeldClaim | None:
    """Return the claim on the copy of ``order``, whoever holds it."""
    return services.catalogue.claims.get(order.target, order.kind, order.source, order.model_id)


def save(services: Services, held: HeldClaim, claim: Claim, step: StepInput) -> HeldClaim:
    """Change the claim, unless somebody changed it since it was read: then raise ``Refused``."""
    try:
        return services.catalogue.claims.save(held, claim)
    except RowChanged:
        raise Refused(why_changed(services, step)) from None


def settle(services: Services, held: HeldClaim, outcome: Callable[[Claim], Claim], step: StepInput) -> HeldClaim:
    """Write the outcome of an announced effect, also where another delivery of the step looked and renewed the lease meanwhile.

    As long as the announcement stands, its outcome is the truth; where the claim went on without it, raise ``Refused``.
    """
    announced = held.claim
    while True:
        try:
            return services.catalogue.claims.save(held, outcome(held.claim))
        except RowChanged:
            found = find_claim(services, step.order)
            if found is None or not found.claim.stands_as(announced):
                raise Refused(why_changed(services, step)) from None
            held = found


def why_changed(services: Services, step: StepInput) -> Failure:
    """Return the envelope for a step whose claim changed under its hands."""
    found = find_claim(services, step.order)
    if found is None:
        return Failure.of(Code.CLAIM_LOST, "the claim on this copy is gone")
    if found.claim.is_held_by(step):
        return Failure.of(Code.LOOKING, "another delivery of this step is at work", retry_after=5.0)
    return found.claim.refusal(step)


def is_cancelled(services: Services, order: CopyOrder) -> bool:
    """Tell whether somebody asked the run of ``order`` to stop."""
    record = services.catalogue.runs.find(order.run_id)
    return record is not None and record.cancel_requested


def has_ended(services: Services, order: CopyOrder) -> bool:
    """Tell whether the run has a final outcome for ``order``: a step that comes later is a phantom."""
    row = services.catalogue.runs.row(order.run_id, order.row)
    return row is not None and row.status not in {CopyStatus.PENDING, CopyStatus.RUNNING}
