"""Reconciling after a lost answer: what became of an authorization, of a start, or of an operation that the source no longer knows?

The call is never repeated before this is answered. While the call may still be under way in another delivery of the step, its answer is
not lost.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from backup.claim import Claim
from backup.codes import Code
from backup.document_models import ModelState, ModelSummary
from backup.messages import Message
from backup.messages.copy import Failure
from backup.records import Suspect
from backup.states import ClaimState
from claims.step import RETRY_SECONDS, Refused, StepContext
from form_recognizer import ModelService
from wiring.events import Event

CLOCK_SKEW = timedelta(seconds=5)
"""How far the service's clock may differ from ours: a second was recorded."""

PAGES_PER_CALL = 8
"""An activity reads this many pages at most, so that it ends well within its time-out; the next call continues from there."""

FIRST_LOOK_SECONDS = 5.0
LONGEST_LOOK_SECONDS = 60.0
LISTED_WITHIN_SECONDS = 120.0
"""An operation that the list does not show after two minutes will not appear later."""


# after a lost authorization


def find_lost_placeholder(work: StepContext) -> None:
    """Look for what a lost authorization may have made, and put the claim under a new attempt, ready to authorize.

    From v3 on the id was ours to choose: it is kept as the claim's lost id, and asked for again. v2 chose an id that was never received:
    models of the target that are ``creating``, appeared since the announcement and belong to no claim become suspects and are reported;
    they are not touched, as one may be a training of somebody else. Raises ``Refused`` while the call may be under way, and while pages
    are left to read.
    """
    claim = work.claim
    if claim.is_call_under_way(work.now()):
        raise Refused(Code.RECONCILING, "another delivery of this step is at work", retry_after=RETRY_SECONDS)
    if work.target().generation.shows_placeholders:
        _search_list(work)
    suspect_lost_id(work, unless=claim.announced_id)
    work.save(work.claim.next_attempt().move(ClaimState.CLAIMED, lost_id=claim.announced_id or claim.lost_id))


def suspect_lost_id(work: StepContext, unless: str | None = None) -> None:
    """Record and report that the placeholder under the claim's lost id may be ours (v3 and later).

    Whoever replaces the lost id by another one, ``unless``, or by none, calls this first: a claim holds one lost id, and none is dropped.
    """
    lost_id = work.claim.lost_id
    if lost_id is not None and lost_id != unless:
        add_suspect(work, lost_id)


def add_suspect(work: StepContext, target_model_id: str) -> None:
    """Record and report that what is under an id of the target may be a placeholder of ours."""
    order = work.order
    suspect = Suspect(
        target=order.target,
        kind=order.kind,
        model_id=target_model_id,
        seen_at=work.now(),
        run_id=order.run_id,
        source=order.source,
        source_model_id=order.model_id,
        api_version=work.claim.source_api_version,
    )
    if work.services.catalog.suspects.add(suspect):
        work.emit(Event.SUSPECT_FOUND, targetModel=target_model_id)


def _search_list(work: StepContext) -> None:
    """Record suspects from the target's list of models, some pages a call. Raises ``Refused`` (``Reconciling``) until all are read."""
    announced = work.claim.announced_at or work.now()
    page = work.claim.look_page
    for _ in range(PAGES_PER_CALL):
        listed = work.target().list_models(page)
        candidates = [model for model in listed.models if _may_be_ours(model, announced)]
        if candidates:
            ours = work.services.catalog.claims.ids_in(work.order.target)
            for model in candidates:
                if model.model_id not in ours:
                    add_suspect(work, model.model_id)
        page = listed.next_page
        if page is None:
            return
    work.renew(work.claim.replace(look_page=page))
    raise Refused(Code.RECONCILING, "searching the target's list of models for a lost placeholder", retry_after=1.0)


def _may_be_ours(model: ModelSummary, announced: datetime) -> bool:
    if model.state is not ModelState.CREATING:
        return False
    try:
        created = datetime.fromisoformat(model.created)
    except ValueError:
        return True
    if created.tzinfo is None:
        created = created.replace(tzinfo=UTC)
    return created >= announced - CLOCK_SKEW


# after a lost start


def find_lost_start(work: StepContext) -> Message:
    """Find out what became of a start that was announced and has no outcome, without posting again.

    v3 and later list their operations: the one for our target id is ours. v2 has no such list, and a model that is ``creating`` looks the
    same whether it is being copied or only authorized: it is given up after ``ambiguityWindowSeconds``.
    """
    claim, now = work.claim, work.now()
    since = claim.announced_at or now
    operation = _find_operation(work, since)
    if operation is not None:
        return _found_started(work, claim.move(ClaimState.COPYING, operation=operation, authorization=None))
    target = work.target()
    found = target.find_model(work.target_model_id)
    if found is None and target.generation.shows_placeholders:
        return _not_started(work, "its placeholder is gone")
    if found is not None and found.summary.state is ModelState.READY:
        return _found_started(work, claim.move(ClaimState.VERIFYING, authorization=None))
    if found is not None and found.summary.state is ModelState.INVALID:
        return _not_started(work, "its placeholder is invalid")
    window = timedelta(seconds=_start_window_seconds(work, target))
    if now < since + window or claim.is_call_under_way(now):
        # less often as time passes
        wait = min(max(FIRST_LOOK_SECONDS, (now - since).total_seconds() / 4), LONGEST_LOOK_SECONDS)
        work.renew(claim, wait)
        return Failure.of(
            Code.RECONCILING, "the answer to the start was lost; checking whether the copy started", retry_after=wait
        )
    return _not_started(work, f"no copy appeared within {window.total_seconds():.0f} seconds")


def _find_operation(work: StepContext, since: datetime) -> str | None:
    endpoint = work.services.configuration.resource(work.order.target).endpoint
    return work.source().find_copy(work.target_model_id, since - CLOCK_SKEW, endpoint)


def _start_window_seconds(work: StepContext, target: ModelService) -> float:
    configured = work.services.configuration.copies.ambiguity_window_seconds
    return configured if target.generation.shows_placeholders else min(configured, LISTED_WITHIN_SECONDS)


def _found_started(work: StepContext, claim: Claim) -> Message:
    work.renew(claim)
    work.emit(Event.STARTED, targetModel=claim.target_model_id, operation=claim.operation, looked=True)
    return work.done()


def _not_started(work: StepContext, reason: str) -> Failure:
    work.emit(Event.SUPERSEDED, targetModel=work.claim.target_model_id, reason=reason)
    return Failure.of(Code.START_UNKNOWN, f"the answer to the start was lost, and {reason}")


# after a lost operation


def follow_without_operation(work: StepContext) -> Message:
    """Find the operation in the source's list, where there is one; otherwise go by the target's own state."""
    claim = work.claim
    operation = _find_operation(work, claim.announced_at or claim.operation_lost_at or work.now())
    if operation is None:
        return follow_target(work)
    work.renew(claim.replace(operation=operation))
    return work.done()


def follow_target(work: StepContext) -> Message:
    """Go by the target model's own state for ``ambiguityWindowSeconds``; after that the copy counts as lost."""
    claim, now = work.claim, work.now()
    since = claim.operation_lost_at or now
    target = work.target()
    found = target.find_model(work.target_model_id)
    state = found.summary.state if found else None
    if state is ModelState.READY:
        work.renew(claim.move(ClaimState.VERIFYING))
        return work.done()
    is_gone = state is None and target.generation.shows_placeholders
    window = timedelta(seconds=work.services.configuration.copies.ambiguity_window_seconds)
    if is_gone or state is ModelState.INVALID or now >= since + window:
        work.emit(Event.SUPERSEDED, targetModel=claim.target_model_id)
        return Failure.of(
            Code.COPY_FAILED,
            f"the source does not know the copy any more, and the target model is {state or 'missing'}",
        )
    work.renew(claim)
    return work.done()
