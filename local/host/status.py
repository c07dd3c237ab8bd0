"""An orchestration instance as a client sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.host.protocol import parse_time
from local.host.records import Instance, RuntimeStatus


@dataclass(frozen=True, slots=True)
class Status:
    """An orchestration instance, as a client sees it. ``input`` of a client's start is text: the SDK serializes it twice."""

    instance_id: str
    name: str
    runtime_status: RuntimeStatus
    input: Any
    output: Any
    custom_status: Any
    created: datetime
    updated: datetime
    version: str | None = None


def status_of(instance: Instance) -> Status:
    """Return the status of an instance."""
    return Status(
        instance_id=instance.instance_id,
        name=instance.name,
        runtime_status=instance.status,
        input=parsed(instance.input),
        output=parsed(instance.output),
        custom_status=parsed(instance.custom_status),
        created=parse_time(instance.created),
        updated=parse_time(instance.updated),
        version=instance.version,
    )


def parsed(text: str | None) -> Any:
    """Return the value of a JSON text; ``None`` if there is no text."""
    return None if text is None else json.loads(text)
