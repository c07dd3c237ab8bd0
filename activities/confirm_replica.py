"""Record a replica that an exported mapping names, if the target still holds it. The source may be gone."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.codes import Code
from backup.messages import Message
from backup.messages.copy import ComponentRef, CopyOrder, Failure, ReplicaDone, StepInput
from backup.names import CONFIRM_REPLICA
from backup.records import Replica
from backup.states import ReplicaState
from claims.inspection import is_ready
from claims.step import has_ended, require_not_cancelled, step_fields
from form_recognizer import BadRequest
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, CONFIRM_REPLICA, StepInput)
def confirm_replica(services: Services, step: StepInput) -> Message:
    """Read the model in the target, and record it if it has the content of the entry. ``StepInput`` in, ``ReplicaDone`` out."""
    order, entry = step.order, step.order.exported
    if entry is None or order.subject_id is None or has_ended(services, order):
        return ReplicaDone(changed=False)
    require_not_cancelled(services, order, "this replica was read")
    target = services.configuration.resources.get(order.target)
    if target is None or entry.api_version not in target.api_versions:
        lacks = "is not in backup.json" if target is None else f"has no {entry.api_version} in its apiVersions"
        return _refused(order, f'"{order.target}" {lacks}')
    if order.source not in services.configuration.resources:
        # it would keep the copy from being adopted for the resource that it belongs to
        return _refused(order, f'"{order.source}" is not in backup.json')
    stored = services.catalog.replicas.subject_of(order)
    if stored is not None and stored.record.state is not ReplicaState.MISSING:
        if stored.record.digest == entry.digest:
            return ReplicaDone(changed=False)
        return _refused(order, "the catalog knows other content under this id")
    in_use = _other_in_use(services, order)
    if in_use is not None and not entry.retiring:
        return _refused(
            order, f"the catalog knows {in_use} as the copy in use, and would delete the other one after a day"
        )
    try:
        found = services.model_service(order.target, entry.api_version, order.kind).find_model(order.subject_id)
    except BadRequest:
        found = None
    if found is None or not is_ready(found, entry.digest):
        holds = "does not hold it" if found is None else "holds something else under this id"
        return _refused(order, f'"{order.target}" {holds}')
    place = order.target, order.kind, order.subject_id
    if not services.catalog.target_ids.reserve(*place, order.source, order.model_id, burned_too=True):
        return _refused(order, "it is the copy of another model")
    now = services.now()
    replica = Replica(
        source=order.source,
        kind=order.kind,
        model_id=order.model_id,
        target=order.target,
        target_model_id=order.subject_id,
        api_version=entry.api_version,
        fingerprint=entry.fingerprint,
        trained=entry.trained,
        digest=entry.digest,
        state=ReplicaState.RETIRING if entry.retiring else ReplicaState.READY,
        verified_at=now,
        expires_at=found.summary.expires,
        run_id=order.run_id,
        retired_at=now if entry.retiring else None,
        components=[ComponentRef(kind=one.kind, model_id=one.model_id) for one in found.components],
    )
    services.catalog.replicas.put(replica, stored)
    emit(Event.RECORDED, targetModel=order.subject_id, apiVersion=entry.api_version, adopted=True, **step_fields(step))
    return ReplicaDone(changed=True)


def _other_in_use(services: Services, order: CopyOrder) -> str | None:
    known = services.catalog.replicas.of_model(order.source, order.kind, order.model_id, order.target)
    ready = (one.record.target_model_id for one in known if one.record.state is ReplicaState.READY)
    return next((model_id for model_id in ready if model_id != order.subject_id), None)


def _refused(order: CopyOrder, reason: str) -> Failure:
    copy = f'{order.kind} {order.subject_id} in "{order.target}"'
    return Failure.of(
        Code.NOT_CONFIRMED, f'{copy} is not recorded as a copy of {order.model_id} of "{order.source}": {reason}'
    )
