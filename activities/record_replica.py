"""Step 6: write the replica into the catalog, sweep what earlier attempts left behind, and give the claim back."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.claim import Claim
from backup.codes import Code
from backup.messages import CopyOrder, Message, StepDone, StepInput
from backup.names import RECORD_REPLICA
from backup.records import Replica
from backup.states import ClaimState, ReplicaState
from catalog.store import RowChanged, RowExists
from claims.deletions import sweep
from claims.step import RETRY_SECONDS, Refused, StepContext, find_claim
from wiring.events import Event
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, RECORD_REPLICA, StepInput)
def record_replica(services: Services, step: StepInput) -> Message:
    """Record the replica and release the claim. ``StepInput`` in, ``StepDone`` out."""
    finished = _recorded_before(services, step)
    if finished is not None:
        return finished
    order = step.order
    work = StepContext.open(services, step)
    if work.claim.state is not ClaimState.VERIFIED:
        return work.claim.stale_step_failure("there is nothing verified to record")
    # The row is read before the fence is checked again: whoever changes it after that makes this write fail.
    stored = services.catalog.replicas.get(
        order.mapped_source, order.kind, order.mapped_model_id, order.target, work.target_model_id
    )
    work = StepContext.open(services, step)
    replica = _replica(work.claim, order)
    if stored is None or stored.record != replica:
        try:
            services.catalog.replicas.put(replica, stored)
        except (RowExists, RowChanged):
            raise Refused(
                Code.RECONCILING, "another delivery of this step is at work", retry_after=RETRY_SECONDS
            ) from None
    _retire_others(services, replica)
    sweep(work)
    work.save(work.claim.released())
    work.emit(Event.RECORDED, targetModel=replica.target_model_id, apiVersion=replica.api_version)
    return _recorded(work.claim)


def _recorded_before(services: Services, step: StepInput) -> StepDone | None:
    """Return the result again where this very owner and attempt has recorded already, and the answer was lost."""
    found = find_claim(services, step.order)
    if found is None:
        return None
    claim = found.record
    is_ours = (claim.owner, claim.attempt, claim.state) == (step.owner, step.attempt, ClaimState.RELEASED)
    has_copy = claim.verified_at is not None and claim.target_model_id is not None and claim.outcome_code is None
    return _recorded(claim) if is_ours and has_copy else None


def _recorded(claim: Claim) -> StepDone:
    return StepDone(
        attempt=claim.attempt,
        state=claim.state,
        target_model_id=claim.target_model_id,
        verified_at=claim.verified_at,
        api_version=claim.source_api_version,
    )


def _replica(claim: Claim, order: CopyOrder) -> Replica:
    assert claim.target_model_id is not None, "only what has an id is recorded"
    assert claim.verified_at is not None, "only what was verified is recorded"
    return Replica(
        source=order.mapped_source,
        kind=claim.kind,
        model_id=order.mapped_model_id,
        target=claim.target,
        target_model_id=claim.target_model_id,
        api_version=claim.source_api_version,
        fingerprint=claim.fingerprint,
        digest=claim.digest,
        state=ReplicaState.READY,
        verified_at=claim.verified_at,
        expires_at=claim.expires_at,
        run_id=order.run_id,
        components=claim.components,
    )


def _retire_others(services: Services, replica: Replica) -> None:
    """Let older replicas of this model in this target retire. They are deleted later: applications cache the lookup."""
    replicas = services.catalog.replicas
    for stored in replicas.of_model(replica.source, replica.kind, replica.model_id, replica.target):
        other = stored.record
        is_other = other.target_model_id != replica.target_model_id and other.state is ReplicaState.READY
        # a newer one was recorded by a later run: this step comes late
        if not is_other or other.verified_at > replica.verified_at:
            continue
        try:
            replicas.put(other.replace(state=ReplicaState.RETIRING, retired_at=services.now()), stored)
        except RowChanged:
            continue
