"""The outcome of a copy for each fault in each step: the expectations of the tests, and the source of docs/failures.md.

Each row: step, fault, generations; then, for a fault that strikes once and for one that repeats: the code of the copy, the number of
calls to authorize, to start, to delete and of the step's own operation (``+``: more than three), and the state of the claim. Write the
page again with ``PYTHONPATH=. python tests/protocol/fault_matrix.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backup.codes import MEANINGS, Code, Remedy

PAGE = Path(__file__).parents[2] / "docs" / "failures.md"

# ruff: noqa: E501 - one expectation a line
ROWS = """
inspect the source | time-out before the work | all | Succeeded | 1 1 0 2 | released || NoAnswer | 0 0 0 + | none
inspect the source | time-out after the work | all | Succeeded | 1 1 0 2 | released || NoAnswer | 0 0 0 + | none
inspect the source | reset | all | Succeeded | 1 1 0 2 | released || NoAnswer | 0 0 0 + | none
inspect the source | 401 | all | AccessDenied | 0 0 0 1 | none || AccessDenied | 0 0 0 1 | none
inspect the source | 403 | all | AccessDenied | 0 0 0 1 | none || AccessDenied | 0 0 0 1 | none
inspect the source | 404 | all | BadRequest | 0 0 0 1 | none || BadRequest | 0 0 0 1 | none
inspect the source | 409 | all | BadRequest | 0 0 0 1 | none || BadRequest | 0 0 0 1 | none
inspect the source | 410 | all | VersionRetired | 0 0 0 1 | none || VersionRetired | 0 0 0 1 | none
inspect the source | 500 | all | Succeeded | 1 1 0 2 | released || ServerError | 0 0 0 + | none
inspect the source | 503 | all | Succeeded | 1 1 0 2 | released || ServerError | 0 0 0 + | none
inspect the source | 429 | all | Succeeded | 1 1 0 2 | released || Throttled | 0 0 0 + | none
inspect the source | 503 with Retry-After | all | Succeeded | 1 1 0 2 | released || ServiceBusy | 0 0 0 3 | none
inspect the source | malformed body | all | Succeeded | 1 1 0 2 | released || UnreadableAnswer | 0 0 0 + | none
inspect the source | truncated body | all | Succeeded | 1 1 0 2 | released || UnreadableAnswer | 0 0 0 + | none
inspect the source | wrong host in the answer | all | Succeeded | 1 1 0 1 | released || Succeeded | 1 1 0 1 | released
inspect the source | resource down | all | Succeeded | 1 1 0 1 | released || Unreachable | 0 0 0 0 | none
inspect the target | time-out before the work | all | Succeeded | 1 1 0 2 | released || NoAnswer | 0 0 0 + | none
inspect the target | time-out after the work | all | Succeeded | 1 1 0 2 | released || NoAnswer | 0 0 0 + | none
inspect the target | reset | all | Succeeded | 1 1 0 2 | released || NoAnswer | 0 0 0 + | none
inspect the target | 401 | all | AccessDenied | 0 0 0 1 | none || AccessDenied | 0 0 0 1 | none
inspect the target | 403 | all | AccessDenied | 0 0 0 1 | none || AccessDenied | 0 0 0 1 | none
inspect the target | 404 | all | BadRequest | 0 0 0 1 | none || BadRequest | 0 0 0 1 | none
inspect the target | 409 | all | BadRequest | 0 0 0 1 | none || BadRequest | 0 0 0 1 | none
inspect the target | 410 | all | VersionRetired | 0 0 0 1 | none || VersionRetired | 0 0 0 1 | none
inspect the target | 500 | all | Succeeded | 1 1 0 2 | released || ServerError | 0 0 0 + | none
inspect the target | 503 | all | Succeeded | 1 1 0 2 | released || ServerError | 0 0 0 + | none
inspect the target | 429 | all | Succeeded | 1 1 0 1 | released || Succeeded | 1 1 0 1 | released
inspect the target | 503 with Retry-After | all | Succeeded | 1 1 0 2 | released || ServiceBusy | 0 0 0 3 | none
inspect the target | malformed body | all | Succeeded | 1 1 0 2 | released || UnreadableAnswer | 0 0 0 + | none
inspect the target | truncated body | all | Succeeded | 1 1 0 2 | released || UnreadableAnswer | 0 0 0 + | none
inspect the target | wrong host in the answer | all | Succeeded | 1 1 0 1 | released || Succeeded | 1 1 0 1 | released
inspect the target | resource down | all | Succeeded | 1 1 0 1 | released || Unreachable | 0 0 0 0 | none
authorize | time-out before the work | all | Succeeded | 2 1 0 2 | released || AuthorizationLost | 3 0 0 3 | released
authorize | time-out after the work | v2 | Succeeded | 2 1 0 2 | released || AuthorizationLost | 3 0 0 3 | released
authorize | time-out after the work | v3+ | Succeeded | 3 1 0 3 | released || AuthorizationLost | 3 0 0 3 | released
authorize | reset | all | Succeeded | 2 1 0 2 | released || AuthorizationLost | 3 0 0 3 | released
authorize | 401 | all | AccessDenied | 1 0 0 1 | released || AccessDenied | 1 0 0 1 | released
authorize | 403 | all | AccessDenied | 1 0 0 1 | released || AccessDenied | 1 0 0 1 | released
authorize | 404 | all | BadRequest | 1 0 0 1 | released || BadRequest | 1 0 0 1 | released
authorize | 409 | v2 | BadRequest | 1 0 0 1 | released || BadRequest | 1 0 0 1 | released
authorize | 409 | v3+ | Succeeded | 2 1 0 2 | released || ModelExists | + 0 0 + | released
authorize | 410 | all | VersionRetired | 1 0 0 1 | released || VersionRetired | 1 0 0 1 | released
authorize | 500 | all | Succeeded | 2 1 0 2 | released || AuthorizationLost | 3 0 0 3 | released
authorize | 503 | all | Succeeded | 2 1 0 2 | released || AuthorizationLost | 3 0 0 3 | released
authorize | 429 | all | Succeeded | 2 1 0 2 | released || Throttled | + 0 0 + | released
authorize | 503 with Retry-After | all | Succeeded | 2 1 0 2 | released || ServiceBusy | 3 0 0 3 | released
authorize | malformed body | all | Succeeded | 2 1 1 2 | released || AuthorizationUnusable | 3 0 3 3 | released
authorize | truncated body | all | Succeeded | 2 1 1 2 | released || AuthorizationUnusable | 3 0 3 3 | released
authorize | wrong host in the answer | all | UntrustedAddress | 1 0 1 1 | released || UntrustedAddress | 1 0 1 1 | released
authorize | resource down | all | Succeeded | 1 1 0 1 | released || Unreachable | 0 0 0 0 | released
start the copy | time-out before the work | all | Succeeded | 2 2 1 2 | released || StartUnknown | 3 3 3 3 | released
start the copy | time-out after the work | all | Succeeded | 1 1 0 1 | released || Succeeded | 1 1 0 1 | released
start the copy | reset | all | Succeeded | 2 2 1 2 | released || StartUnknown | 3 3 3 3 | released
start the copy | 401 | all | Succeeded | 1 2 0 2 | released || AccessDenied | 1 3 1 3 | released
start the copy | 403 | all | Succeeded | 1 2 0 2 | released || AccessDenied | 1 3 1 3 | released
start the copy | 404 | all | BadRequest | 1 1 1 1 | released || BadRequest | 1 1 1 1 | released
start the copy | 409 | all | Succeeded | 2 2 1 2 | released || CopyRefused | 3 3 3 3 | released
start the copy | 410 | all | VersionRetired | 1 1 1 1 | released || VersionRetired | 1 1 1 1 | released
start the copy | 500 | all | Succeeded | 2 2 1 2 | released || StartUnknown | 3 3 3 3 | released
start the copy | 503 | all | Succeeded | 2 2 1 2 | released || StartUnknown | 3 3 3 3 | released
start the copy | 429 | all | Succeeded | 1 2 0 2 | released || Throttled | 1 + 1 + | released
start the copy | 503 with Retry-After | all | Succeeded | 1 2 0 2 | released || ServiceBusy | 1 3 1 3 | released
start the copy | malformed body | all | Succeeded | 1 1 0 1 | released || Succeeded | 1 1 0 1 | released
start the copy | truncated body | all | Succeeded | 1 1 0 1 | released || Succeeded | 1 1 0 1 | released
start the copy | wrong host in the answer | all | Succeeded | 1 1 0 1 | released || Succeeded | 1 1 0 1 | released
start the copy | resource down | all | Succeeded | 1 1 0 1 | released || Unreachable | 1 0 1 0 | released
check the copy | time-out before the work | all | Succeeded | 1 1 0 2 | released || StillCopying | 1 1 0 + | copying
check the copy | time-out after the work | all | Succeeded | 1 1 0 2 | released || StillCopying | 1 1 0 + | copying
check the copy | reset | all | Succeeded | 1 1 0 2 | released || StillCopying | 1 1 0 + | copying
check the copy | 401 | all | Succeeded | 1 1 0 2 | released || StillCopying | 1 1 0 + | copying
check the copy | 403 | all | Succeeded | 1 1 0 2 | released || StillCopying | 1 1 0 + | copying
check the copy | 404 | v2 | Succeeded | 1 1 0 1 | released || Succeeded | 1 1 0 1 | released
check the copy | 404 | v3+ | Succeeded | 1 1 0 2 | released || Succeeded | 1 1 0 2 | released
check the copy | 409 | all | BadRequest | 1 1 0 1 | copying || BadRequest | 1 1 0 1 | copying
check the copy | 410 | all | VersionRetired | 1 1 0 1 | copying || VersionRetired | 1 1 0 1 | copying
check the copy | 500 | all | Succeeded | 1 1 0 2 | released || StillCopying | 1 1 0 + | copying
check the copy | 503 | all | Succeeded | 1 1 0 2 | released || StillCopying | 1 1 0 + | copying
check the copy | 429 | all | Succeeded | 1 1 0 2 | released || StillCopying | 1 1 0 + | copying
check the copy | 503 with Retry-After | all | Succeeded | 1 1 0 2 | released || StillCopying | 1 1 0 + | copying
check the copy | malformed body | all | Succeeded | 1 1 0 2 | released || StillCopying | 1 1 0 + | copying
check the copy | truncated body | all | Succeeded | 1 1 0 2 | released || StillCopying | 1 1 0 + | copying
check the copy | wrong host in the answer | all | Succeeded | 1 1 0 2 | released || Succeeded | 1 1 0 2 | released
check the copy | resource down | all | Succeeded | 1 1 0 1 | released || StillCopying | 1 1 0 0 | copying
verify | time-out before the work | all | Succeeded | 1 1 0 2 | released || NoAnswer | 1 1 0 + | verifying
verify | time-out after the work | all | Succeeded | 1 1 0 2 | released || NoAnswer | 1 1 0 + | verifying
verify | reset | all | Succeeded | 1 1 0 2 | released || NoAnswer | 1 1 0 + | verifying
verify | 401 | all | Succeeded | 1 1 0 2 | released || AccessDenied | 1 1 0 + | verifying
verify | 403 | all | Succeeded | 1 1 0 2 | released || AccessDenied | 1 1 0 + | verifying
verify | 404 | all | BadRequest | 1 1 0 1 | verifying || BadRequest | 1 1 0 1 | verifying
verify | 409 | all | BadRequest | 1 1 0 1 | verifying || BadRequest | 1 1 0 1 | verifying
verify | 410 | all | VersionRetired | 1 1 0 1 | verifying || VersionRetired | 1 1 0 1 | verifying
verify | 500 | all | Succeeded | 1 1 0 2 | released || ServerError | 1 1 0 + | verifying
verify | 503 | all | Succeeded | 1 1 0 2 | released || ServerError | 1 1 0 + | verifying
verify | 429 | all | Succeeded | 1 1 0 2 | released || Throttled | 1 1 0 + | verifying
verify | 503 with Retry-After | all | Succeeded | 1 1 0 2 | released || ServiceBusy | 1 1 0 + | verifying
verify | malformed body | all | Succeeded | 1 1 0 2 | released || UnreadableAnswer | 1 1 0 + | verifying
verify | truncated body | all | Succeeded | 1 1 0 2 | released || UnreadableAnswer | 1 1 0 + | verifying
verify | wrong host in the answer | all | Succeeded | 1 1 0 1 | released || Succeeded | 1 1 0 1 | released
verify | resource down | all | Succeeded | 1 1 0 1 | released || Unreachable | 1 1 0 0 | verifying
discard | time-out before the work | v2 | Succeeded | 2 2 2 2 | released || CopyRefused | 1 1 + + | discarding
discard | time-out before the work | v3+ | Succeeded | 3 2 1 1 | released || Succeeded | 3 2 1 1 | released
discard | time-out after the work | all | Succeeded | 2 2 1 1 | released || Succeeded | 2 2 1 1 | released
discard | reset | v2 | Succeeded | 2 2 2 2 | released || CopyRefused | 1 1 + + | discarding
discard | reset | v3+ | Succeeded | 3 2 1 1 | released || Succeeded | 3 2 1 1 | released
discard | 401 | all | Succeeded | 2 2 2 2 | released || CopyRefused | 1 1 3 3 | discarding
discard | 403 | all | Succeeded | 2 2 2 2 | released || CopyRefused | 1 1 3 3 | discarding
discard | 404 | all | CopyRefused | 1 1 1 1 | discarding || CopyRefused | 1 1 1 1 | discarding
discard | 409 | all | CopyRefused | 1 1 1 1 | discarding || CopyRefused | 1 1 1 1 | discarding
discard | 410 | all | CopyRefused | 1 1 1 1 | discarding || CopyRefused | 1 1 1 1 | discarding
discard | 500 | v2 | Succeeded | 2 2 2 2 | released || CopyRefused | 1 1 + + | discarding
discard | 500 | v3+ | Succeeded | 3 2 1 1 | released || Succeeded | 3 2 1 1 | released
discard | 503 | v2 | Succeeded | 2 2 2 2 | released || CopyRefused | 1 1 + + | discarding
discard | 503 | v3+ | Succeeded | 3 2 1 1 | released || Succeeded | 3 2 1 1 | released
discard | 429 | all | Succeeded | 2 2 2 2 | released || CopyRefused | 1 1 + + | discarding
discard | 503 with Retry-After | all | Succeeded | 2 2 2 2 | released || CopyRefused | 1 1 3 3 | discarding
discard | malformed body | all | Succeeded | 2 2 1 1 | released || Succeeded | 2 2 1 1 | released
discard | truncated body | all | Succeeded | 2 2 1 1 | released || Succeeded | 2 2 1 1 | released
discard | wrong host in the answer | all | Succeeded | 2 2 1 1 | released || Succeeded | 2 2 1 1 | released
discard | resource down | all | Succeeded | 2 2 1 1 | released || CopyRefused | 1 1 0 0 | discarding
look for a lost authorization | time-out before the work | v2 | Succeeded | 2 1 0 2 | released || NoAnswer | 1 0 0 + | authorizing
look for a lost authorization | time-out after the work | v2 | Succeeded | 2 1 0 2 | released || NoAnswer | 1 0 0 + | authorizing
look for a lost authorization | reset | v2 | Succeeded | 2 1 0 2 | released || NoAnswer | 1 0 0 + | authorizing
look for a lost authorization | 401 | v2 | AccessDenied | 1 0 0 1 | authorizing || AccessDenied | 1 0 0 1 | authorizing
look for a lost authorization | 403 | v2 | AccessDenied | 1 0 0 1 | authorizing || AccessDenied | 1 0 0 1 | authorizing
look for a lost authorization | 404 | v2 | BadRequest | 1 0 0 2 | released || BadRequest | 1 0 0 2 | authorizing
look for a lost authorization | 409 | v2 | BadRequest | 1 0 0 2 | released || BadRequest | 1 0 0 2 | authorizing
look for a lost authorization | 410 | v2 | VersionRetired | 1 0 0 2 | released || VersionRetired | 1 0 0 2 | authorizing
look for a lost authorization | 500 | v2 | Succeeded | 2 1 0 2 | released || ServerError | 1 0 0 + | authorizing
look for a lost authorization | 503 | v2 | Succeeded | 2 1 0 2 | released || ServerError | 1 0 0 + | authorizing
look for a lost authorization | 429 | v2 | Succeeded | 2 1 0 2 | released || Throttled | 1 0 0 + | authorizing
look for a lost authorization | 503 with Retry-After | v2 | Succeeded | 2 1 0 2 | released || ServiceBusy | 1 0 0 3 | authorizing
look for a lost authorization | malformed body | v2 | Succeeded | 2 1 0 2 | released || UnreadableAnswer | 1 0 0 + | authorizing
look for a lost authorization | truncated body | v2 | Succeeded | 2 1 0 2 | released || UnreadableAnswer | 1 0 0 + | authorizing
look for a lost authorization | wrong host in the answer | v2 | UntrustedAddress | 1 0 0 2 | released || UntrustedAddress | 1 0 0 2 | authorizing
look for a lost authorization | resource down | v2 | Succeeded | 2 1 0 1 | released || Unreachable | 1 0 0 0 | authorizing
look for a lost start | time-out before the work | v2 | Succeeded | 1 1 0 3 | released || NoAnswer | 1 1 0 + | posting
look for a lost start | time-out before the work | v3+ | Succeeded | 1 1 0 2 | released || NoAnswer | 1 1 0 + | posting
look for a lost start | time-out after the work | v2 | Succeeded | 1 1 0 3 | released || NoAnswer | 1 1 0 + | posting
look for a lost start | time-out after the work | v3+ | Succeeded | 1 1 0 2 | released || NoAnswer | 1 1 0 + | posting
look for a lost start | reset | v2 | Succeeded | 1 1 0 3 | released || NoAnswer | 1 1 0 + | posting
look for a lost start | reset | v3+ | Succeeded | 1 1 0 2 | released || NoAnswer | 1 1 0 + | posting
look for a lost start | 401 | v2 | Succeeded | 1 1 0 3 | released || AccessDenied | 1 1 0 2 | posting
look for a lost start | 401 | v3+ | Succeeded | 1 1 0 2 | released || AccessDenied | 1 1 0 2 | posting
look for a lost start | 403 | v2 | Succeeded | 1 1 0 3 | released || AccessDenied | 1 1 0 2 | posting
look for a lost start | 403 | v3+ | Succeeded | 1 1 0 2 | released || AccessDenied | 1 1 0 2 | posting
look for a lost start | 404 | v2 | Succeeded | 1 1 0 3 | released || BadRequest | 1 1 0 2 | discarding
look for a lost start | 404 | v3+ | Succeeded | 1 1 0 1 | released || Succeeded | 1 1 0 1 | released
look for a lost start | 409 | v2 | Succeeded | 1 1 0 3 | released || BadRequest | 1 1 0 2 | discarding
look for a lost start | 409 | v3+ | Succeeded | 1 1 0 1 | released || Succeeded | 1 1 0 1 | released
look for a lost start | 410 | v2 | Succeeded | 1 1 0 3 | released || VersionRetired | 1 1 0 2 | discarding
look for a lost start | 410 | v3+ | Succeeded | 1 1 0 1 | released || Succeeded | 1 1 0 1 | released
look for a lost start | 500 | v2 | Succeeded | 1 1 0 3 | released || ServerError | 1 1 0 + | posting
look for a lost start | 500 | v3+ | Succeeded | 1 1 0 2 | released || ServerError | 1 1 0 + | posting
look for a lost start | 503 | v2 | Succeeded | 1 1 0 3 | released || ServerError | 1 1 0 + | posting
look for a lost start | 503 | v3+ | Succeeded | 1 1 0 2 | released || ServerError | 1 1 0 + | posting
look for a lost start | 429 | v2 | Succeeded | 1 1 0 3 | released || Throttled | 1 1 0 + | posting
look for a lost start | 429 | v3+ | Succeeded | 1 1 0 2 | released || Throttled | 1 1 0 + | posting
look for a lost start | 503 with Retry-After | v2 | Succeeded | 1 1 0 3 | released || ServiceBusy | 1 1 0 3 | posting
look for a lost start | 503 with Retry-After | v3+ | Succeeded | 1 1 0 2 | released || ServiceBusy | 1 1 0 3 | posting
look for a lost start | malformed body | v2 | Succeeded | 1 1 0 3 | released || UnreadableAnswer | 1 1 0 + | posting
look for a lost start | malformed body | v3+ | Succeeded | 1 1 0 2 | released || UnreadableAnswer | 1 1 0 + | posting
look for a lost start | truncated body | v2 | Succeeded | 1 1 0 3 | released || UnreadableAnswer | 1 1 0 + | posting
look for a lost start | truncated body | v3+ | Succeeded | 1 1 0 2 | released || UnreadableAnswer | 1 1 0 + | posting
look for a lost start | wrong host in the answer | v2 | Succeeded | 1 1 0 2 | released || Succeeded | 1 1 0 2 | released
look for a lost start | wrong host in the answer | v3+ | Succeeded | 1 1 0 1 | released || Succeeded | 1 1 0 1 | released
look for a lost start | resource down | v2 | Succeeded | 1 1 0 2 | released || Unreachable | 1 1 0 0 | posting
look for a lost start | resource down | v3+ | Succeeded | 1 1 0 1 | released || Unreachable | 1 1 0 0 | posting
"""


@dataclass(frozen=True)
class Expected:
    """The outcomes of one fault in one step; ``once`` and ``always`` are written as ``fault_cells.Outcome`` writes itself."""

    step: str
    fault: str
    generations: str
    once: str
    always: str

    def is_for(self, is_v2: bool) -> bool:
        """Tell whether this is expected of v2, or of later generations."""
        return self.generations in ("all", "v2" if is_v2 else "v3+")


def expectations() -> Iterator[Expected]:
    """Yield all rows."""
    for line in ROWS.strip().splitlines():
        about, always = line.split(" || ")
        step, fault, generations, once = about.split(" | ", 3)
        yield Expected(step, fault, generations, once, always)


def expected(step: str, fault: str, *, is_v2: bool) -> Expected:
    """Return the row for a step and a fault in a generation."""
    rows = [row for row in expectations() if (row.step, row.fault) == (step, fault) and row.is_for(is_v2)]
    assert len(rows) == 1, f"{step} and {fault} have {len(rows)} rows"
    return rows[0]


LEFT = {
    "none": "nothing: the app wrote neither to the target nor to the catalog",
    "succeeded": "one verified copy; the replica is recorded and the claim is released",
    "released": "nothing in the target, or a placeholder that is reported as a suspect; the claim is released with the code",
    "authorizing": "perhaps a placeholder; the claim says so, and the next request reconciles it first",
    "posting": "a placeholder, or a copy by now; the claim names it, and the next request finds out which",
    "copying": "the copy that the service is making; the claim keeps operation and id, and the next request resumes it",
    "verifying": "the copy, not verified yet; the claim names it, and the next request verifies it",
    "discarding": "a placeholder; the claim names it, and the next request removes it",
}

REMEDIES = {
    Remedy.WAIT: "waits and retries",
    Remedy.FRESH: "retries with a new authorization, twice at most",
    Remedy.END: "ends",
}

SPECIAL = {Code.CLAIM_MOVED: "resumes from the claim", Code.ID_BLOCKED: "waits until the deadline"}
"""What ``backup.recovery`` does about a code, whatever its remedy."""

INTRODUCTION = """# What can go wrong, and what the app does

Written from two tables in the code, which tests hold: do not edit it by hand. First [the codes](#the-codes), then each step of a copy with
each [fault](#how-to-read-the-steps), as the tests of `tests/protocol` check them against the simulated service.

## The codes

A copy or a run ends with a code, or waits with one. "none" under "what to do": the app does it.
"""

READING = """
## How to read the steps

The source is the same after every failure: a copy only reads it. The app never starts a copy twice with one authorization, unless the
service refused the first start (401, 403, 429, 503 with Retry-After, or no connection).

A row says what happens if the fault strikes once, and what if it repeats: the outcome, and how many calls the app makes until then to
authorize, to start and to delete, and calls of the step's own operation. `4+` stands for more than three. If the service names a time to
wait, the app makes no call before it. The last column says what a repeated fault leaves. When the fault is over, a new request makes the
copy.
"""


def page() -> str:
    """Return docs/failures.md as it should be."""
    parts = [INTRODUCTION, "| code | what it means | what to do | what the app does |\n|---|---|---|---|"]
    parts += [
        f"| `{code}` | {meaning.means} | {meaning.advice} | {SPECIAL.get(code) or REMEDIES[meaning.remedy]} |"
        for code, meaning in MEANINGS.items()
    ]
    parts.append(READING)
    rows = list(expectations())
    for step in dict.fromkeys(row.step for row in rows):
        parts += [f"\n## {step[0].upper()}{step[1:]}\n", _HEAD]
        parts += [_line(row) for row in rows if row.step == step]
    return "\n".join(parts) + "\n"


_COUNTED = "authorize | start | delete | this step"
_HEAD = f"| fault | versions | once | {_COUNTED} | repeated | {_COUNTED} | what is left |\n|{'---|' * 13}"


def _line(row: Expected) -> str:
    once, always = row.once.split(" | "), row.always.split(" | ")
    left = LEFT["succeeded" if always[0] == "Succeeded" else always[2]]
    generations = {"all": "all", "v2": "v2", "v3+": "v3, v4"}[row.generations]
    cells = [row.fault, generations, _code(once[0]), *_counts(once[1]), _code(always[0]), *_counts(always[1]), left]
    return f"| {' | '.join(cells)} |"


def _counts(calls: str) -> list[str]:
    return calls.replace("+", "4+").split()


def _code(code: str) -> str:
    return "succeeds" if code == "Succeeded" else f"`{code}`"


if __name__ == "__main__":
    sys.exit(0 if PAGE.write_text(page(), encoding="utf-8") else 1)
