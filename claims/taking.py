"""Taking a claim: a new one, or one that exists, also from an owner whose lease has ended. It gets a slot within the rate limits."""

from __future__ import annotations

import json
from datetime import datetime

from backup.api_versions import generation_of
from backup.claim import Claim, new_claim
from backup.codes import Code
from backup.document_models import Generation
from backup.messages.copy import Inspected, StepInput
from backup.pacing import SLOT_SHARE
from backup.states import ClaimState
from catalog.store import LONGEST_DATA, Stored, length_of
from claims.source_model import SourceModel, source_facts
from claims.step import Refused, StepContext, is_cancelled, step_fields
from wiring.events import Event, emit
from wiring.services import Services

GROWTH = 120_000
"""How much a claim may grow while its copy is made, in characters of JSON: authorization, operation, ids that were given up."""

COMPONENT_RETRY_SECONDS = 5.0
"""When to check again whether another copy of the same run, such as a shared component, has ended."""


def resume(services: Services, step: StepInput, found: Stored[Claim]) -> Inspected | None:
    """Resume a claim that exists; return ``None`` if a new one may be taken. Raises ``Refused`` if another owner holds it."""
    claim, now = found.record, services.now()
    if claim.state is ClaimState.RELEASED:
        if claim.owner == step.owner:
            raise Refused(*claim.refusal(step))
        return None
    if claim.owner != step.owner:
        if claim.is_live(now):
            name = f'{claim.kind} {claim.model_id} from "{claim.source}" to "{claim.target}"'
            # another copy of the same run may be of a shared component: it is waited for
            is_of_run = claim.run_id == step.order.run_id
            code, wait = (Code.RECONCILING, COMPONENT_RETRY_SECONDS) if is_of_run else (Code.COPY_IN_PROGRESS, None)
            raise Refused(code, f"run {claim.run_id} is copying {name}", retry_after=wait)
        found = services.catalog.claims.save(found, claim.taken_over(step.order, step.owner, now))
        emit(Event.CLAIM_TAKEN_OVER, state=claim.state, previousRun=claim.run_id, **step_fields(step))
    return _with_slot(StepContext(services, step, found))


def require_recordable(services: Services, step: StepInput, found: Stored[Claim] | None, model: SourceModel) -> None:
    """Refuse a model whose claim would not fit into the catalog (``ModelTooLarge``), before anything is made for it."""
    claim = _claim(services, step, found, model)
    length, room = _length(claim.to_json()), LONGEST_DATA - GROWTH
    if length <= room:
        return
    parts: dict[str, object] = {
        "its description": claim.description,
        "its tags": claim.tags,
        "the list of its components": [component.to_json() for component in claim.components],
    }
    longest = max(parts, key=lambda name: _length(parts[name]))
    raise Refused(
        Code.MODEL_TOO_LARGE,
        f'what the app must note about {claim.kind} {claim.model_id} of "{claim.source}" takes {length:,} characters, and the catalog '
        f"holds {room:,}; the longest part is {longest} ({_length(parts[longest]):,}): shorten it, then ask again",
    )


def take(
    services: Services, step: StepInput, found: Stored[Claim] | None, model: SourceModel, adopted: str | None = None
) -> Inspected:
    """Take a new claim, in place of the released one ``found``. ``adopted`` is a copy in the target, to be verified and recorded next.

    Raises ``RowExists`` or ``RowChanged`` if another owner was first.
    """
    claim, claims = _claim(services, step, found, model), services.catalog.claims
    if adopted is not None:
        claim = claim.move(ClaimState.VERIFYING, target_model_id=adopted, adopted=True)
    held = claims.save(found, claim) if found else claims.insert(claim)
    emit(Event.CLAIM_TAKEN, apiVersion=model.api_version, targetModel=adopted, **step_fields(step))
    return _with_slot(StepContext(services, step, held))


def _claim(services: Services, step: StepInput, found: Stored[Claim] | None, model: SourceModel) -> Claim:
    summary = model.details.summary
    return new_claim(
        step.order,
        summary.model_id,
        step.owner,
        services.now(),
        found.record if found else None,
        source_api_version=model.api_version,
        description=summary.description,
        tags={name: str(value) for name, value in summary.tags.items()},
        **source_facts(step.order, model.details),
    )


def _length(value: object) -> int:
    return length_of(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def _with_slot(work: StepContext) -> Inspected:
    """Reserve a slot for a claim that needs one, and say where the copy resumes."""
    claim, now = work.claim, work.now()
    if claim.state is ClaimState.CLAIMED and claim.not_before is None:
        claim = claim.replace(not_before=_reserve(work.services, claim, now))
    work.renew(claim, (claim.not_before - now).total_seconds() if claim.not_before else 0.0)
    # a copy that was cancelled while it waited releases its claim at once
    waits = claim.state is ClaimState.CLAIMED and not is_cancelled(work.services, work.order)
    return Inspected(
        attempt=claim.attempt,
        state=claim.state,
        not_before=claim.not_before if waits else None,
        target_model_id=claim.target_model_id,
        api_version=claim.source_api_version,
        failure=claim.failure,
    )


def _reserve(services: Services, claim: Claim, now: datetime) -> datetime:
    """Reserve the moment at which this copy may be authorized and started, within the rate limits of both resources."""
    if generation_of(claim.source_api_version) is Generation.V2:
        per_minute = services.configuration.resource(claim.source).rate_limits.v2_copies_per_minute
        if per_minute is None:
            return now
        return services.catalog.slots.reserve(claim.source, "v2Copy", 60 / (per_minute * SLOT_SHARE), now)
    moment = now
    for resource in (claim.source, claim.target):
        per_second = services.configuration.resource(resource).rate_limits.manage_per_second
        if per_second is not None:
            # the target's is not before the source's: two copies that reserve at once must not get the same moment
            moment = services.catalog.slots.reserve(resource, "manage", 1 / (per_second * SLOT_SHARE), moment)
    return moment
