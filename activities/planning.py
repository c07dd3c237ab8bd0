"""The beginning of a backup run: claim its plan, decide from lists and catalog, write its rows. No service calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime

import azure.durable_functions as df

from activities.envelope import activity
from backup.codes import Code
from backup.configuration.sections import Plan
from backup.messages import Message
from backup.messages.copy import Failure, RowAction
from backup.messages.plan import BackupRequest, MakePlanInput, PlanClaimed
from backup.messages.run import RunOpened
from backup.moments import written
from backup.names import CLAIM_PLAN, MAKE_PLAN
from backup.planning.backup_plan import SourceListEmpty, plan_backup
from backup.planning.decisions import WITHHELD, Action, BackupPlan, withheld
from backup.planning.facts import Listing, PlanFacts, ReplicaKey
from backup.planning.lists import Unreadable, list_name, lists_of, model_of, unreadable_name
from backup.planning.rows import rows_of_plan, sort_suspects
from backup.records import Replica, Suspect
from backup.states import ClaimState
from catalog.store import RowChanged, Stored
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, CLAIM_PLAN, BackupRequest)
def claim_plan(services: Services, request: BackupRequest) -> Message:
    """Take the plan for one run and name the lists to read. ``BackupRequest`` in, ``PlanClaimed`` out."""
    now, configuration = services.now(), services.configuration
    kind = "rebuild" if request.rebuild else "backup"
    services.catalog.runs.announce(request.run_id, kind, now, request.plan, dry_run=request.dry_run)
    plan = configuration.plan(request.plan)
    # before the claim: a run that can copy nothing does not hold the plan
    services.require_key(plan.source)
    services.require_key(*plan.targets)
    if not request.dry_run:
        holder = services.catalog.plans.claim(request.plan, request.run_id, now, request.steal_from)
        if holder != request.run_id:
            return Failure.of(Code.PLAN_RUNNING, f'run {holder} of plan "{request.plan}" is under way')
    emit(Event.RUN_STARTED, run=request.run_id, plan=request.plan, source=plan.source, dryRun=request.dry_run)
    return PlanClaimed(
        listings=[
            listing
            for name in (plan.source, *plan.targets)
            for listing in lists_of(name, configuration.resource(name), plan, is_source=name == plan.source)
        ],
        patience_seconds=configuration.copies.patience_seconds,
        deadline_seconds=services.configuration.deadline_seconds(plan),
    )


@activity(blueprint, MAKE_PLAN, MakePlanInput)
def make_plan(services: Services, inputs: MakePlanInput) -> Message:
    """Decide what the run does, and write its rows. ``MakePlanInput`` in, ``RunOpened`` out."""
    request, runs, copies = inputs.request, services.catalog.runs, services.configuration.copies
    record = runs.find(request.run_id)
    if record is not None and record.total is not None:
        return RunOpened(total=record.rows_to_work, concurrency=copies.concurrency)
    replicas = list(services.catalog.replicas.of_source(services.configuration.plan(request.plan).source))
    facts = _facts(services, inputs, [stored.record for stored in replicas])
    try:
        plan = plan_backup(facts)
        if plan.counts()[Action.ADOPT]:
            plan = plan_backup(facts := dataclasses.replace(facts, taken=_taken(services, facts)))
    except SourceListEmpty as error:
        return Failure.of(Code.SOURCE_LIST_EMPTY, str(error))
    if request.rebuild:
        plan = plan.only_adopting()
    if request.plan_hash is not None and request.plan_hash != plan.hash():
        return Failure.of(
            Code.PLAN_CHANGED,
            f"the approved plan was {request.plan_hash[:12]}… and it is {plan.hash()[:12]}… now; make a dry run again",
        )
    runs.write_chunks(request.run_id, "decision", [decision.to_json() for decision in plan.decisions])
    runs.write_chunks(request.run_id, "finding", [finding.to_json() for finding in plan.findings])
    _report(request, plan, facts)
    is_read_only = request.dry_run or request.rebuild
    suspects = [] if is_read_only else _due_suspects(services, facts, record.started_at if record else facts.now)
    rows, workable = ([], 0) if request.dry_run else rows_of_plan(facts, plan, suspects, inputs.list_failures)
    if request.rebuild:
        rows = [row.replace(action=RowAction.ADOPT) for row in rows]
    runs.open_rows(
        request.run_id,
        rows,
        services.now(),
        workable=workable,
        done=len(rows) - workable,
        plan_hash=plan.hash(),
        counts=plan.counts(),
        finding_count=len(plan.findings),
        deadline_seconds=services.configuration.deadline_seconds(facts.plan),
        patience_seconds=copies.patience_seconds,
        message=_message(request, plan, suspects),
    )
    if not request.dry_run:
        # last: a plan that is made twice must be made from the same replicas
        _mark(services, replicas, plan.marks)
    return RunOpened(total=workable, concurrency=copies.concurrency)


def _message(request: BackupRequest, plan: BackupPlan, suspects: list[Suspect]) -> str | None:
    if request.rebuild and not plan.decisions:
        return "nothing to adopt: no target holds a copy that the catalog does not know"
    return None if suspects else plan.summary_if_idle()


def _facts(services: Services, inputs: MakePlanInput, replicas: list[Replica]) -> PlanFacts:
    configuration, run_id = services.configuration, inputs.request.run_id
    plan = configuration.plan(inputs.request.plan)
    return PlanFacts(
        plan=plan,
        resources=configuration.resources,
        source=_listing(services, run_id, plan, plan.source),
        targets={
            target: None if target in inputs.list_failures else _listing(services, run_id, plan, target)
            for target in plan.targets
        },
        all_replicas=replicas,
        now=services.now(),
    )


def _taken(services: Services, facts: PlanFacts) -> set[ReplicaKey]:
    """Return what may not be adopted: copies of other sources, models that have copies of their own, and ids of copies under way."""
    taken: set[ReplicaKey] = set()
    for source in services.configuration.resources:
        if source != facts.plan.source:
            for stored in services.catalog.replicas.of_source(source):
                replica = stored.record
                taken.add((replica.target, replica.kind, replica.target_model_id))
                taken.add((source, replica.kind, replica.model_id))
    for target in facts.plan.targets:
        for claim in services.catalog.claims.of_target(target):
            if claim.state is not ClaimState.RELEASED:
                taken |= {(target, claim.kind, model_id) for model_id in claim.ids()}
    return taken


def _listing(services: Services, run_id: str, plan: Plan, name: str) -> Listing:
    lists = list(lists_of(name, services.configuration.resource(name), plan, is_source=name == plan.source))
    runs = services.catalog.runs
    return Listing.of(
        (model_of(line) for listing in lists for line in runs.read_chunks(run_id, list_name(listing))),
        [Unreadable.parse(entry) for listing in lists for entry in runs.read_chunks(run_id, unreadable_name(listing))],
    )


def _due_suspects(services: Services, facts: PlanFacts, listed_since: datetime) -> list[Suspect]:
    """Return the suspects to delete, and forget those that are none."""
    suspects = [suspect for target in facts.targets for suspect in services.catalog.suspects.of_target(target)]
    hours = services.configuration.copies.delete_suspects_after_hours
    due, gone = sort_suspects(facts, suspects, listed_since, hours)
    for suspect in gone:
        services.catalog.suspects.forget(suspect.target, suspect.model_id, suspect.kind)
    return due


def _mark(services: Services, stored_replicas: list[Stored[Replica]], marks: Iterable[Replica]) -> None:
    """Record what the lists showed about replicas. If a copy under way changes a record first, it knows better."""

    def place(replica: Replica) -> tuple[str, str, str, str]:
        return replica.kind, replica.model_id, replica.target, replica.target_model_id

    rows = {place(stored.record): stored for stored in stored_replicas}
    for replica in marks:
        try:
            services.catalog.replicas.put(replica, rows[place(replica)])
        except RowChanged:
            continue


def _report(request: BackupRequest, plan: BackupPlan, facts: PlanFacts) -> None:
    emit(Event.PLAN_MADE, run=request.run_id, plan=request.plan, planHash=plan.hash(), **plan.counts())
    for finding in plan.findings:
        replica = facts.ready.get((finding.target, finding.kind, finding.model_id or ""))
        expires_at = replica.expires_at if replica is not None and finding.finding == "expiresSoon" else None
        emit(
            Event.FINDING,
            run=request.run_id,
            plan=request.plan,
            finding=finding.finding,
            target=finding.target,
            kind=finding.kind,
            model=finding.model_id,
            detail=finding.detail,
            expiresAt=written(expires_at) if expires_at else None,
        )
    for (target, why), count in sorted(withheld(plan.decisions).items()):
        emit(
            Event.DELETION_GUARDED,
            run=request.run_id,
            plan=request.plan,
            target=target,
            withheld=count,
            reason=WITHHELD[why],
        )
