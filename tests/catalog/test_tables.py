"""Claims, replicas, slots, target ids, suspects and reachability over a store."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from backup.claim import Claim, new_claim
from backup.document_models import Kind
from backup.messages.copy import CopyOrder
from backup.records import Replica, Suspect
from backup.states import ReplicaState
from catalog.catalog import Catalog
from catalog.store import RowChanged, RowExists, Store

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def catalog(store: Store) -> Catalog:
    return Catalog(store)


def claim(model_id: str = "invoices", target: str = "north", owner: str = "me", kind: Kind = Kind.MODEL) -> Claim:
    order = CopyOrder(
        run_id="run-1",
        row=0,
        source="west",
        target=target,
        kind=kind,
        model_id=model_id,
        deadline_seconds=7200,
        patience_seconds=300,
    )
    return new_claim(order, model_id, owner, NOW, None)


def replica(model_id: str = "invoices", target: str = "north", target_model_id: str = "t-1") -> Replica:
    return Replica(
        source="west",
        kind=Kind.MODEL,
        model_id=model_id,
        target=target,
        target_model_id=target_model_id,
        api_version="v2.1",
        fingerprint="f",
        digest="d",
        state=ReplicaState.READY,
        verified_at=NOW,
        run_id="run-1",
    )


def test_a_copy_is_claimed_by_one_owner(catalog: Catalog) -> None:
    catalog.claims.insert(claim())
    with pytest.raises(RowExists):
        catalog.claims.insert(claim(owner="another"))
    held = catalog.claims.get("north", Kind.MODEL, "west", "invoices")
    assert held is not None
    assert held.record == claim()


def test_a_model_and_a_classifier_have_separate_claims(catalog: Catalog) -> None:
    """They have the same id."""
    catalog.claims.insert(claim())
    catalog.claims.insert(claim(kind=Kind.CLASSIFIER))
    assert catalog.claims.get("south", Kind.MODEL, "west", "invoices") is None


def test_the_first_of_two_readers_changes_a_claim(catalog: Catalog) -> None:
    held = catalog.claims.insert(claim())
    catalog.claims.save(held, claim(owner="first"))
    with pytest.raises(RowChanged):
        catalog.claims.save(held, claim(owner="second"))


def test_claims_are_listed_by_target(catalog: Catalog) -> None:
    for number in range(5):
        catalog.claims.insert(claim(f"model-{number}"))
    catalog.claims.insert(claim(target="north2"))
    assert [held.model_id for held in catalog.claims.of_target("north")] == [f"model-{number}" for number in range(5)]


def test_a_model_has_its_replicas_and_no_others(catalog: Catalog) -> None:
    for each in (
        replica(),
        replica(target="east"),
        replica(target_model_id="t-2"),
        replica("invoices2"),
        replica(target="north2"),
    ):
        catalog.replicas.put(each, None)
    everywhere = catalog.replicas.of_model("west", Kind.MODEL, "invoices")
    assert [(stored.record.target, stored.record.target_model_id) for stored in everywhere] == [
        ("east", "t-1"),
        ("north2", "t-1"),
        ("north", "t-1"),
        ("north", "t-2"),
    ]
    north = catalog.replicas.of_model("west", Kind.MODEL, "invoices", "north")
    assert [stored.record.target_model_id for stored in north] == ["t-1", "t-2"]
    assert len(list(catalog.replicas.all())) == 5


def test_only_a_replica_that_was_read_is_replaced(catalog: Catalog) -> None:
    catalog.replicas.put(replica(), None)
    with pytest.raises(RowExists):
        catalog.replicas.put(replica(), None)
    stored = catalog.replicas.get("west", Kind.MODEL, "invoices", "north", "t-1")
    assert stored is not None
    catalog.replicas.put(replica().replace(state=ReplicaState.MISSING), stored)
    with pytest.raises(RowChanged):
        catalog.replicas.put(replica(), stored)


def test_slots_are_an_interval_apart_and_not_past(catalog: Catalog) -> None:
    slots = [catalog.slots.reserve("west", "copy", 60.0, NOW) for _ in range(3)]
    assert slots == [NOW, NOW + timedelta(seconds=60), NOW + timedelta(seconds=120)]
    later = NOW + timedelta(hours=1)
    assert catalog.slots.reserve("west", "copy", 60.0, later) == later


def test_each_resource_and_operation_has_its_own_slots(catalog: Catalog) -> None:
    catalog.slots.reserve("west", "copy", 60.0, NOW)
    assert catalog.slots.reserve("east", "copy", 60.0, NOW) == NOW
    assert catalog.slots.reserve("west", "list", 60.0, NOW) == NOW


def test_workers_that_ask_at_once_get_different_slots(catalog: Catalog) -> None:
    slots: list[datetime] = []
    workers = [
        threading.Thread(
            target=lambda: slots.extend(catalog.slots.reserve("west", "copy", 60.0, NOW) for _ in range(10))
        )
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(slots) == [NOW + timedelta(minutes=number) for number in range(40)]


def test_an_id_is_reserved_for_one_copy(catalog: Catalog) -> None:
    """The same copy may reserve it again."""
    reserve = catalog.target_ids.reserve
    assert reserve("north", Kind.MODEL, "invoices", "west", "invoices")
    assert reserve("north", Kind.MODEL, "invoices", "west", "invoices")
    assert not reserve("north", Kind.MODEL, "invoices", "east", "invoices")
    assert reserve("north", Kind.CLASSIFIER, "invoices", "east", "invoices")
    assert reserve("south", Kind.MODEL, "invoices", "east", "invoices")


def test_a_burned_id_stays_burned(catalog: Catalog) -> None:
    catalog.target_ids.reserve("north", Kind.MODEL, "invoices", "west", "invoices")
    catalog.target_ids.burn("north", Kind.MODEL, "invoices")
    catalog.target_ids.burn("north", Kind.MODEL, "invoices")
    catalog.target_ids.burn("north", Kind.MODEL, "never-seen")
    assert not catalog.target_ids.reserve("north", Kind.MODEL, "invoices", "west", "invoices")


def test_a_suspect_is_new_once_and_can_be_forgotten(catalog: Catalog) -> None:
    suspect = Suspect(
        target="north", model_id="x", seen_at=NOW, run_id="run-1", source="west", source_model_id="invoices"
    )
    assert catalog.suspects.add(suspect)
    assert not catalog.suspects.add(suspect)
    assert catalog.suspects.of_target("north") == [suspect]
    assert catalog.suspects.of_target("south") == []
    catalog.suspects.forget("north", "x")
    catalog.suspects.forget("north", "x")
    assert catalog.suspects.of_target("north") == []


def test_reachability_is_written_when_it_changes(catalog: Catalog) -> None:
    """An unchanged state is written once a minute."""
    seen = catalog.reachability
    seen.note("west", "reachable", NOW)
    seen.note("west", "reachable", NOW + timedelta(seconds=30))
    assert seen.all() == {"west": {"state": "reachable", "at": NOW.isoformat(), "since": NOW.isoformat()}}
    seen.note("west", "Unreachable", NOW + timedelta(seconds=31))
    assert seen.all()["west"]["state"] == "Unreachable"
    seen.note("west", "Unreachable", NOW + timedelta(seconds=91), "it is refused")
    assert seen.all()["west"] == {
        "state": "Unreachable",
        "at": (NOW + timedelta(seconds=91)).isoformat(),
        "since": (NOW + timedelta(seconds=31)).isoformat(),
        "message": "it is refused",
    }


def test_call_that_is_answered_does_not_end_refusal(catalog: Catalog) -> None:
    """What only a probe finds, such as a key that is refused, stands until it is old; an outage ends with the first answer."""
    seen = catalog.reachability
    seen.note_probe("west", "AccessDenied", NOW, "wrong key", -3)
    seen.note("west", "reachable", NOW + timedelta(minutes=14))
    assert seen.all()["west"]["state"] == "AccessDenied"
    seen.note("west", "reachable", NOW + timedelta(minutes=16))
    assert seen.all()["west"]["state"] == "reachable"
    seen.note_probe("west", "NoAnswer", NOW + timedelta(minutes=17))
    seen.note("west", "reachable", NOW + timedelta(minutes=18))
    assert seen.all()["west"]["state"] == "reachable"


def test_change_is_announced_to_one_worker(catalog: Catalog) -> None:
    """Of several workers that see a resource go down, or come back, one announces it."""
    seen = catalog.reachability
    seen.note_probe("west", "reachable", NOW)
    assert seen.announce("west", is_working=True, now=NOW) is None
    down = NOW + timedelta(minutes=5)
    seen.note_probe("west", "Unreachable", down)
    assert [seen.announce("west", is_working=False, now=down) for _ in range(3)] == [down.isoformat(), None, None]
    up = NOW + timedelta(minutes=30)
    seen.note("west", "reachable", up)
    assert [seen.announce("west", is_working=True, now=up) for _ in range(3)] == [down.isoformat(), None, None]
