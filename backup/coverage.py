"""What the last run of a plan shows: which models each target has, lacks or cannot have, and the findings that follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from backup.codes import MEANINGS, Code
from backup.configuration.sections import Plan
from backup.document_models import Kind
from backup.health import EXAMPLES, FindingCode, HealthFinding, model_finding
from backup.messages import Message
from backup.messages.copy import RowAction
from backup.moments import moment_of, written
from backup.planning.decisions import WITHHELD, Action, Decision, Finding, Reason, withheld
from backup.records import RunRecord, RunRow
from backup.states import CopyStatus, RunStatus


class TargetCoverage(Message):
    """What one target of a plan has. The numbers add up to ``models``."""

    models: int = 0
    covered: int = 0
    """Models with a verified copy of their present version."""
    not_covered: int = 0
    """Models that the service cannot copy there."""
    failing: int = 0
    """Models that should have been copied and were not."""
    in_training: int = 0
    lacking_since: datetime | None = None
    """When the oldest of the failing models was trained (UTC), or when a run first saw one that has no date, or one of the future."""


class PlanCoverage(Message):
    """The coverage of a plan, as the last run saw it that could list its source."""

    run_id: str
    looked_at: datetime
    """When the run began (UTC): what was trained later is not counted."""
    targets: dict[str, TargetCoverage]

    def rpo(self, target: str, plan: Plan, now: datetime) -> bool | None:
        """Tell whether the plan's promise holds for ``target``; ``None`` if the plan has none.

        It is broken if a model that was trained more than ``rpoHours`` ago is lacking, or if no run has looked for as long.
        """
        if plan.rpo_hours is None:
            return None
        promise = timedelta(hours=plan.rpo_hours)
        lacking = self.targets.get(target, TargetCoverage()).lacking_since
        return now - self.looked_at <= promise and (lacking is None or now - lacking <= promise)


class ModelState(StrEnum):
    """Whether a target has what it should have of one model."""

    COVERED = "covered"
    """It has a verified copy of the present version."""
    NOT_COVERED = "notCovered"
    """The service cannot copy it there."""
    FAILING = "failing"
    """It should have been copied, and was not."""
    IN_TRAINING = "inTraining"


class StateInTarget(Message):
    """The state of one model of a plan in one target, at the end of a run."""

    target: str
    kind: Kind
    model_id: str
    state: ModelState
    row: RunRow | None = None
    """The row of the run that says why the target lacks it."""


def states_in_targets(decisions: Iterable[Decision], rows: Iterable[RunRow]) -> Iterator[StateInTarget]:
    """Give the state of each model in each target. Models that the source does not have any more have none."""
    lacking = {(row.target, row.kind, row.model_id): row for row in rows if _lacks(row)}
    for decision in decisions:
        if decision.action in {Action.ORPHAN, Action.DELETE}:
            continue
        row = lacking.get((decision.target, decision.kind, decision.model_id))
        if row is not None:
            state = ModelState.NOT_COVERED if row.status is CopyStatus.NOT_COVERED else ModelState.FAILING
        else:
            state = ModelState.IN_TRAINING if decision.action is Action.BLOCKED else ModelState.COVERED
        yield StateInTarget(
            target=decision.target, kind=decision.kind, model_id=decision.model_id, state=state, row=row
        )


_COUNTED_AS = {
    ModelState.COVERED: "covered",
    ModelState.NOT_COVERED: "not_covered",
    ModelState.FAILING: "failing",
    ModelState.IN_TRAINING: "in_training",
}


def coverage(record: RunRecord, states: Iterable[StateInTarget], before: PlanCoverage | None = None) -> PlanCoverage:
    """Return what the run ``record``, which has ended, shows about its plan. ``before`` is what the last run showed."""
    targets: dict[str, TargetCoverage] = {}
    for each in states:
        target = targets.get(each.target, TargetCoverage())
        counter = _COUNTED_AS[each.state]
        changes: dict[str, object] = {"models": target.models + 1, counter: getattr(target, counter) + 1}
        if each.state is ModelState.FAILING and each.row is not None:
            last = before.targets.get(each.target) if before else None
            since = _lacking_since(each.row, record.started_at, last.lacking_since if last else None)
            changes["lacking_since"] = min(since, target.lacking_since or since)
        targets[each.target] = target.replace(**changes)
    return PlanCoverage(run_id=record.run_id, looked_at=record.started_at, targets=targets)


def _lacks(row: RunRow) -> bool:
    return row.action is RowAction.COPY and row.status is not CopyStatus.SUCCEEDED


def _lacking_since(row: RunRow, seen_at: datetime, before: datetime | None) -> datetime:
    """Return since when a model is lacking: since its training, unless its date is none or, by a wrong clock, later than the run."""
    trained = moment_of(row.trained)
    return trained if trained is not None and trained <= seen_at else min(before or seen_at, seen_at)


def findings_of_end(record: RunRecord) -> list[HealthFinding]:
    """Return what the end of a run says about its plan as a whole. A run that somebody cancelled says nothing."""
    plan = record.plan or ""
    code = {
        RunStatus.FAILED: FindingCode.PLAN_FAILING,
        RunStatus.PARTIALLY_FAILED: FindingCode.PLAN_PARTLY_FAILING,
    }.get(record.status)
    if code is None:
        return []
    reason = record.message or ", ".join(f"{count} {code}" for code, count in sorted(record.failures.items()))
    message = f"run {record.run_id} ended as {record.status}" + (f": {reason}" if reason else "")
    cause = record.code or max(record.failures, key=lambda code: record.failures[code], default=None)
    return [
        HealthFinding(
            code=code,
            subject=plan,
            plan=plan,
            message=message,
            remedy=_advice(cause),
            cause=cause,
            run_id=record.run_id,
        )
    ]


def _advice(cause: str | None) -> str | None:
    """Return what to do about a failure; ``None`` if the code says nothing, or only what the app does."""
    advice = MEANINGS[Code(cause)].advice if cause in set(Code) else "none"
    return None if advice.startswith("none") else advice


def findings_of_rows(
    record: RunRecord, rows: Iterable[RunRow], decisions: Iterable[Decision], found: Iterable[Finding]
) -> list[HealthFinding]:
    """Return what a run says about the models of its plan. ``found`` are the findings that the run wrote when it made its plan."""
    plan, run_id = record.plan or "", record.run_id
    findings: dict[str, HealthFinding] = {}

    def add(finding: HealthFinding) -> None:
        findings.setdefault(finding.key, finding.replace(run_id=run_id))

    def about_target(
        code: FindingCode, target: str, message: str, cause: str | None = None, remedy: str | None = None
    ) -> None:
        finding = HealthFinding(code=code, subject=f"{plan} {target}", plan=plan, target=target, message=message)
        add(finding.replace(cause=cause, remedy=remedy))

    for row in rows:
        outcome = row.outcome
        if outcome is None or row.status in {CopyStatus.SUCCEEDED, CopyStatus.CANCELLED}:
            continue
        message, cause = f"{outcome.code}: {outcome.message}", outcome.code
        if cause == Code.TARGET_LIST_FAILED:
            about_target(FindingCode.TARGET_FAILING, row.target, message, cause)
            continue
        code = FindingCode.NOT_COVERED if row.status is CopyStatus.NOT_COVERED else FindingCode.COPY_FAILING
        model = row.target, row.kind, row.model_id
        add(model_finding(code, plan, *model, message, cause=cause, remedy=_advice(cause)))
    for target, reason in sorted(withheld(decisions)):
        message = f"deletions in {target} are withheld: {WITHHELD[reason]}"
        remedy = "correct what EntryUnreadable names" if reason is Reason.LIST_INCOMPLETE else None
        about_target(FindingCode.DELETION_WITHHELD, target, message, remedy=remedy)
    found = list(found)
    for name, entries in groupby((each for each in found if each.finding == "unreadable"), lambda each: each.target):
        details = [each.detail for each in entries]
        more = f"; and {len(details) - EXAMPLES} more" if len(details) > EXAMPLES else ""
        about_target(FindingCode.ENTRY_UNREADABLE, name, "; ".join(details[:EXAMPLES]) + more)
    codes = {"missing": FindingCode.REPLICA_LOST, "expiresSoon": FindingCode.MODEL_EXPIRES}
    for each in found:
        if each.finding in codes and each.model_id is not None:
            add(model_finding(codes[each.finding], plan, each.target, each.kind, each.model_id, each.detail))
    return list(findings.values())


def findings_of_coverage(name: str, plan: Plan, seen: PlanCoverage | None, now: datetime) -> Iterable[HealthFinding]:
    """Give what the coverage of a plan says at ``now``: targets whose promise is broken, and targets that can have nothing."""
    if seen is None:
        return
    for target in plan.targets:
        numbers = seen.targets.get(target)
        if numbers is None:
            continue
        if seen.rpo(target, plan, now) is False:
            lacking, looked = numbers.lacking_since, seen.looked_at
            is_lacking = lacking is not None and now - lacking > timedelta(hours=plan.rpo_hours or 0)
            message = (
                f"{target} lacks {numbers.failing} models; the oldest was trained at {written(lacking)}"
                if is_lacking and lacking is not None
                else f"no run could list the source since {written(looked)}, so what was trained later may be lacking in {target}"
            )
            yield HealthFinding(
                code=FindingCode.RPO_BREACHED,
                subject=f"{name} {target}",
                plan=name,
                target=target,
                message=f"{message}; rpoHours is {plan.rpo_hours}",
                run_id=seen.run_id,
            )
        if numbers.models and numbers.not_covered == numbers.models:
            yield HealthFinding(
                code=FindingCode.NOTHING_COVERED,
                subject=f"{name} {target}",
                plan=name,
                target=target,
                message=f"none of the {numbers.models} models of the plan can be copied to {target}",
                run_id=seen.run_id,
            )
