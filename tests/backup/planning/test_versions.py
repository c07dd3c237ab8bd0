"""Older versions of models: which stay and which go, in a table and as properties."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.configuration.sections import OnChange
from backup.document_models import Kind, ModelSummary
from backup.names import fallback_ids
from backup.planning.backup_plan import plan_backup
from backup.planning.decisions import Action, BackupPlan, Reason
from backup.planning.facts import Listing, PlanFacts
from backup.planning.lists import Unreadable
from backup.records import Replica
from backup.states import ReplicaState

from .test_backup_plan import MANY, V4, days_ago, facts_of, inputs, model, plan_of, replica

KEEPING: dict[str, Any] = {"onChange": "version"}
THREE = [model(trained=9)]
"""The source model, trained nine times."""


def version(number: int, *, age: float, target_model_id: str, **more: Any) -> Replica:
    """Return the copy of one training, ``age`` days old; it was replaced half a day after it was verified."""
    facts: dict[str, Any] = {
        "verified_at": days_ago(age),
        "state": ReplicaState.RETIRING,
        "retired_at": days_ago(age - 0.5),
        **more,
    }
    made = replica("m1", trained=number, target_model_id=target_model_id, **facts)
    return made.replace(trained=datetime(2026, 1, number, tzinfo=UTC))


def present(number: int = 9, **more: Any) -> Replica:
    facts: dict[str, Any] = {"state": ReplicaState.READY, "retired_at": None, "target_model_id": "m1", **more}
    return version(number, age=1, **facts)


def history(count: int, **more: Any) -> list[Replica]:
    """Return the present version and ``count`` older ones, newest first."""
    ids = fallback_ids("m1")
    return [present(), *(version(8 - n, age=5 + 5 * n, target_model_id=ids[n + 1], **more) for n in range(count))]


def fates(plan: BackupPlan) -> list[tuple[str, str]]:
    (decision,) = plan.decisions
    return [(one.target_model_id, str(one.reason)) for one in decision.older_versions or ()]


def removed(plan: BackupPlan) -> list[str]:
    return [one.target_model_id for one in plan.removals]


def test_the_last_versions_stay() -> None:
    """Of five copies three stay by default; the oldest two count for the guard, which allows half of them."""
    plan = plan_of(THREE, history(4), **KEEPING, retention={"maxDeletePercent": 50})
    assert fates(plan) == [("m1.2", "kept"), ("m1.3", "kept"), ("m1.4", "surplus"), ("m1.5", "surplus")]
    assert removed(plan) == ["m1.4", "m1.5"]


def test_rotation_is_not_guarded() -> None:
    """One version that newer ones displaced goes, whatever its share is."""
    plan = plan_of(THREE, history(3), **KEEPING, retention={"maxDeletePercent": 0})
    assert removed(plan) == ["m1.4"]


@pytest.mark.parametrize(
    ("copies", "rules"),
    [(history(4), {}), (history(4), {"keepVersions": 2}), (history(2), {"versionDays": 9, "keepVersions": 6})],
    ids=["two of one", "fewer to keep", "by age"],
)
def test_more_than_rotation_is_guarded(copies: list[Replica], rules: dict[str, Any]) -> None:
    """More than one of a model, or one for its age, counts for the guard: none goes, and the plan says so."""
    plan = plan_of(THREE, copies, **KEEPING, retention={"maxDeletePercent": 10, **rules})
    assert plan.removals == ()
    assert "deletionGuarded" in {reason for _, reason in fates(plan)}
    assert not {"surplus", "tooOld"} & {reason for _, reason in fates(plan)}


def test_guard_counts_orphans_and_versions_together() -> None:
    """Neither alone is too much; both are."""
    orphan = replica("gone", orphaned_at=days_ago(31))
    rules = {"deleteRemoved": True, "versionDays": 9, "keepVersions": 6}
    others = [replica(f"x{n}") for n in range(6)]
    source = [*THREE, *(model(f"x{n}") for n in range(6))]
    for percent, goes in [(20, True), (19, False)]:
        plan = plan_of(
            source, [*history(2), orphan, *others], **KEEPING, retention={**rules, "maxDeletePercent": percent}
        )
        deleted = [one.model_id for one in plan.decisions if one.action is Action.DELETE]
        # two of ten
        assert (deleted, removed(plan)) == ((["gone"], ["m1.3"]) if goes else ([], []))


def test_old_versions_go_by_age() -> None:
    plan = plan_of(
        THREE, history(3), **KEEPING, retention={"keepVersions": 6, "versionDays": 9, "maxDeletePercent": 50}
    )
    assert fates(plan) == [("m1.2", "kept"), ("m1.3", "tooOld"), ("m1.4", "tooOld")]


@pytest.mark.parametrize(
    "held",
    [
        [model(f"m1.{n}") for n in (2, 3, 4)],
        [model(expires=days_ago(1)), *(model(f"m1.{n}") for n in (2, 3, 4))],
    ],
    ids=["not listed", "expired"],
)
def test_nothing_goes_while_the_present_version_is_not_seen(held: list[ModelSummary]) -> None:
    assert removed(plan_of(THREE, history(3), {"east": held}, **KEEPING)) == []


def test_a_version_that_cannot_be_used_is_not_counted() -> None:
    """A lost version does not count as one of the three: the next older one stays in its place."""
    held = [model(), model("m1.2"), model("m1.4")]
    plan = plan_of(THREE, history(3), {"east": held}, **KEEPING)
    assert removed(plan) == []
    (finding,) = plan.findings
    assert (finding.finding, finding.model_id) == ("missing", "m1")
    assert "m1.3, an older version" in finding.detail


def test_an_incomplete_list_deletes_no_version() -> None:
    unreadable = [Unreadable(page=1, position=2, kind=Kind.MODEL, api_version=V4, flaw="is null and not an object")]
    plan = plan_of(THREE, history(3), unreadable=unreadable, **KEEPING)
    assert (removed(plan), fates(plan)[-1]) == ([], ("m1.4", "listIncomplete"))


def test_a_second_copy_of_a_version_goes() -> None:
    """After a day, like every copy that another one replaced; it is not counted as a version."""
    copies = [*history(2), version(9, age=3, target_model_id="m1.7")]
    assert removed(plan_of(THREE, copies, **KEEPING)) == ["m1.7"]


def test_a_version_of_today_stays_a_day() -> None:
    """Applications remember the answer of the lookup for a day, also if three newer versions came in it."""
    copies = [present(), *(version(8 - n, age=0.6, target_model_id=f"m1.{n + 2}") for n in range(4))]
    assert removed(plan_of(THREE, copies, **KEEPING, retention={"maxDeletePercent": 100})) == []


def test_every_version_is_compared_in_turn() -> None:
    """A full check reads the versions that stay, too."""
    plan = plan_of(THREE, history(3), **KEEPING, deepCheck="all")
    assert [one.target_model_id for one in plan.deep_checks] == ["m1", "m1.2", "m1.3"]


def test_versions_are_ordered_by_training() -> None:
    """A mapping that was read back has verified all of them now: their training says which is older."""
    now = {"verified_at": days_ago(2), "retired_at": days_ago(2)}
    copies = [present(), *(version(n, age=2, target_model_id=f"m1.{n}", **now) for n in (2, 5, 3))]
    assert removed(plan_of(THREE, copies, **KEEPING)) == ["m1.2"]


@MANY
@given(inputs(), st.integers(2, 6), st.sampled_from([None, 1, 30]))
def test_the_newest_versions_always_stay(facts: PlanFacts, keep: int, days: int | None) -> None:
    """Whatever the lists and the catalog say: of each model as many versions stay as are to be kept, and nothing is deleted blindly."""
    retention = facts.plan.retention.model_copy(update={"keep_versions": keep, "version_days": days})
    facts = replace(facts, plan=facts.plan.model_copy(update={"on_change": OnChange.VERSION, "retention": retention}))
    plan = plan_backup(facts)
    known = {(one.target, one.kind, one.target_model_id): one for one in facts.all_replicas}
    gone = {(one.target, one.kind, one.model_id) for one in plan.decisions if one.action is Action.DELETE}
    leaving = {(one.target, one.kind, one.target_model_id) for one in plan.removals}
    for removal in plan.removals:
        one, key = (
            known[removal.target, removal.kind, removal.target_model_id],
            (removal.target, removal.kind, removal.model_id),
        )
        if one.state is not ReplicaState.RETIRING or key in gone or key in facts.components_in_use:
            continue
        assert one.retired_at is not None
        assert facts.now - one.retired_at >= timedelta(hours=24)
        listing = facts.targets[one.target]
        assert listing is not None
        stays = {
            other.fingerprint
            for other in facts.replicas
            if (other.target, other.kind, other.model_id) == key
            and other.state in {ReplicaState.READY, ReplicaState.RETIRING}
            and (other.target, other.kind, other.target_model_id) not in leaving
            and _is_usable(facts, listing, other)
        }
        newest = facts.ready[key]
        assert _is_usable(facts, listing, newest)
        is_old = days is not None and facts.now - one.retired_at >= timedelta(days=days)
        listed = listing.models.get((one.kind, one.target_model_id))
        is_double = one.fingerprint in stays or listed is None or not facts.is_usable(listed)
        assert len(stays) >= keep or is_old or is_double, (removal, stays)


def _is_usable(facts: PlanFacts, listing: Listing, one: Replica) -> bool:
    listed = listing.models.get((one.kind, one.target_model_id))
    return listed is not None and facts.is_usable(listed)


def test_the_reason_of_each_version_is_part_of_the_plan() -> None:
    """An approved plan with another fate of a version is another plan."""
    first = plan_of(THREE, history(3), **KEEPING)
    second = plan_of(THREE, history(3), **KEEPING, retention={"keepVersions": 4})
    assert first.hash() != second.hash()
    assert {Reason.SURPLUS, Reason.KEPT} == {one.reason for one in first.decisions[0].older_versions or ()}
    assert facts_of(THREE, history(3)).plan.retention.keep_versions == 3
