"""Faults on demand: which kind, for which operation, how often. ``faulty.py`` applies them to the connection."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from local.simulator.routing import OPERATIONS

FaultKind = Literal[
    "status",  # answer this status instead of working
    "delay",  # wait, then do the work
    "timeoutBefore",  # hold, then drop the connection; nothing was done
    "timeoutAfter",  # do the work, hold, then drop the connection
    "lostAnswer",  # the same, at once by default
    "hold",  # do the work, then hold the answer until it is released or the seconds have passed
    "reset",  # RST, nothing was done
    "malformed",  # do the work, answer with a body that is not JSON
    "truncated",  # do the work, send fewer bytes than Content-Length
    "wrongHost",  # do the work, every address in the answer points at another host
    "slowBody",  # do the work, send the body in pieces over the seconds
]
KINDS: tuple[str, ...] = get_args(FaultKind)

_DEFAULT_SECONDS = {
    "delay": 1.0,
    "timeoutBefore": 60.0,
    "timeoutAfter": 60.0,
    "lostAnswer": 0.0,
    "hold": 60.0,
    "slowBody": 1.0,
}


@dataclass(slots=True)
class Fault:
    """One fault that waits for requests of its ``operation`` (``*`` is any)."""

    id: int
    operation: str
    kind: str
    count: int | None = 1
    skip: int = 0
    probability: float = 1.0
    seconds: float | None = None
    status: int = 500
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    model_id: str | None = None
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def wait_seconds(self) -> float:
        """How long the fault waits, in real seconds."""
        return _DEFAULT_SECONDS.get(self.kind, 0.0) if self.seconds is None else self.seconds

    def as_json(self) -> dict[str, Any]:
        """Return the fault as ``GET /_sim/faults`` answers it."""
        body: dict[str, Any] = {
            "id": self.id,
            "operation": self.operation,
            "kind": self.kind,
            "count": self.count,
            "skip": self.skip,
            "probability": self.probability,
        }
        if self.model_id is not None:
            body["modelId"] = self.model_id
        if self.kind == "status":
            body["status"] = self.status
        elif self.kind in _DEFAULT_SECONDS:
            body["seconds"] = self.wait_seconds
        return body


class Faults:
    """The faults of one resource, used up in the order in which they were added."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._waiting: list[Fault] = []
        self._holding: list[Fault] = []
        self._ids = itertools.count(1)

    def add(self, operation: str, kind: str, **options: Any) -> Fault:
        """Add a fault; raises ``ValueError`` with the reason if it is wrong."""
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
        if operation != "*" and operation not in OPERATIONS:
            raise ValueError(f"operation must be * or one of {', '.join(sorted(OPERATIONS))}, not {operation!r}")
        fault = Fault(next(self._ids), operation, kind, **options)
        if fault.count is not None and fault.count < 1:
            raise ValueError("count must be at least 1, or null for no limit")
        if not 0 <= fault.probability <= 1:
            raise ValueError("probability must be from 0 to 1")
        if not 200 <= fault.status <= 599:
            raise ValueError("status must be from 200 to 599")
        if fault.skip < 0 or fault.wait_seconds < 0:
            raise ValueError("skip and seconds must be 0 or more")
        self._waiting.append(fault)
        return fault

    def take(self, operation: str, model_id: str | None) -> Fault | None:
        """Return the first fault for this request, and count one use of it."""
        if not self._waiting:
            return None
        for fault in self._waiting:
            if fault.operation not in ("*", operation) or (fault.model_id is not None and fault.model_id != model_id):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.probability < 1 and self._rng.random() >= fault.probability:
                continue
            if fault.count is not None:
                fault.count -= 1
                if fault.count == 0:
                    self._waiting.remove(fault)
            self._holding.append(fault)
            return fault
        return None

    def done(self, fault: Fault) -> None:
        """Report that the request with this fault has ended."""
        self._holding.remove(fault)

    def list(self) -> list[Fault]:
        """Return the faults that wait for a request."""
        return list(self._waiting)

    def clear(self) -> None:
        """Remove all faults and release all held answers. Call it on the loop's thread."""
        self._waiting.clear()
        for fault in self._holding:
            fault.released.set()
