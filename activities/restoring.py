"""The plan of a restore: which replica each model is brought back from. Works while the lost resource is down: no service calls."""

from __future__ import annotations

from collections.abc import Mapping

import azure.durable_functions as df

from activities.envelope import activity
from backup.api_versions import generation_of, newest_common
from backup.codes import Code
from backup.decisions import Action, Decision, Reason
from backup.document_models import Generation, Kind
from backup.lookup import REACHABLE
from backup.messages import Failure, Message, Origin, RestorePlanned, RestoreRequest
from backup.names import PLAN_RESTORE
from backup.records import Replica, RunRow
from backup.states import ReplicaState
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()

ModelKey = tuple[Kind, str]


@activity(blueprint, PLAN_RESTORE, RestoreRequest)
def plan_restore(services: Services, request: RestoreRequest) -> Message:
    """Choose replicas and write the run's rows. ``RestoreRequest`` in, ``RestorePlanned`` out."""
    now, runs, copies = services.now(), services.catalog.runs, services.configuration.copies
    runs.announce(request.run_id, "restore", now, dry_run=request.dry_run)
    chosen = _chosen(services, request)
    missing = sorted(set(request.models or ()) - {replica.model_id for replica in chosen})
    if missing:
        return Failure.of(
            Code.MODEL_NOT_FOUND,
            f'the catalog knows no usable replica of {", ".join(missing[:10])} from "{request.source}" outside "{request.target}"',
        )
    decisions = [_decision(request, replica) for replica in chosen]
    runs.write_chunks(request.run_id, "decision", [decision.to_json() for decision in decisions])
    rows = [] if request.dry_run else [_row(request, index, one) for index, one in enumerate(chosen)]
    record = runs.open_rows(
        request.run_id,
        rows,
        now,
        counts={str(Action.COPY): len(decisions)},
        deadline_seconds=copies.deadline_minutes * 60,
        patience_seconds=copies.patience_seconds,
        message=None if decisions else _nothing(request),
    )
    emit(Event.RUN_STARTED, run=request.run_id, source=request.source, target=request.target, total=len(rows))
    return RestorePlanned(total=record.total or 0, concurrency=copies.concurrency)


def _nothing(request: RestoreRequest) -> str:
    kinds = f"{request.kind}s" if request.kind else "models"
    return f'nothing to restore: the catalog knows no usable copies of {kinds} of "{request.source}" outside "{request.target}"'


def _chosen(services: Services, request: RestoreRequest) -> list[Replica]:
    """Return the best replica of each model asked for: ready, and elsewhere than wanted."""
    best: dict[ModelKey, Replica] = {}
    usable: dict[ModelKey, list[Replica]] = {}
    wanted = None if request.models is None else set(request.models)
    for known in services.catalog.replicas.of_source(request.source):
        replica = known.record
        if replica.state is not ReplicaState.READY or replica.target == request.target:
            continue
        if request.kind not in {None, replica.kind} or (wanted is not None and replica.model_id not in wanted):
            continue
        if replica.expires_at is not None and replica.expires_at <= services.now():
            continue
        if replica.target not in services.configuration.resources:
            continue
        usable.setdefault((replica.kind, replica.model_id), []).append(replica)
        other = best.get((replica.kind, replica.model_id))
        if other is None or _rank(services, request, replica) > _rank(services, request, other):
            best[replica.kind, replica.model_id] = replica
    # what is composed comes last: it refers to the others
    return sorted(
        _from_one_place(best, usable), key=lambda one: (bool(one.components), one.kind is Kind.MODEL, one.model_id)
    )


def _from_one_place(best: Mapping[ModelKey, Replica], usable: Mapping[ModelKey, list[Replica]]) -> list[Replica]:
    """Return the replicas to restore from, those of a composed model and of what it refers to from one resource.

    The copy of a composed model brings its parts along from where it comes. If they came from elsewhere as well, two copies would
    meet under one id.
    """
    chosen = dict(best)
    settled: dict[ModelKey, str] = {}
    for key, replica in sorted(best.items(), key=lambda item: (not item[1].components, item[0])):
        if not replica.components:
            continue
        parts = [(part.kind, part.model_id) for part in replica.components]
        homes = {settled[part] for part in parts if part in settled}
        wanted = next(iter(sorted(homes)), replica.target)
        chosen[key] = replica if wanted == replica.target else _in(wanted, usable[key]) or replica
        for part in parts:
            settled.setdefault(part, chosen[key].target)
            if part in chosen:
                chosen[part] = _in(chosen[key].target, usable[part]) or chosen[part]
    return list(chosen.values())


def _in(resource: str, replicas: list[Replica]) -> Replica | None:
    there = [one for one in replicas if one.target == resource]
    return max(there, key=lambda one: one.verified_at, default=None)


def _rank(services: Services, request: RestoreRequest, replica: Replica) -> tuple[bool, bool, bool, str]:
    """Prefer a replica that the wanted resource speaks a common version with, that is not in the resource that was lost or in another
    one that does not answer, then the one verified last.
    """
    resources = services.configuration.resources
    versions = resources[replica.target].api_versions, resources[request.target].api_versions
    generation = generation_of(replica.api_version)
    fits = newest_common(*versions, generation, at_least=None if generation is Generation.V2 else replica.api_version)
    seen = services.reachability().get(replica.target)
    answers = seen is None or seen["state"] == REACHABLE
    return fits is not None, replica.target != request.source, answers, replica.verified_at.isoformat()


def _decision(request: RestoreRequest, replica: Replica) -> Decision:
    return Decision(
        target=request.target,
        kind=replica.kind,
        model_id=replica.model_id,
        action=Action.COPY,
        reason=Reason.RESTORE,
        fingerprint=replica.fingerprint,
        target_model_id=replica.target_model_id,
        from_resource=replica.target,
    )


def _row(request: RestoreRequest, index: int, replica: Replica) -> RunRow:
    is_v2 = generation_of(replica.api_version) is Generation.V2
    return RunRow(
        row=index,
        source=replica.target,
        target=request.target,
        kind=replica.kind,
        model_id=replica.target_model_id,
        target_model_id=None if is_v2 else replica.model_id,
        origin=Origin(source=replica.source, model_id=replica.model_id, fingerprint=replica.fingerprint),
    )
