"""Calls the app's functions as the Python worker does."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable
from typing import Any

import azure.functions as func

from local.host import loop
from local.host.app_index import AppIndex, FunctionInfo
from local.host.clock import Clock
from local.host.protocol import Event, EventType, decode_payload, encode_payload, make_event
from local.host.records import ActivityJob

_log = logging.getLogger("local.host.activities")


class TraceContext(func._abc.TraceContext):
    """No distributed tracing on one machine."""

    trace_state = ""
    trace_parent = ""

    @property
    def attributes(self) -> dict[str, str]:
        """No attributes."""
        return {}


class InvocationContext(func.Context):
    """``func.Context`` of one invocation."""

    def __init__(self, function_name: str) -> None:
        self._function_name = function_name
        self._invocation_id = str(uuid.uuid4())
        self._local = threading.local()

    @property
    def invocation_id(self) -> str:
        """A new id for every invocation."""
        return self._invocation_id

    @property
    def thread_local_storage(self) -> Any:
        """Storage of the invocation's thread."""
        return self._local

    @property
    def function_name(self) -> str:
        """The function's name."""
        return self._function_name

    @property
    def function_directory(self) -> str:
        """The app's directory."""
        return "."

    @property
    def trace_context(self) -> Any:
        """The trace context, empty."""
        return TraceContext()

    @property
    def retry_context(self) -> Any:
        """No retry policies here."""
        return None


def call_activity(info: FunctionInfo, payload: str | None) -> str:
    """Call an activity function and return its result as JSON text.

    Args:
        info: the function.
        payload: its input as JSON text.

    Raises:
        Exception: every exception of the function, and ``TypeError`` if its result cannot be written as JSON.
    """
    return encode_payload(call_function(info, None if payload is None else decode_payload(payload)))


def activity_event(index: AppIndex, job: ActivityJob, clock: Clock) -> Event:
    """Call the activity of ``job`` and return the event of its end: completed with its result, or failed with its exception."""
    try:
        result = call_activity(index.activity(job.name), job.input)
    except BaseException as exc:  # noqa: BLE001 - every exception of the function is its result
        _log.warning("activity '%s' of '%s' failed", job.name, job.instance_id, exc_info=exc)
        kind, text = type(exc).__name__, str(exc)
        return make_event(
            EventType.TASK_FAILED,
            clock.now(),
            TaskScheduledId=job.task_id,
            Reason=f"Activity function '{job.name}' failed: {kind}: {text}",
            Details=json.dumps({"ClassName": kind, "Message": text}),
            FailureDetails=None,
        )
    return make_event(EventType.TASK_COMPLETED, clock.now(), TaskScheduledId=job.task_id, Result=result)


def call_function(info: FunctionInfo, trigger: object, client_binding: Callable[[], str] | None = None) -> Any:
    """Call a function and return its result; an ``async`` function runs on the function loop. Not for use on that loop.

    Args:
        info: the function.
        trigger: the value of its trigger's parameter.
        client_binding: returns the text of a durable client binding.
    """
    call_arguments = arguments(info, trigger, client_binding() if client_binding and info.clients else "")
    if info.is_async:
        return loop.submit(info.call(**call_arguments)).result()
    return info.call(**call_arguments)


def arguments(info: FunctionInfo, trigger: object, client_binding: str) -> dict[str, Any]:
    """Return the arguments of one invocation: the trigger, the durable clients, and the context if there is a parameter for it."""
    values: dict[str, Any] = {info.parameter: trigger, **dict.fromkeys(info.clients, client_binding)}
    if info.has_context:
        values["context"] = InvocationContext(info.name)
    return values
