"""Reconciling: what became of an authorization, a start or an operation whose answer was lost. Nothing is repeated before that is known."""

from __future__ import annotations

from datetime import datetime, timedelta

from backup.claim import Claim
from backup.codes import Code
from backup.document_models import ModelState, ModelSummary
from backup.messages import Message
from backup.messages.copy import Failure
from backup.moments import moment_of
from backup.records import Suspect
from backup.states import ClaimState
from claims.step import Refused, StepContext
from form_recognizer import ModelService
from wiring.events import Event

CLOCK_SKEW = timedelta(seconds=5)
"""How far the clocks of app and service may differ: a second was recorded."""

PAGES_PER_CALL = 8
"""How many pages an activity reads, so that it ends within its time-out; the next call continues from there."""

FIRST_WAIT_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 60.0
LISTED_WITHIN_SECONDS = 120
"""An operation that the list does not show after two minutes will not appear later."""


# a lost authorization


def find_lost_placeholder(work: StepContext) -> None:
    """Find what a lost authorization may have made, and put the claim under its next attempt.

    From v3 on the app chose the id: it becomes the claim's lost id. v2 chose an id that the app does not know: models of the target that
    are ``creating``, were made since the announcement and belong to no claim become suspects. Raises ``Refused`` while the call may be
    under way, and while pages are left to read.
    """
    work.require_idle()
    claim = work.claim
    if work.target().generation.shows_placeholders:
        _search_list(work)
    suspect_lost_id(work, unless=claim.announced_id)
    work.save(work.claim.next_attempt().move(ClaimState.CLAIMED, lost_id=claim.announced_id or claim.lost_id))


def suspect_lost_id(work: StepContext, unless: str | None = None) -> None:
    """Make the claim's lost id a suspect, before it is replaced by another one (``unless``) or dropped (v3 and later)."""
    lost_id = work.claim.lost_id
    if lost_id is not None and lost_id != unless:
        add_suspect(work, lost_id)


def add_suspect(work: StepContext, target_model_id: str) -> None:
    """Record and report that an id of the target may hold a placeholder of this copy."""
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
        work.emit(
            Event.SUSPECT_FOUND,
            targetModel=target_model_id,
            message="a placeholder under this id may be the app's or another user's; it is left alone",
        )


def _search_list(work: StepContext) -> None:
    """Record suspects from the target's list of models. Raises ``Refused`` (``Reconciling``) until all pages are read."""
    announced = work.claim.announced_at or work.now()
    page = work.claim.search_page
    for _ in range(PAGES_PER_CALL):
        listed = work.target().list_models(page)
        candidates = {model.model_id for model in listed.models if _is_candidate(model, announced)}
        claimed = work.services.catalog.claims.ids_in(work.order.target) if candidates else set()
        for model_id in sorted(candidates - claimed):
            add_suspect(work, model_id)
        page = listed.next_page
        if page is None:
            return
    work.renew(work.claim.replace(search_page=page))
    raise Refused(Code.RECONCILING, "searching the target's list of models for a lost placeholder", retry_after=1.0)


def _is_candidate(model: ModelSummary, announced: datetime) -> bool:
    if model.state is not ModelState.CREATING:
        return False
    created = moment_of(model.created)
    return created is None or created >= announced - CLOCK_SKEW


# a lost start


def find_lost_start(work: StepContext) -> Message:
    """Find out what became of a start that was announced and has no outcome.

    v3 and later list their operations: the one for this target id is the copy's, unless the target shares its endpoint with another
    resource. v2 has no such list, and a model that is ``creating`` may be a copy under way or a placeholder. Where neither list nor
    target tell, the start is given up after ``ambiguityWindowSeconds``.
    """
    claim, now = work.claim, work.now()
    since = claim.announced_at or now
    operation = _find_operation(work, since)
    if operation is not None:
        return _found_started(work, claim.move(ClaimState.COPYING, operation=operation, authorization=None))
    target = work.target()
    shows_placeholders = target.generation.shows_placeholders
    state = state_of(target, work.target_model_id)
    if state is ModelState.READY:
        return _found_started(work, claim.move(ClaimState.VERIFYING, authorization=None))
    if state is ModelState.INVALID or (state is None and shows_placeholders):
        return _not_started(work, f"its placeholder is {state or 'missing'}")
    window: float = work.services.configuration.copies.ambiguity_window_seconds
    if not shows_placeholders and not _shares_endpoint(work):
        window = min(window, LISTED_WITHIN_SECONDS)
    passed = (now - since).total_seconds()
    if passed >= window and not claim.is_call_under_way(now):
        return _not_started(
            work, f"no copy appeared within {window:.0f} seconds; the app retries with a new authorization"
        )
    # less often as time passes
    wait = min(max(FIRST_WAIT_SECONDS, passed / 4), LONGEST_WAIT_SECONDS)
    work.renew(claim, wait)
    return Failure.of(
        Code.RECONCILING, "the answer to the start was lost; checking whether the copy started", retry_after=wait
    )


def _find_operation(work: StepContext, since: datetime) -> str | None:
    if _shares_endpoint(work):
        return None
    endpoint = work.services.configuration.resource(work.order.target).endpoint
    return work.source().find_copy(work.target_model_id, since - CLOCK_SKEW, endpoint)


def _shares_endpoint(work: StepContext) -> bool:
    """Tell whether other resources have the target's endpoint, that of a region.

    The source's list of operations names the endpoint that a copy goes to, not the account: it may show a copy to one of these.
    """
    resources = work.services.configuration.resources
    endpoint = resources[work.order.target].endpoint
    return sum(resource.endpoint == endpoint for resource in resources.values()) > 1


def _found_started(work: StepContext, claim: Claim) -> Message:
    work.renew(claim)
    work.emit(Event.STARTED, targetModel=claim.target_model_id, operation=claim.operation, reconciled=True)
    return work.done()


def _not_started(work: StepContext, reason: str) -> Failure:
    work.emit(Event.SUPERSEDED, targetModel=work.claim.target_model_id, reason=reason)
    return Failure.of(Code.START_UNKNOWN, f"the answer to the start was lost, and {reason}")


# a lost operation


def follow_without_operation(work: StepContext) -> Message:
    """Find the operation in the source's list (v3 and later), or follow the target model's own state."""
    claim = work.claim
    operation = _find_operation(work, claim.announced_at or claim.operation_lost_at or work.now())
    if operation is None:
        return follow_target(work)
    work.renew(claim.replace(operation=operation))
    return work.done()


def follow_target(work: StepContext) -> Message:
    """Follow the target model's own state for ``ambiguityWindowSeconds``; after that the copy counts as lost."""
    claim, now = work.claim, work.now()
    target = work.target()
    state = state_of(target, work.target_model_id)
    window = timedelta(seconds=work.services.configuration.copies.ambiguity_window_seconds)
    is_gone = state is ModelState.INVALID or (state is None and target.generation.shows_placeholders)
    if state is not ModelState.READY and (is_gone or now >= (claim.operation_lost_at or now) + window):
        work.emit(Event.SUPERSEDED, targetModel=claim.target_model_id)
        return Failure.of(
            Code.COPY_FAILED,
            f"the source does not know the copy any more, and the target model is {state or 'missing'}",
        )
    work.renew(claim.move(ClaimState.VERIFYING) if state is ModelState.READY else claim)
    return work.done()


def state_of(service: ModelService, model_id: str) -> ModelState | None:
    """Return the state of the model that a resource shows under an id; ``None`` for none. From v3 on placeholders are not shown."""
    found = service.find_model(model_id)
    return found.summary.state if found else None
