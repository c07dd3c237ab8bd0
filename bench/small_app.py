"""A minimal durable app: one orchestrator that calls one activity."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import azure.durable_functions as df

app = df.DFApp()


@app.activity_trigger(input_name="number")  # type: ignore[untyped-decorator]  # the 1.x SDK is untyped (durable-python#524)
def add_one(number: int) -> int:
    """Return the number after ``number``."""
    return number + 1


@app.orchestration_trigger(context_name="context")  # type: ignore[untyped-decorator]  # the 1.x SDK is untyped (durable-python#524)
def one_activity(context: df.DurableOrchestrationContext) -> Generator[Any, Any, int]:
    """Call one activity and return its result."""
    result: int = yield context.call_activity("add_one", context.get_input())
    return result
