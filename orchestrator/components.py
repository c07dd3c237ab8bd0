"""The components of a composed v4 model, copied before it under their own ids."""

from __future__ import annotations

from datetime import datetime, timedelta

from backup.codes import Code
from backup.messages.copy import ComponentRef, CopyOrder, CopyOutcome, CopyProgress, Failure, Origin
from backup.moments import written
from backup.names import COPY_MODEL
from backup.pacing import POLL_GROWTH
from backup.states import CopyStatus
from orchestrator.attempts import HistoryFull, Steps
from orchestrator.copy_state import LONGEST_WAIT_SECONDS, Copy

COMPONENT_ROUNDS = 2
COMPONENT_WAIT_SECONDS = 10.0

CHILDREN_PER_HISTORY = 40
"""A composed model begins a new history after copying so many components: it may have 500."""

NAMED = 10
"""How many components a message names."""


def copy_components(copy: Copy, components: list[ComponentRef]) -> Steps:
    """Copy the components that the target lacks; return a ``Failure``, or ``None``."""
    if copy.progress.component_rounds >= COMPONENT_ROUNDS:
        names = ", ".join(f"{component.kind} {component.model_id}" for component in components[:NAMED])
        if len(components) > NAMED:
            names += f" and {len(components) - NAMED} more"
        return Failure.of(
            Code.COMPONENT_FAILED, f"its components were copied but are still missing in the target: {names}"
        )
    copy.update(component_rounds=copy.progress.component_rounds + 1)
    for component in components:
        left = (copy.deadline - copy.now).total_seconds()
        if left <= 0:
            return Failure.of(Code.DEADLINE_EXCEEDED, f"no time was left for {component.kind} {component.model_id}")
        order = _order(copy.progress.order, component, left)
        copy.children += 1
        result = yield copy.context.call_sub_orchestrator(COPY_MODEL, CopyProgress(order=order).to_json())
        outcome = CopyOutcome.parse(result)
        if outcome.status is CopyStatus.COPY_IN_PROGRESS and (yield from _wait_for_other_run(copy)):
            return None
        if outcome.status is not CopyStatus.SUCCEEDED:
            code = Code.CANCELLED if outcome.status is CopyStatus.CANCELLED else Code.COMPONENT_FAILED
            return Failure.of(code, f"{component.kind} {component.model_id}: {outcome.code}: {outcome.message}")
        if outcome.target_model_id != component.model_id:
            message = f"{component.kind} {component.model_id} could only be copied as {outcome.target_model_id}"
            return Failure.of(Code.COMPONENT_FAILED, message)
    return None


def go_on_with_components(copy: Copy, first: int, not_before: datetime | None) -> Steps:
    """Check the components from number ``first`` next, at ``not_before`` or at once: those before it are in the target."""
    copy.update(next_component=first, component_rounds=0, component_waits=None)
    if not_before is not None and not_before >= copy.deadline:
        message = f"the rate limits allow to check its next components at {written(not_before)}, after its deadline"
        return copy.end(Code.DEADLINE_EXCEEDED, message)
    if copy.children >= CHILDREN_PER_HISTORY:
        raise HistoryFull
    if not_before is not None and not_before > copy.now:
        yield from copy.sleep_until(not_before)
    return None


def _order(order: CopyOrder, component: ComponentRef, seconds: float) -> CopyOrder:
    """Return the order for one component, derived from that of the composed model."""
    origin = order.origin and Origin(source=order.origin.source, model_id=component.model_id)
    return order.replace(
        kind=component.kind,
        model_id=component.source_id or component.model_id,
        target_model_id=component.model_id if component.source_id else None,
        own_id_only=True,
        candidates=[component.model_id] if order.candidates else None,
        origin=origin,
        recreate=False,
        subject_id=None,
        deadline_seconds=seconds,
    )


def _wait_for_other_run(copy: Copy) -> Steps:
    """Wait while another run copies a component, longer each time; return false where no time is left."""
    waits = copy.progress.component_waits or 0
    seconds = min(COMPONENT_WAIT_SECONDS * POLL_GROWTH ** min(waits, 20), LONGEST_WAIT_SECONDS)
    last_wake = copy.deadline - timedelta(seconds=COMPONENT_WAIT_SECONDS)
    if copy.now >= last_wake:
        return False
    wake = min(copy.now + timedelta(seconds=seconds), last_wake)
    # does not count as a round
    copy.update(component_rounds=copy.progress.component_rounds - 1, component_waits=waits + 1)
    yield from copy.sleep_until(wake)
    return True
