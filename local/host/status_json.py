"""Instances and histories as JSON of the management API (``HttpApiHandler`` and ``DurableOrchestrationStatus`` of the extension)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from local.host.protocol import EVENT_NAMES, Event, EventType, parse_time
from local.host.records import Instance
from local.host.status import parsed

_HIDDEN = {EventType.ORCHESTRATOR_STARTED, EventType.ORCHESTRATOR_COMPLETED}
_SCHEDULING = {EventType.TASK_SCHEDULED, EventType.SUB_ORCHESTRATION_CREATED, EventType.TIMER_CREATED}
_ENDING = {
    EventType.TASK_COMPLETED: "TaskScheduledId",
    EventType.TASK_FAILED: "TaskScheduledId",
    EventType.SUB_ORCHESTRATION_COMPLETED: "TaskScheduledId",
    EventType.SUB_ORCHESTRATION_FAILED: "TaskScheduledId",
    EventType.TIMER_FIRED: "TimerId",
}
_REMOVED_KEYS = {"EventType", "EventId", "IsPlayed", "TaskScheduledId", "TimerId", "Result", "Input"}


def status_json(instance: Instance, *, show_input: bool) -> dict[str, Any]:
    """Return an instance as JSON. Times have whole seconds."""
    return {
        "name": instance.name,
        "instanceId": instance.instance_id,
        "runtimeStatus": instance.status.value,
        "input": parsed(instance.input) if show_input else None,
        "customStatus": parsed(instance.custom_status),
        "output": parsed(instance.output),
        "createdTime": _seconds(instance.created),
        "lastUpdatedTime": _seconds(instance.updated),
    }


def folded_history(events: Iterable[Event], *, show_output: bool) -> list[dict[str, Any]]:
    """Return a history for people to read: a task is one line with its start and end, without ids and episodes.

    Args:
        events: raw events.
        show_output: whether to include results.
    """
    scheduled: dict[int, Event] = {}
    shown: list[dict[str, Any]] = []
    for event in events:
        kind = EventType(event["EventType"])
        if kind in _HIDDEN:
            continue
        if kind in _SCHEDULING:
            scheduled[event["EventId"]] = event
        line = {
            "EventType": EVENT_NAMES[kind],
            **{key: value for key, value in event.items() if key not in _REMOVED_KEYS},
        }
        if kind is EventType.EXECUTION_STARTED:
            line["FunctionName"] = line.pop("Name")
        if kind in _ENDING:
            _fold(line, scheduled.get(event[_ENDING[kind]]), shown)
        if show_output and "Result" in event:
            line["Result"] = parsed(event["Result"])
        line["_id"] = event["EventId"] if kind in _SCHEDULING else None
        shown.append(line)
    for line in shown:
        del line["_id"]
    return shown


def _fold(line: dict[str, Any], start: Event | None, shown: list[dict[str, Any]]) -> None:
    if start is None:
        return
    line["ScheduledTime"] = start["Timestamp"]
    if start.get("Name"):
        line["FunctionName"] = start["Name"]
    for position, earlier in enumerate(shown):
        if earlier["_id"] == start["EventId"]:
            del shown[position]
            return


def _seconds(text: str) -> str:
    return parse_time(text).strftime("%Y-%m-%dT%H:%M:%SZ")
