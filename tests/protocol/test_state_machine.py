"""The claim protocol as a model: owners, crashes, phantoms, lost answers and lapsed leases in any order, and what must hold then."""

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
"""An owner that is to be interrupted goes on until it comes to the point, so far at most."""
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
        """Return one of the owners that have not ended. Where all have, look at what came of it, and begin with another model."""
        if not self.busy and len(self.world.owners) >= OWNERS_A_MODEL:
            self.everything_is_in_order()
            self.world.another_model()
        return self.busy[number % len(self.busy)] if self.busy else self.world.new_owner()

    @precondition(lambda self: len(self.world.owners) < MOST_OWNERS)
    @rule()
    def somebody_asks_for_the_copy(self) -> None:
        self.world.new_owner()

    @precondition(lambda self: len(self.world.owners) < MOST_OWNERS - 1)
    @rule(number=st.integers(1, 6))
    def two_ask_for_the_copy_at_the_same_moment(self, number: int) -> None:
        slow, quick = self.world.new_owner(), self.world.new_owner()
        self.interrupted(slow, ("store before", number), quick.step)

    @rule(number=OWNERS, steps=st.integers(1, 4))
    def an_owner_goes_on(self, number: int, steps: int) -> None:
        owner = self.pick(number)
        for _ in range(steps):
            if owner.outcome is None:
                owner.step()

    @rule(number=OWNERS, point=POINTS)
    def its_worker_dies(self, number: int, point: Point) -> None:
        """Before or after an effect. The platform delivers the call again, when the owner goes on."""

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

    @rule(number=OWNERS, point=POINTS, lapse=st.booleans(), steps=st.integers(1, 20))
    def an_owner_is_slow_and_another_one_goes_on(self, number: int, point: Point, lapse: bool, steps: int) -> None:
        """Between two lines of this one's step: perhaps so long that the other one takes the copy over."""
        slow = self.pick(number)
        others = [owner for owner in self.busy if owner is not slow]
        quick = others[0] if others else self.world.new_owner()

        def meanwhile() -> None:
            if lapse:
                hours_pass(self.world)
            for _ in range(steps):
                if quick.outcome is None:
                    quick.step()

        self.interrupted(slow, point, meanwhile)

    @rule(number=OWNERS, point=AT_A_CALL, which=st.integers(0, 1), is_lost=st.booleans())
    def somebody_takes_an_id_while_we_ask_for_it(self, number: int, point: Point, which: int, is_lost: bool) -> None:
        def meanwhile() -> None:
            self.world.somebody_takes(self.world.ids_to_take(2)[which], is_ready=False)
            if is_lost:
                raise NoAnswer("the connection was cut", resource=SOURCE)

        self.interrupted(self.pick(number), point, meanwhile)

    @rule(number=OWNERS)
    def a_result_gets_lost(self, number: int) -> None:
        self.pick(number).repeat()

    @precondition(lambda self: self.world.calls)
    @rule(data=st.data())
    def a_step_comes_back_as_a_phantom(self, data: st.DataObject) -> None:
        name, text = data.draw(st.sampled_from(self.world.calls))
        self.world.call(name, text)

    @rule()
    def leases_lapse(self) -> None:
        hours_pass(self.world)

    @rule(which=st.integers(0, 1), is_ready=st.booleans())
    def somebody_takes_an_id_in_the_target(self, which: int, is_ready: bool) -> None:
        self.world.somebody_takes(self.world.ids_to_take(2)[which], is_ready=is_ready)

    def interrupted(self, owner: Owner, point: Point, action: Callable[[], None]) -> None:
        """Let an owner go on to a point, and let ``action`` happen there, in the middle of its step."""
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
    def nobody_takes_a_claim_that_is_held(self) -> None:
        assert self.world.stolen == []

    @invariant()
    def what_others_have_in_the_target_is_untouched(self) -> None:
        held = self.world.held()
        for model_id, model in self.world.theirs.items():
            assert held.get(model_id) == model, f"{model_id} belongs to somebody else"

    @invariant()
    def only_what_was_authorized_for_us_is_ever_deleted(self) -> None:
        target, operation = self.world.target, self.subject.operation
        granted = {
            entry.model_id for entry in target.requests(operation("authorizeCopy")) if entry.status in (200, 201)
        }
        assert {entry.model_id for entry in target.requests(operation("deleteModel"))} <= granted

    @invariant()
    def the_mapping_names_one_copy_and_that_one_is_good(self) -> None:
        replicas = self.world.services.catalog.replicas.of_model(SOURCE, self.subject.kind, self.world.model_id)
        ready = [one.record.target_model_id for one in replicas if one.record.state is ReplicaState.READY]
        assert len(ready) <= 1
        assert set(ready) <= set(self.world.copies())

    @invariant()
    def no_authorization_is_used_twice(self) -> None:
        """The service would accept it and fail it later (recorded); nothing here makes it refuse a start so that it may be repeated."""
        accepted = [one for one in self.world.source.requests(self.subject.operation("startCopy")) if one.status == 202]
        assert len(accepted) <= len(self.granted()), "a start was made twice"

    def granted(self) -> list[str | None]:
        """Return the ids that the target authorized for us."""
        entries = self.world.target.requests(self.subject.operation("authorizeCopy"))
        return [entry.model_id for entry in entries if entry.status in (200, 201)]

    def teardown(self) -> None:
        try:
            self.everything_is_in_order()
        finally:
            use(None)

    def everything_is_in_order(self) -> None:
        """Whatever happened: once it is over and the leases have lapsed, whoever asks next gets the copy, and nothing is left behind."""
        self.fresh_owner_succeeds()
        self.the_mapping_names_one_copy_and_that_one_is_good()
        self.what_others_have_in_the_target_is_untouched()
        self.only_what_was_authorized_for_us_is_ever_deleted()
        held = self.world.held()
        left = {model_id for model_id in held if model_id not in self.world.theirs and not held[model_id].copy_of}
        assert left <= self.world.known(), "there is something in the target that nobody knows of"
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
def test_no_order_of_events_loses_doubles_or_burns_anything(service: Service, name: str) -> None:
    class Machine(Protocol):
        pass

    Machine.service, Machine.subject = service, SUBJECTS[name]
    run_state_machine_as_test(Machine, settings=bounded(60))


def test_a_claim_that_is_inserted_without_compare_and_swap_is_found_out(service: Service) -> None:
    class Machine(Protocol):
        inserts_blindly = True

    Machine.service, Machine.subject = service, SUBJECTS["v2"]
    with pytest.raises(AssertionError, match=r"the claim of|there is one ready copy"):
        run_state_machine_as_test(Machine, settings=settings(bounded(200), phases=[Phase.generate]))
