"""One authorization: announced, requested once, and its outcome written. No placeholder is left that the catalog does not name."""

from __future__ import annotations

from backup.claim import Claim
from backup.codes import Code
from backup.document_models import CopyAuthorization
from backup.messages.copy import CopyOrder
from backup.states import ClaimState
from catalog.store import CatalogUnavailable, RowChanged, RowTooLong
from claims.deletions import remove_unclaimed_placeholder
from claims.lost_answers import suspect_lost_id
from claims.step import Refused, StepContext, find_claim
from form_recognizer import (
    CopyTarget,
    ModelExists,
    Permanent,
    RetryAfter,
    ServiceError,
    UnreadableAnswer,
    UntrustedAddress,
)
from wiring.events import Event


def sealing_purpose(order: CopyOrder, target_model_id: str) -> str:
    """Return what an authorization is sealed for: it opens for this copy only."""
    return f"{order.source}|{order.target}|{order.kind}|{order.model_id}|{target_model_id}"


def authorize(work: StepContext, wanted: CopyTarget) -> None:
    """Request an authorization once, and write it into the claim.

    Raises ``ModelExists`` with the claim ``claimed`` again and the id among its taken ones, other errors of the service, and
    ``RowChanged`` if the claim was changed meanwhile.
    """
    work.announce(ClaimState.AUTHORIZING, announced_id=wanted.model_id)
    authorization = _request(work, wanted)
    target_model_id = authorization.target_model_id
    _require_account(work, authorization)
    try:
        _keep(work, authorization)
    except RowChanged:
        if not _is_named_by_claim(work, target_model_id):
            remove_unclaimed_placeholder(work, target_model_id)
        raise
    except CatalogUnavailable:
        # an id that the app chose is announced in the claim; one that the service chose is not written anywhere
        if work.target().generation.shows_placeholders:
            remove_unclaimed_placeholder(work, target_model_id)
        raise
    work.emit(Event.AUTHORIZED, targetModel=target_model_id)


def _request(work: StepContext, wanted: CopyTarget) -> CopyAuthorization:
    try:
        return work.target().authorize_copy(wanted)
    except ModelExists:
        taken = [wanted.model_id] if wanted.model_id is not None else []
        work.settle(lambda claim: _withdrawn(claim).replace(taken_ids=[*claim.taken_ids, *taken]))
        raise
    except ServiceError as error:
        if error.target_model_id is not None:
            raise _unusable(work, error, error.target_model_id) from None
        if isinstance(error, RetryAfter | Permanent) and not isinstance(error, UntrustedAddress):
            # a refusal proves that no placeholder was made
            work.settle(_withdrawn)
        else:
            work.note_call_ended()
        raise


def _require_account(work: StepContext, authorization: CopyAuthorization) -> None:
    """Refuse an authorization of another account than the configured one (v3 and later): at a regional endpoint the key alone chooses it.

    The answer's text is not repeated: it may hold a secret.
    """
    account = authorization.document.get("targetResourceId")
    configured = work.services.configuration.resource(work.order.target).resource_id
    if isinstance(account, str) and account.casefold() != configured.casefold():
        message = (
            f'"{work.order.target}" authorized the copy for another account than resourceId in backup.json says: its key or its '
            "resourceId is that of another account"
        )
        raise _discarded(work, Refused(Code.TARGET_UNRESOLVED, message), authorization.target_model_id)


def _withdrawn(claim: Claim) -> Claim:
    """Return the claim after an announced authorization that made nothing."""
    return claim.move(ClaimState.CLAIMED, announced_at=None, announced_id=None)


def _unusable(work: StepContext, error: ServiceError, target_model_id: str) -> Refused:
    """Return the refusal for an answer that names a placeholder and cannot be used; the placeholder is to be discarded."""
    code = Code(error.code) if isinstance(error, Permanent) else Code.AUTHORIZATION_UNUSABLE
    return _discarded(work, Refused(code, error.message, request_id=error.request_id), target_model_id)


def _discarded(work: StepContext, refused: Refused, target_model_id: str) -> Refused:
    """Return ``refused``, with the placeholder to be discarded."""
    ids = {"target_model_id": target_model_id, "owned_id": target_model_id, "announced_id": None}
    work.settle(lambda claim: claim.discarding(refused.failure, **ids))
    return refused


def _keep(work: StepContext, authorization: CopyAuthorization) -> None:
    target_model_id = authorization.target_model_id
    sealed = work.services.sealer.seal(authorization.document, sealing_purpose(work.order, target_model_id))
    suspect_lost_id(work, unless=target_model_id)
    try:
        work.settle(
            lambda claim: claim.move(
                ClaimState.AUTHORIZED,
                target_model_id=target_model_id,
                owned_id=target_model_id,
                authorization=sealed,
                authorization_expires=authorization.expires,
                taken_ids=[taken for taken in claim.taken_ids if taken != target_model_id],
                announced_at=None,
                announced_id=None,
                lost_id=None,
            )
        )
    except RowTooLong as error:
        # no claim is taken that has no room for an authorization as the service makes them
        message = f'the authorization of "{work.order.target}" is too long for the catalog: {error}'
        raise _unusable(work, UnreadableAnswer(message), target_model_id) from None
    # another copy may have recorded this placeholder as a suspect before the claim named it
    work.services.catalog.suspects.forget(work.order.target, target_model_id, work.order.kind)


def _is_named_by_claim(work: StepContext, target_model_id: str) -> bool:
    found = find_claim(work.services, work.order)
    claim = found.record if found else None
    return claim is not None and target_model_id in {claim.target_model_id, claim.announced_id, claim.lost_id}
