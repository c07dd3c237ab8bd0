"""The components of a composed v4 model: they must be in the target under their own ids before it is copied."""

from __future__ import annotations

from datetime import datetime

from backup.codes import Code
from backup.document_models import Component, ModelState
from backup.messages.copy import ComponentRef, CopyOrder
from backup.pacing import SLOT_SHARE
from backup.states import ReplicaState
from claims.source_model import SourceModel
from claims.step import Refused
from wiring.services import Services

COMPONENTS_PER_CALL = 20
"""How many components one call checks, of 500 that the service composes. Each is read in source and target, where S0 allows fifty reads a
second: two calls fit into one of them."""

READS_PER_CALL = COMPONENTS_PER_CALL + 4
"""How often one call reads a resource: for the components, and for the composed model itself."""


def missing_components(
    services: Services, order: CopyOrder, source: SourceModel, first: int, *, adopted: bool = False
) -> list[ComponentRef]:
    """Return those components that the target lacks, in the order in which to copy them: of the next 20, from number ``first``. Where the
    composed model is ``adopted``, those that the catalog does not know are to be adopted as well.

    Older generations copy a composed model as one unit: it has no components here. Raises ``Refused`` if the target holds another model
    under a component's id: the copy would refer to it.
    """
    missing = []
    for component in source.details.components[first : first + COMPONENTS_PER_CALL]:
        source_id = _source_id(services, order, component)
        is_there = _is_there(services, order, source, component, source_id)
        if not is_there or (adopted and not _is_recorded(services, order, component)):
            moved = source_id if source_id != component.model_id else None
            missing.append(ComponentRef(kind=component.kind, model_id=component.model_id, source_id=moved))
    return missing


def next_turn(services: Services, order: CopyOrder, first: int) -> datetime:
    """Reserve the moment at which the components behind those from number ``first`` may be checked, within ``getPerSecond``."""
    turn = services.now()
    for name in dict.fromkeys((order.source, order.target)):
        per_second = services.configuration.resource(name).rate_limits.get_per_second
        if per_second is not None:
            interval = READS_PER_CALL / (per_second * SLOT_SHARE)
            if first == 0:
                # nothing was reserved for the first ones: it was not known that there are so many
                services.catalog.slots.reserve(name, "get", interval, services.now())
            turn = services.catalog.slots.reserve(name, "get", interval, turn)
    return turn


def _source_id(services: Services, order: CopyOrder, component: Component) -> str:
    """Return the id of the component in the source.

    It is the component's own id, except in a restore: there the newest copy of the component may stand under a fallback id.
    """
    if order.origin is None:
        return component.model_id
    replicas = services.catalog.replicas.of_model(order.origin.source, component.kind, component.model_id, order.source)
    ready = [stored.record for stored in replicas if stored.record.state is ReplicaState.READY]
    newest = max(ready, key=lambda replica: replica.verified_at, default=None)
    return newest.target_model_id if newest is not None else component.model_id


def _is_there(services: Services, order: CopyOrder, source: SourceModel, component: Component, source_id: str) -> bool:
    name = f"{component.kind} {component.model_id}"
    found = services.model_service(order.target, source.api_version, component.kind).find_model(component.model_id)
    if found is None or found.summary.state is not ModelState.READY:
        return False
    original = services.model_service(order.source, source.api_version, component.kind).find_model(source_id)
    if original is None:
        raise _refused(order, f'"{order.source}" has lost {name}', "train it again")
    if original.digest() == found.digest():
        return True
    stored = services.catalog.replicas.get(
        order.mapped_source, component.kind, component.model_id, order.target, component.model_id
    )
    if stored is not None and stored.record.state in {ReplicaState.READY, ReplicaState.RETIRING}:
        advice = "the next run of its plan replaces it, and deletes the older copy a day later"
        raise _refused(order, f'"{order.target}" holds an older copy of {name}', advice)
    holds = f'"{order.target}" holds another {component.kind} under {component.model_id}'
    raise _refused(order, holds, "move it away")


def _is_recorded(services: Services, order: CopyOrder, component: Component) -> bool:
    place = order.mapped_source, component.kind, component.model_id, order.target, component.model_id
    stored = services.catalog.replicas.get(*place)
    return stored is not None and stored.record.state is ReplicaState.READY


def _refused(order: CopyOrder, cause: str, advice: str) -> Refused:
    return Refused(Code.COMPONENT_FAILED, f"{cause}, which {order.model_id} refers to: {advice}, then ask again")
