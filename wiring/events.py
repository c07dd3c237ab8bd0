"""Events: JSON lines in the log, one for each step that a person may ask about, with stable names and without secrets."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from enum import StrEnum
from typing import Any

from backup.moments import written
from wiring.event_lines import LINES, Level

_logger = logging.getLogger("form_recognizer_backup")


class Event(StrEnum):
    """The stable names; queries and alerts are built on them. ``wiring/event_lines.py`` says what each line holds."""

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
    RESOURCE_PROBED = "resourceProbed"
    PLAN_WATCHED = "planWatched"
    MODEL_STATES = "modelStates"
    STEP_ENDED = "stepEnded"


_LEVELS = {Level.INFORMATION: logging.INFO, Level.WARNING: logging.WARNING}


def emit(event: Event, **fields: Any) -> None:
    """Write one event. ``fields`` hold names, ids, codes and numbers; a field that is ``None`` is left out."""
    present = {name: value for name, value in fields.items() if value is not None}
    text = json.dumps({"event": event, **present}, default=_in_words, ensure_ascii=False)
    _logger.log(_LEVELS[LINES[event].level], "%s", text)


def _in_words(value: object) -> str:
    return written(value) if isinstance(value, datetime) else str(value)
