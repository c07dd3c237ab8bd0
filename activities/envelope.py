"""The envelope: every activity returns ``{"ok": true, …}`` or ``{"ok": false, "code", "message", "retryable", …}``.

Expected failures are answers and not exceptions, because an exception reaches an orchestrator as text without a type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import azure.durable_functions as df

from backup.codes import Code
from backup.messages import Message
from backup.messages.copy import Failure, StepInput
from catalog.store import CatalogUnavailable, RowChanged, RowExists, RowTooLong
from catalog.transactions import counted_transactions
from claims.step import RETRY_SECONDS, Refused, failure_of, step_fields
from form_recognizer import ServiceError
from wiring.calls import counted_calls
from wiring.events import Event, emit
from wiring.sealing import SealingKeyUnknown
from wiring.services import ConfigurationInvalid, Services, services

Input = TypeVar("Input", bound=Message)


def answer(name: str, kind: type[Input], step: Callable[[Services, Input], Message], data: object) -> dict[str, Any]:
    """Run ``step`` on the input ``data`` and return its envelope as JSON. Logs what it cost, and one event more for a failure."""
    message = kind.parse(data)
    with counted_calls() as calls, counted_transactions() as transactions:
        result = _result(step, message)
    emit(
        Event.STEP_ENDED,
        step=name,
        calls=calls.sent or None,
        throttled=calls.throttled or None,
        storage=transactions.count,
        **_fields(message),
    )
    if isinstance(result, Failure):
        emit(
            Event.STEP_FAILED,
            step=name,
            code=result.code,
            message=result.message,
            # the copy waits for a blocked id until its deadline
            retryable=result.retryable or result.code == Code.ID_BLOCKED,
            retryAfter=result.retry_after,
            requestId=result.request_id,
            **_fields(message),
        )
    return result.to_json()


def _result(step: Callable[[Services, Input], Message], message: Input) -> Message:
    try:
        return step(services(), message)
    except Refused as refused:
        return refused.failure
    except ServiceError as error:
        return failure_of(error)
    except (RowChanged, RowExists):
        return Failure.of(
            Code.RECONCILING, "a row of the catalog was changed concurrently; retrying", retry_after=RETRY_SECONDS
        )
    except RowTooLong as error:
        return Failure.of(Code.MODEL_TOO_LARGE, f"the catalog cannot hold what this step must note: {error}")
    except CatalogUnavailable as error:
        return Failure.of(Code.CATALOG_UNAVAILABLE, str(error))
    except SealingKeyUnknown as error:
        return Failure.of(Code.SEALING_KEY_UNKNOWN, str(error))
    except (ConfigurationInvalid, LookupError) as error:
        return Failure.of(Code.CONFIGURATION_INVALID, str(error))


def activity(
    blueprint: df.Blueprint, name: str, kind: type[Input]
) -> Callable[[Callable[[Services, Input], Message]], Callable[[Services, Input], Message]]:
    """Register the decorated step as the activity ``name``, with ``kind`` as its input."""

    def register(step: Callable[[Services, Input], Message]) -> Callable[[Services, Input], Message]:
        def entry(data: dict) -> dict[str, Any]:  # type: ignore[type-arg]  # the worker refuses dict[str, Any] here
            return answer(name, kind, step, data)

        entry.__doc__ = step.__doc__
        blueprint.function_name(name)(blueprint.activity_trigger(input_name="data")(entry))
        return step

    return register


def _fields(message: Message) -> dict[str, Any]:
    """Return the fields by which an event is found."""
    if isinstance(message, StepInput):
        return step_fields(message)
    run_id = getattr(message, "run_id", None) or getattr(getattr(message, "request", None), "run_id", None)
    return {} if run_id is None else {"run": run_id}
