"""The beginning of a restore: choose replicas and write the run's rows. Works while the lost resource is down: no service calls."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.codes import Code
from backup.lookup import is_down
from backup.messages import Message
from backup.messages.copy import Failure
from backup.messages.run import RestoreRequest, RunOpened
from backup.names import PLAN_RESTORE
from backup.planning import restore_plan
from backup.planning.decisions import Action
from backup.planning.restore_plan import RestoreFacts
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, PLAN_RESTORE, RestoreRequest)
def plan_restore(services: Services, request: RestoreRequest) -> Message:
    """Choose replicas and write the run's rows. ``RestoreRequest`` in, ``RunOpened`` out."""
    now, runs, copies = services.now(), services.catalog.runs, services.configuration.copies
    runs.announce(request.run_id, "restore", now, dry_run=request.dry_run)
    services.require_key(request.target)
    replicas = restore_plan.plan_restore(
        RestoreFacts(
            request=request,
            resources=services.configuration.resources,
            unreachable={name for name, seen in services.reachability().items() if is_down(seen["state"])},
            replicas=[stored.record for stored in services.catalog.replicas.of_source(request.source)],
            now=now,
        )
    )
    version = f" of version {request.version}" if request.version else ""
    where = f'{version} of "{request.source}" outside "{request.target}"'.lstrip()
    missing = sorted(set(request.models or ()) - {replica.model_id for replica in replicas})
    if missing:
        return Failure.of(
            Code.MODEL_NOT_FOUND, f"the catalog knows no usable copy {where} of {', '.join(missing[:10])}"
        )
    if not replicas:
        kinds = f"{request.kind}s" if request.kind else "models"
        return Failure.of(
            Code.NOTHING_TO_RESTORE, f"nothing to restore: the catalog knows no usable copies of {kinds} {where}"
        )
    decisions = [restore_plan.decision_of(request, replica) for replica in replicas]
    runs.write_chunks(request.run_id, "decision", [decision.to_json() for decision in decisions])
    rows = [restore_plan.row_of(request, number, replica) for number, replica in enumerate(replicas)]
    record = runs.open_rows(
        request.run_id,
        [] if request.dry_run else rows,
        now,
        counts={str(Action.COPY): len(decisions)},
        deadline_seconds=copies.deadline_minutes * 60,
        patience_seconds=copies.patience_seconds,
    )
    emit(Event.RUN_STARTED, run=request.run_id, source=request.source, target=request.target, total=record.total)
    return RunOpened(total=record.total or 0, concurrency=copies.concurrency)
