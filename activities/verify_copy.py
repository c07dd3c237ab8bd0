"""Step 5: read the copy in the target and compare it with its source. Only a verified copy is recorded."""

from __future__ import annotations

from datetime import timedelta

import azure.durable_functions as df

from activities.envelope import activity
from backup.api_versions import generation_of
from backup.claim import Claim
from backup.codes import Code
from backup.document_models import ModelDetails, ModelState, first_difference
from backup.messages import Message
from backup.messages.copy import Failure, StepInput
from backup.names import VERIFY_COPY
from backup.states import ClaimState
from claims.source_model import source_facts
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
    if copy.digest() == work.claim.digest:
        return _verified(work, work.claim, copy)
    return _compare_with_source(work, copy)


def _copy_name(work: StepContext) -> str:
    return f'{work.order.kind} {work.target_model_id} in "{work.order.target}"'


def _missing(work: StepContext, *, is_gone: bool) -> Failure:
    """Wait for a copy that the target does not show yet, for ``ambiguityWindowSeconds``: the service may report success before that."""
    claim, now = work.claim, work.now()
    since = claim.missing_since or now
    window = timedelta(seconds=work.services.configuration.copies.ambiguity_window_seconds)
    if claim.missing_since is None or now < since + window:
        work.renew(claim.replace(missing_since=since))
        return Failure.of(Code.TARGET_NOT_READY, f"{_copy_name(work)} is not visible yet")
    if is_gone and not generation_of(claim.source_api_version).shows_placeholders:
        # another user deleted it and may have taken the id: the app must not delete it any more
        work.renew(claim.replace(owned_id=None))
    return Failure.of(
        Code.TARGET_LOST, f"{_copy_name(work)} is missing {window.total_seconds():.0f} seconds after it was copied"
    )


def _compare_with_source(work: StepContext, copy: ModelDetails) -> Message:
    """Read the source again: it may have been retrained between the inspection and the copy."""
    source = work.source().find_model(work.order.model_id)
    if source is not None and source.digest() == copy.digest():
        return _verified(work, work.claim.replace(**source_facts(work.order, source)), copy)
    difference = "the source model was deleted after the inspection"
    if source is not None:
        difference = first_difference(source.content, copy.content) or "its content changes between two reads"
    return Failure.of(Code.CONTENT_MISMATCH, f"{_copy_name(work)} does not equal its source: {difference}")


def _verified(work: StepContext, claim: Claim, copy: ModelDetails) -> Message:
    verified_at = claim.verified_at or work.now()
    # a copy expires with its source; an equal model that was there before expires on its own date
    expires_at = copy.summary.expires or claim.expires_at
    work.renew(claim.move(ClaimState.VERIFIED, verified_at=verified_at, expires_at=expires_at))
    work.emit(Event.VERIFIED, targetModel=claim.target_model_id)
    return work.done()
