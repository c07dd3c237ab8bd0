"""Step 6: write the replica into the catalog, sweep the superseded ids, and release the claim."""

from __future__ import annotations

from contextlib import suppress

import azure.durable_functions as df

from activities.envelope import activity
from backup.claim import Claim
from backup.messages import Message
from backup.messages.copy import CopyOrder, StepDone, StepInput
from backup.names import RECORD_REPLICA
from backup.records import Replica
from backup.states import ClaimState, ReplicaState
from catalog.store import RowChanged
from claims.deletions import sweep
from claims.step import StepContext, find_claim
from wiring.events import Event
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, RECORD_REPLICA, StepInput)
def record_replica(services: Services, step: StepInput) -> Message:
    """Record the replica and release the claim. ``StepInput`` in, ``StepDone`` out.

    A restored copy of an older version is no replica: the mapping leads to the present version.
    """
    order = step.order
    found = find_claim(services, order)
    if found is not None and _is_recorded(found.record, step):
        return _recorded(StepContext(services, step, found))
    work = StepContext.open(services, step, found)
    if work.claim.state is not ClaimState.VERIFIED:
        return work.claim.stale_step_failure("there is nothing verified to record")
    work.require_idle()
    # the row is read before the fence is checked again: a change of it after that makes this write fail
    stored = services.catalog.replicas.get(
        order.mapped_source, order.kind, order.mapped_model_id, order.target, work.target_model_id
    )
    work.reread()
    replica = _replica(work.claim, order)
    is_to_record = order.origin is None or not order.origin.is_older
    if is_to_record:
        if stored is None or stored.record != replica:
            services.catalog.replicas.put(replica, stored)
        _retire_others(services, replica)
    sweep(work)
    work.save(work.claim.released())
    if is_to_record:
        adopted = work.claim.adopted
        work.emit(Event.RECORDED, targetModel=replica.target_model_id, apiVersion=replica.api_version, adopted=adopted)
    return _recorded(work)


def _is_recorded(claim: Claim, step: StepInput) -> bool:
    """Tell whether another delivery of this step has recorded the replica."""
    is_ours = (claim.owner, claim.attempt, claim.state) == (step.owner, step.attempt, ClaimState.RELEASED)
    return is_ours and claim.verified_at is not None and claim.outcome_code is None


def _recorded(work: StepContext) -> StepDone:
    claim = work.claim
    return work.done(verified_at=claim.verified_at, api_version=claim.source_api_version, adopted=claim.adopted)


def _replica(claim: Claim, order: CopyOrder) -> Replica:
    assert claim.target_model_id is not None, "a verified copy has an id"
    assert claim.verified_at is not None, "only a verified copy is recorded"
    return Replica(
        source=order.mapped_source,
        kind=claim.kind,
        model_id=order.mapped_model_id,
        target=claim.target,
        target_model_id=claim.target_model_id,
        api_version=claim.source_api_version,
        fingerprint=claim.fingerprint,
        trained=claim.trained,
        digest=claim.digest,
        state=ReplicaState.READY,
        verified_at=claim.verified_at,
        expires_at=claim.expires_at,
        run_id=order.run_id,
        components=claim.components,
    )


def _retire_others(services: Services, replica: Replica) -> None:
    """Retire older replicas of this model in this target. They are deleted later: applications cache the lookup."""
    replicas = services.catalog.replicas
    for stored in replicas.of_model(replica.source, replica.kind, replica.model_id, replica.target):
        other = stored.record
        is_other = other.target_model_id != replica.target_model_id and other.state is ReplicaState.READY
        # if a later run has recorded a newer one, this step comes late
        if is_other and other.verified_at <= replica.verified_at:
            with suppress(RowChanged):
                replicas.put(other.replace(state=ReplicaState.RETIRING, retired_at=services.now()), stored)
