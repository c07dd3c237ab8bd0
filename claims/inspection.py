"""What is checked before a copy is claimed: the source model, the route, the room in the target, and whether the copy exists.

Nothing is written to the service here. Each function raises ``Refused`` with the reason and the remedy.
"""

from __future__ import annotations

from datetime import datetime

from backup.api_versions import CLASSIFIER_COPY_REGIONS, generation_of
from backup.codes import Code
from backup.document_models import Generation, Kind, ModelDetails, ModelState
from backup.lookup import USABLE
from backup.messages.copy import CopyOrder
from backup.names import fallback_ids
from backup.records import Replica
from backup.states import ReplicaState
from claims.source_model import SourceModel, fingerprint
from claims.step import Refused
from form_recognizer import BadRequest, Throttled
from wiring.services import Services


def require_usable(order: CopyOrder, model: SourceModel, now: datetime) -> None:
    """Refuse a source model that is not ready, is expired, or has another id than asked for."""
    summary = model.details.summary
    name = f'{order.kind} {summary.model_id} in "{order.source}"'
    if summary.model_id != order.model_id:
        raise Refused(
            Code.SOURCE_MODEL_NOT_FOUND,
            f"the model's id is {summary.model_id}, not {order.model_id}: ask for it under its own id",
        )
    if summary.state is not ModelState.READY:
        raise Refused(Code.SOURCE_MODEL_NOT_READY, f"{name} is {summary.state}, and only ready ones can be copied")
    if summary.expires is not None and summary.expires <= now:
        raise Refused(
            Code.SOURCE_MODEL_EXPIRED,
            f"{name} expired at {summary.expires.isoformat()}, and its copy would expire with it: train it again",
        )
    if order.target_model_id is not None and generation_of(model.api_version) is Generation.V2:
        raise Refused(
            Code.TARGET_ID_UNSUPPORTED,
            f"{order.kind} {order.model_id} is copied by {model.api_version}, which chooses the id of a copy itself: "
            "leave targetModelId out",
        )


def require_route(services: Services, order: CopyOrder) -> None:
    """Refuse what the service cannot copy between these two resources."""
    source, target = services.configuration.resource(order.source), services.configuration.resource(order.target)
    if source.cloud is not target.cloud:
        raise Refused(
            Code.OTHER_CLOUD,
            f'"{order.source}" is in {source.cloud} and "{order.target}" in {target.cloud}: '
            "the service does not copy between clouds",
        )
    for name, resource in ((order.source, source), (order.target, target)):
        if order.kind is Kind.CLASSIFIER and resource.region not in CLASSIFIER_COPY_REGIONS:
            raise Refused(
                Code.KIND_UNSUPPORTED,
                f'"{name}" is in {resource.region}, and classifiers are copied only between '
                f"{', '.join(sorted(CLASSIFIER_COPY_REGIONS))}",
            )


def require_room(services: Services, order: CopyOrder, model: SourceModel) -> None:
    """Refuse a target that holds as many models as it may. The service does not count classifiers."""
    if order.kind is Kind.CLASSIFIER:
        return
    try:
        limits = services.model_service(order.target, model.api_version, order.kind).account_limits()
    except Throttled:
        # v2 reads the count from its list of models, which allows ten calls a minute; the authorization fails if there is no room
        return
    if limits.count >= limits.limit:
        counts = f"{limits.count} custom models and may hold {limits.limit}"
        raise Refused(Code.MODEL_LIMIT_REACHED, f'"{order.target}" holds {counts}: delete some, or get a higher limit')


def existing_copy(services: Services, order: CopyOrder, model: SourceModel) -> str | None:
    """Return the id under which the target holds this version already, or ``None``."""
    return _verified_replica(services, order, model) or _original(services, order, model)


def is_ready(model: ModelDetails | None, digest: str) -> bool:
    """Tell whether a model exists, is ready, and has the content of ``digest``."""
    return model is not None and model.summary.state is ModelState.READY and model.digest() == digest


def _original(services: Services, order: CopyOrder, model: SourceModel) -> str | None:
    """Return the id of a model to restore that still exists at its origin with this content."""
    if order.origin is None or order.origin.source != order.target:
        return None
    try:
        found = services.model_service(order.target, model.api_version, order.kind).find_model(order.origin.model_id)
    except BadRequest:
        # an id of another generation
        return None
    return order.origin.model_id if is_ready(found, model.details.digest()) else None


def _verified_replica(services: Services, order: CopyOrder, model: SourceModel) -> str | None:
    """Return the id of a recorded replica with this content that the target still holds, under an id that the order allows."""
    digest = model.details.digest()
    replicas = services.catalog.replicas
    is_older = order.origin is not None and bool(order.origin.is_older)
    states = USABLE if is_older else {ReplicaState.READY}
    for stored in replicas.of_model(order.mapped_source, order.kind, order.mapped_model_id, order.target):
        replica = stored.record
        if replica.state not in states or replica.digest != digest or not _has_wanted_id(order, replica):
            continue
        copy = services.model_service(order.target, model.api_version, order.kind).find_model(replica.target_model_id)
        if not is_ready(copy, digest):
            replicas.put(replica.replace(state=ReplicaState.MISSING), stored)
            continue
        version = fingerprint(order, model.details)
        if replica.fingerprint != version and not is_older:
            # retrained with the same result: the copy is good for this version as well
            replicas.put(replica.replace(fingerprint=version, verified_at=services.now()), stored)
        return replica.target_model_id
    return None


def _has_wanted_id(order: CopyOrder, replica: Replica) -> bool:
    """Tell whether a replica has the id that the order names, or a fallback id for it if the order allows one."""
    if order.own_id_only:
        return replica.target_model_id == order.wanted_id
    return order.target_model_id is None or replica.target_model_id in fallback_ids(order.target_model_id)
