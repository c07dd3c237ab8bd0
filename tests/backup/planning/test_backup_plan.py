"""The plan as a pure function: its decisions in a table, its promises as properties."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from backup.configuration.sections import DeepCheck, OnChange, Plan, Resource
from backup.document_models import Kind, ModelState, ModelSummary
from backup.messages.copy import ComponentRef
from backup.names import fallback_ids
from backup.planning.backup_plan import SourceListEmpty, plan_backup, recreates
from backup.planning.decisions import CODE_OF_BLOCK, Action, BackupPlan, Decision, Reason
from backup.planning.facts import Listing, PlanFacts
from backup.planning.lists import Unreadable
from backup.records import Replica
from backup.states import ReplicaState

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
V3, V4 = "2023-07-31", "2024-11-30"
ACCOUNT = "/subscriptions/1/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/"


def resource(name: str, region: str, domain: str = "azure.com", versions: Sequence[str] = ("v2.1", V3, V4)) -> Resource:
    return Resource.model_validate(
        {
            "endpoint": f"https://{name}.cognitiveservices.{domain}",
            "region": region,
            "resourceId": ACCOUNT + name,
            "apiVersions": versions,
            "keySetting": "KEY",
        }
    )


RESOURCES = {
    "west": resource("west", "westeurope"),
    "east": resource("east", "eastus"),
    "north": resource("north", "northeurope"),
    "china": resource("china", "chinaeast2", "azure.cn"),
    "old": resource("old", "westus2", versions=("v2.1",)),
}


def model(model_id: str = "m1", kind: Kind = Kind.MODEL, trained: int = 1, **more: Any) -> ModelSummary:
    facts = {"state": ModelState.READY, "api_version": V4, "created": "2026-01-01T00:00:00Z", **more}
    return ModelSummary(model_id, kind, modified=f"2026-01-{trained:02}T00:00:00Z", **facts)


def replica(model_id: str = "m1", target: str = "east", trained: int = 1, **more: Any) -> Replica:
    kind = more.pop("kind", Kind.MODEL)
    facts = {
        "target_model_id": model_id,
        "api_version": V4,
        "fingerprint": model(model_id, kind, trained).fingerprint(),
        "digest": f"digest of {trained}",
        "state": ReplicaState.READY,
        "verified_at": NOW - timedelta(days=10),
        "run_id": "run-0",
        **more,
    }
    return Replica(source="west", kind=kind, model_id=model_id, target=target, **facts)


def policy(targets: Sequence[str] = ("east",), **more: Any) -> Plan:
    return Plan.model_validate({"source": "west", "targets": targets, "deepCheck": "off", **more})


def facts_of(
    source: Sequence[ModelSummary] = (),
    replicas: Sequence[Replica] = (),
    targets: dict[str, Sequence[ModelSummary] | None] | None = None,
    now: datetime = NOW,
    unreadable: Sequence[Unreadable] = (),
    **rules: Any,
) -> PlanFacts:
    """Return facts: the target is "east", and targets hold their replicas, unless ``targets`` says otherwise."""
    held = targets if targets is not None else {"east": [model(one.target_model_id, one.kind) for one in replicas]}
    return PlanFacts(
        plan=policy(list(held), **rules),
        resources=RESOURCES,
        source=Listing.of(source, unreadable),
        targets={name: None if models is None else Listing.of(models) for name, models in held.items()},
        all_replicas=replicas,
        now=now,
    )


def plan_of(*args: Any, **named: Any) -> BackupPlan:
    """Return the plan for the facts of :func:`facts_of`."""
    return plan_backup(facts_of(*args, **named))


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


REMOVING: dict[str, Any] = {"retention": {"deleteRemoved": True, "graceDays": 30, "maxDeletePercent": 50}}
LONG_GONE = [replica("gone", orphaned_at=days_ago(31)), replica("m1"), replica("m2")]
STILL_THERE = [model("m1"), model("m2")]

UNREADABLE = Unreadable(page=1, position=2, kind=Kind.MODEL, api_version=V4, flaw="is null and not an object")
MOVED = replica(target_model_id="m1.2")
WHOLE = replica("whole", components=[ComponentRef(kind=Kind.MODEL, model_id="m1")])
"""A composed model that refers to m1."""

CASES: list[tuple[Reason, Action, str, dict[str, Any]]] = [
    (Reason.NEW, Action.COPY, "m1", {"source": [model()]}),
    (Reason.FOUND, Action.ADOPT, "m1", {"source": [model()], "targets": {"east": [model()]}}),
    (Reason.MISSING, Action.COPY, "m1", {"source": [model()], "replicas": [replica()], "targets": {"east": []}}),
    (
        Reason.EXPIRED,
        Action.COPY,
        "m1",
        {"source": [model()], "replicas": [replica()], "targets": {"east": [model(expires=days_ago(1))]}},
    ),
    (Reason.RETRAINED, Action.REPLACE, "m1", {"source": [model(trained=2)], "replicas": [replica()]}),
    (
        Reason.NEW_VERSION,
        Action.COPY,
        "m1",
        {"source": [model(trained=2)], "replicas": [replica()], "onChange": "version"},
    ),
    (
        Reason.RETRAINED,  # a component keeps no versions
        Action.REPLACE,
        "m1",
        {"source": [model(trained=2)], "replicas": [replica(), WHOLE], "onChange": "version"},
    ),
    (Reason.UNCHANGED, Action.SKIP, "m1", {"source": [model()], "replicas": [replica()]}),
    (Reason.OWN_ID_NEEDED, Action.REPLACE, "m1", {"source": [model()], "replicas": [MOVED, WHOLE]}),
    (
        Reason.UNCHANGED,
        Action.SKIP,
        "c1",
        {"source": [model("c1", Kind.CLASSIFIER)], "replicas": [replica("c1", kind=Kind.CLASSIFIER)]},
    ),
    (Reason.NOT_READY, Action.BLOCKED, "m1", {"source": [model(state=ModelState.CREATING)]}),
    (Reason.SOURCE_EXPIRED, Action.BLOCKED, "m1", {"source": [model(expires=NOW)]}),
    (Reason.NO_COMMON_VERSION, Action.BLOCKED, "m1", {"source": [model()], "targets": {"old": []}}),
    (Reason.NO_COMMON_VERSION, Action.BLOCKED, "m1", {"source": [model(api_version="of the future")]}),
    (Reason.NO_COMMON_VERSION, Action.BLOCKED, "c1", {"source": [model("c1", Kind.CLASSIFIER, api_version=V3)]}),
    (
        Reason.KIND_UNSUPPORTED,
        Action.BLOCKED,
        "c1",
        {"source": [model("c1", Kind.CLASSIFIER)], "targets": {"north": []}},
    ),
    (
        Reason.KIND_UNSUPPORTED,
        Action.BLOCKED,
        "composed",
        {"source": [model("composed", classifier_id="c1")], "targets": {"north": []}},
    ),
    (
        Reason.NEW,
        Action.COPY,
        "composed",
        {
            "source": [model("composed", classifier_id="c1")],
            "targets": {"north": [model("c1", Kind.CLASSIFIER)]},
        },
    ),
    (Reason.OTHER_CLOUD, Action.BLOCKED, "m1", {"source": [model()], "targets": {"china": []}}),
    (Reason.TARGET_UNKNOWN, Action.BLOCKED, "m1", {"source": [model()], "targets": {"east": None}}),
    (Reason.KEPT, Action.ORPHAN, "gone", {"source": STILL_THERE, "replicas": LONG_GONE}),
    (
        Reason.IN_GRACE,
        Action.ORPHAN,
        "gone",
        {"source": STILL_THERE, "replicas": [replica("gone", orphaned_at=days_ago(29)), *LONG_GONE[1:]], **REMOVING},
    ),
    (
        Reason.GUARDED,
        Action.ORPHAN,
        "gone",
        {
            "source": STILL_THERE,
            "replicas": LONG_GONE,
            "retention": {"deleteRemoved": True, "graceDays": 30, "maxDeletePercent": 33},
        },
    ),
    (
        Reason.LIST_INCOMPLETE,
        Action.ORPHAN,
        "gone",
        {"source": STILL_THERE, "replicas": LONG_GONE, "unreadable": [UNREADABLE], **REMOVING},
    ),
    (Reason.REMOVED, Action.DELETE, "gone", {"source": STILL_THERE, "replicas": LONG_GONE, **REMOVING}),
]


@pytest.mark.parametrize(("reason", "action", "model_id", "facts"), CASES)
def test_each_decision_has_its_reason(reason: Reason, action: Action, model_id: str, facts: dict[str, Any]) -> None:
    (decision,) = [one for one in plan_of(**facts).decisions if one.model_id == model_id]
    assert (decision.action, decision.reason) == (action, reason)


def test_every_reason_is_reached() -> None:
    """Every reason is reached and every block has a code to report."""
    of_versions = {Reason.SURPLUS, Reason.TOO_OLD}
    assert {case[0] for case in CASES} | {Reason.RESTORE} | of_versions == set(Reason)
    assert {case[0] for case in CASES if case[1] is Action.BLOCKED} == set(CODE_OF_BLOCK)


def v2(model_id: str, created: str = "2026-01-01T00:00:00Z") -> ModelSummary:
    return replace(model(model_id, api_version=None, created=created), modified=created)


CANDIDATES: list[tuple[ModelSummary, list[ModelSummary], list[str]]] = [
    # v2 keeps the dates, however they are written
    (v2("m1"), [v2("x"), v2("y", "2026-01-01T01:00:00.5+01:00"), v2("z", "2026-01-02T00:00:00Z")], ["x", "y"]),
    # ids first, then dates; v4 keeps that of the change
    (model(), [model("a"), model("m1.2", trained=9), model(trained=9)], ["m1", "m1.2", "a"]),
    (model(api_version=V3), [model("a", created="2026-01-01T00:00:00Z", api_version=V3)], ["a"]),
    (model(), [model(kind=Kind.CLASSIFIER)], []),
    (model(), [model(api_version=V3)], []),
    (model(), [model(expires=days_ago(1))], []),
    (model(), [model(state=ModelState.CREATING)], []),
    # the copy of another model of the source, which was trained in the same second
    (model(), [model("m2")], []),
]


@pytest.mark.parametrize(("one", "held", "found"), CANDIDATES)
def test_candidates_have_the_id_or_the_dates(one: ModelSummary, held: list[ModelSummary], found: list[str]) -> None:
    plan = plan_of([one, model("m2", trained=20)], targets={"east": held})
    assert (next(each for each in plan.decisions if each.model_id == "m1").candidates or []) == found


def test_a_copy_that_is_known_is_no_candidate() -> None:
    """Neither the copy of another model, nor one that retires, nor what another source or a claim uses."""
    held = [v2("x"), v2("y"), v2("z")]
    known = [
        replica("m2", target_model_id="x", api_version="v2.1"),
        replica("m1", target_model_id="y", api_version="v2.1", state=ReplicaState.RETIRING),
    ]
    facts = replace(facts_of([v2("m1")], known, {"east": held}), taken={("east", Kind.MODEL, "z")})
    (decision,) = [one for one in plan_backup(facts).decisions if one.model_id == "m1"]
    assert (decision.action, decision.candidates) == (Action.COPY, None)


def test_an_old_copy_takes_the_place_of_a_missing_one() -> None:
    """A recorded copy is gone, and another one is there: it is adopted."""
    lost = replica(target_model_id="x", fingerprint=v2("m1").fingerprint(), api_version="v2.1")
    (decision,) = plan_of([v2("m1")], [lost], {"east": [v2("y")]}).decisions
    assert (decision.action, decision.target_model_id, decision.replica_fingerprint) == (Action.ADOPT, "y", None)


def test_model_first_missed_tonight_waits() -> None:
    """A model first missed tonight waits for its grace from now on."""
    result = plan_of(STILL_THERE, [replica("gone"), *LONG_GONE[1:]], **REMOVING)
    assert [one.reason for one in result.decisions if one.model_id == "gone"] == [Reason.IN_GRACE]
    (mark,) = result.marks
    assert (mark.model_id, mark.orphaned_at, mark.state) == ("gone", NOW, ReplicaState.READY)


def test_older_copies_of_removed_model_go() -> None:
    """Older copies of a removed model go with it also one that nobody had noted as outdone."""
    older = replica("gone", target_model_id="gone.2", verified_at=days_ago(20), orphaned_at=days_ago(31))
    result = plan_of(STILL_THERE, [older, *LONG_GONE], **REMOVING)
    assert [one.target_model_id for one in result.decisions if one.action is Action.DELETE] == ["gone"]
    assert [one.target_model_id for one in result.removals] == ["gone.2"]


def test_a_model_that_comes_back_is_no_orphan_any_more() -> None:
    (mark,) = plan_of([model("gone")], [replica("gone", orphaned_at=days_ago(31))], **REMOVING).marks
    assert mark.orphaned_at is None


def test_nothing_is_deleted_from_an_unread_target() -> None:
    """Nothing is deleted from a target that could not be listed."""
    retiring = replica("m1", target_model_id="m1.2", state=ReplicaState.RETIRING, retired_at=days_ago(9))
    result = plan_of(STILL_THERE, [*LONG_GONE, retiring], targets={"east": None}, **REMOVING)
    assert {one.action for one in result.decisions} == {Action.BLOCKED, Action.ORPHAN}
    assert result.removals == ()


def test_empty_source_list_is_mistake() -> None:
    """An empty source list is a mistake where copies are known."""
    with pytest.raises(SourceListEmpty, match='"west" lists no models'):
        plan_of([], [replica()])
    assert plan_of([], []).decisions == ()
    assert plan_of([], [replica(state=ReplicaState.MISSING)]).decisions == ()


@pytest.mark.parametrize(
    ("hours", "newer_seen", "goes"), [(23, True, False), (24, True, True), (24, False, False), (500, False, False)]
)
def test_replaced_copy_goes_after_day(hours: int, newer_seen: bool, goes: bool) -> None:
    """A replaced copy goes after a day and only while the newer one is seen."""
    old = replica(state=ReplicaState.RETIRING, retired_at=NOW - timedelta(hours=hours))
    new = replica(trained=2, target_model_id="m1.2", verified_at=days_ago(1))
    held = [model("m1"), *([model("m1.2")] if newer_seen else [])]
    result = plan_of([model(trained=2)], [old, new], targets={"east": held})
    assert [one.target_model_id for one in result.removals] == (["m1"] if goes else [])


def test_replaced_copy_stays() -> None:
    """A replaced copy stays while the newer one is expired."""
    old = replica(state=ReplicaState.RETIRING, retired_at=days_ago(2))
    new = replica(trained=2, target_model_id="m1.2", verified_at=days_ago(1))
    held = [model("m1"), model("m1.2", expires=days_ago(1))]
    assert plan_of([model(trained=2)], [old, new], targets={"east": held}).removals == ()


def test_part_of_composed_model_goes() -> None:
    """A part of a composed model goes only when its successor takes its place."""
    old = replica(state=ReplicaState.RETIRING, retired_at=days_ago(2))
    new = replica(trained=2, target_model_id="m1.2", verified_at=days_ago(1))
    result = plan_of([model(trained=2)], [old, new, WHOLE])
    assert result.removals == ()
    (decision,) = [one for one in result.decisions if one.model_id == "m1"]
    assert (decision.reason, decision.target_model_id) == (Reason.OWN_ID_NEEDED, "m1")
    assert decision.replica_fingerprint == old.fingerprint
    assert recreates(facts_of(), decision)


def test_part_that_was_replaced_today_stays() -> None:
    """A part that was replaced today stays where applications know it."""
    old = replica(state=ReplicaState.RETIRING, retired_at=NOW - timedelta(hours=23))
    new = replica(trained=2, target_model_id="m1.2", verified_at=days_ago(1))
    result = plan_of([model(trained=2)], [old, new, WHOLE])
    assert (result.removals, [one.reason for one in result.decisions if one.model_id == "m1"]) == (
        (),
        [Reason.UNCHANGED],
    )


def test_foreign_model_under_the_id_of_a_part_stays() -> None:
    """What somebody else has under the id of a part stays."""
    result = plan_of([model()], [MOVED, WHOLE], targets={"east": [model(), model("m1.2"), model("whole")]})
    assert [one.reason for one in result.decisions if one.model_id == "m1"] == [Reason.UNCHANGED]
    assert result.removals == ()


def test_part_without_its_own_id_is_copied_there() -> None:
    """A part that is nowhere under its own id is copied there and nothing is deleted for it."""
    (decision,) = [one for one in plan_of([model()], [MOVED, WHOLE]).decisions if one.model_id == "m1"]
    assert decision.reason is Reason.OWN_ID_NEEDED
    assert not recreates(facts_of(onChange="recreate"), decision)


def test_a_deletion_that_was_cut_off_is_finished() -> None:
    result = plan_of([model()], [replica(state=ReplicaState.DELETING)])
    assert [one.target_model_id for one in result.removals] == ["m1"]
    assert [one.action for one in result.decisions] == [Action.COPY]


def test_of_two_replicas_in_use_the_older_one_retires() -> None:
    older = replica(verified_at=days_ago(20))
    newer = replica(target_model_id="m1.2")
    (mark,) = plan_of([model()], [older, newer]).marks
    assert (mark.target_model_id, mark.state, mark.retired_at) == ("m1", ReplicaState.RETIRING, NOW)


def test_replica_that_was_deleted() -> None:
    """A replica that was deleted by hand is marked reported and copied."""
    result = plan_of([model()], [replica()], targets={"east": []})
    assert [one.action for one in result.decisions] == [Action.COPY]
    assert [one.finding for one in result.findings] == ["missing"]
    assert [one.state for one in result.marks] == [ReplicaState.MISSING]


def test_loss_of_last_copy() -> None:
    """The loss of the last copy of a deleted model is reported."""
    result = plan_of([model("m2")], [replica("m1")], targets={"east": []})
    assert [(one.finding, one.model_id) for one in result.findings] == [("missing", "m1")]


def test_replica_is_not_taken_for_missing() -> None:
    """A replica is not taken for missing because its version is not configured any more."""
    result = plan_of([model()], [replica(target="old")], targets={"old": []})
    assert result.marks == ()


def test_restored_model_deleted_again_is_missing() -> None:
    """What was brought back to the source and deleted there again is not named any more."""
    restored = replica(target="west")
    assert [one.state for one in plan_of([model("m2")], [restored]).marks] == [ReplicaState.MISSING]
    assert plan_of([model("m1")], [restored]).marks == ()


def test_model_that_is_trained_and_not_in_target() -> None:
    """A model that is trained and not in the target after the promised hours is reported."""
    late = plan_of([model(trained=2)], [replica()], rpoHours=24)
    assert [one.finding for one in late.findings] == ["rpoBreached"]
    assert plan_of([model(trained=1)], [replica()], rpoHours=24).findings == ()
    assert plan_of([model(trained=2)], [replica()]).findings == ()
    recent = replace(model(), modified=(NOW - timedelta(hours=23)).isoformat())
    assert plan_of([recent], rpoHours=24).findings == ()


@pytest.mark.parametrize(("days", "found"), [(29, ["expiresSoon"]), (31, [])])
def test_a_replica_that_expires_soon_is_reported(days: int, found: list[str]) -> None:
    result = plan_of([model()], [replica(expires_at=NOW + timedelta(days=days))])
    assert [one.finding for one in result.findings] == found


def test_globs_choose_models_and_leave_replicas() -> None:
    """Globs choose models and leave the replicas of others alone."""
    result = plan_of(
        [model("inv-1"), model("inv-test"), model("other")],
        [replica("other", orphaned_at=days_ago(99)), replica("inv-1")],
        include=["inv-*"],
        exclude=["*-test"],
        **REMOVING,
    )
    assert [one.model_id for one in result.decisions] == ["inv-1"]
    assert result.marks == ()


def test_only_replacement_recreates() -> None:
    """Only a replacement recreates and only where asked for."""
    (retrained,) = plan_of([model(trained=2)], [replica()]).decisions
    (new,) = plan_of([model()]).decisions
    assert recreates(facts_of(onChange="recreate"), retrained)
    assert not recreates(facts_of(onChange="recreate"), new)
    assert not recreates(facts_of(), retrained)


def test_rotating_check_reads_every_replica() -> None:
    """A rotating check reads every replica once in thirty days."""
    models = [model(f"m{number}") for number in range(100)]
    gone = [replica("gone", orphaned_at=days_ago(1))]
    replicas = [replica(one.model_id) for one in models] + gone
    read: Counter[str] = Counter()
    sizes = []
    for day in range(30):
        checks = plan_of(models, replicas, now=NOW + timedelta(days=day), deepCheck="rotating").deep_checks
        read.update(one.target_model_id for one in checks)
        sizes.append(len(checks))
    assert read == Counter([one.target_model_id for one in replicas])
    assert max(sizes) < 15, "spread over the nights"


def test_full_check_reads_what_is_there() -> None:
    """A full check reads what is there and nothing that is copied anyway."""
    source = [model("m1"), model("m2", trained=2), model("m3")]
    result = plan_of(source, [replica("m1"), replica("m2")], deepCheck="all")
    assert [one.model_id for one in result.deep_checks] == ["m1"]


def test_two_plans_that_do_same_have_one_hash() -> None:
    """Two plans that do the same have one hash and others do not."""
    source = [model("m1"), model("m2")]
    assert plan_of(source).hash() == plan_of(list(reversed(source))).hash()
    assert plan_of(source).hash() != plan_of(source[:1]).hash()
    assert plan_of([model(trained=1)]).hash() != plan_of([model(trained=2)]).hash()


# -- properties

MANY = settings(max_examples=100, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])

IDS = ("m1", "m2", "m3", "m4")
TARGETS = ("east", "north")
moments = st.integers(0, 60).map(days_ago)


@st.composite
def summaries(draw: st.DrawFn) -> ModelSummary:
    return model(
        draw(st.sampled_from(IDS)),
        draw(st.sampled_from(Kind)),
        draw(st.integers(1, 3)),
        state=draw(st.sampled_from([ModelState.READY] * 5 + [ModelState.CREATING])),
        api_version=draw(st.sampled_from([V4, V4, V3, None])),
        expires=draw(st.sampled_from([None, None, days_ago(1), NOW + timedelta(days=5)])),
        classifier_id=draw(st.sampled_from([None, None, None, "m1"])),
    )


@st.composite
def replica_sets(draw: st.DrawFn) -> list[Replica]:
    found: dict[tuple[str, Kind, str], Replica] = {}
    for _ in range(draw(st.integers(0, 8))):
        model_id, kind = draw(st.sampled_from(IDS)), draw(st.sampled_from(Kind))
        state = draw(st.sampled_from([ReplicaState.READY] * 4 + list(ReplicaState)))
        one = replica(
            model_id,
            draw(st.sampled_from([*TARGETS, *TARGETS, "west"])),
            draw(st.integers(1, 3)),
            kind=kind,
            target_model_id=draw(st.sampled_from(fallback_ids(model_id, 3))),
            state=state,
            verified_at=draw(moments),
            retired_at=draw(moments) if state is ReplicaState.RETIRING else None,
            orphaned_at=draw(st.none() | moments),
            components=draw(st.sampled_from([[], [], [ComponentRef(kind=Kind.MODEL, model_id="m1")]])),
        )
        found[one.target, one.kind, one.target_model_id] = one
    return list(found.values())


@st.composite
def inputs(draw: st.DrawFn) -> PlanFacts:
    replicas = draw(replica_sets())
    held: dict[str, Listing | None] = {}
    for target in TARGETS:
        there = [
            model(one.target_model_id, one.kind, expires=draw(st.sampled_from([None, None, None, days_ago(1)])))
            for one in replicas
            if one.target == target and draw(st.integers(0, 4))
        ]
        strangers = draw(st.lists(summaries(), max_size=2))
        held[target] = Listing.of([*strangers, *there]) if draw(st.integers(0, 7)) else None
    return PlanFacts(
        plan=policy(
            TARGETS,
            kinds=draw(st.sampled_from([("model",), ("model", "classifier")])),
            exclude=draw(st.sampled_from([(), ("m4",)])),
            onChange=str(draw(st.sampled_from(OnChange))),
            retention={
                "deleteRemoved": draw(st.booleans()),
                "graceDays": draw(st.sampled_from([0, 30])),
                "maxDeletePercent": draw(st.sampled_from([0, 10, 50, 100])),
            },
            deepCheck=str(draw(st.sampled_from(DeepCheck))),
        ),
        resources=RESOURCES,
        source=Listing.of(draw(st.lists(summaries(), min_size=1, max_size=6))),
        targets=held,
        all_replicas=replicas,
        now=NOW,
    )


def standing(facts: PlanFacts, target: str, kind: Kind, model_id: str) -> Replica | None:
    """Return the replica in use, by the definition: ready, and verified last."""
    ready = [
        one
        for one in facts.all_replicas
        if (one.target, one.kind, one.model_id, one.state) == (target, kind, model_id, ReplicaState.READY)
    ]
    return max(ready, key=lambda one: (one.verified_at, one.target_model_id), default=None)


def shows(facts: PlanFacts, one: Replica) -> bool:
    """Tell whether the target shows a usable model under a replica's id."""
    listing = facts.targets[one.target]
    seen = listing.models.get((one.kind, one.target_model_id)) if listing else None
    return seen is not None and seen.state is ModelState.READY and (seen.expires is None or seen.expires > facts.now)


def is_a_part(facts: PlanFacts, about: Decision | Replica) -> bool:
    """Tell whether a composed model in the target refers to a model."""
    part = ComponentRef(kind=about.kind, model_id=about.model_id)
    return any(
        one.target == about.target and one.state is ReplicaState.READY and part in one.components
        for one in facts.all_replicas
    )


def in_scope(facts: PlanFacts) -> set[tuple[Kind, str]]:
    return {key for key in facts.source.models if key[0] in facts.plan.kinds and key[1] not in facts.plan.exclude}


@MANY
@given(inputs())
def test_there_is_one_decision_for_every_model_and_target(facts: PlanFacts) -> None:
    decided = Counter((one.target, one.kind, one.model_id) for one in plan_backup(facts).decisions)
    assert set(decided.values()) <= {1}
    assert {key for key in decided if key[1:] in in_scope(facts)} == {
        (target, *key) for target in TARGETS for key in in_scope(facts)
    }
    orphans = {
        (one.target, one.kind, one.model_id)
        for one in facts.all_replicas
        if one.target in TARGETS
        and one.kind in facts.plan.kinds
        and one.model_id not in facts.plan.exclude
        and one.state in {ReplicaState.READY, ReplicaState.RETIRING}
        and (one.kind, one.model_id) not in facts.source.models
    }
    assert {key for key in decided if key[1:] not in in_scope(facts)} == orphans


@MANY
@given(inputs())
def test_nothing_unchanged_is_copied(facts: PlanFacts) -> None:
    """Nothing unchanged is copied and nothing changed is skipped."""
    for decision in plan_backup(facts).decisions:
        summary = facts.source.models.get((decision.kind, decision.model_id))
        if summary is None or facts.targets[decision.target] is None:
            continue
        used = standing(facts, decision.target, decision.kind, decision.model_id)
        unchanged = used is not None and shows(facts, used) and used.fingerprint == summary.fingerprint()
        if decision.reason is Reason.OWN_ID_NEEDED:
            assert unchanged, decision
            assert used is not None
            assert used.target_model_id != decision.model_id
            assert is_a_part(facts, decision)
        else:
            assert (decision.action is Action.SKIP) == unchanged, decision


@MANY
@given(inputs())
def test_nothing_is_deleted_without_its_guard(facts: PlanFacts) -> None:
    result, retention = plan_backup(facts), facts.plan.retention
    known = {(one.target, one.kind, one.target_model_id): one for one in facts.all_replicas}
    deleted = [one for one in result.decisions if one.action is Action.DELETE]
    for decision in deleted:
        assert retention.delete_removed
        assert (decision.kind, decision.model_id) not in facts.source.models
        assert facts.targets[decision.target] is not None
        assert decision.target_model_id is not None
        since = known[decision.target, decision.kind, decision.target_model_id].orphaned_at or facts.now
        assert facts.now - since >= timedelta(days=retention.grace_days)
    for target in TARGETS:
        kept = {
            (one.kind, one.model_id)
            for one in facts.all_replicas
            if one.target == target
            and one.kind in facts.plan.kinds
            and one.model_id not in facts.plan.exclude
            and one.state in {ReplicaState.READY, ReplicaState.RETIRING}
        }
        count = sum(one.target == target for one in deleted)
        assert count * 100 <= retention.max_delete_percent * len(kept)
    gone = {(one.target, one.kind, one.model_id) for one in deleted}
    for removal in result.removals:
        one = known[removal.target, removal.kind, removal.target_model_id]
        newer = standing(facts, one.target, one.kind, one.model_id)
        is_outdone = (
            one.state is ReplicaState.RETIRING
            and one.retired_at is not None
            and facts.now - one.retired_at >= timedelta(hours=24)
            and newer is not None
            and shows(facts, newer)
        )
        is_older = one.state is ReplicaState.RETIRING or one is not newer
        goes_along = is_older and (one.target, one.kind, one.model_id) in gone
        assert one.state is ReplicaState.DELETING or is_outdone or goes_along


@MANY
@given(inputs())
def test_a_run_to_the_end_leaves_nothing_to_do(facts: PlanFacts) -> None:
    first = plan_backup(facts)
    after = carried_out(facts, first)
    again = plan_backup(after)
    made = {
        (one.target, one.kind, one.model_id) for one in first.decisions if one.action in {Action.COPY, Action.REPLACE}
    }
    for one in again.decisions:
        # a part that was copied beside an older one takes its place with the run after that
        moves = one.reason is Reason.OWN_ID_NEEDED and (one.target, one.kind, one.model_id) in made
        assert moves or one.action not in {Action.COPY, Action.REPLACE}, one
    # copies of this run may let go what they stand in for: a replaced copy, or one of so few that the guard kept it
    copied_to = {one.target for one in first.decisions if one.action in {Action.COPY, Action.REPLACE}}
    assert {one.target for one in again.removals} <= copied_to
    # a part stays one night longer than the composed copy that was found missing
    missing = {mark.target for mark in first.marks if mark.state is ReplicaState.MISSING}
    assert {one.target for one in again.decisions if one.action is Action.DELETE} <= copied_to | missing
    last = plan_backup(carried_out(after, again))
    assert [one for one in last.decisions if one.action in {Action.COPY, Action.REPLACE, Action.DELETE}] == []
    assert (last.removals, last.marks) == ((), ())
    for decision in again.decisions:
        if decision.action is Action.SKIP:
            used = standing(after, decision.target, decision.kind, decision.model_id)
            assert used is not None
            assert shows(after, used)


@MANY
@given(inputs())
def test_day_later_replaced_copies_go(facts: PlanFacts) -> None:
    """A day later replaced copies go and then there is nothing to do for ever."""
    day_later = replace(carried_out(facts, plan_backup(facts)), now=NOW + timedelta(hours=25))
    done = carried_out(day_later, plan_backup(day_later))
    last = plan_backup(done)
    assert last.removals == ()
    for one in done.all_replicas:
        newer = standing(done, one.target, one.kind, one.model_id) if one.target in TARGETS else None
        is_ours = one.kind in done.plan.kinds and one.model_id not in done.plan.exclude
        was_in_use = one.retired_at == day_later.now
        if one.target_model_id == one.model_id and is_a_part(done, one):
            # a composed model looks for it there, and what would take its place cannot be copied now
            continue
        if (
            one.state is ReplicaState.RETIRING
            and newer is not None
            and shows(done, newer)
            and is_ours
            and not was_in_use
            and facts.plan.on_change is not OnChange.VERSION
        ):
            listing = done.targets[one.target]
            assert listing is None or (one.kind, one.target_model_id) not in listing.models


def carried_out(facts: PlanFacts, result: BackupPlan) -> PlanFacts:
    """Return what there is after all decisions were carried out, as activities would."""
    known = {(one.target, one.kind, one.target_model_id): one for one in facts.all_replicas}
    held = {name: dict(listing.models) if listing else None for name, listing in facts.targets.items()}
    for mark in result.marks:
        known[mark.target, mark.kind, mark.target_model_id] = mark

    def delete(target: str, kind: Kind, target_model_id: str) -> None:
        listing = held[target]
        assert listing is not None
        listing.pop((kind, target_model_id), None)
        one = known[target, kind, target_model_id]
        known[target, kind, target_model_id] = one.model_copy(update={"state": ReplicaState.MISSING})

    for removal in result.removals:
        delete(removal.target, removal.kind, removal.target_model_id)
    for decision in result.decisions:
        if decision.action is Action.DELETE and decision.target_model_id is not None:
            delete(decision.target, decision.kind, decision.target_model_id)
        if decision.action in {Action.COPY, Action.REPLACE}:
            copied(facts, decision, known, held)
    targets = {name: None if models is None else Listing(models) for name, models in held.items()}
    return replace(facts, targets=targets, all_replicas=list(known.values()))


def copied(
    facts: PlanFacts,
    decision: Decision,
    known: dict[tuple[str, Kind, str], Replica],
    held: dict[str, dict[tuple[Kind, str], ModelSummary] | None],
) -> None:
    listing, kind = held[decision.target], decision.kind
    assert listing is not None
    summary = facts.source.models[kind, decision.model_id]
    if recreates(facts, decision) and decision.target_model_id is not None:
        listing.pop((kind, decision.target_model_id), None)
        old = known[decision.target, kind, decision.target_model_id]
        known[decision.target, kind, decision.target_model_id] = old.model_copy(update={"state": ReplicaState.MISSING})
    free = next(one for one in fallback_ids(decision.model_id, 9) if (kind, one) not in listing)
    listing[kind, free] = replace(summary, model_id=free)
    for key, one in known.items():
        is_older = (one.target, one.kind, one.model_id) == (decision.target, kind, decision.model_id)
        if is_older and one.state is ReplicaState.READY:
            known[key] = one.model_copy(update={"state": ReplicaState.RETIRING, "retired_at": facts.now})
    known[decision.target, kind, free] = replica(
        decision.model_id,
        decision.target,
        kind=kind,
        target_model_id=free,
        fingerprint=summary.fingerprint(),
        verified_at=facts.now,
        expires_at=summary.expires,
    )
