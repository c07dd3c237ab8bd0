"""One episode of one orchestration: from the events that arrived to what follows. It only computes; the engine writes the result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from local.host.app_index import AppIndex
from local.host.errors import HostError
from local.host.protocol import (
    Decision,
    Episode,
    Event,
    EventType,
    OrchestratorProtocol,
    event_text,
    format_time,
    make_event,
    played,
)
from local.host.records import Instance, RuntimeStatus
from local.host.shim import Plan, Scheduled, replay_actions

# Azure keeps the custom status in 16 KB of UTF-16 and refuses more (MessagePayloadDataConverter).
_CUSTOM_STATUS_LIMIT_BYTES = 16 * 1024
# DurableTaskOptions.MaxOrchestrationActions
_ACTION_LIMIT = 100_000


@dataclass(slots=True)
class EpisodeResult:
    """The result of an episode. ``events`` go to the end of the history; ``text`` is their JSON, marked as played."""

    status: RuntimeStatus
    events: list[Event] = field(default_factory=list)
    text: str = ""
    scheduled: list[Scheduled] = field(default_factory=list)
    cancelled_timers: list[int] = field(default_factory=list)
    output: str | None = None
    failure: str | None = None
    custom_status: str | None = None
    continues: bool = False
    next_input: str | None = None


class _FailedError(Exception):
    """The orchestration fails with this message."""


def sub_orchestration_id(execution_id: str, task_id: int) -> str:
    """Return the id of a child without an id of its own: unique in each execution, so also across continue-as-new (as in DTFx)."""
    return f"{execution_id}:{task_id}"


def run_episode(
    instance: Instance,
    arrivals: Sequence[Event],
    index: AppIndex,
    protocol: OrchestratorProtocol,
    now: datetime,
    mismatch: str | None = None,
) -> EpisodeResult:
    """Run an episode.

    Args:
        instance: the instance, with its history.
        arrivals: the new events, in order.
        index: holds the orchestrator, and the names of the activities.
        protocol: runs the orchestrator.
        now: the time of the episode, which becomes ``current_utc_datetime``.
        mismatch: why the instance fails by its version (``versionFailureStrategy`` Fail); the orchestrator is not run then.
    """
    suspended = _suspended_after(instance, arrivals)
    result = EpisodeResult(RuntimeStatus.SUSPENDED if suspended else RuntimeStatus.RUNNING)
    new = [make_event(EventType.ORCHESTRATOR_STARTED, now), *arrivals]
    texts = [event_text(event) for event in new]
    terminated = next((event for event in arrivals if event["EventType"] == EventType.EXECUTION_TERMINATED), None)
    if terminated is not None:
        result.status = RuntimeStatus.TERMINATED
        result.output = json.dumps(terminated["Input"])
    elif mismatch is not None:
        # first the text of DTFx's FailureDetails, then both versions, which DTFx leaves out
        _fail(result, f"VersionMismatch: Orchestration version did not comply with Worker Versioning: {mismatch}")
    else:
        try:
            _decide(instance, new, texts, index, protocol, result)
        except _FailedError as exc:
            _fail(result, f"Orchestrator function '{instance.name}' failed: {exc}")
    closing = [*(_scheduling_event(work, now) for work in result.scheduled), *_ending_events(result, now)]
    closing.append(make_event(EventType.ORCHESTRATOR_COMPLETED, now))
    result.events = new + closing
    result.text = ",".join([played(text) for text in (*texts, *map(event_text, closing))])
    for event in result.events:
        event["IsPlayed"] = True
    return result


def _fail(result: EpisodeResult, message: str) -> None:
    result.status, result.failure, result.output = RuntimeStatus.FAILED, message, json.dumps(message)
    result.scheduled, result.continues = [], False


def _suspended_after(instance: Instance, arrivals: Sequence[Event]) -> bool:
    suspended = instance.status is RuntimeStatus.SUSPENDED
    for event in arrivals:
        if event["EventType"] == EventType.EXECUTION_SUSPENDED:
            suspended = True
        elif event["EventType"] == EventType.EXECUTION_RESUMED:
            suspended = False
    return suspended


def _decide(
    instance: Instance,
    new: list[Event],
    texts: list[str],
    index: AppIndex,
    protocol: OrchestratorProtocol,
    result: EpisodeResult,
) -> None:
    handle = index.orchestrators.get(instance.name)
    if handle is None:
        raise _FailedError(
            f"the function '{instance.name}' doesn't exist, is disabled, or is not an orchestrator function"
        )
    episode = Episode(instance.instance_id, [*instance.texts, *texts], instance.input, instance.parent_id)
    decision = protocol.decide(handle, episode)
    if len(decision.actions) > _ACTION_LIMIT:
        raise _FailedError(f"it scheduled more than {_ACTION_LIMIT} actions in one generation: continue as new earlier")
    try:
        plan = replay_actions([*instance.history, *new], decision.actions)
    except HostError as exc:
        raise _FailedError(str(exc)) from exc
    _check_names(plan, index)
    if decision.custom_status is not None:
        result.custom_status = _checked_custom_status(decision.custom_status)
    result.scheduled = plan.new
    for work in plan.new:
        if work.kind == "sub-orchestration" and work.instance_id is None:
            work.instance_id = sub_orchestration_id(instance.execution_id, work.id)
    result.cancelled_timers = plan.cancelled_timers
    _end(decision, plan, result)


def _end(decision: Decision, plan: Plan, result: EpisodeResult) -> None:
    # DTFx ends an orchestration only when every task that it started has ended or was cancelled (HasOpenTasks), also when it fails.
    if not (decision.done or decision.error) or not plan.all_awaited or plan.open_tasks:
        return
    if decision.error:
        raise _FailedError(decision.error)
    if plan.continues:
        result.continues = True
        # the input of the action is JSON text; the extension serializes it once more, as for a client's start
        result.next_input = None if plan.continue_as_new is None else json.dumps(plan.continue_as_new)
        return
    result.status = RuntimeStatus.COMPLETED
    result.output = decision.output


def _check_names(plan: Plan, index: AppIndex) -> None:
    for work in plan.new:
        if work.kind == "activity" and work.name not in index.activities:
            raise _FailedError(f"the function '{work.name}' doesn't exist, is disabled, or is not an activity function")
        if work.kind == "sub-orchestration" and work.name not in index.orchestrators:
            raise _FailedError(
                f"the function '{work.name}' doesn't exist, is disabled, or is not an orchestrator function"
            )


def _checked_custom_status(text: str) -> str:
    size = len(text.encode("utf-16-le"))
    if size > _CUSTOM_STATUS_LIMIT_BYTES:
        raise _FailedError(
            f"the custom status is too large: {size} bytes in UTF-16, and Azure takes at most {_CUSTOM_STATUS_LIMIT_BYTES}"
        )
    return text


def _scheduling_event(work: Scheduled, now: datetime) -> Event:
    if work.kind == "activity":
        return make_event(EventType.TASK_SCHEDULED, now, work.id, Name=work.name, Version=None, Input=work.input)
    if work.kind == "timer":
        assert work.fire_at is not None
        return make_event(EventType.TIMER_CREATED, now, work.id, FireAt=format_time(work.fire_at))
    return make_event(
        EventType.SUB_ORCHESTRATION_CREATED,
        now,
        work.id,
        Name=work.name,
        Version=work.version,
        InstanceId=work.instance_id,
        Input=work.input,
    )


def _ending_events(result: EpisodeResult, now: datetime) -> list[Event]:
    if result.continues:
        return [make_event(EventType.CONTINUE_AS_NEW, now, Input=result.next_input)]
    if result.status.is_terminal:
        return [
            make_event(
                EventType.EXECUTION_COMPLETED, now, OrchestrationStatus=result.status.value, Result=result.output
            )
        ]
    return []
