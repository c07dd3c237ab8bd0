# mypy: disable-error-code="no-untyped-def"
# Orchestrators as users write them, with the untyped SDK.
"""Replaying recorded histories with the present code."""

from __future__ import annotations

import copy
from pathlib import Path
from types import ModuleType

import azure.durable_functions as df
import pytest

from local.host import Host
from local.host.protocol import ActionKind
from local.host.replay import ReplayMismatchError, load_history, replay, save_history

from .conftest import MakeHost

SCENARIOS = [
    ("chain", {"wait": 5}),
    ("one", "x"),
    ("retried", None),
    ("failing", None),
    ("family", None),
    ("statuses", ["a", "b"]),
    ("window", None),
    ("who", "parent"),
]


@pytest.mark.parametrize(("name", "value"), SCENARIOS)
def test_a_fresh_history_replays_to_the_same_decisions(
    host: Host, sample: ModuleType, name: str, value: object
) -> None:
    iid = host.start_new(name, value)
    host.run_until_idle()
    host.wait(iid)
    replay(getattr(sample, name), host.history(iid))


def test_every_generation_replays(make_host: MakeHost, sample: ModuleType) -> None:
    host = make_host(keep_generations=True)
    iid = host.start_new("rounds", {"round": 1, "rounds": 3, "seen": []})
    host.run_until_idle()
    generations = host.generations(iid)
    assert len(generations) == 3
    for generation in generations:
        replay(sample.rounds, generation)


def test_it_returns_the_actions_of_each_episode(host: Host, sample: ModuleType) -> None:
    iid = host.start_new("chain", {"wait": 5})
    host.run_until_idle()
    decisions = [[action.kind for action in episode] for episode in replay(sample.chain, host.history(iid))]
    assert [kinds for kinds in decisions if kinds] == [
        [ActionKind.CALL_ACTIVITY],
        [ActionKind.CREATE_TIMER],
        [ActionKind.WHEN_ALL],
        [ActionKind.CALL_ACTIVITY],
    ]


def greeting(name: str, result: str = "", wait: bool = False) -> object:
    app = df.DFApp()

    def changed(context: df.DurableOrchestrationContext):
        if wait:
            yield context.create_timer(context.current_utc_datetime)
        value = yield context.call_activity(name, context.get_input())
        return result or value

    return app.orchestration_trigger(context_name="context")(changed)


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        (greeting("goodbye"), "'goodbye'"),
        (greeting("hello", wait=True), "schedules timer"),
        (greeting("hello", result="other"), 'returns "other"'),
    ],
)
def test_changed_code_is_found(host: Host, changed: object, difference: str) -> None:
    """The message names the difference."""
    iid = host.start_new("one", "x")
    host.wait(iid)
    with pytest.raises(ReplayMismatchError, match="episode") as mismatch:
        replay(changed, host.history(iid))
    assert difference in str(mismatch.value)


def test_a_changed_input_is_found(host: Host, sample: ModuleType) -> None:
    iid = host.start_new("one", "x")
    host.wait(iid)
    history = copy.deepcopy(host.history(iid))
    next(event for event in history if event["EventType"] == 4)["Input"] = '"y"'
    with pytest.raises(ReplayMismatchError, match='with "y"'):
        replay(sample.one, history)


def test_histories_survive_a_file(host: Host, sample: ModuleType, tmp_path: Path) -> None:
    iid = host.start_new("chain", {"wait": 5})
    host.run_until_idle()
    path = tmp_path / "histories" / "chain.json"
    save_history(path, "chain", host.history(iid))
    assert load_history(path) == ("chain", host.history(iid))


def test_an_empty_history_is_refused(sample: ModuleType) -> None:
    with pytest.raises(ReplayMismatchError, match="not a history"):
        replay(sample.one, [])
