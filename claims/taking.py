"""Taking a claim: a new one, one that was left half done, or one whose lease has lapsed; with a reserved moment within the rate limits."""

from __future__ import annotations

from datetime import datetime

from backup.api_versions import generation_of
from backup.claim import Claim, new_claim
from backup.codes import Code
from backup.document_models import Generation
from backup.messages import Message
from backup.messages.copy import ComponentRef, Failure, Inspected, StepInput
from backup.pacing import SLOT_SHARE
from backup.states import ClaimState
from catalog.store import RowChanged, RowExists, Stored
from claims.inspection import fingerprint
from claims.source_model import SourceModel
from claims.step import Refused, concurrent_change, find_claim, is_cancelled, step_fields
from wiring.events import Event, emit
from wiring.services import Services

COMPONENT_RETRY_SECONDS = 5.0
"""When to look again whether another copy of the same run, such as a shared component, has ended."""


def resume(services: Services, step: StepInput, found: Stored[Claim]) -> Message | None:
    """Go on with a claim that exists; ``None`` where it is released and a new one may be taken."""
    claim, now = found.record, services.now()
    if claim.state is ClaimState.RELEASED:
        return claim.refusal(step) if claim.owner == step.owner else None
    if claim.owner != step.owner:
        if claim.is_live(now):
            return _in_progress(claim, step)
        found = _write_claim(services, step, found, claim.taken_over(step.order, step.owner, now))
        emit(Event.CLAIM_TAKEN_OVER, state=claim.state, previousRun=claim.run_id, **step_fields(step))
    return with_slot(services, step, found)


def take(services: Services, step: StepInput, found: Stored[Claim] | None, model: SourceModel) -> Stored[Claim]:
    """Take a new claim, in place of the released one ``found``. Raises ``Refused`` where another owner was first."""
    summary = model.details.summary
    claim = new_claim(
        step.order,
        summary.model_id,
        step.owner,
        services.now(),
        found.record if found else None,
        fingerprint=fingerprint(step.order, model),
        digest=model.details.digest(),
        source_api_version=model.api_version,
        description=summary.description,
        tags={name: str(value) for name, value in summary.tags.items()},
        components=[ComponentRef(kind=part.kind, model_id=part.model_id) for part in model.details.components],
        expires_at=summary.expires,
    )
    held = _write_claim(services, step, found, claim)
    emit(Event.CLAIM_TAKEN, apiVersion=model.api_version, **step_fields(step))
    return held


def with_slot(services: Services, step: StepInput, held: Stored[Claim]) -> Inspected:
    """Reserve a moment for a claim that needs one, and say where the copy goes on."""
    claim, now = held.record, services.now()
    if claim.state is ClaimState.CLAIMED and claim.not_before is None:
        claim = claim.replace(not_before=_reserve(services, claim, now))
    wait = (claim.not_before - now).total_seconds() if claim.not_before else 0.0
    try:
        services.catalog.claims.save(held, claim.renewed(now, step, wait))
    except RowChanged:
        raise Refused.with_failure(concurrent_change(services, step)) from None
    # a copy that was cancelled while it waited gives its claim back at once
    waits = claim.state is ClaimState.CLAIMED and not is_cancelled(services, step.order)
    return Inspected(
        attempt=claim.attempt,
        state=claim.state,
        not_before=claim.not_before if waits else None,
        target_model_id=claim.target_model_id,
        api_version=claim.source_api_version,
        failure=claim.given_up,
    )


def _in_progress(claim: Claim, step: StepInput) -> Failure:
    """Return the envelope for a copy that another orchestration is making. One of the same run is waited for: it may be a component."""
    message = f'run {claim.run_id} is copying {claim.kind} {claim.model_id} from "{claim.source}" to "{claim.target}"'
    if claim.run_id == step.order.run_id:
        return Failure.of(Code.RECONCILING, message, retry_after=COMPONENT_RETRY_SECONDS)
    return Failure.of(Code.COPY_IN_PROGRESS, message)


def _write_claim(services: Services, step: StepInput, found: Stored[Claim] | None, claim: Claim) -> Stored[Claim]:
    """Write ``claim`` over what was found. Raises ``Refused`` where another owner was first."""
    try:
        return services.catalog.claims.save(found, claim) if found else services.catalog.claims.insert(claim)
    except (RowExists, RowChanged):
        other = find_claim(services, step.order)
        if other is not None and other.record.owner != step.owner and other.record.is_live(services.now()):
            raise Refused.with_failure(_in_progress(other.record, step)) from None
        raise Refused.with_failure(concurrent_change(services, step)) from None


def _reserve(services: Services, claim: Claim, now: datetime) -> datetime:
    """Reserve the moment at which this copy may be authorized and started, within what both resources allow."""
    if generation_of(claim.source_api_version) is Generation.V2:
        per_minute = services.configuration.resource(claim.source).rate_limits.v2_copies_per_minute
        if per_minute is None:
            return now
        return services.catalog.slots.reserve(claim.source, "v2Copy", 60 / (per_minute * SLOT_SHARE), now)
    moment = now
    for resource in (claim.source, claim.target):
        per_second = services.configuration.resource(resource).rate_limits.manage_per_second
        if per_second is not None:
            # the target's is searched from the source's on: two copies that reserve at once must not get the same moment
            moment = services.catalog.slots.reserve(resource, "manage", 1 / (per_second * SLOT_SHARE), moment)
    return moment
