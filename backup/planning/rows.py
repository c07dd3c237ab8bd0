"""The rows of a run, from its plan: copies and deletions for lanes to work on, and rows that ended before the run began."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from backup.api_versions import newest
from backup.codes import MEANINGS, NOT_COVERED
from backup.document_models import Generation, ModelState
from backup.messages.copy import CopyOutcome, RowAction
from backup.planning.backup_plan import needs_own_id, recreates
from backup.planning.decisions import CODE_OF_BLOCK, Action, BackupPlan, Decision, Reason, ReplicaRef
from backup.planning.facts import PlanFacts
from backup.records import RunRow, Suspect
from backup.states import CopyStatus

MAKING = {Action.COPY, Action.ADOPT, Action.REPLACE}
"""What brings a model to its target."""


def rows_of_plan(
    facts: PlanFacts, plan: BackupPlan, suspects: Sequence[Suspect], list_failures: Mapping[str, str]
) -> tuple[list[RunRow], int]:
    """Return the rows of a backup run, those to work on first, and how many those are.

    Parameters
    ----------
    suspects: placeholders to delete (:func:`sort_suspects`).
    list_failures: why the lists of a target could not be read, by target.
    """
    copies = [decision for decision in plan.decisions if decision.action in MAKING]
    deletions = [decision for decision in plan.decisions if decision.action is Action.DELETE]
    composed = [decision for decision in copies if facts.is_composed(decision.kind, decision.model_id)]
    work = [_copy_row(facts, copy) for copy in copies if not facts.is_composed(copy.kind, copy.model_id)]
    work += [_row(facts, decision, RowAction.DELETE) for decision in deletions]
    work += [_row(facts, replica, RowAction.DELETE) for replica in plan.removals]
    work += [_row(facts, replica, RowAction.CHECK) for replica in plan.deep_checks]
    work += [_suspect_row(suspect) for suspect in suspects]
    # last: a composed model waits until its components are in the target
    work += [_copy_row(facts, decision) for decision in composed]
    blocked = [
        _blocked_row(facts, decision, list_failures.get(decision.target))
        for decision in plan.decisions
        if decision.action is Action.BLOCKED and not _is_in_training(facts, decision)
    ]
    return [row.replace(row=number) for number, row in enumerate([*work, *blocked])], len(work)


def sort_suspects(
    facts: PlanFacts, suspects: Iterable[Suspect], listed_since: datetime, hours: int | None
) -> tuple[list[Suspect], list[Suspect]]:
    """Return the suspects to delete, and those that the lists prove to be none.

    On v2 a suspect is gone if its model is not listed as ``creating`` any more; from v3 on, where a placeholder is invisible, if a model is
    listed under its id. ``creating`` may also be a training of another user: it is deleted after ``hours`` only (``None``: never). A
    suspect that was found after ``listed_since`` may be younger than the lists, and is left for the next run.
    """
    due, gone = [], []
    for suspect in suspects:
        listing, versions = facts.targets.get(suspect.target), facts.resources[suspect.target].api_versions
        is_listed_kind = suspect.kind in facts.plan.kinds and (
            not suspect.is_visible or newest(versions, Generation.V2) is not None
        )
        if listing is None or listing.unreadable or not is_listed_kind or suspect.seen_at >= listed_since:
            continue
        model = listing.models.get((suspect.kind, suspect.model_id))
        is_creating = model is not None and model.state is ModelState.CREATING
        if not (is_creating if suspect.is_visible else model is None):
            gone.append(suspect)
        elif suspect.is_due(hours, facts.now):
            due.append(suspect)
    return due, gone


def _copy_row(facts: PlanFacts, decision: Decision) -> RunRow:
    return _row(facts, decision, RowAction.COPY).replace(
        recreate=recreates(facts, decision),
        own_id_only=needs_own_id(facts, decision) or None,
        candidates=decision.candidates,
        trained=_trained(facts, decision),
    )


def _trained(facts: PlanFacts, decision: Decision) -> str | None:
    model = facts.source.models.get((decision.kind, decision.model_id))
    return None if model is None else model.trained


def _is_in_training(facts: PlanFacts, decision: Decision) -> bool:
    """Tell whether the model is not ready yet, which is no news: the next run looks again."""
    model = facts.source.models.get((decision.kind, decision.model_id))
    return decision.reason is Reason.NOT_READY and model is not None and model.state is ModelState.CREATING


def _row(facts: PlanFacts, about: Decision | ReplicaRef, action: RowAction) -> RunRow:
    return RunRow(
        row=0,
        source=facts.plan.source,
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


def _blocked_row(facts: PlanFacts, decision: Decision, list_failure: str | None) -> RunRow:
    code = CODE_OF_BLOCK[decision.reason]
    meaning, reason = MEANINGS[code], list_failure
    model = facts.source.models.get((decision.kind, decision.model_id))
    if decision.reason is Reason.KIND_UNSUPPORTED and model is not None and model.classifier_id is not None:
        reason = f"it is composed with classifier {model.classifier_id}, and {meaning.means}"
    outcome = CopyOutcome(
        status=CopyStatus.NOT_COVERED if code in NOT_COVERED else CopyStatus.FAILED,
        code=code,
        message=f"{reason or meaning.means}; {meaning.advice}",
        started_at=facts.now,
        ended_at=facts.now,
    )
    row = _row(facts, decision, RowAction.COPY)
    return row.replace(status=outcome.status, started_at=facts.now, outcome=outcome, trained=_trained(facts, decision))
