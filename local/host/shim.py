"""The replay loop of the extension: it awaits top-level actions one by one, and checks ids against the history.

A pure function of (history, actions). It does the same as ``OutOfProcOrchestrationShim.ProcessAsyncActionsV2`` with DTFx: start an
action, await it, ignore its exception, start the next. So an action is scheduled only after all actions before it have ended. That is why
a refilled ``task_any`` runs one task at a time. Ids follow the order of the starts, and the check of DTFx is kept: the code must schedule
the same work under an id as the history has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from local.host.errors import HostError
from local.host.protocol import Action, ActionKind, Event, EventType, RetryPolicy, parse_time

TaskKind = Literal["activity", "timer", "sub-orchestration"]

_SCHEDULING: dict[int, TaskKind] = {
    EventType.TASK_SCHEDULED: "activity",
    EventType.TIMER_CREATED: "timer",
    EventType.SUB_ORCHESTRATION_CREATED: "sub-orchestration",
}
_ENDING: dict[int, tuple[str, bool]] = {
    EventType.TASK_COMPLETED: ("TaskScheduledId", True),
    EventType.TASK_FAILED: ("TaskScheduledId", False),
    EventType.SUB_ORCHESTRATION_COMPLETED: ("TaskScheduledId", True),
    EventType.SUB_ORCHESTRATION_FAILED: ("TaskScheduledId", False),
    EventType.TIMER_FIRED: ("TimerId", True),
}
_NOT_HERE = {
    ActionKind.CALL_ENTITY: "durable entities (call_entity)",
    ActionKind.SIGNAL_ENTITY: "durable entities (signal_entity)",
    ActionKind.SCHEDULED_SIGNAL_ENTITY: "durable entities (signal_entity)",
    ActionKind.CALL_HTTP: "call_http",
}


class NonDeterministicError(HostError):
    """The orchestrator's code does not repeat its history."""


class UnsupportedActionError(HostError):
    """The orchestrator uses a feature that this host does not have."""


@dataclass(slots=True)
class Scheduled:
    """Work under one id: an activity, a timer or a sub-orchestration."""

    id: int
    kind: TaskKind
    name: str = ""
    input: str | None = None
    fire_at: datetime | None = None
    instance_id: str | None = None
    version: str | None = None
    cancelled: bool = False

    def __str__(self) -> str:
        """Return a description for messages, without the input."""
        return f"{self.kind} '{self.name}'" if self.name else self.kind


@dataclass(slots=True)
class Plan:
    """The work that follows from a history and the actions."""

    new: list[Scheduled] = field(default_factory=list)
    """Started, and not yet in the history."""
    cancelled_timers: list[int] = field(default_factory=list)
    all_awaited: bool = False
    """Whether every action was started and awaited."""
    open_tasks: int = 0
    """Tasks that have neither ended nor been cancelled; DTFx completes an orchestration only when this is 0."""
    continue_as_new: str | None = None
    """JSON text of the input of the next generation, if there is one."""
    continues: bool = False


def replay_actions(history: Iterable[Event], actions: tuple[Action, ...]) -> Plan:
    """Run ``actions`` against ``history`` and return the work to schedule now.

    Raises:
        NonDeterministicError: the history holds scheduled work that the code does not repeat.
        UnsupportedActionError: only Azure has this kind of action.
    """
    return _Replay(actions).run(history)


class _Node:
    """A task that can be awaited."""

    __slots__ = ("done", "ok", "parent")

    def __init__(self) -> None:
        self.done = False
        self.ok = True
        self.parent: _Node | None = None

    def end(self, *, ok: bool) -> None:
        if self.done:
            return
        self.done, self.ok = True, ok
        if self.parent is not None:
            self.parent.child_ended(self)

    def child_ended(self, child: _Node) -> None:
        raise AssertionError(f"a leaf has no children: {child}")


class _Compound(_Node):
    __slots__ = ("pending",)

    def __init__(self, children: list[_Node], *, wait_for_all: bool) -> None:
        super().__init__()
        waiting = [child for child in children if not child.done]
        for child in waiting:
            child.parent = self
        self.pending = len(waiting) if wait_for_all else 1
        if not waiting or (not wait_for_all and len(waiting) < len(children)):
            self.done = True

    def child_ended(self, child: _Node) -> None:  # noqa: ARG002 - only the number counts
        self.pending -= 1
        if self.pending <= 0:
            self.end(ok=True)


class _Retried(_Node):
    """A call with retry: each failure takes one id for a timer, and the timer one for the next attempt (``RetryInterceptor``)."""

    __slots__ = ("action", "attempts", "replay", "waiting_on_timer")

    def __init__(self, replay: _Replay, action: Action) -> None:
        super().__init__()
        self.replay = replay
        self.action = action
        self.attempts = 0
        self.waiting_on_timer = False
        self._attempt()

    @property
    def policy(self) -> RetryPolicy:
        assert self.action.retry is not None
        return self.action.retry

    def _attempt(self) -> None:
        self.attempts += 1
        self.waiting_on_timer = False
        self.replay.start_call(self.action).parent = self

    def child_ended(self, child: _Node) -> None:
        if self.waiting_on_timer:
            if self.attempts >= self.policy.max_attempts:
                self.end(ok=False)
            else:
                self._attempt()
        elif child.ok:
            self.end(ok=True)
        else:
            # one timer runs also after the last attempt, and the SDK waits for it
            self.waiting_on_timer = True
            fire_at = parse_time(self.replay.now) + self.policy.delay(self.attempts)
            self.replay.start_timer(fire_at, cancelled=False).parent = self


class _Replay:
    def __init__(self, actions: tuple[Action, ...]) -> None:
        self.actions = actions
        self.cursor = 0
        self.current: _Node | None = None
        self.now = ""
        self.next_id = 0
        self.started: dict[int, Scheduled] = {}
        self.in_history: set[int] = set()
        self.open: dict[int, _Node] = {}
        self.waiting: dict[str, deque[_Node]] = {}
        self.buffered: dict[str, int] = {}
        self.plan = Plan()

    def run(self, history: Iterable[Event]) -> Plan:
        for event in history:
            kind = event["EventType"]
            if kind in _ENDING:
                key, ok = _ENDING[kind]
                node = self.open.pop(event[key], None)
                if node is not None:  # a cancelled timer may still fire; it is ignored
                    node.end(ok=ok)
                    self.advance()
            elif kind in _SCHEDULING:
                self.check(event, _SCHEDULING[kind])
            elif kind == EventType.ORCHESTRATOR_STARTED:
                self.now = event["Timestamp"]
            elif kind == EventType.EXECUTION_STARTED:
                self.advance()
            elif kind == EventType.EVENT_RAISED:
                self.raise_event(event["Name"])
        plan = self.plan
        plan.new = [work for id_, work in self.started.items() if id_ not in self.in_history]
        plan.cancelled_timers = [work.id for work in self.started.values() if work.cancelled]
        plan.all_awaited = self.cursor == len(self.actions) and (self.current is None or self.current.done)
        plan.open_tasks = len(self.open)
        return plan

    def advance(self) -> None:
        while (self.current is None or self.current.done) and self.cursor < len(self.actions):
            action = self.actions[self.cursor]
            self.cursor += 1
            self.current = self.start(action)

    def start(self, action: Action) -> _Node:
        kind = action.kind
        if kind in (ActionKind.CALL_ACTIVITY, ActionKind.CALL_SUB_ORCHESTRATOR):
            return self.start_call(action)
        if kind is ActionKind.CREATE_TIMER:
            assert action.fire_at is not None
            return self.start_timer(action.fire_at, cancelled=action.cancelled)
        if kind in (ActionKind.WHEN_ALL, ActionKind.WHEN_ANY):
            children = [self.start(child) for child in action.children]
            return _Compound(children, wait_for_all=kind is ActionKind.WHEN_ALL)
        if kind is ActionKind.WAIT_FOR_EXTERNAL_EVENT:
            return self.wait_for_event(action.name)
        if kind in (ActionKind.CALL_ACTIVITY_WITH_RETRY, ActionKind.CALL_SUB_ORCHESTRATOR_WITH_RETRY):
            return _Retried(self, action)
        if kind is ActionKind.CONTINUE_AS_NEW:
            self.next_id += 1
            self.plan.continues = True
            self.plan.continue_as_new = action.input
            node = _Node()
            node.done = True
            return node
        raise UnsupportedActionError(
            f"the embedded host does not support {_NOT_HERE[kind]}; only Azure Durable Functions does"
        )

    def start_call(self, action: Action) -> _Node:
        is_activity = action.kind in (ActionKind.CALL_ACTIVITY, ActionKind.CALL_ACTIVITY_WITH_RETRY)
        work = Scheduled(
            self._take_id(),
            "activity" if is_activity else "sub-orchestration",
            name=action.name,
            input=action.input,
            instance_id=action.instance_id,
            version=action.version,
        )
        return self._open(work)

    def start_timer(self, fire_at: datetime, *, cancelled: bool) -> _Node:
        return self._open(Scheduled(self._take_id(), "timer", fire_at=fire_at, cancelled=cancelled))

    def wait_for_event(self, name: str) -> _Node:
        node = _Node()
        if self.buffered.get(name, 0) > 0:
            self.buffered[name] -= 1
            node.done = True
        else:
            self.waiting.setdefault(name, deque()).append(node)
        return node

    def raise_event(self, name: str) -> None:
        waiting = self.waiting.get(name)
        if waiting:
            waiting.popleft().end(ok=True)
            self.advance()
        else:
            self.buffered[name] = self.buffered.get(name, 0) + 1

    def check(self, event: Event, kind: TaskKind) -> None:
        id_ = event["EventId"]
        started = self.started.get(id_)
        recorded = Scheduled(id_, kind, name=event.get("Name") or "")
        if started is None or started.kind != kind or (kind != "timer" and started.name != recorded.name):
            raise NonDeterministicError(
                f"Non-Deterministic workflow detected: under id {id_} the history scheduled {recorded}, "
                f"and the code now schedules {started or 'nothing'}. Did the orchestrator change while instances were running?"
            )
        self.in_history.add(id_)

    def _take_id(self) -> int:
        id_ = self.next_id
        self.next_id += 1
        return id_

    def _open(self, work: Scheduled) -> _Node:
        node = _Node()
        self.started[work.id] = work
        if work.cancelled:
            node.done = True  # DTFx cancels the task at once, so it is not open
        else:
            self.open[work.id] = node
        return node
