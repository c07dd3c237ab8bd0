"""Step 1: look at source and target, take the claim, and reserve a moment within the service's limits. Writes nothing to the service."""

from __future__ import annotations

from datetime import datetime, timedelta

import azure.durable_functions as df

from activities.components import missing_components
from activities.envelope import Refused, activity, fields
from activities.fence import find_claim, has_ended, is_cancelled, why_changed
from activities.sources import SourceModel, find_source
from backup.api_versions import CLASSIFIER_COPY_REGIONS, cloud_of, generation_of
from backup.claims import Claim, new_claim
from backup.codes import Code
from backup.document_models import Generation, Kind, ModelState
from backup.messages import ComponentRef, Failure, Inspected, Message, StepInput
from backup.names import INSPECT_MODELS, fallback_ids
from backup.pacing import SLOT_SHARE
from backup.states import ClaimState, ReplicaState
from catalog.claims import HeldClaim
from catalog.store import RowChanged, RowExists
from form_recognizer import BadRequest, ModelNotFound, Throttled
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()

EXPIRY_WARNING = timedelta(days=30)
"""A copy keeps its source's end of life, so one that is near is worth a warning."""


@activity(blueprint, INSPECT_MODELS, StepInput)
def inspect_models(services: Services, step: StepInput) -> Message:
    """Find out whether and how the copy can be made, and claim it. ``StepInput`` in, ``Inspected`` out."""
    order = step.order
    now = services.now()
    if has_ended(services, order):
        return Failure.of(Code.CLAIM_LOST, "this copy has ended already")
    found = find_claim(services, order)
    if found is not None:
        resumed = _resume(services, step, found, now)
        if resumed is not None:
            return resumed
    if is_cancelled(services, order):
        return Failure.of(Code.CANCELLED, "the run was cancelled before this copy was authorized")
    source = find_source(services, order)
    _require_usable(source, services, step)
    _require_target_id(step, source)
    there = _replica_already_there(services, step, source) or _never_lost(services, step, source)
    if there is not None and order.origin is not None:
        # what is brought back is of use with its parts only
        lost = missing_components(services, order, source)
        if lost:
            return Inspected(missing_components=lost, api_version=source.api_version)
    if there is not None:
        return Inspected(already_there=True, target_model_id=there, api_version=source.api_version)
    _require_route(services, step)
    missing = missing_components(services, step.order, source)
    if missing:
        return Inspected(missing_components=missing, api_version=source.api_version)
    _require_room(services, step, source)
    held = _take(services, step, found, source, now)
    expires = source.details.summary.expires
    if expires is not None and expires - now <= EXPIRY_WARNING:
        emit(Event.EXPIRES_SOON, expiresAt=expires.isoformat(), **fields(step))
    emit(Event.CLAIM_TAKEN, apiVersion=source.api_version, **fields(step))
    return _with_slot(services, step, held, now)


def _resume(services: Services, step: StepInput, found: HeldClaim, now: datetime) -> Message | None:
    """Go on with a claim that is there already; ``None`` where it is released and a new one may be taken."""
    claim = found.claim
    if claim.state is ClaimState.RELEASED:
        return claim.refusal(step) if claim.owner == step.owner else None
    if claim.owner != step.owner:
        if claim.is_live(now):
            return _in_progress(claim, step)
        found = _won(services, step, found, claim.taken_over(step.order, step.owner, now))
        emit(Event.CLAIM_TAKEN_OVER, state=claim.state, previousRun=claim.run_id, **fields(step))
    return _with_slot(services, step, found, now)


def _in_progress(claim: Claim, step: StepInput) -> Failure:
    """Return the envelope for a copy that somebody else is making. Another copy of the same run is waited for: it may be a component."""
    said = f'run {claim.run_id} is copying {claim.kind} {claim.model_id} from "{claim.source}" to "{claim.target}"'
    if claim.run_id == step.order.run_id:
        return Failure.of(Code.LOOKING, said, retry_after=1.0)
    return Failure.of(Code.COPY_IN_PROGRESS, said)


def _won(services: Services, step: StepInput, found: HeldClaim | None, claim: Claim) -> HeldClaim:
    """Write ``claim`` over what was found. Raises ``Refused`` where somebody was faster."""
    try:
        return services.catalogue.claims.save(found, claim) if found else services.catalogue.claims.insert(claim)
    except (RowExists, RowChanged):
        other = find_claim(services, step.order)
        if other is not None and other.claim.owner != step.owner and other.claim.is_live(services.now()):
            raise Refused(_in_progress(other.claim, step)) from None
        raise Refused(_overtaken(services, step)) from None


def _overtaken(services: Services, step: StepInput) -> Failure:
    """Return the envelope for a claim that changed under our hands.

    Where the owner is still ours, this step begins anew, whatever the attempt: inspecting takes the claim as it finds it.
    """
    found = find_claim(services, step.order)
    if found is not None and found.claim.owner == step.owner and found.claim.state is not ClaimState.RELEASED:
        return Failure.of(Code.LOOKING, "another delivery of a step of this copy is at work", retry_after=1.0)
    return why_changed(services, step)


def _require_usable(source: SourceModel, services: Services, step: StepInput) -> None:
    summary = source.details.summary
    if summary.model_id != step.order.model_id:
        raise Refused(
            Failure.of(
                Code.SOURCE_MODEL_NOT_FOUND,
                f"the model is called {summary.model_id}, not {step.order.model_id}: ask for it under its own id",
            )
        )
    if summary.state is not ModelState.READY:
        raise Refused(
            Failure.of(
                Code.SOURCE_MODEL_NOT_READY,
                f'{step.order.kind} {summary.model_id} in "{step.order.source}" is {summary.state}, and only ready ones can be copied',
            )
        )
    if summary.expires is not None and summary.expires <= services.now():
        raise Refused(
            Failure.of(
                Code.SOURCE_MODEL_EXPIRED,
                f'{step.order.kind} {summary.model_id} in "{step.order.source}" expired at {summary.expires.isoformat()}; '
                "copying does not extend its life: train it again",
            )
        )


def _require_target_id(step: StepInput, model: SourceModel) -> None:
    order = step.order
    if order.target_model_id is not None and generation_of(model.api_version) is Generation.V2:
        raise Refused(
            Failure.of(
                Code.TARGET_ID_UNSUPPORTED,
                f"{order.kind} {order.model_id} is copied by {model.api_version}, which chooses the id of a copy itself: "
                "leave targetModelId out",
            )
        )


def _require_route(services: Services, step: StepInput) -> None:
    """Refuse what the service cannot do between these two resources, in words, before anything is written."""
    order = step.order
    source, target = services.configuration.resource(order.source), services.configuration.resource(order.target)
    if cloud_of(source.endpoint) != cloud_of(target.endpoint):
        raise Refused(
            Failure.of(
                Code.OTHER_CLOUD,
                f'"{order.source}" is in {cloud_of(source.endpoint)} and "{order.target}" in {cloud_of(target.endpoint)}: '
                "the service does not copy between clouds",
            )
        )
    for name, resource in ((order.source, source), (order.target, target)):
        if order.kind is Kind.CLASSIFIER and resource.region not in CLASSIFIER_COPY_REGIONS:
            raise Refused(
                Failure.of(
                    Code.KIND_UNSUPPORTED,
                    f'"{name}" is in {resource.region}, and classifiers are copied only between '
                    f"{', '.join(sorted(CLASSIFIER_COPY_REGIONS))}",
                )
            )


def _never_lost(services: Services, step: StepInput, source: SourceModel) -> str | None:
    """Return the id of a model that is to be brought back and is still where it was, with this very content; else ``None``."""
    order = step.order
    if order.origin is None or order.origin.source != order.target:
        return None
    target = services.model_service(order.target, source.api_version, order.kind)
    try:
        found = target.get_model(order.origin.model_id)
    except (ModelNotFound, BadRequest):
        return None
    same = found.summary.state is ModelState.READY and found.digest() == source.details.digest()
    return order.origin.model_id if same else None


def _replica_already_there(services: Services, step: StepInput, source: SourceModel) -> str | None:
    """Return the id of the replica of this very content that the catalogue knows and the target still holds, or ``None``.

    One that was asked for under a certain id must have that, or one that it fell back on.
    """
    order, digest = step.order, source.details.digest()
    replicas = services.catalogue.replicas
    for known in replicas.of_model(order.mapped_source, order.kind, order.mapped_model_id, order.target):
        replica = known.replica
        if replica.state is not ReplicaState.READY or replica.digest != digest:
            continue
        if order.own_id_only and replica.target_model_id != order.wanted_id:
            continue
        if order.target_model_id is not None and replica.target_model_id not in fallback_ids(order.target_model_id):
            continue
        target = services.model_service(order.target, source.api_version, order.kind)
        try:
            copy = target.get_model(replica.target_model_id)
        except ModelNotFound:
            copy = None
        if copy is None or copy.summary.state is not ModelState.READY or copy.digest() != digest:
            replicas.put(replica.model_copy(update={"state": ReplicaState.MISSING}), known)
            continue
        fingerprint = _fingerprint(step, source)
        if replica.fingerprint != fingerprint:
            # trained again, with the same result: the copy is good for this version as well
            update = {"fingerprint": fingerprint, "verified_at": services.now()}
            replicas.put(replica.model_copy(update=update), known)
        return replica.target_model_id
    return None


def _fingerprint(step: StepInput, source: SourceModel) -> str:
    """Return the version that the copy stands for: of the model that was lost, where a copy of it is being brought back."""
    origin = step.order.origin
    known = origin.fingerprint if origin else None
    return known or source.details.summary.fingerprint()


def _require_room(services: Services, step: StepInput, source: SourceModel) -> None:
    if step.order.kind is Kind.CLASSIFIER:
        # the service counts its models only
        return
    target = services.model_service(step.order.target, source.api_version, step.order.kind)
    try:
        limits = target.account_limits()
    except Throttled:
        # v2 reads the count from its list of models, which allows ten calls a minute; the authorization will tell if there is no room
        return
    if limits.count >= limits.limit:
        raise Refused(
            Failure.of(
                Code.MODEL_LIMIT_REACHED,
                f'"{step.order.target}" holds {limits.count} custom models and may hold {limits.limit}: delete some there, or ask for '
                "a higher limit",
            )
        )


def _take(
    services: Services, step: StepInput, found: HeldClaim | None, source: SourceModel, now: datetime
) -> HeldClaim:
    summary = source.details.summary
    claim = new_claim(
        step.order,
        summary.model_id,
        step.owner,
        now,
        found.claim if found else None,
        fingerprint=_fingerprint(step, source),
        digest=source.details.digest(),
        source_api_version=source.api_version,
        description=summary.description,
        tags={name: str(value) for name, value in summary.tags.items()},
        components=[ComponentRef(kind=one.kind, model_id=one.model_id) for one in source.details.components],
        expires_at=summary.expires,
    )
    return _won(services, step, found, claim)


def _with_slot(services: Services, step: StepInput, held: HeldClaim, now: datetime) -> Inspected:
    claim = held.claim
    if claim.state is ClaimState.CLAIMED and claim.not_before is None:
        claim = claim.model_copy(update={"not_before": _reserve(services, claim, now)})
    wait = (claim.not_before - now).total_seconds() if claim.not_before else 0.0
    try:
        services.catalogue.claims.save(held, claim.renewed(now, step, wait))
    except RowChanged:
        raise Refused(_overtaken(services, step)) from None
    # what was cancelled while it waited has its claim given back at once
    waits = claim.state is ClaimState.CLAIMED and not is_cancelled(services, step.order)
    return Inspected(
        attempt=claim.attempt,
        state=claim.state,
        not_before=claim.not_before if waits else None,
        target_model_id=claim.target_model_id,
        api_version=claim.source_api_version,
        failure=claim.given_up,
    )


def _reserve(services: Services, claim: Claim, now: datetime) -> datetime:
    """Reserve the moment at which this copy may be authorized and started, within what both resources allow."""
    if generation_of(claim.source_api_version) is Generation.V2:
        per_minute = services.configuration.resource(claim.source).rate_limits.v2_copies_per_minute
        if per_minute is None:
            return now
        return services.catalogue.slots.reserve(claim.source, "v2Copy", 60 / (per_minute * SLOT_SHARE), now)
    moment = now
    for resource in (claim.source, claim.target):
        per_second = services.configuration.resource(resource).rate_limits.manage_per_second
        if per_second is not None:
            # the target's is looked for from the source's on: two copies that reserve at once must not end up at one moment
            moment = services.catalogue.slots.reserve(resource, "manage", 1 / (per_second * SLOT_SHARE), moment)
    return moment
