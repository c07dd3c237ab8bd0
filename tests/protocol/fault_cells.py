"""One copy that meets one fault of the service at one step, and its outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.inprocess import SOURCE
from local.simulator import SimulatedResource

from .conftest import ProtocolStage, Subject

MANY = 4
"""Counts are exact up to three; more depend on how long the waits in between are drawn."""

REFUSED = {"kind": "status", "status": 409}
"""What makes a start fail for good, so that its placeholder has to be discarded."""


@dataclass(frozen=True)
class Meeting:
    """Where a fault strikes: an operation of one side, and what must go wrong before for it to be called."""

    side: str
    operation: str
    method: str
    before: tuple[str, str, Mapping[str, Any]] | None = None


LOST = {"kind": "lostAnswer"}

MEETINGS: Mapping[str, Meeting] = {
    "inspect the source": Meeting("source", "getModel", "get_model"),
    "inspect the target": Meeting("target", "getInfo", "account_limits"),
    "authorize": Meeting("target", "authorizeCopy", "authorize_copy"),
    "start the copy": Meeting("source", "startCopy", "start_copy"),
    "check the copy": Meeting("source", "checkCopy", "get_copy"),
    "verify": Meeting("target", "getModel", "get_model"),
    "discard": Meeting("target", "deleteModel", "delete_model", ("source", "startCopy", REFUSED)),
    "look for a lost authorization": Meeting("target", "listModels", "list_models", ("target", "authorizeCopy", LOST)),
    "look for a lost start": Meeting("source", "listOperations", "find_copy", ("source", "startCopy", LOST)),
}

_V2_LOST_START = Meeting("target", "getModel", "get_model", ("source", "startCopy", LOST))


def _status(status: int, retry_after: int | None = None) -> dict[str, Any]:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return {"kind": "status", "status": status, "headers": headers}


RETRY_AFTER: Mapping[str, int] = {"429": 17, "503 with Retry-After": 23}
"""The seconds of the header in these faults."""

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "time-out before the work": {"kind": "timeoutBefore", "seconds": 0},
    "time-out after the work": {"kind": "timeoutAfter", "seconds": 0},
    "reset": {"kind": "reset"},
    **{str(status): _status(status) for status in (401, 403, 404, 409, 410, 500, 503)},
    "429": _status(429, RETRY_AFTER["429"]),
    "503 with Retry-After": _status(503, RETRY_AFTER["503 with Retry-After"]),
    "malformed body": {"kind": "malformed"},
    "truncated body": {"kind": "truncated"},
    "wrong host in the answer": {"kind": "wrongHost"},
    "resource down": {},
}


@dataclass(frozen=True)
class Outcome:
    """How a copy ended, how often the service was called for what, and the state of the claim."""

    code: str
    authorized: int
    started: int
    deleted: int
    asked: int
    """How often the operation that met the fault was asked; pages after the first are not counted, nor a resource that is down."""
    claim: str

    def __str__(self) -> str:
        counts = (self.authorized, self.started, self.deleted, self.asked)
        return f"{self.code} | {' '.join('+' if count >= MANY else str(count) for count in counts)} | {self.claim}"


def meeting_of(subject: Subject, step: str) -> Meeting | None:
    """Return where a fault strikes for ``subject``, or ``None`` where its generation has no such step."""
    if step == "look for a lost authorization" and not subject.is_v2:
        return None
    if step == "look for a lost start" and subject.is_v2:
        return _V2_LOST_START
    return MEETINGS[step]


class Cell:
    """One copy that meets one fault at one step, once or each time."""

    def __init__(self, stage: ProtocolStage, step: str, fault: str, *, always: bool) -> None:
        meeting = meeting_of(stage.subject, step)
        assert meeting is not None, "the step exists in this generation"
        self._stage, self._fault, self._always = stage, fault, always
        self._meeting = meeting
        self.operation = stage.subject.operation(meeting.operation)
        self.resource = self._side(meeting.side)

    def copy(self, model_id: str) -> Outcome:
        """Copy the model and return what came of it; the faults are taken out in the end."""
        stage = self._stage
        for resource in (stage.source, stage.there):
            resource.clear_requests()
        if self._meeting.before is not None:
            side, operation, options = self._meeting.before
            self._side(side).inject(stage.subject.operation(operation), **options)
        if FAULTS[self._fault]:
            self.resource.inject(self.operation, **FAULTS[self._fault], count=None if self._always else 1)
        else:
            stage.services.interruption = self._cut()
        run_id = stage.begin(model_id)
        if not FAULTS[self._fault] and not self._always:
            stage.let_pass(15)
            self.resource.down(False)
        stage.host.run_until_idle()
        self._restore()
        return self._outcome(model_id, stage.ended(run_id))

    def _side(self, side: str) -> SimulatedResource:
        return self._stage.source if side == "source" else self._stage.there

    def _cut(self) -> Callable[[str, str], None]:
        """Return what takes the resource down at the moment when it is first asked for what this is about."""
        name = SOURCE if self._meeting.side == "source" else self._stage.subject.target
        cut: list[bool] = []

        def at(where: str, moment: str) -> None:
            if (where, moment) == (f"{name}:{self._meeting.method}", "before") and not cut:
                cut.append(True)
                self.resource.down(True)

        return at

    def _restore(self) -> None:
        stage = self._stage
        stage.services.interruption = lambda where, moment: None
        for resource in (stage.source, stage.there):
            resource.clear_faults()
            resource.down(False)

    def _outcome(self, model_id: str, ended: Mapping[str, Any]) -> Outcome:
        stage = self._stage
        held = stage.services.catalog.claims.get(stage.subject.target, stage.subject.kind, SOURCE, model_id)
        return Outcome(
            str(ended.get("code") or ended["status"]),
            min(stage.asked("authorizeCopy"), MANY),
            min(stage.asked("startCopy"), MANY),
            min(stage.asked("deleteModel"), MANY),
            min(sum("nextLink" not in entry.query for entry in self.resource.requests(self.operation)), MANY),
            str(held.record.state) if held else "none",
        )
