"""The names of functions and the ids of runs, shared by the code that defines them and the code that calls them."""

from __future__ import annotations

import re
from datetime import datetime

from backup.document_models import Kind

COPY_MODEL = "copy_model"
LANE = "lane"
COPY_BATCH = "copy_batch"
BACKUP_RUN = "backup_run"
RESTORE_RUN = "restore_run"
LIST_RESOURCE = "list_resource"

INSPECT_MODELS = "inspect_models"
AUTHORIZE_COPY = "authorize_copy"
START_COPY = "start_copy"
CHECK_COPY = "check_copy"
VERIFY_COPY = "verify_copy"
RECORD_REPLICA = "record_replica"
DISCARD_TARGET = "discard_target"
PARK_CLAIM = "park_claim"
OPEN_RUN = "open_run"
TAKE_ROW = "take_row"
CLOSE_RUN = "close_run"
SEND_NOTICES = "send_notices"
CLAIM_PLAN = "claim_plan"
LIST_PAGE = "list_page"
MAKE_PLAN = "make_plan"
PLAN_RESTORE = "plan_restore"
DELETE_REPLICA = "delete_replica"
CHECK_REPLICA = "check_replica"
CLEAR_SUSPECT = "clear_suspect"
CONFIRM_REPLICA = "confirm_replica"
NOTE_WAIT = "note_wait"

MODEL_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._~-]{1,63}")
"""The ids that v3 and later accept; v2 ids are UUIDs and match as well (published API description)."""

V2_MODEL_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""v2 ids are chosen by the service and are UUIDs."""

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")
"""Run ids double as instance ids and storage keys, so they have only characters that are safe in both."""


def new_run_id(prefix: str, now: datetime, random_part: str) -> str:
    """Return the id of a run that is started over HTTP: ``prefix``, the time to the minute (UTC) and a random part."""
    return f"{prefix}-{now:%Y%m%dT%H%M}-{random_part}"


def plan_run_id(plan: str, moment: datetime, random_part: str | None = None) -> str:
    """Return the id of a run of a plan. A timer gives the scheduled time and no random part, so a double fire is one run."""
    return f"{plan}-{moment:%Y%m%dT%H%M}" + (f"-{random_part}" if random_part else "")


def claim_key(kind: Kind, source: str, model_id: str) -> str:
    """Return the key of a claim within its target."""
    return f"{kind}|{source}|{model_id}"


def replica_partition(source: str, kind: Kind, model_id: str) -> str:
    """Return the partition that holds every replica of one source model, so that one query finds them all."""
    return f"{source}|{kind}|{model_id}"


LONGEST_MODEL_ID = 64

CANDIDATES = 9
"""How many ids a copy may try: the requested one and eight fallback ids."""


def fallback_ids(wanted: str, count: int = CANDIDATES) -> list[str]:
    """Return ``wanted`` and the fallback ids for it: ``{id}.2``, ``{id}.3``, …, all within 64 characters."""
    suffixes = [f".{number}" for number in range(2, count + 1)]
    return [wanted, *(wanted[: LONGEST_MODEL_ID - len(suffix)] + suffix for suffix in suffixes)]
