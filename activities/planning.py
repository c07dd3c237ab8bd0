"""The beginning and the plan of a backup run: claim the plan, decide from lists and catalog, write the rows. No service calls."""

from __future__ import annotations

from datetime import datetime

import azure.durable_functions as df

from activities.envelope import activity
from activities.listing import listed_models, lists_of
from activities.suspects import suspects_to_clear
from backup.codes import MEANINGS, Code
from backup.configuration import Configuration, Plan
from backup.decisions import CODE_OF_BLOCK, Action, Decision, Listing, PlanInput, PlanResult, Reason, Removal
from backup.messages import (
    BackupRequest,
    CopyOutcome,
    Failure,
    Message,
    PlanClaimed,
    PlanInputs,
    PlanMade,
    RowAction,
    RunClosed,
    RunFailure,
)
from backup.names import CLAIM_PLAN, FAIL_RUN, MAKE_PLAN
from backup.plan import SourceListEmpty, make_plan, needs_own_id, recreates
from backup.records import Replica, RunRecord, RunRow, Suspect
from backup.states import CopyStatus
from catalog.store import RowChanged, Stored
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


def policy_of(configuration: Configuration, name: str) -> Plan:
    """Return a plan by its name. Raises ``LookupError``."""
    try:
        return configuration.plans[name]
    except KeyError:
        raise LookupError(f'no plan is called "{name}"') from None


@activity(blueprint, CLAIM_PLAN, BackupRequest)
def claim_plan(services: Services, request: BackupRequest) -> Message:
    """Take the plan for one run and say which lists it reads. ``BackupRequest`` in, ``PlanClaimed`` out."""
    now = services.now()
    policy = policy_of(services.configuration, request.plan)
    services.catalog.runs.announce(request.run_id, "backup", now, request.plan, dry_run=request.dry_run)
    if not request.dry_run:
        holder = services.catalog.plans.claim(request.plan, request.run_id, now, request.steal_from)
        if holder != request.run_id:
            return Failure.of(Code.PLAN_RUNNING, f'run {holder} of plan "{request.plan}" is under way')
    emit(Event.RUN_STARTED, run=request.run_id, plan=request.plan, source=policy.source, dryRun=request.dry_run)
    names = [(policy.source, True), *((target, False) for target in policy.targets)]
    return PlanClaimed(
        listings=[
            listing
            for name, is_source in names
            for listing in lists_of(name, services.configuration.resource(name), policy, is_source=is_source)
        ],
        patience_seconds=services.configuration.copies.patience_seconds,
        concurrency=services.configuration.copies.concurrency,
    )


@activity(blueprint, MAKE_PLAN, PlanInputs)
def make_plan_of_run(services: Services, inputs: PlanInputs) -> Message:
    """Decide what the run does, and write its rows. ``PlanInputs`` in, ``PlanMade`` out."""
    request, runs = inputs.request, services.catalog.runs
    record = runs.find(request.run_id)
    if record is not None and record.total is not None:
        return _made(record)
    policy = policy_of(services.configuration, request.plan)
    known = list(services.catalog.replicas.of_source(policy.source))
    given = _plan_input(services, inputs, policy, known)
    try:
        result = make_plan(given)
    except SourceListEmpty as error:
        return Failure.of(Code.SOURCE_LIST_EMPTY, str(error))
    plan_hash = result.hash()
    if request.plan_hash is not None and request.plan_hash != plan_hash:
        return Failure.of(
            Code.PLAN_CHANGED,
            f"the plan that was approved is {request.plan_hash[:12]}…, and now it is {plan_hash[:12]}…: make a dry run again",
        )
    runs.write_chunks(request.run_id, "decision", [decision.to_json() for decision in result.decisions])
    runs.write_chunks(request.run_id, "finding", [finding.to_json() for finding in result.findings])
    _report(request, result)
    suspects = [] if request.dry_run else _suspects(services, given, record.started_at if record else services.now())
    rows, workable = ([], 0) if request.dry_run else _rows(services, inputs, given, result, suspects)
    copies = services.configuration.copies
    record = runs.open_rows(
        request.run_id,
        rows,
        services.now(),
        workable=workable,
        done=len(rows) - workable,
        plan_hash=plan_hash,
        counts=result.counts(),
        finding_count=len(result.findings),
        deadline_seconds=(policy.deadline_minutes or copies.deadline_minutes) * 60,
        patience_seconds=copies.patience_seconds,
        message=None if suspects else _nothing_to_do(result),
    )
    if not request.dry_run:
        # last: a plan that is made twice must be made from the same replicas
        _mark(services, known, result)
    return _made(record)


def _nothing_to_do(result: PlanResult) -> str | None:
    """Return what a run says that copies and deletes nothing; ``None`` where there is something to do."""
    counts = result.counts()
    if any(counts[action] for action in (Action.COPY, Action.REPLACE, Action.DELETE)) or result.removals:
        return None
    blocked = f", {counts[Action.BLOCKED]} cannot be made" if counts[Action.BLOCKED] else ""
    checks = f", {len(result.deep_checks)} are read whole" if result.deep_checks else ""
    return f"nothing to do: {counts[Action.SKIP]} copies are up to date{blocked}{checks}"


def _made(record: RunRecord) -> PlanMade:
    return PlanMade(total=record.rows_to_work, plan_hash=record.plan_hash or "", counts=record.counts)


def _plan_input(services: Services, inputs: PlanInputs, policy: Plan, known: list[Stored[Replica]]) -> PlanInput:
    configuration, run_id = services.configuration, inputs.request.run_id

    def listing_of(name: str, *, is_source: bool) -> Listing | None:
        if name in inputs.failed_targets:
            return None
        lists = lists_of(name, configuration.resource(name), policy, is_source=is_source)
        return Listing.of(model for one in lists for model in listed_models(services, run_id, one))

    source = listing_of(policy.source, is_source=True)
    assert source is not None, "a run whose source could not be listed ends before its plan is made"
    return PlanInput(
        policy=policy,
        resources=configuration.resources,
        source=source,
        targets={target: listing_of(target, is_source=False) for target in policy.targets},
        replicas=[one.record for one in known],
        now=services.now(),
    )


def _mark(services: Services, known: list[Stored[Replica]], result: PlanResult) -> None:
    """Write into the catalog what the lists showed about replicas. Losing a race to a copy under way is fine: it knows better."""
    rows = {(one.record.kind, one.record.model_id, one.record.target, one.record.target_model_id): one for one in known}
    for replica in result.marks:
        one = rows[replica.kind, replica.model_id, replica.target, replica.target_model_id]
        try:
            services.catalog.replicas.put(replica, one)
        except RowChanged:
            continue


def _suspects(services: Services, given: PlanInput, listed_since: datetime) -> list[Suspect]:
    return [
        suspect
        for target, listing in given.targets.items()
        if listing is not None
        for suspect in suspects_to_clear(services, target, listing, given.policy.kinds, listed_since)
    ]


def _is_composed(given: PlanInput, decision: Decision) -> bool:
    model = given.source.models.get((decision.kind, decision.model_id))
    return model is not None and model.classifier_id is not None


def _rows(
    services: Services, inputs: PlanInputs, given: PlanInput, result: PlanResult, suspects: list[Suspect]
) -> tuple[list[RunRow], int]:
    """Return the rows, those that lanes work on first, and how many those are."""
    policy = given.policy
    copies = [decision for decision in result.decisions if decision.action in {Action.COPY, Action.REPLACE}]
    work = [_copy_row(given, decision) for decision in copies if not _is_composed(given, decision)]
    work += [_row(policy, one, RowAction.DELETE) for one in result.decisions if one.action is Action.DELETE]
    work += [_row(policy, one, RowAction.DELETE) for one in result.removals]
    work += [_row(policy, one, RowAction.CHECK) for one in result.deep_checks]
    work += [_suspect_row(one) for one in suspects]
    # what is composed needs its parts in the target: begun last, it hardly ever waits for them, and where it does, nothing waits for it
    work += [_copy_row(given, decision) for decision in copies if _is_composed(given, decision)]
    blocked = [
        _blocked_row(services, inputs, given, decision)
        for decision in result.decisions
        if decision.action is Action.BLOCKED and decision.reason is not Reason.NOT_READY
    ]
    rows = [row.model_copy(update={"row": index}) for index, row in enumerate([*work, *blocked])]
    return rows, len(work)


def _copy_row(given: PlanInput, decision: Decision) -> RunRow:
    row = _row(given.policy, decision, RowAction.COPY)
    needed = needs_own_id(given, decision) or None
    return row.model_copy(update={"recreate": recreates(given.policy, decision), "own_id_only": needed})


def _row(policy: Plan, about: Decision | Removal, action: RowAction) -> RunRow:
    return RunRow(
        row=0,
        source=policy.source,
        target=about.target,
        kind=about.kind,
        model_id=about.model_id,
        action=action,
        subject_id=about.target_model_id,
        subject_fingerprint=about.replica_fingerprint,
    )


def _suspect_row(suspect: Suspect) -> RunRow:
    return RunRow(
        row=0,
        source=suspect.source,
        target=suspect.target,
        kind=suspect.kind,
        model_id=suspect.source_model_id,
        action=RowAction.CLEAR,
        subject_id=suspect.model_id,
    )


def _blocked_row(services: Services, inputs: PlanInputs, given: PlanInput, decision: Decision) -> RunRow:
    policy, code, now = given.policy, CODE_OF_BLOCK[decision.reason], services.now()
    said = inputs.failed_targets.get(decision.target)
    meaning = MEANINGS[code]
    model = given.source.models.get((decision.kind, decision.model_id))
    if decision.reason is Reason.KIND_UNSUPPORTED and model is not None and model.classifier_id is not None:
        said = f"it is composed with classifier {model.classifier_id}, and {meaning.means}"
    outcome = CopyOutcome(
        status=CopyStatus.FAILED,
        code=code,
        message=f"{said or meaning.means}; {meaning.advice}",
        started_at=now,
        ended_at=now,
    )
    row = _row(policy, decision, RowAction.COPY)
    return row.model_copy(update={"status": outcome.status, "started_at": now, "outcome": outcome})


def _report(request: BackupRequest, result: PlanResult) -> None:
    emit(Event.PLAN_MADE, run=request.run_id, plan=request.plan, planHash=result.hash(), **result.counts())
    for finding in result.findings:
        emit(Event.FINDING, run=request.run_id, plan=request.plan, **finding.to_json())
    guarded = sum(1 for decision in result.decisions if decision.reason is Reason.GUARDED)
    if guarded:
        emit(Event.DELETION_GUARDED, run=request.run_id, plan=request.plan, withheld=guarded)


@activity(blueprint, FAIL_RUN, RunFailure)
def fail_run(services: Services, failure: RunFailure) -> Message:
    """End a run before anything was copied. ``RunFailure`` in, ``RunClosed`` out."""
    record = services.catalog.runs.fail(failure.run_id, failure.code, failure.message, services.now())
    emit(Event.RUN_ENDED, run=failure.run_id, plan=failure.plan, status=record.status, code=failure.code)
    return RunClosed(status=record.status, done=record.done, total=record.total or 0)
