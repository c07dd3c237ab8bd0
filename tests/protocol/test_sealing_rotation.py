"""Rotating the sealing keys while copies are under way: in the right order no copy waits, in another order nothing is lost."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from cryptography.fernet import Fernet

from backup.states import ClaimState
from local.host import ManualClock
from local.inprocess import SOURCE
from wiring.sealing import Sealer

from .another_user import Once
from .conftest import Open, ProtocolStage

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))

ROTATION = ([OLD], [OLD, NEW], [NEW, OLD], [NEW])
"""What the setting holds, phase by phase."""

PATIENT = {"deadlineMinutes": 120}


class TwoWorkers(Sealer):
    """The sealer of an app with two workers: authorizations are sealed by one and opened by the other."""

    def __init__(self, sealing: list[str], opening: list[str]) -> None:
        super().__init__(sealing)
        self.opening = Sealer(opening)

    def open(self, sealed: str, purpose: str) -> object:
        """Open as the other worker does."""
        return self.opening.open(sealed, purpose)


@pytest.fixture
def stage(open_stage: Open) -> ProtocolStage:
    """A stage whose copies may take longer than the app waits for a key."""
    return open_stage(copies=PATIENT)


def with_workers(stage: ProtocolStage, sealing: list[str], opening: list[str]) -> TwoWorkers:
    workers = TwoWorkers(sealing, opening)
    stage.services.sealer = workers
    return workers


def seconds(copy: dict[str, Any]) -> float:
    """Return how long a copy took."""
    begun, ended = (datetime.fromisoformat(copy[name]) for name in ("startedAt", "endedAt"))
    return (ended - begun).total_seconds()


PHASES = [
    pytest.param(sealing, opening, id=f"sealed in phase {first}, opened in phase {second}")
    for first, sealing in enumerate(ROTATION)
    for second, opening in enumerate(ROTATION)
    if abs(first - second) <= 1
]


@pytest.mark.parametrize(("sealing", "opening"), PHASES)
@pytest.mark.parametrize("subject", ["v2", "v4"], indirect=True)
def test_no_copy_waits_between_two_phases(stage: ProtocolStage, sealing: list[str], opening: list[str]) -> None:
    with_workers(stage, sealing, opening)
    copy = stage.copy_one(stage.put())
    assert copy["status"] == "Succeeded"
    assert seconds(copy) < 20
    assert (stage.asked("authorizeCopy"), stage.asked("startCopy")) == (1, 1)


def test_a_worker_without_the_key_waits_for_it(stage: ProtocolStage) -> None:
    workers = with_workers(stage, [NEW, OLD], [OLD])
    model_id = stage.put()
    run_id = stage.begin(model_id)
    stage.let_pass(300)
    assert stage.claim(model_id).state is ClaimState.AUTHORIZED
    assert stage.asked("startCopy") == 0
    workers.opening = Sealer([NEW, OLD])
    stage.host.run_until_idle()
    copy = stage.ended(run_id)
    assert copy["status"] == "Succeeded"
    assert 300 <= seconds(copy) < 400
    assert (stage.asked("authorizeCopy"), stage.asked("startCopy")) == (1, 1)
    assert stage.deleted_ids() == []


def test_a_copy_says_what_it_waits_for(stage: ProtocolStage) -> None:
    with_workers(stage, [NEW, OLD], [OLD])
    model_id = stage.put()
    stage.begin(model_id)
    stage.let_pass(60)
    status = stage.host.status(stage.claim(model_id).owner).custom_status
    shown = json.loads(status) if isinstance(status, str) else status
    assert (shown["step"], shown["code"]) == ("startCopy", "SealingKeyUnknown")


def test_after_ten_minutes_the_copy_ends(stage: ProtocolStage) -> None:
    """Its placeholder is removed."""
    with_workers(stage, [NEW, OLD], [OLD])
    model_id = stage.put()
    copy = stage.copy_one(model_id)
    assert (copy["status"], copy["code"]) == ("Failed", "SealingKeyUnknown")
    assert 600 <= seconds(copy) < 720
    assert stage.asked("startCopy") == 0
    assert len(stage.deleted_ids()) == 1
    assert stage.held() == []
    assert stage.claim(model_id).state is ClaimState.RELEASED


def test_the_next_request_makes_the_copy(stage: ProtocolStage) -> None:
    workers = with_workers(stage, [NEW, OLD], [OLD])
    model_id = stage.put()
    assert stage.copy_one(model_id)["code"] == "SealingKeyUnknown"
    workers.opening = Sealer([NEW, OLD])
    assert stage.copy_one(model_id)["status"] == "Succeeded"
    assert len(stage.held()) == 1


def test_a_key_that_was_dropped_too_early_is_restored(stage: ProtocolStage) -> None:
    """Sealed before the rotation, while all workers know the new key only."""
    workers = with_workers(stage, [OLD], [NEW])
    model_id = stage.put()
    run_id = stage.begin(model_id)
    stage.let_pass(120)
    assert stage.asked("startCopy") == 0
    workers.opening = Sealer([NEW, OLD])
    stage.host.run_until_idle()
    assert stage.ended(run_id)["status"] == "Succeeded"
    assert stage.asked("authorizeCopy") == 1


def test_a_copy_under_way_needs_no_key(stage: ProtocolStage) -> None:
    workers = with_workers(stage, [OLD], [OLD])
    started = Once(stage, f"{SOURCE}:start_copy", "after", lambda: setattr(workers, "opening", Sealer([NEW])))
    copy = stage.copy_one(stage.put())
    assert started.happened
    assert copy["status"] == "Succeeded"
    assert seconds(copy) < 20


def test_an_expired_authorization_needs_no_key(stage: ProtocolStage) -> None:
    """Left with its authorization, and found days later, when the key that it was sealed with is gone for good."""
    with_workers(stage, [OLD], [OLD])
    model_id = stage.put()
    stage.source.inject(stage.subject.operation("startCopy"), "status", status=429, headers={"Retry-After": "600"})
    stage.begin(model_id)
    stage.let_pass(30)
    stage.host.terminate(stage.claim(model_id).owner, "it died")
    stage.host.run_until_idle()
    assert stage.claim(model_id).state is ClaimState.AUTHORIZED
    assert isinstance(stage.clock, ManualClock)
    stage.clock.advance(3 * 86400)
    with_workers(stage, [NEW], [NEW])
    copy = stage.copy_one(model_id)
    assert copy["status"] == "Succeeded"
    assert seconds(copy) < 20
    assert stage.asked("authorizeCopy") == 2
    assert len(stage.held()) == 1
