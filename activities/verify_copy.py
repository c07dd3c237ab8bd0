"""Step 5: look at the copy in the target, and prove that it equals its source. Only a verified copy counts."""

from __future__ import annotations

from datetime import timedelta

import azure.durable_functions as df

from activities.envelope import activity
from backup.api_versions import generation_of
from backup.codes import Code
from backup.document_models import ModelDetails, ModelState, first_difference
from backup.messages import Message
from backup.messages.copy import ComponentRef, Failure, StepInput
from backup.names import VERIFY_COPY
from backup.states import ClaimState
from claims.step import StepContext
from wiring.events import Event
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, VERIFY_COPY, StepInput)
def verify_copy(services: Services, step: StepInput) -> Message:
    """Compare the copy with its source. ``StepInput`` in, ``StepDone`` out."""
    work = StepContext.open(services, step)
    if work.claim.state is ClaimState.VERIFIED:
        return work.done()
    if work.claim.state is not ClaimState.VERIFYING:
        return work.claim.stale_step_failure("there is nothing to verify")
    copy = work.target().find_model(work.target_model_id)
    if copy is None or copy.summary.state is ModelState.CREATING:
        return _missing(work, is_gone=copy is None)
    if copy.summary.state is ModelState.INVALID:
        return Failure.of(Code.COPY_FAILED, f"{_copy_name(work)} is invalid")
    if copy.digest() != work.claim.digest:
        return _compare_with_source(work, copy)
    return _verified(work, copy)


def _copy_name(work: StepContext) -> str:
    return f'{work.order.kind} {work.target_model_id} in "{work.order.target}"'


def _missing(work: StepContext, *, is_gone: bool) -> Message:
    """Wait for a copy that is not visible yet: the service may report success before the target shows it. Not without end, though."""
    claim, now = work.claim, work.now()
    since = claim.missing_since or now
    window = timedelta(seconds=work.services.configuration.copies.ambiguity_window_seconds)
    if claim.missing_since is None or now < since + window:
        work.renew(claim.replace(missing_since=since))
        return Failure.of(Code.TARGET_NOT_READY, f"{_copy_name(work)} is not visible yet")
    if is_gone and not generation_of(claim.source_api_version).shows_placeholders:
        # it was deleted by somebody else, and the id may be in use again: it is not ours to delete any more
        work.renew(claim.replace(owned_id=None))
    return Failure.of(
        Code.TARGET_LOST, f"{_copy_name(work)} is missing {window.total_seconds():.0f} seconds after it was copied"
    )


def _compare_with_source(work: StepContext, copy: ModelDetails) -> Message:
    """Look at the source once more: it may have been retrained between the inspection and the copy."""
    order = work.order
    source = work.source().find_model(order.model_id)
    if source is None:
        return Failure.of(
            Code.CONTENT_MISMATCH,
            f"{_copy_name(work)} is not what was inspected, and the source model was deleted since",
        )
    if source.digest() != copy.digest():
        difference = first_difference(source.content, copy.content) or "its content changes between two reads"
        return Failure.of(Code.CONTENT_MISMATCH, f"{_copy_name(work)} does not equal its source: {difference}")
    work.save(
        work.claim.replace(
            digest=source.digest(),
            components=[ComponentRef(kind=part.kind, model_id=part.model_id) for part in source.components],
            fingerprint=(order.origin and order.origin.fingerprint) or source.summary.fingerprint(),
            expires_at=source.summary.expires,
        )
    )
    return _verified(work, copy)


def _verified(work: StepContext, copy: ModelDetails) -> Message:
    claim = work.claim
    work.renew(
        claim.move(
            ClaimState.VERIFIED,
            verified_at=claim.verified_at or work.now(),
            # a copy expires with its source; an equal model that was there before expires on its own date
            expires_at=copy.summary.expires or claim.expires_at,
        )
    )
    work.emit(Event.VERIFIED, targetModel=claim.target_model_id)
    return work.done()
