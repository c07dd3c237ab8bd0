"""Events: JSON lines in the log, one for each step that a person may ask about, with stable names and without secrets."""

from __future__ import annotations

import json
import logging
from enum import StrEnum
from typing import Any

_logger = logging.getLogger("form_recognizer_backup")


class Event(StrEnum):
    """The stable names; queries and alerts are built on them (docs/events.md)."""

    CLAIM_TAKEN = "claimTaken"
    CLAIM_TAKEN_OVER = "claimTakenOver"
    AUTHORIZED = "copyAuthorized"
    STARTED = "copyStarted"
    CHECKED = "copyChecked"
    VERIFIED = "copyVerified"
    RECORDED = "replicaRecorded"
    DISCARDED = "targetDiscarded"
    PARKED = "claimParked"
    STEP_FAILED = "stepFailed"
    SUSPECT_FOUND = "suspectFound"
    SUSPECT_DELETED = "suspectDeleted"
    RECLAIMED = "idReclaimed"
    SUPERSEDED = "targetSuperseded"
    ADOPTION_REFUSED = "adoptionRefused"
    FALLBACK_ID = "fallbackIdUsed"
    EXPIRES_SOON = "sourceExpiresSoon"
    SWEPT = "supersededSwept"
    UNTRUSTED_ADDRESS = "untrustedAddress"
    REPLICA_DELETED = "replicaDeleted"
    PLAN_MADE = "planMade"
    FINDING = "finding"
    DELETION_GUARDED = "deletionGuarded"
    RUN_STARTED = "runStarted"
    RUN_SCHEDULED = "runScheduled"
    RUN_SKIPPED = "runSkipped"
    RUN_NOT_STARTED = "runNotStarted"
    PLAN_PAUSED = "planPaused"
    PLAN_RESUMED = "planResumed"
    PURGED = "historyPurged"
    RUN_ENDED = "runEnded"
    CANCEL_REQUESTED = "cancelRequested"
    APP_UNUSABLE = "appUnusable"
    FINDING_BEGAN = "findingBegan"
    FINDING_ENDED = "findingEnded"
    NOTICE_SENT = "noticeSent"
    NOTICE_FAILED = "noticeFailed"
    NOTICE_LOST = "noticeLost"
    RESOURCE_DOWN = "resourceDown"
    RESOURCE_UP = "resourceUp"


WARNINGS = {
    Event.STEP_FAILED,
    Event.SUSPECT_FOUND,
    Event.SUSPECT_DELETED,
    Event.RECLAIMED,
    Event.SUPERSEDED,
    Event.ADOPTION_REFUSED,
    Event.UNTRUSTED_ADDRESS,
    Event.CLAIM_TAKEN_OVER,
    Event.FALLBACK_ID,
    Event.EXPIRES_SOON,
    Event.FINDING,
    Event.RUN_SKIPPED,
    Event.RUN_NOT_STARTED,
    Event.PLAN_PAUSED,
    Event.DELETION_GUARDED,
    Event.APP_UNUSABLE,
    Event.FINDING_BEGAN,
    Event.NOTICE_FAILED,
    Event.NOTICE_LOST,
    Event.RESOURCE_DOWN,
}


def emit(event: Event, **fields: Any) -> None:
    """Write one event. ``fields`` hold names, ids, codes and numbers; a field that is ``None`` is left out."""
    present = {name: value for name, value in fields.items() if value is not None}
    level = logging.WARNING if event in WARNINGS else logging.INFO
    _logger.log(level, "%s", json.dumps({"event": event, **present}, default=str, ensure_ascii=False))
