"""Replays recorded histories with the present orchestrators, and writes histories to files.

A history is split into its episodes. The orchestrator gets each episode as it was recorded, and the work that it schedules now is compared
with the work in the history: kinds, names, ids, inputs, fire times, and how it ended.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from local.host.errors import HostError
from local.host.protocol import (
    Action,
    Decision,
    DurableProtocolV1,
    Episode,
    Event,
    EventType,
    OrchestratorHandle,
    OrchestratorProtocol,
    event_text,
    format_time,
    played,
)
from local.host.shim import NonDeterministicError, Plan, Scheduled, UnsupportedActionError, replay_actions

_SCHEDULING = {EventType.TASK_SCHEDULED, EventType.TIMER_CREATED, EventType.SUB_ORCHESTRATION_CREATED}
_ENDING = {EventType.EXECUTION_COMPLETED, EventType.CONTINUE_AS_NEW}
_OUTCOMES = _SCHEDULING | _ENDING | {EventType.ORCHESTRATOR_COMPLETED}


class ReplayMismatchError(HostError):
    """The present code does something else than the history."""


def orchestrator_handle(orchestrator: Any) -> OrchestratorHandle:
    """Return the SDK's handle of a decorated orchestrator (or of a handle itself)."""
    build = getattr(orchestrator, "build", None)
    handle: OrchestratorHandle = orchestrator if build is None else build().get_user_function()
    return handle


def replay(
    orchestrator: Any, history: Sequence[Event], protocol: OrchestratorProtocol | None = None, *, exact: bool = True
) -> list[list[Action]]:
    """Replay a recorded history and return the new actions of each episode.

    Args:
        orchestrator: the decorated function, or the SDK's handle of it.
        history: raw events of one generation, as :meth:`local.host.Host.history` returns them.
        protocol: protocol 1.x by default.
        exact: find every difference. The platform finds only those for which it ends an orchestration as non-deterministic: another kind,
            name or order of work that a later episode builds on.

    Raises:
        ReplayMismatchError: the first difference; the message names the episode, the history's work and the code's.
    """
    handle = orchestrator_handle(orchestrator)
    protocol = protocol or DurableProtocolV1()
    started = next((event for event in history if event["EventType"] == EventType.EXECUTION_STARTED), None)
    if started is None:
        raise ReplayMismatchError("this is not a history: it has no ExecutionStarted event")
    parent = started.get("ParentInstance")
    decisions: list[list[Action]] = []
    shown: list[Event] = []
    action_count = 0
    for number, turn in enumerate(_episodes(history), 1):
        arrivals = [event for event in turn if event["EventType"] not in _OUTCOMES]
        if any(event["EventType"] == EventType.EXECUTION_TERMINATED for event in arrivals):
            break  # the orchestrator did not run
        texts = [played(event_text(event)) for event in shown] + [event_text(event) for event in arrivals]
        episode = Episode(
            started["OrchestrationInstance"]["InstanceId"],
            texts,
            started["Input"],
            None if parent is None else parent["OrchestrationInstance"]["InstanceId"],
        )
        decision = protocol.decide(handle, episode)
        try:
            plan = replay_actions([*shown, *arrivals], decision.actions)
        except (NonDeterministicError, UnsupportedActionError) as exc:
            raise ReplayMismatchError(f"episode {number}: {exc}") from exc
        if exact:
            _compare(number, turn, plan, decision)
        decisions.append(list(decision.actions[action_count:]))
        action_count = len(decision.actions)
        shown += turn
    return decisions


def _episodes(history: Sequence[Event]) -> list[list[Event]]:
    turns: list[list[Event]] = []
    for event in history:
        if event["EventType"] == EventType.ORCHESTRATOR_STARTED:
            turns.append([])
        turns[-1].append(event)
    return turns


def _compare(number: int, turn: Sequence[Event], plan: Plan, decision: Decision) -> None:
    recorded = [_recorded(event) for event in turn if event["EventType"] in _SCHEDULING]
    decided = [_decided(work) for work in plan.new]
    for old, new in zip_longest(recorded, decided, fillvalue="nothing more"):
        if old != new:
            raise ReplayMismatchError(f"episode {number}: the history scheduled {old}; the code schedules {new}")
    ended = next((event for event in turn if event["EventType"] in _ENDING), None)
    recorded_end = "continues" if ended is None else _recorded_end(ended)
    decided_end = _decided_end(plan, decision)
    if recorded_end != decided_end:
        raise ReplayMismatchError(f"episode {number}: in the history it {recorded_end}; the code {decided_end}")


def _recorded(event: Event) -> str:
    kind = event["EventType"]
    if kind == EventType.TIMER_CREATED:
        return f"timer {event['EventId']} for {event['FireAt']}"
    work = "activity" if kind == EventType.TASK_SCHEDULED else "sub-orchestration"
    return f"{work} {event['EventId']} '{event['Name']}' with {event['Input']}"


def _decided(work: Scheduled) -> str:
    if work.fire_at is not None:
        return f"timer {work.id} for {format_time(work.fire_at)}"
    return f"{work.kind} {work.id} '{work.name}' with {work.input}"


def _recorded_end(event: Event) -> str:
    if event["EventType"] == EventType.CONTINUE_AS_NEW:
        return f"continues as new with {event['Input']}"
    if event["OrchestrationStatus"] == "Failed":
        return "fails"  # without the message: it may name a line of code
    return f"returns {event['Result']}"


def _decided_end(plan: Plan, decision: Decision) -> str:
    if not (decision.done or decision.error) or not plan.all_awaited or plan.open_tasks:
        return "continues"
    if decision.error:
        return "fails"
    if plan.continues:
        return f"continues as new with {None if plan.continue_as_new is None else json.dumps(plan.continue_as_new)}"
    return f"returns {decision.output}"


def save_history(path: Path, orchestrator: str, history: Sequence[Event]) -> None:
    """Write a history to a file, one event on each line: ``{"orchestrator": name, "history": [event, …]}``."""
    lines = ",\n".join("    " + json.dumps(event, ensure_ascii=False) for event in history)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f'{{\n  "orchestrator": {json.dumps(orchestrator)},\n  "history": [\n{lines}\n  ]\n}}\n'
    path.write_text(text, encoding="utf-8")


def load_history(path: Path) -> tuple[str, list[Event]]:
    """Read a file of :func:`save_history`: return the orchestrator's name and the events."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return document["orchestrator"], document["history"]
