"""The replay loop alone: ids, order, and open tasks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from local.host.protocol import Action, ActionKind, Event, EventType, RetryPolicy, make_event
from local.host.shim import NonDeterministicError, UnsupportedActionError, replay_actions

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def started(*more: Event) -> list[Event]:
    return [make_event(EventType.ORCHESTRATOR_STARTED, NOW), make_event(EventType.EXECUTION_STARTED, NOW), *more]


def scheduled(id_: int, name: str) -> Event:
    return make_event(EventType.TASK_SCHEDULED, NOW, id_, Name=name)


def timer_created(id_: int) -> Event:
    return make_event(EventType.TIMER_CREATED, NOW, id_)


def completed(id_: int) -> Event:
    return make_event(EventType.TASK_COMPLETED, NOW, TaskScheduledId=id_)


def failed(id_: int) -> Event:
    return make_event(EventType.TASK_FAILED, NOW, TaskScheduledId=id_)


def fired(id_: int) -> Event:
    return make_event(EventType.TIMER_FIRED, NOW, TimerId=id_)


def raised(name: str) -> Event:
    return make_event(EventType.EVENT_RAISED, NOW, Name=name)


def activity(name: str) -> Action:
    return Action(ActionKind.CALL_ACTIVITY, name=name)


def timer(cancelled: bool = False) -> Action:
    return Action(ActionKind.CREATE_TIMER, fire_at=NOW, cancelled=cancelled)


def wait(name: str) -> Action:
    return Action(ActionKind.WAIT_FOR_EXTERNAL_EVENT, name=name)


def all_of(*children: Action) -> Action:
    return Action(ActionKind.WHEN_ALL, children=children)


def any_of(*children: Action) -> Action:
    return Action(ActionKind.WHEN_ANY, children=children)


def new(history: list[Event], *actions: Action) -> list[tuple[int, str]]:
    return [(work.id, work.name or work.kind) for work in replay_actions(history, actions).new]


def test_the_next_action_waits_for_the_one_before_it() -> None:
    actions = (activity("a"), activity("b"))
    assert new(started(), *actions) == [(0, "a")]
    assert new(started(scheduled(0, "a"), completed(0)), *actions) == [(1, "b")]


def test_the_action_after_a_failed_activity_starts() -> None:
    assert new(started(scheduled(0, "a"), failed(0)), activity("a"), activity("b")) == [(1, "b")]


def test_children_take_ids_in_order() -> None:
    """Events take no ids."""
    assert new(started(), all_of(activity("a"), wait("e"), timer(), any_of(activity("b")))) == [
        (0, "a"),
        (1, "timer"),
        (2, "b"),
    ]


def test_all_waits_for_all_and_any_for_one() -> None:
    history = started(scheduled(0, "a"), scheduled(1, "b"), completed(1))
    assert new(history, all_of(activity("a"), activity("b")), activity("c")) == []
    assert new(history, any_of(activity("a"), activity("b")), activity("c")) == [(2, "c")]


def test_an_empty_compound_ends_at_once() -> None:
    assert new(started(), any_of(), all_of(), activity("a")) == [(0, "a")]


def test_a_cancelled_timer_counts_as_ended() -> None:
    """And the plan names it."""
    plan = replay_actions(started(timer_created(0)), (any_of(timer(cancelled=True), wait("e")),))
    assert plan.cancelled_timers == [0]
    assert plan.open_tasks == 0
    assert plan.all_awaited


def test_an_open_timer_is_an_open_task() -> None:
    plan = replay_actions(started(timer_created(0), raised("e")), (any_of(timer(), wait("e")),))
    assert plan.all_awaited
    assert plan.open_tasks == 1


@pytest.mark.parametrize("early", [True, False])
def test_each_event_is_for_one_wait(early: bool) -> None:
    history = started(raised("e")) if early else started(scheduled(0, "a"), raised("e"), completed(0))
    actions = (wait("e"), wait("e")) if early else (activity("a"), wait("e"), wait("e"))
    assert not replay_actions(history, actions).all_awaited
    assert replay_actions([*history, raised("e")], actions).all_awaited


def retrying(attempts: int) -> Action:
    policy = RetryPolicy(timedelta(seconds=10), attempts, backoff=2.0, max_interval=timedelta(seconds=15))
    return Action(ActionKind.CALL_ACTIVITY_WITH_RETRY, name="a", retry=policy)


def test_a_retry_takes_ids_for_timers_and_attempts() -> None:
    """One id for the timer after each failure, and one for the next attempt."""
    history = started(scheduled(0, "a"), failed(0))
    first = replay_actions(history, (retrying(2),))
    assert [(work.id, work.kind, work.fire_at) for work in first.new] == [(1, "timer", NOW + timedelta(seconds=10))]
    history += [timer_created(1), fired(1)]
    assert new(history, retrying(2)) == [(2, "a")]
    history += [scheduled(2, "a"), failed(2)]
    last = replay_actions(history, (retrying(2), activity("b")))
    assert [(work.id, work.fire_at) for work in last.new] == [(3, NOW + timedelta(seconds=15))]
    history += [timer_created(3), fired(3)]
    assert new(history, retrying(2), activity("b")) == [(4, "b")]


def test_a_retry_that_succeeds_ends() -> None:
    history = started(scheduled(0, "a"), failed(0), timer_created(1), fired(1), scheduled(2, "a"), completed(2))
    assert new(history, retrying(3), activity("b")) == [(3, "b")]


def test_continue_as_new_keeps_its_input() -> None:
    plan = replay_actions(started(), (Action(ActionKind.CONTINUE_AS_NEW, input='{"round": 2}'),))
    assert (plan.continues, plan.continue_as_new, plan.all_awaited) == (True, '{"round": 2}', True)


@pytest.mark.parametrize(
    ("event", "action"),
    [
        (scheduled(0, "a"), activity("b")),
        (scheduled(0, "a"), timer()),
        (timer_created(0), activity("a")),
        (make_event(EventType.SUB_ORCHESTRATION_CREATED, NOW, 0, Name="a"), activity("a")),
        (scheduled(1, "a"), activity("a")),
        (scheduled(0, "a"), wait("e")),
    ],
)
def test_a_history_not_repeated_by_the_code_is_refused(event: Event, action: Action) -> None:
    with pytest.raises(NonDeterministicError, match="Did the orchestrator change"):
        replay_actions(started(event), (action,))


@pytest.mark.parametrize("kind", [ActionKind.CALL_ENTITY, ActionKind.SIGNAL_ENTITY, ActionKind.CALL_HTTP])
def test_what_only_azure_has_is_named(kind: ActionKind) -> None:
    with pytest.raises(UnsupportedActionError, match="only Azure"):
        replay_actions(started(), (Action(kind),))


def test_unknown_results_change_nothing() -> None:
    history = started(scheduled(0, "a"), completed(7), fired(9))
    assert not replay_actions(history, (activity("a"),)).all_awaited
