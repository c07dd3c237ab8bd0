"""One authorization: announced, asked for once, and its outcome written; whatever goes wrong in between leaves a trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from activities.envelope import Refused, fields
from activities.fence import find_claim, save, settle
from activities.lost_authorization import suspect_lost_id
from activities.placeholders import remove_orphan
from backup.claims import Claim
from backup.codes import Code
from backup.document_models import CopyAuthorization
from backup.messages import Authorized, Failure, Message, StepInput
from backup.states import ClaimState
from catalog.claims import HeldClaim
from catalog.store import CatalogueUnavailable
from form_recognizer import (
    CopyTarget,
    GiveUp,
    ModelExists,
    ModelService,
    RetryAfter,
    ServiceError,
    UntrustedAddress,
)
from wiring.events import Event, emit
from wiring.services import Services


def sealing_purpose(step: StepInput, target_model_id: str) -> str:
    """Return what an authorization is sealed for: it opens for this copy only."""
    order = step.order
    return f"{order.source}|{order.target}|{order.kind}|{order.model_id}|{target_model_id}"


def what_was_authorized(held: HeldClaim) -> Message:
    """Return the outcome that the claim holds, also to a step that is delivered again."""
    claim = held.claim
    if claim.target_model_id is None or claim.state is ClaimState.DISCARDING:
        return claim.what_moved_it("nothing is authorized")
    return Authorized(
        attempt=claim.attempt,
        target_model_id=claim.target_model_id,
        expires=claim.authorization_expires,
        authorization=claim.authorization,
    )


@dataclass(frozen=True)
class Attempted:
    """Authorizes for one step, on the service of its target."""

    services: Services
    step: StepInput
    service: ModelService

    def authorize(self, held: HeldClaim, target: CopyTarget) -> HeldClaim:
        """Ask once, and return the claim with the authorization in it.

        Raises ``ModelExists`` with the claim back in ``claimed`` and the id among its taken ones (unless it may be our own), other
        errors of the service, and ``Refused`` where the claim went on without us.
        """
        now = self.services.now()
        announced = held.claim.move(ClaimState.AUTHORIZING, announced_at=now, announced_id=target.model_id)
        held = save(self.services, held, announced.renewed(now, self.step), self.step)
        authorization = self._ask(held, target)
        try:
            held = self._keep(held, authorization)
        except Refused:
            if not self._is_named_by_claim(authorization.target_model_id):
                remove_orphan(self.services, self.service, held.claim, authorization.target_model_id)
            raise
        except CatalogueUnavailable:
            # An id that we chose is announced in the claim; one that the service chose is known to nobody but us.
            if self.service.generation.shows_placeholders:
                remove_orphan(self.services, self.service, held.claim, authorization.target_model_id)
            raise
        emit(Event.AUTHORIZED, targetModel=authorization.target_model_id, **fields(self.step))
        return held

    def _ask(self, held: HeldClaim, target: CopyTarget) -> CopyAuthorization:
        try:
            return self.service.authorize_copy(target)
        except ModelExists:
            taken = [target.model_id] if target.model_id is not None else []
            self._settle(
                held,
                lambda claim: claim.move(
                    ClaimState.CLAIMED, announced_at=None, announced_id=None, taken_ids=[*claim.taken_ids, *taken]
                ),
            )
            raise
        except ServiceError as error:
            unusable = error.target_model_id
            if unusable is not None:
                # there is a placeholder, and its id is known, but the answer cannot be used
                code = Code(error.code) if isinstance(error, GiveUp) else Code.AUTHORIZATION_UNUSABLE
                failure = Failure.of(code, error.message, request_id=error.request_id)
                self._settle(
                    held,
                    lambda claim: claim.discarding(
                        failure, target_model_id=unusable, owned_id=unusable, announced_id=None
                    ),
                )
                raise Refused(failure) from None
            if isinstance(error, RetryAfter | GiveUp) and not isinstance(error, UntrustedAddress):
                # a refusal proves that nothing was made
                self._settle(held, lambda claim: claim.move(ClaimState.CLAIMED, announced_at=None, announced_id=None))
            raise

    def _keep(self, held: HeldClaim, authorization: CopyAuthorization) -> HeldClaim:
        target_model_id = authorization.target_model_id
        sealed = self.services.sealer.seal(authorization.document, sealing_purpose(self.step, target_model_id))
        suspect_lost_id(self.services, held.claim, self.step, unless=target_model_id)
        held = self._settle(
            held,
            lambda claim: claim.move(
                ClaimState.AUTHORIZED,
                target_model_id=target_model_id,
                owned_id=target_model_id,
                authorization=sealed,
                authorization_expires=authorization.expires,
                announced_at=None,
                announced_id=None,
                lost_id=None,
            ).renewed(self.services.now(), self.step),
        )
        # a copy beside us that lost an answer may have seen this placeholder before it had a claim
        self.services.catalogue.suspects.forget(held.claim.target, target_model_id, held.claim.kind)
        return held

    def _is_named_by_claim(self, target_model_id: str) -> bool:
        found = find_claim(self.services, self.step.order)
        return found is not None and target_model_id in {
            found.claim.target_model_id,
            found.claim.announced_id,
            found.claim.lost_id,
        }

    def _settle(self, held: HeldClaim, outcome: Callable[[Claim], Claim]) -> HeldClaim:
        return settle(self.services, held, outcome, self.step)
