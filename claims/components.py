"""What a composed v4 model is made of: its classifier and component models must be in the target under the same ids before it."""

from __future__ import annotations

from backup.codes import Code
from backup.document_models import Component, ModelState
from backup.messages.copy import ComponentRef, CopyOrder
from backup.states import ReplicaState
from claims.source_model import SourceModel
from claims.step import Refused
from wiring.services import Services


def missing_components(services: Services, order: CopyOrder, source: SourceModel) -> list[ComponentRef]:
    """Return the components that the target does not have, in the order in which they are to be copied.

    Older generations copy a composed model as one unit, so there is nothing to look for. Raises ``Refused`` where the target holds
    something else under a component's id: the copy would refer to it.
    """
    missing = []
    for component in source.details.components:
        source_id = _source_id(services, order, component)
        if not _is_there(services, order, source, component, source_id):
            moved = source_id if source_id != component.model_id else None
            missing.append(ComponentRef(kind=component.kind, model_id=component.model_id, source_id=moved))
    return missing


def _source_id(services: Services, order: CopyOrder, component: Component) -> str:
    """Return under which id the source has the part that is wanted.

    That is its own; but where a lost model is brought back, the newest copy of a part may have another one for a day.
    """
    if order.origin is None:
        return component.model_id
    known = services.catalog.replicas.of_model(order.origin.source, component.kind, component.model_id, order.source)
    ready = [one.record for one in known if one.record.state is ReplicaState.READY]
    newest = max(ready, key=lambda one: one.verified_at, default=None)
    return newest.target_model_id if newest is not None else component.model_id


def _is_there(services: Services, order: CopyOrder, source: SourceModel, component: Component, source_id: str) -> bool:
    target = services.model_service(order.target, source.api_version, component.kind)
    found = target.find_model(component.model_id)
    if found is None or found.summary.state is not ModelState.READY:
        return False
    original = services.model_service(order.source, source.api_version, component.kind).find_model(source_id)
    if original is None:
        raise _refused(order, f'"{order.source}" has lost {component.kind} {component.model_id}', "train it again")
    if original.digest() != found.digest():
        holds = f'"{order.target}" holds another {component.kind} under {component.model_id}'
        if _is_older_copy(services, order, component):
            holds = f'"{order.target}" holds an older copy of {component.kind} {component.model_id}'
            raise _refused(order, holds, "the next run of its plan replaces it, and deletes the older copy a day later")
        raise _refused(order, holds, "move it away")
    return True


def _is_older_copy(services: Services, order: CopyOrder, component: Component) -> bool:
    source = order.mapped_source
    known = services.catalog.replicas.get(source, component.kind, component.model_id, order.target, component.model_id)
    return known is not None and known.record.state in {ReplicaState.READY, ReplicaState.RETIRING}


def _refused(order: CopyOrder, why: str, advice: str) -> Refused:
    return Refused(Code.COMPONENT_FAILED, f"{why}, which {order.model_id} refers to: {advice}, then ask again")
