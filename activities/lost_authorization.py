"""Looking, after an authorization whose answer was lost: what may it have left behind in the target?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from activities.envelope import Refused, fields
from activities.fence import save
from backup.claims import Claim
from backup.codes import Code
from backup.document_models import ModelState, ModelSummary
from backup.messages import Failure, StepInput
from backup.records import Suspect
from backup.states import ClaimState
from catalog.claims import HeldClaim
from wiring.events import Event, emit
from wiring.services import Services

CLOCK_SKEW = timedelta(seconds=5)
"""How far the service's clock may be off ours: a second was recorded."""

PAGES_PER_CALL = 8
"""An activity reads this many pages at most, so that it ends well within its time-out; the next one goes on from there."""


def look_for_lost_placeholder(services: Services, held: HeldClaim, step: StepInput) -> HeldClaim:
    """Return the claim under a new attempt, ready to authorize, after a look at what the lost call may have made.

    From v3 on the id was ours to choose: it is remembered as lost, and asked for again. v2 chose an id that nobody knows: models of the
    target that are ``creating``, appeared since the announcement and belong to no claim are remembered as suspects and reported; they
    are not touched, as one may be somebody's training.
    """
    claim = held.claim
    announced = claim.announced_at or services.now()
    service = services.model_service(step.order.target, claim.source_api_version, step.order.kind)
    if service.generation.shows_placeholders:
        page = claim.look_page
        for _ in range(PAGES_PER_CALL):
            listed = service.list_models(page)
            candidates = [model for model in listed.models if _may_be_ours(model, announced)]
            if candidates:
                _remember(services, step, claim, candidates)
            page = listed.next_page
            if page is None:
                break
        else:
            save(services, held, claim.model_copy(update={"look_page": page}).renewed(services.now(), step), step)
            raise Refused(Failure.of(Code.LOOKING, "looking through the target's models", retry_after=1.0))
    suspect_lost_id(services, claim, step, unless=claim.announced_id)
    fresh = claim.next_attempt().move(ClaimState.CLAIMED, lost_id=claim.announced_id or claim.lost_id)
    return save(services, held, fresh, step)


def suspect_lost_id(services: Services, claim: Claim, step: StepInput, unless: str | None = None) -> None:
    """Remember and report that the placeholder under the claim's lost id may be ours (v3 and later).

    Whoever puts another id in its place, ``unless``, or none, calls this first: a claim remembers one lost id, and none is forgotten.
    """
    if claim.lost_id is not None and claim.lost_id != unless:
        suspect(services, step, claim, claim.lost_id)


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


def _remember(services: Services, step: StepInput, claim: Claim, candidates: list[ModelSummary]) -> None:
    ours = services.catalogue.claims.ids_in(step.order.target)
    for model in candidates:
        if model.model_id not in ours:
            suspect(services, step, claim, model.model_id)


def suspect(services: Services, step: StepInput, claim: Claim, target_model_id: str) -> None:
    """Remember and report that what is under an id of the target may be a placeholder of ours."""
    order = step.order
    found = Suspect(
        target=order.target,
        kind=order.kind,
        model_id=target_model_id,
        seen_at=services.now(),
        run_id=order.run_id,
        source=order.source,
        source_model_id=order.model_id,
        api_version=claim.source_api_version,
    )
    if services.catalogue.suspects.add(found):
        emit(Event.SUSPECT_FOUND, targetModel=target_model_id, **fields(step))
