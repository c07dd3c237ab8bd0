"""Step 6: write the replica into the catalogue, sweep what earlier attempts left behind, and give the claim back."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity, fields
from activities.fence import find_claim, held_claim, save
from activities.leftovers import sweep
from activities.lost_authorization import suspect_lost_id
from backup.claims import Claim
from backup.codes import Code
from backup.messages import Failure, Message, Recorded, StepInput
from backup.names import RECORD_REPLICA
from backup.records import Replica
from backup.states import ClaimState, ReplicaState
from catalog.claims import HeldClaim
from catalog.store import RowChanged, RowExists
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, RECORD_REPLICA, StepInput)
def record_replica(services: Services, step: StepInput) -> Message:
    """Record the replica and release the claim. ``StepInput`` in, ``Recorded`` out."""
    finished = _recorded_before(services, step)
    if finished is not None:
        return finished
    order = step.order
    held = held_claim(services, step)
    claim = held.claim
    if claim.state is not ClaimState.VERIFYING or claim.verified_at is None or claim.target_model_id is None:
        return Failure.of(Code.CLAIM_MOVED, f"the claim is {claim.state}: there is nothing verified to record")
    # The row is read before the fence is looked at again: whoever changes it after that makes our write fail.
    known = services.catalogue.replicas.get(
        order.mapped_source, order.kind, order.mapped_model_id, order.target, claim.target_model_id
    )
    held = held_claim(services, step)
    replica = _replica(held.claim, step)
    if known is None or known.replica != replica:
        try:
            services.catalogue.replicas.put(replica, known)
        except (RowExists, RowChanged):
            return Failure.of(Code.LOOKING, "another delivery of this step is at work", retry_after=1.0)
    _retire_others(services, replica)
    held = sweep(services, held, step)
    save(services, held, held.claim.released(), step)
    emit(Event.RECORDED, targetModel=replica.target_model_id, apiVersion=replica.api_version, **fields(step))
    return _result(replica)


def _recorded_before(services: Services, step: StepInput) -> Recorded | None:
    """Return the result again where this very owner and attempt has recorded already, and the answer was lost."""
    found = find_claim(services, step.order)
    if found is None:
        return None
    claim = found.claim
    ours = claim.owner == step.owner and claim.attempt == step.attempt and claim.state is ClaimState.RELEASED
    if not ours or claim.verified_at is None or claim.target_model_id is None or claim.outcome_code is not None:
        return None
    return _result(_replica(claim, step))


def _replica(claim: Claim, step: StepInput) -> Replica:
    assert claim.target_model_id is not None, "only what has an id is recorded"
    assert claim.verified_at is not None, "only what was verified is recorded"
    return Replica(
        source=step.order.mapped_source,
        kind=claim.kind,
        model_id=step.order.mapped_model_id,
        target=claim.target,
        target_model_id=claim.target_model_id,
        api_version=claim.source_api_version,
        fingerprint=claim.fingerprint,
        digest=claim.digest,
        state=ReplicaState.READY,
        verified_at=claim.verified_at,
        expires_at=claim.expires_at,
        run_id=step.order.run_id,
        components=claim.components,
    )


def _retire_others(services: Services, replica: Replica) -> None:
    """Let older replicas of this model in this target retire: they go later, as applications remember what the lookup said."""
    for known in services.catalogue.replicas.of_model(replica.source, replica.kind, replica.model_id, replica.target):
        other = known.replica
        if other.target_model_id == replica.target_model_id or other.state is not ReplicaState.READY:
            continue
        if other.verified_at > replica.verified_at:
            # a later run has been here: this is a step that comes late
            continue
        try:
            retiring = {"state": ReplicaState.RETIRING, "retired_at": services.now()}
            services.catalogue.replicas.put(other.model_copy(update=retiring), known)
        except RowChanged:
            continue


def _result(replica: Replica) -> Recorded:
    return Recorded(
        target_model_id=replica.target_model_id, verified_at=replica.verified_at, api_version=replica.api_version
    )


def release(services: Services, held: HeldClaim, step: StepInput, code: str, message: str) -> HeldClaim:
    """Give the claim of a copy that failed back, with the reason, after sweeping what it left behind."""
    if held.claim.lost_id is not None:
        suspect_lost_id(services, held.claim, step)
    held = sweep(services, held, step)
    return save(services, held, held.claim.released(code, message), step)
