"""The claim protocol as a model: owners, crashes, phantoms, lost answers and ended leases in any order, and what must hold then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from backup.states import ClaimState, CopyStatus, ReplicaState
from form_recognizer import NoAnswer
from local.inprocess import SOURCE
from wiring.services import use

from .conftest import SUBJECTS, Subject
from .small_world import Died, Owner, Service, World, hours_pass

MOST_OWNERS = 6
OWNERS_A_MODEL = 2
MOST_STEPS = 400
"""More than any copy takes; a copy that is not done by then is stuck."""

CALLS = ("authorize_copy", "start_copy", "get_copy", "get_model", "delete_model", "list_models", "find_copy")
AT_A_CALL = st.tuples(
    st.sampled_from([f"{call} {moment}" for call in CALLS for moment in ("before", "after")]), st.just(1)
)
AT_A_WRITE = st.tuples(st.sampled_from(["store before", "store after"]), st.integers(1, 12))
POINTS = AT_A_CALL | AT_A_WRITE
Point = tuple[str, int]

STEPS_TO_A_POINT = 8
"""How many steps an owner takes at most until it reaches the point at which it is interrupted."""
OWNERS = st.integers(0, MOST_OWNERS - 1)


class Protocol(RuleBasedStateMachine):
    """Everything that may happen to one copy."""

    service: ClassVar[Service]
    subject: ClassVar[Subject]
    inserts_blindly: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.service, self.subject, inserts_blindly=self.inserts_blindly)

    @property
    def busy(self) -> list[Owner]:
        """Owners that have not ended."""
        return [owner for owner in self.world.owners if owner.outcome is None]

    def pick(self, number: int) -> Owner:
        """Return one of the owners that have not ended. If all have ended, check the result, and begin with another model."""
        if not self.busy and len(self.world.owners) >= OWNERS_A_MODEL:
            self.everything_is_in_order()
            self.world.another_model()
        return self.busy[number % len(self.busy)] if self.busy else self.world.new_owner()

    @precondition(lambda self: len(self.world.owners) < MOST_OWNERS)
    @rule()
    def another_run_asks_for_the_copy(self) -> None:
        self.world.new_owner()

    @precondition(lambda self: len(self.world.owners) < MOST_OWNERS - 1)
    @rule(number=st.integers(1, 6))
    def two_runs_ask_at_the_same_moment(self, number: int) -> None:
        slow, quick = self.world.new_owner(), self.world.new_owner()
        self.interrupted(slow, ("store before", number), quick.step)

    @rule(number=OWNERS, steps=st.integers(1, 4))
    def an_owner_takes_steps(self, number: int, steps: int) -> None:
        owner = self.pick(number)
        for _ in range(steps):
            if owner.outcome is None:
                owner.step()

    @rule(number=OWNERS, point=POINTS)
    def its_worker_dies(self, number: int, point: Point) -> None:
        """Before or after an effect. The platform delivers the call again when the owner takes its next step."""

        def die() -> None:
            raise Died

        self.interrupted(self.pick(number), point, die)

    @rule(number=OWNERS, point=AT_A_CALL)
    def an_answer_is_lost(self, number: int, point: Point) -> None:
        def lose() -> None:
            raise NoAnswer("the connection was cut", resource=SOURCE)

        self.interrupted(self.pick(number), point, lose)

    @rule(number=OWNERS, point=POINTS, times=st.integers(1, 2))
    def a_step_is_delivered_twice_at_once(self, number: int, point: Point, times: int) -> None:
        owner = self.pick(number)

        def meanwhile() -> None:
            for _ in range(times):
                owner.repeat()

        self.interrupted(owner, point, meanwhile)

    @rule(number=OWNERS, point=POINTS, leases_end=st.booleans(), steps=st.integers(1, 20))
    def a_slow_owner_is_overtaken(self, number: int, point: Point, leases_end: bool, steps: int) -> None:
        """Between two lines of its step: perhaps so long that the other owner takes the copy over."""
        slow = self.pick(number)
        others = [owner for owner in self.busy if owner is not slow]
        quick = others[0] if others else self.world.new_owner()

        def meanwhile() -> None:
            if leases_end:
                hours_pass(self.world)
            for _ in range(steps):
                if quick.outcome is None:
                    quick.step()

        self.interrupted(slow, point, meanwhile)

    @rule(number=OWNERS, point=AT_A_CALL, which=st.integers(0, 1), is_lost=st.booleans())
    def another_user_takes_an_id_during_a_call(self, number: int, point: Point, which: int, is_lost: bool) -> None:
        def meanwhile() -> None:
            self.world.another_user_takes(self.world.ids_to_take(2)[which], is_ready=False)
            if is_lost:
                raise NoAnswer("the connection was cut", resource=SOURCE)

        self.interrupted(self.pick(number), point, meanwhile)

    @rule(number=OWNERS)
    def a_result_gets_lost(self, number: int) -> None:
        self.pick(number).repeat()

    @precondition(lambda self: self.world.calls)
    @rule(data=st.data())
    def a_phantom_runs(self, data: st.DataObject) -> None:
        name, text = data.draw(st.sampled_from(self.world.calls))
        self.world.call(name, text)

    @rule()
    def leases_end(self) -> None:
        hours_pass(self.world)

    @rule(which=st.integers(0, 1), is_ready=st.booleans())
    def another_user_takes_an_id(self, which: int, is_ready: bool) -> None:
        self.world.another_user_takes(self.world.ids_to_take(2)[which], is_ready=is_ready)

    def interrupted(self, owner: Owner, point: Point, action: Callable[[], None]) -> None:
        """Let an owner take steps up to a point, and call ``action`` there, in the middle of its step."""
        self.world.points.arm(*point, action)
        try:
            for _ in range(STEPS_TO_A_POINT):
                if owner.outcome is None and self.world.points.is_armed:
                    owner.step()
        except Died:
            pass
        finally:
            self.world.points.disarm()

    @invariant()
    def no_live_claim_is_taken(self) -> None:
        assert self.world.stolen == []

    @invariant()
    def models_of_other_users_are_untouched(self) -> None:
        held = self.world.held()
        for model_id, model in self.world.others.items():
            assert held.get(model_id) == model, f"{model_id} belongs to another user"

    @invariant()
    def only_authorized_ids_are_deleted(self) -> None:
        target, operation = self.world.target, self.subject.operation
        granted = {
            entry.model_id for entry in target.requests(operation("authorizeCopy")) if entry.status in (200, 201)
        }
        assert {entry.model_id for entry in target.requests(operation("deleteModel"))} <= granted

    @invariant()
    def the_catalog_names_one_good_copy(self) -> None:
        replicas = self.world.services.catalog.replicas.of_model(SOURCE, self.subject.kind, self.world.model_id)
        ready = [stored.record.target_model_id for stored in replicas if stored.record.state is ReplicaState.READY]
        assert len(ready) <= 1
        assert set(ready) <= set(self.world.copies())

    @invariant()
    def no_authorization_is_used_twice(self) -> None:
        """The service would accept the second start and fail it later (recorded)."""
        starts = self.world.source.requests(self.subject.operation("startCopy"))
        accepted = [entry for entry in starts if entry.status == 202]
        assert len(accepted) <= len(self.granted()), "a start was made twice"

    def granted(self) -> list[str | None]:
        """Return the ids that the target authorized for the app."""
        entries = self.world.target.requests(self.subject.operation("authorizeCopy"))
        return [entry.model_id for entry in entries if entry.status in (200, 201)]

    def teardown(self) -> None:
        try:
            self.everything_is_in_order()
        finally:
            use(None)

    def everything_is_in_order(self) -> None:
        """Check that after the leases have ended, the next owner makes the copy, and nothing is left behind."""
        self.fresh_owner_succeeds()
        self.the_catalog_names_one_good_copy()
        self.models_of_other_users_are_untouched()
        self.only_authorized_ids_are_deleted()
        held = self.world.held()
        left = {model_id for model_id in held if model_id not in self.world.others and not held[model_id].copy_of}
        assert left <= self.world.known(), "the target holds something that the catalog does not name"
        assert len(self.world.copies()) == 1, "there is one ready copy"

    def fresh_owner_succeeds(self) -> None:
        world = self.world
        hours_pass(world)
        owner = world.new_owner()
        for _ in range(MOST_STEPS):
            if owner.outcome is None:
                owner.step()
        assert owner.outcome is not None, f"the copy is stuck in {owner.waits_for}"
        assert owner.outcome.status is CopyStatus.SUCCEEDED, owner.outcome
        held = world.services.catalog.claims.get(self.subject.target, self.subject.kind, SOURCE, world.model_id)
        assert held is not None
        assert held.record.state is ClaimState.RELEASED, "no claim is left behind"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    made = Service()
    with made.simulator:
        yield made


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )


@pytest.mark.parametrize("name", ["v2", "v4"])
def test_no_order_of_events_breaks_the_protocol(service: Service, name: str) -> None:
    """Nothing is lost, made twice, or deleted that belongs to another user."""

    class Machine(Protocol):
        pass

    Machine.service, Machine.subject = service, SUBJECTS[name]
    run_state_machine_as_test(Machine, settings=bounded(60))


def test_an_insert_without_compare_and_swap_is_found(service: Service) -> None:
    """The model notices this planted defect."""

    class Machine(Protocol):
        inserts_blindly = True

    Machine.service, Machine.subject = service, SUBJECTS["v2"]
    with pytest.raises(AssertionError, match=r"the claim of|there is one ready copy"):
        run_state_machine_as_test(Machine, settings=settings(bounded(200), phases=[Phase.generate]))
