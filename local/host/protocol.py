"""Protocol 1.x: the JSON between azure-functions-durable 1.x and its host.

The SDK's orchestrator handle takes the JSON of the trigger (history included) and returns, or raises, the JSON of the state. This is the
only module that reads or writes either; the engine uses :class:`Action`, :class:`Decision` and history events. Shapes and numbers are those
of the extension (``OrchestrationTriggerAttributeBindingProvider``, ``OutOfProcOrchestrationShim``) and of the SDK (``OrchestratorState``).
:mod:`local.host.sdk` imports what is needed from inside the SDK.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import Any, Protocol

from local.host import sdk

Event = dict[str, Any]
"""One history event, with the keys of the wire."""

OrchestratorHandle = Callable[[str], str]
"""The function that ``@orchestration_trigger`` makes: it takes the trigger's JSON and returns the state's."""

_COMPACT = json.JSONEncoder(separators=(",", ":"))
_OUT_OF_PROC_LABEL = "$OutOfProcData$:"


class EventType(IntEnum):
    """The numbers of ``HistoryEventType``."""

    EXECUTION_STARTED = 0
    EXECUTION_COMPLETED = 1
    EXECUTION_FAILED = 2
    EXECUTION_TERMINATED = 3
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    SUB_ORCHESTRATION_CREATED = 7
    SUB_ORCHESTRATION_COMPLETED = 8
    SUB_ORCHESTRATION_FAILED = 9
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    ORCHESTRATOR_COMPLETED = 13
    EVENT_SENT = 14
    EVENT_RAISED = 15
    CONTINUE_AS_NEW = 16
    EXECUTION_SUSPENDED = 19
    EXECUTION_RESUMED = 20


# The names in answers of the management API; the SDK does not read them.
EVENT_NAMES = {
    EventType.EXECUTION_STARTED: "ExecutionStarted",
    EventType.EXECUTION_COMPLETED: "ExecutionCompleted",
    EventType.EXECUTION_FAILED: "ExecutionFailed",
    EventType.EXECUTION_TERMINATED: "ExecutionTerminated",
    EventType.TASK_SCHEDULED: "TaskScheduled",
    EventType.TASK_COMPLETED: "TaskCompleted",
    EventType.TASK_FAILED: "TaskFailed",
    EventType.SUB_ORCHESTRATION_CREATED: "SubOrchestrationInstanceCreated",
    EventType.SUB_ORCHESTRATION_COMPLETED: "SubOrchestrationInstanceCompleted",
    EventType.SUB_ORCHESTRATION_FAILED: "SubOrchestrationInstanceFailed",
    EventType.TIMER_CREATED: "TimerCreated",
    EventType.TIMER_FIRED: "TimerFired",
    EventType.ORCHESTRATOR_STARTED: "OrchestratorStarted",
    EventType.ORCHESTRATOR_COMPLETED: "OrchestratorCompleted",
    EventType.EVENT_SENT: "EventSent",
    EventType.EVENT_RAISED: "EventRaised",
    EventType.CONTINUE_AS_NEW: "ContinueAsNew",
    EventType.EXECUTION_SUSPENDED: "ExecutionSuspended",
    EventType.EXECUTION_RESUMED: "ExecutionResumed",
}


class ActionKind(IntEnum):
    """The numbers of the SDK's ``ActionType``."""

    CALL_ACTIVITY = 0
    CALL_ACTIVITY_WITH_RETRY = 1
    CALL_SUB_ORCHESTRATOR = 2
    CALL_SUB_ORCHESTRATOR_WITH_RETRY = 3
    CONTINUE_AS_NEW = 4
    CREATE_TIMER = 5
    WAIT_FOR_EXTERNAL_EVENT = 6
    CALL_ENTITY = 7
    CALL_HTTP = 8
    SIGNAL_ENTITY = 9
    SCHEDULED_SIGNAL_ENTITY = 10
    WHEN_ANY = 11
    WHEN_ALL = 12


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The retry options of a ``*_with_retry`` call, as the extension reads them."""

    first_interval: timedelta
    max_attempts: int
    backoff: float = 1.0
    max_interval: timedelta | None = None

    def delay(self, failed_attempts: int) -> timedelta:
        """Return the wait after ``failed_attempts`` failures (1 or more)."""
        wait = self.first_interval * self.backoff ** (failed_attempts - 1)
        return wait if self.max_interval is None else min(wait, self.max_interval)


@dataclass(frozen=True, slots=True)
class Action:
    """One action of an orchestrator. ``input`` is JSON text, as the SDK serialized it."""

    kind: ActionKind
    name: str = ""
    input: str | None = None
    instance_id: str | None = None
    version: str | None = None
    retry: RetryPolicy | None = None
    fire_at: datetime | None = None
    cancelled: bool = False
    children: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of an orchestrator in one episode: all its actions so far, in order, and whether it has ended."""

    done: bool
    actions: tuple[Action, ...] = ()
    output: str | None = None
    """JSON text of its return value."""
    error: str | None = None
    custom_status: str | None = None
    """JSON text; ``None`` leaves the custom status unchanged."""


@dataclass(frozen=True, slots=True)
class Episode:
    """What an orchestrator gets in one episode.

    ``history`` holds JSON texts of one or more events with commas between them, the new ones at the end.
    """

    instance_id: str
    history: Sequence[str]
    input: str | None
    """Raw JSON text of the input."""
    parent_instance_id: str | None = None


class OrchestratorProtocol(Protocol):
    """How the host runs an orchestrator. Each version of the protocol is one implementation."""

    def decide(self, handle: OrchestratorHandle, episode: Episode) -> Decision:
        """Replay ``episode`` through ``handle``."""
        ...


@dataclass(frozen=True, slots=True)
class DurableProtocolV1:
    """Protocol 1.x with schema V3, the newest of SDK 1.7."""

    long_timer_interval: str = "3.00:00:00"
    longest_short_timer: str = "6.00:00:00"
    _tail: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Write the constant part of the trigger. Raises ``NotSupportedError`` if the SDK is not 1.x."""
        sdk.require_protocol_1()
        # "Millseconds" is the spelling of the extension.
        tail = (
            f',"isReplaying":false,"upperSchemaVersion":1,"upperSchemaVersionNew":3,"longRunningTimerIntervalDuration":"{self.long_timer_interval}"'
            f',"maximumShortTimerDuration":"{self.longest_short_timer}","defaultHttpAsyncRequestSleepTimeMillseconds":30000}}'
        )
        object.__setattr__(self, "_tail", tail)

    def decide(self, handle: OrchestratorHandle, episode: Episode) -> Decision:
        """Replay ``episode`` through ``handle``; an exception of the orchestrator or the SDK becomes ``Decision.error``."""
        trigger = (
            f'{{"history":[{",".join(episode.history)}],"input":{episode.input or "null"}'
            f',"instanceId":{json.dumps(episode.instance_id)},"parentInstanceId":{json.dumps(episode.parent_instance_id)}{self._tail}'
        )
        try:
            state = handle(trigger)
        except Exception as exc:  # noqa: BLE001 - an exception of the app is a result of the orchestration
            return _decision_from_error(exc)
        return _decision(json.loads(state))


def _decision(state: Mapping[str, Any]) -> Decision:
    actions = tuple(_action(raw) for turn in state.get("actions", ()) for raw in turn)
    output = state.get("output")
    status = state.get("customStatus")
    return Decision(
        done=bool(state.get("isDone")),
        actions=actions,
        output=None if output is None else json.dumps(output),
        error=state.get("error"),
        custom_status=None if status is None else json.dumps(status),
    )


def _decision_from_error(exc: Exception) -> Decision:
    text = str(exc)
    at = text.find(_OUT_OF_PROC_LABEL)
    while at >= 0:  # the message of the app may contain the label, too: the state is the part that is JSON
        try:
            return _decision(json.loads(text[at + len(_OUT_OF_PROC_LABEL) :]))
        except ValueError:
            at = text.find(_OUT_OF_PROC_LABEL, at + 1)
    return Decision(done=False, error=text or repr(type(exc)))


def _action(raw: Mapping[str, Any]) -> Action:
    kind = ActionKind(raw["actionType"])
    if kind in (ActionKind.WHEN_ALL, ActionKind.WHEN_ANY):
        return Action(kind, children=tuple(_action(child) for child in raw["compoundActions"]))
    if kind is ActionKind.CREATE_TIMER:
        return Action(kind, fire_at=parse_time(raw["fireAt"]), cancelled=bool(raw["isCanceled"]))
    if kind is ActionKind.WAIT_FOR_EXTERNAL_EVENT:
        return Action(kind, name=raw["externalEventName"])
    return Action(
        kind,
        name=raw.get("functionName", ""),
        input=raw.get("input"),
        instance_id=raw.get("instanceId"),
        version=raw.get("version"),
        retry=_retry_policy(raw["retryOptions"]) if "retryOptions" in raw else None,
    )


def _retry_policy(raw: Mapping[str, Any]) -> RetryPolicy:
    longest = raw.get("maxRetryIntervalInMilliseconds")
    return RetryPolicy(
        first_interval=timedelta(milliseconds=raw["firstRetryIntervalInMilliseconds"]),
        max_attempts=raw["maxNumberOfAttempts"],
        backoff=raw.get("backoffCoefficient", 1.0),
        max_interval=None if longest is None else timedelta(milliseconds=longest),
    )


@lru_cache(maxsize=16)  # an episode writes its own instant into every event that it adds
def format_time(instant: datetime) -> str:
    """Return an instant as text for the SDK: ``2026-01-01T00:00:00.000000Z``."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def parse_time(text: str) -> datetime:
    """Return the instant of a text of :func:`format_time` or the SDK."""
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def make_event(kind: EventType, now: datetime, event_id: int = -1, **fields: object) -> Event:
    """Return a new history event. ``event_id`` is the number of scheduled work, and -1 for events that arrive."""
    return {"EventType": int(kind), "EventId": event_id, "IsPlayed": False, "Timestamp": format_time(now), **fields}


def event_text(event: Event) -> str:
    """Return an event as JSON text, without spaces: programs read histories far more often than people do."""
    return _COMPACT.encode(event)


def played(text: str) -> str:
    """Return the text of an event marked as played, as every event is in the episodes after its own."""
    return text.replace('"IsPlayed":false', '"IsPlayed":true', 1)


def encode_payload(value: object) -> str:
    """Serialize a value as the SDK does for inputs and results; raises ``TypeError`` if it cannot be written as JSON."""
    return sdk.dumps(value)


def decode_payload(text: str) -> Any:
    """Return the value of a text of :func:`encode_payload`, as the worker does for an activity's input."""
    return sdk.loads(text)


def client_input(value: object) -> str | None:
    """Return the raw input of a start by the SDK's client, which serializes twice; ``None`` is no input."""
    return None if value is None else json.dumps(encode_payload(value))
